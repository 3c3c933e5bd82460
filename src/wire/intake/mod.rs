//! What bodies mean: from what a client says to a complete command, or a sentence that says what is wrong
//! with it.
//!
//! Owns defaults, bounds and the texts of every refusal that needs no look at the state; what the state
//! forbids is `catalog`'s to refuse. Values that need a clock or an index stay zero here.

pub mod service;
pub mod check;
pub mod catalog;
pub mod definition;
pub mod record;
pub mod names;
pub mod key;
mod criticality;
mod damping;
mod probe;
mod proxy;
mod request;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::stdx::text::Text;
use crate::wire::decode::{DecodeError, bounded};

pub use catalog::{catalog_deregistration, catalog_registration};
pub use check::{check_registration, check_update};
pub use criticality::META_KEY as CRITICALITY_META_KEY;
pub use probe::Scripts;
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
    Rejected(String),
}

impl Invalid {
    /// A refusal with its sentence, cut to a length that logs survive.
    fn rejected(sentence: impl Into<String>) -> Invalid {
        Invalid::Rejected(bounded(sentence.into()))
    }
}

impl From<DecodeError> for Invalid {
    fn from(error: DecodeError) -> Self {
        Invalid::Unreadable(error)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Unreadable(error) => write!(formatter, "Request decode failed: {error}"),
            Invalid::Rejected(sentence) => formatter.write_str(sentence),
        }
    }
}

impl std::error::Error for Invalid {}
