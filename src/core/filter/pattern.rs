//! The pattern of a `matches`: a regular expression that is compiled when it is first tried, and costs what it costs.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

use crate::base::stdx::meter::Meter;
use crate::core::filter::error::FilterError;
use crate::core::filter::{PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX};

/// Longest pattern in bytes that may be cheap.
const CHEAP_BYTES_MAX: usize = 64;

/// Classes and repetitions that a cheap pattern may have. `\w` alone compiles to some 10 kB.
const CHEAP_PARTS_MAX: usize = 4;

/// Units that trying a costly pattern spends: more than anybody has who has other work to do, and nothing to who has
/// not. A millisecond each, as far as can be foreseen.
const COSTLY_UNITS: u64 = 1 << 20;

/// Bytes of text that a cheap pattern reads in a unit.
const BYTES_OF_UNIT: usize = 256;

/// A regular expression as it was written, and, once it was tried, compiled.
#[derive(Debug)]
pub(super) struct Pattern {
    text: Box<str>,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) fn new(text: String) -> Pattern {
        Pattern { text: text.into(), compiled: OnceLock::new() }
    }

    /// Whether it may take more than some ten microseconds to compile, or to try on a short text.
    pub(super) fn is_costly(&self) -> bool {
        let parts =
            self.text.bytes().filter(|byte| matches!(byte, b'\\' | b'[' | b'*' | b'+' | b'?')).count();
        self.text.len() > CHEAP_BYTES_MAX || self.text.contains('{') || parts > CHEAP_PARTS_MAX
    }

    /// Whether `text` has a match. Linear in the text; once the meter is exhausted, `false`.
    pub(super) fn is_match(&self, text: &str, meter: &Meter<'_>) -> bool {
        let units = if self.is_costly() { COSTLY_UNITS } else { 1 + (text.len() / BYTES_OF_UNIT) as u64 };
        if !meter.spend(units) {
            return false;
        }
        let compiled = self.compiled.get_or_init(|| self.compile().ok());
        compiled.as_ref().is_some_and(|compiled| compiled.is_match(text))
    }

    /// Compiles it.
    ///
    /// # Errors
    /// When it is no regular expression, or passes [`PATTERN_BYTES_MAX`] or [`PATTERN_DEPTH_MAX`].
    pub(super) fn compile(&self) -> Result<Regex, FilterError> {
        let compiled = RegexBuilder::new(&self.text)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .nest_limit(PATTERN_DEPTH_MAX)
            .build();
        let pattern = || self.text.clone().into_string();
        compiled.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => FilterError::PatternTooBig { pattern: pattern() },
            error => FilterError::WrongPattern { pattern: pattern(), reason: summary(&error) },
        })
    }
}

/// The compiler of patterns explains itself with a drawing of several lines; the last one says it in words.
fn summary(error: &regex::Error) -> String {
    let drawing = error.to_string();
    let last_line = drawing.lines().last().unwrap_or_default();
    last_line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_cheap_and_what_multiplies_is_not() {
        let rows = [
            ("^web-", false),
            ("^(a|b)$", false),
            (r"v\d+", false),
            ("prod.*", false),
            (r"\w\w\w\w\w", true),
            ("(?:[ab]?){700}", true),
            ("a{2}", true),
        ];
        for (text, is_costly) in rows {
            assert_eq!(Pattern::new(text.to_owned()).is_costly(), is_costly, "{text}");
        }
        assert!(!Pattern::new("x".repeat(64)).is_costly() && Pattern::new("x".repeat(65)).is_costly());
    }

    #[test]
    fn a_costly_pattern_is_not_tried_by_who_has_little_time() {
        let always = || true;
        let (little, much) = (Meter::new(1 << 16, 0, &always), Meter::boundless());
        let pattern = Pattern::new("a{2}".to_owned());
        assert!(!pattern.is_match("aa", &little) && little.is_exhausted());
        assert!(pattern.compiled.get().is_none(), "nor is it compiled");
        assert!(pattern.is_match("aa", &much));
    }
}
