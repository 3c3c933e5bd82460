//! The rules of what may be kept, whatever door it comes by: a body, a definition file, a snapshot, a server's rows.
//!
//! Each file has those of one kind of value, as functions that refuse. `check_new` is for what comes anew, `check_held`
//! for what was acknowledged before there were further rules, so that nothing gets in by one door that another refuses
//! and nothing that was taken is ever lost. Start reading at [`services`].
//!
//! The sentences of refusals are here too, in the words that Consul's clients know where it has some. Where in a body a
//! value stood is for whoever read it; what the state forbids is `catalog`'s to refuse.

pub mod acl;
pub mod bounds;
pub mod checks;
pub mod keys;
pub mod metadata;
pub mod names;
pub mod nodes;
pub mod probes;
pub mod proxies;
pub mod requests;
pub mod services;
pub mod transitions;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::base::stdx::text::bounded;

/// The rule that something breaks, in a sentence for whoever wants it kept. That it is broken is always his fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(String);

impl Violation {
    /// A rule by its sentence, which is cut to a length that logs survive.
    pub fn new(sentence: impl Into<String>) -> Violation {
        Violation(bounded(sentence.into()))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}
