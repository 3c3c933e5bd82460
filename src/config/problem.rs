//! What is wrong with a configuration, told so that the reader can mend it: key, value, where, what is
//! allowed, remedy.

use std::fmt;
use std::path::PathBuf;

use crate::base::stdx::counted::counted;
use crate::base::stdx::redact::{self, REDACTED};
use crate::base::stdx::text_position::TextPosition;
use crate::config::settings::{Fallback, Setting};

/// Bytes of a wrong value that are shown back. Longer ones are cut: a page of base64 helps nobody.
const SHOWN_BYTES_MAX: usize = 120;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// Nowhere: it is the default.
    Default,
    /// A file, as it was named.
    File(PathBuf),
    /// A position in a file.
    FileAt(PathBuf, TextPosition),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for SettingSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingSource::Default => write!(formatter, "default"),
            SettingSource::File(path) => write!(formatter, "{}", path.display()),
            SettingSource::FileAt(path, TextPosition { line, column }) => {
                write!(formatter, "{}:{line}:{column}", path.display())
            }
            SettingSource::Environment(name) => write!(formatter, "environment {name}"),
            SettingSource::Flag(name) => write!(formatter, "flag --{name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as its key in the file; the place in the file where there is no key.
    pub key: String,
    /// What was written, as it is shown: see [`quoted`] and [`shortened`]. Empty if nothing could be read.
    pub value: String,
    /// Where it was written.
    pub origin: SettingSource,
    /// What is wrong with it.
    pub complaint: String,
    /// What would have been accepted; empty where the complaint says it.
    pub allowed: String,
    /// What to do; empty where the complaint says it.
    pub remedy: String,
}

impl Problem {
    /// What was written, without what may be a key: where a secret is kept is none.
    fn value_shown(&self) -> String {
        let name = self.key.rsplit('.').next().unwrap_or_default();
        let is_path = name.ends_with("_file") || name.ends_with("_env");
        if redact::is_secret_name(name) && !is_path {
            return format!("{REDACTED:?}");
        }
        redact::in_text(&self.value)
    }
}

impl Problem {
    /// A value that a setting does not take.
    pub(in crate::config) fn of(
        setting: &Setting,
        value: &str,
        origin: &SettingSource,
        complaint: String,
    ) -> Problem {
        let remedy = match setting.fallback {
            Fallback::Text(text) => format!("write for example `{text}`"),
            Fallback::Derived(_) => format!("set {} to such a value", setting.key),
        };
        let shown = if setting.kind.is_confidential() { "(hidden)" } else { value };
        Problem {
            key: setting.key.to_owned(),
            value: quoted(shown),
            origin: origin.clone(),
            complaint,
            allowed: setting.kind.allowed(),
            remedy,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.key)?;
        if !self.value.is_empty() {
            write!(formatter, " = {}", self.value_shown())?;
        }
        write!(formatter, " ({}): {}", self.origin, redact::in_text(&self.complaint))?;
        if !self.allowed.is_empty() {
            write!(formatter, "; allowed: {}", self.allowed)?;
        }
        if self.remedy.is_empty() { Ok(()) } else { write!(formatter, "; {}", self.remedy) }
    }
}

/// A text as it is shown as a value: in quotes, and on one line.
pub fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// Any value as it is shown: as the language of its file has it, cut where it is long.
pub fn shortened(value: &str) -> String {
    if value.len() <= SHOWN_BYTES_MAX {
        return value.to_owned();
    }
    let end = (0..=SHOWN_BYTES_MAX).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} bytes)", &value[..end], value.len())
}

/// Everything that is wrong with one configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the configuration has {}:", counted(self.0.len(), "problem"))?;
        self.0.iter().try_for_each(|problem| write!(formatter, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_one_line_with_everything_in_it() {
        let problem = Problem {
            key: "limits.idle_timeout".into(),
            value: quoted(&"x".repeat(SHOWN_BYTES_MAX + 1)),
            origin: SettingSource::Flag("limits-idle-timeout".into()),
            complaint: "it is no duration".into(),
            allowed: "a duration".into(),
            remedy: "write for example 75s".into(),
        };
        let shown = Problems(vec![problem]).to_string();
        assert!(
            shown.starts_with("the configuration has 1 problem:\n  limits.idle_timeout = \"xxx"),
            "{shown}"
        );
        let tail =
            "(flag --limits-idle-timeout): it is no duration; allowed: a duration; write for example 75s";
        assert!(shown.ends_with(&format!("x… (121 bytes)\" {tail}")), "{shown}");
    }

    #[test]
    fn a_problem_shows_no_key() {
        let rows = [
            ("redis_password", "k", "(redacted)"),
            ("acl.tokens.agent", "k", "k"),
            ("acl.agent_token", "k", "(redacted)"),
            ("webhooks[1].secret_env", "NAME", "NAME"),
            ("http_addr", "http://u:p@h", "http://(redacted)@h"),
        ];
        for (key, value, expected) in rows {
            let problem = Problem {
                key: key.into(),
                value: quoted(value),
                origin: SettingSource::Default,
                complaint: String::new(),
                allowed: String::new(),
                remedy: String::new(),
            };
            assert_eq!(problem.to_string(), format!("{key} = {expected:?} (default): "));
        }
    }
}
