//! What is wrong with a configuration, told so that the reader can mend it: key, value, where, what is
//! allowed, remedy.

use std::fmt;
use std::path::PathBuf;

/// Bytes of a wrong value that are shown back. Longer ones are cut: a page of base64 helps nobody.
const SHOWN_BYTES_MAX: usize = 120;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// A file, as it was named.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => write!(formatter, "default"),
            Origin::File(path) => write!(formatter, "{}", path.display()),
            Origin::Environment(name) => write!(formatter, "environment {name}"),
            Origin::Flag(name) => write!(formatter, "flag --{name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as its key in the file; the place in the file where there is no key.
    pub key: String,
    /// What was written; empty if nothing could be read.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong with it.
    pub complaint: String,
    /// What would have been accepted.
    pub allowed: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.key)?;
        if !self.value.is_empty() {
            write!(formatter, " = {:?}", shortened(&self.value))?;
        }
        write!(formatter, " ({}): {}", self.origin, self.complaint)?;
        write!(formatter, "; allowed: {}; {}", self.allowed, self.remedy)
    }
}

fn shortened(value: &str) -> String {
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
        let count = self.0.len();
        write!(formatter, "the configuration has {count} problem{}:", if count == 1 { "" } else { "s" })?;
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
            value: "x".repeat(SHOWN_BYTES_MAX + 1),
            origin: Origin::Flag("limits-idle-timeout".into()),
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
}
