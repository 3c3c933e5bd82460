//! Rules, as one text or one identity has them.

use std::fmt;

use crate::base::stdx::go_literal;
use crate::base::stdx::text::Text;
use crate::base::stdx::text_position::TextPosition;
use crate::core::acl::resource::{Disposition, Matching, Resource};

/// How much somebody has of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Of which kind.
    pub resource: Resource,
    /// Which of its kind.
    pub matching: Matching,
    /// Its name, or how it begins; case counts. Empty where there is but one.
    pub segment: Text,
    /// How much.
    pub disposition: Disposition,
}

impl AccessRule {
    /// One about something that has a name.
    pub fn of(resource: Resource, matching: Matching, segment: &str, disposition: Disposition) -> AccessRule {
        AccessRule { resource, matching, segment: Text::from(segment), disposition }
    }
}

impl fmt::Display for AccessRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_rule(formatter, self.resource, self.matching, &self.segment, self.disposition)
    }
}

/// Writes a rule as it would stand in a text.
pub(super) fn write_rule(
    out: &mut impl fmt::Write,
    resource: Resource,
    matching: Matching,
    segment: &str,
    disposition: Disposition,
) -> fmt::Result {
    let (word, key) = match resource {
        Resource::Intention => (Resource::Service.name(), "intentions"),
        _ => (resource.name(), "policy"),
    };
    let given = disposition.word();
    match matching {
        Matching::Sole => write!(out, "{word} = \"{given}\""),
        _ => write!(out, "{word}{} {} {{ {key} = \"{given}\" }}", matching.suffix(), quoted(segment)),
    }
}

/// A text in quotes, as HCL 1 reads it: within them a `${` would begin something else.
pub fn quoted(text: &str) -> String {
    go_literal::quote(text).replace("${", "\\x24{")
}

/// The rules of one policy or identity.
///
/// What one segment has may stand there several times; of what there is but one, only once. A service whose intentions
/// no rule names has those that follow from its own rule, see [`Authorizer`](crate::core::acl::authorizer::Authorizer).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The rules, in the order in which they were written.
    pub rules: Vec<AccessRule>,
    /// The first places of a text that say something which has no effect: a word that is not known, or a block that
    /// names nothing. Most are slips of whoever wrote it.
    pub ineffective: Vec<TextPosition>,
}

impl From<Vec<AccessRule>> for Rules {
    fn from(rules: Vec<AccessRule>) -> Rules {
        Rules { rules, ineffective: Vec::new() }
    }
}
