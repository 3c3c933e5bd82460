//! Where a parse went wrong and what would have been right there. Knows the text, not the grammar.
//!
//! A parser that tries alternatives fails many times before it succeeds or gives up. What helps the reader is
//! the failure that got furthest: up to there, some reading of the text made sense.

use std::collections::BTreeSet;

use crate::base::stdx::go_literal::quote;
use crate::core::filter::error::FilterFault;

/// Most faults of one text that are reported. A text can have hundreds; nobody reads on after a few.
const FAULTS_MAX: usize = 16;

/// Something that could have stood at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expected {
    /// This word or sign.
    Literal(&'static str),
    /// A character of this class, written as in a regular expression.
    Class(&'static str),
    /// The end of the text.
    End,
}

/// What a parser learns from its failures.
#[derive(Debug, Default)]
pub(super) struct Failures {
    furthest_offset: usize,
    /// All that was looked for at `furthest_offset` and not found there.
    expected: BTreeSet<Expected>,
    /// Places that no other reading can make right, in the order in which they were met.
    faults: Vec<FilterFault>,
}

impl Failures {
    /// Notes that `expected` was looked for at `offset` in vain.
    pub(super) fn note(&mut self, offset: usize, expected: Expected) {
        if offset > self.furthest_offset {
            self.furthest_offset = offset;
            self.expected.clear();
        }
        if offset == self.furthest_offset {
            self.expected.insert(expected);
        }
    }

    /// Notes a fault that stays one whichever way the text is read. The same fault met again counts
    /// once, and those beyond [`FAULTS_MAX`] do not count.
    pub(super) fn fault(&mut self, text: &str, offset: usize, message: &str) {
        if self.faults.len() == FAULTS_MAX {
            return;
        }
        let fault = locate(text, offset, message.to_owned());
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Whether the text cannot be right.
    pub(super) fn has_fault(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The faults; without any, the furthest failure.
    pub(super) fn into_faults(self, text: &str) -> Vec<FilterFault> {
        if self.has_fault() {
            return self.faults;
        }
        let message = format!("no match found, expected: {}", list(&self.expected));
        vec![locate(text, self.furthest_offset, message)]
    }
}

/// `A, B or C`, sorted as written, the end of the text last.
fn list(expected: &BTreeSet<Expected>) -> String {
    let mut items: Vec<String> = expected
        .iter()
        .filter_map(|expected| match expected {
            Expected::Literal(literal) => Some(quote(literal)),
            Expected::Class(class) => Some((*class).to_owned()),
            Expected::End => None,
        })
        .collect();
    items.sort_unstable();
    if expected.contains(&Expected::End) {
        items.push("EOF".to_owned());
    }
    match items.as_slice() {
        [several @ .., last] if !several.is_empty() => format!("{} or {last}", several.join(", ")),
        _ => items.concat(),
    }
}

/// Lines count from 1, and so do characters in a line; a line break counts as character 0 of the line it
/// begins.
fn locate(text: &str, offset: usize, message: String) -> FilterFault {
    let (mut line, mut column) = (1, 0);
    let place = text[offset..].chars().next();
    for character in text[..offset].chars().chain([place.unwrap_or(' ')]) {
        column += 1;
        if character == '\n' {
            line += 1;
            column = 0;
        }
    }
    FilterFault { line, column, offset, message }
}
