//! `muster compare`: in which fields two catalogs differ.

use crate::base::stdx::counted::counted;
use crate::base::stdx::redact;
use crate::cli::catalog;
use crate::cli::client::Terms;
use crate::cli::command::{CommandOutput, Exit};
use crate::cli::remote::Remote;

/// Differences that are written out; the rest is counted.
const SHOWN_MAX: usize = 1_000;

/// Reads both and lists in what they differ.
pub fn run(one: &str, other: &str, terms: &Terms) -> CommandOutput {
    let (left, right) = (Remote::new(one, terms)?, Remote::new(other, terms)?);
    let (first, second) = (catalog::read(&left)?, catalog::read(&right)?);
    let found = catalog::differences(&first, &second);
    let (nodes, services, checks) = first.counts();
    if found.is_empty() {
        return Ok(format!(
            "no difference: {}, {}, {}, {} on both",
            counted(nodes, "node"),
            counted(services, "instance"),
            counted(checks, "check"),
            counted(first.pairs.len(), "key")
        ));
    }
    let mut text = String::new();
    for difference in found.iter().take(SHOWN_MAX) {
        text += &format!("{} | {} | {}\n", difference.place, difference.one, difference.other);
    }
    let more = if found.len() > SHOWN_MAX {
        format!(", the first {SHOWN_MAX} of them above")
    } else {
        String::new()
    };
    text += &format!(
        "{} between {} and {}{more}",
        counted(found.len(), "difference"),
        redact::url(one),
        redact::url(other)
    );
    Err((Exit::Failure, text))
}
