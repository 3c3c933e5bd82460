//! What bodies mean: from what a client says to a complete command, or a sentence that says what is wrong
//! with it.
//!
//! Owns defaults, and the refusals of what a body says and no record could hold. What a record may be is for
//! [`crate::core::model::validate`] to refuse, and what the state forbids for `catalog`. Values that need a clock or an
//! index stay zero here.

pub mod acl;
pub mod service;
pub mod check;
pub mod catalog;
pub mod definition;
mod damping;
mod probe;
mod proxy;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::base::stdx::text::Text;
use crate::core::model::validate::Violation;
use crate::wire::decode::DecodeError;

pub use catalog::{catalog_deregistration, catalog_registration};
pub use check::{check_registration, check_update};
pub use service::service_registration;

/// The node that the agent's API registers things on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentNode {
    /// Its name.
    pub name: Text,
    /// The datacenter it is in.
    pub datacenter: Text,
}

impl AgentNode {
    /// One of which nothing is known, for bodies that are only to be looked at.
    pub fn unknown() -> AgentNode {
        AgentNode { name: Text::default(), datacenter: Text::default() }
    }
}

/// Why a body becomes no command. The client is at fault, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is no JSON, or its parts have the wrong types.
    Unreadable(DecodeError),
    /// It asks for something that is not allowed; the sentence says what.
    Rejected(Violation),
}

impl Invalid {
    /// A refusal with its sentence.
    fn rejected(sentence: impl Into<String>) -> Invalid {
        Violation::new(sentence).into()
    }
}

impl From<DecodeError> for Invalid {
    fn from(error: DecodeError) -> Self {
        Invalid::Unreadable(error)
    }
}

impl From<Violation> for Invalid {
    fn from(violation: Violation) -> Self {
        Invalid::Rejected(violation)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Unreadable(error) => write!(formatter, "Request decode failed: {error}"),
            Invalid::Rejected(violation) => violation.fmt(formatter),
        }
    }
}

impl std::error::Error for Invalid {}
