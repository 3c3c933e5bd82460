//! What checks and people have said, cut to what a record holds.
//!
//! Every finding is cut before it is shown or written, and every row of a check as it is read, wherever it comes from:
//! no text is a reason to lose a record, or a copy of all of them.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::model::limits::{HOLD_NOTES_BYTES_MAX, SAID_BYTES_MAX};
use crate::core::model::{Check, Observation, hold};

/// Cuts a text to its first `bytes_max` bytes, or to up to three fewer where a character would be split.
pub fn cut(text: &mut Text, bytes_max: usize) {
    if text.len() > bytes_max {
        *text = text[..text.floor_char_boundary(bytes_max)].into();
    }
}

/// The finding as a record can hold it.
pub fn finding(mut observation: Observation) -> Observation {
    cut(&mut observation.output, SAID_BYTES_MAX);
    observation
}

/// The check with what is said in it as a record can hold it. Costs two comparisons where nothing is to be cut.
pub fn check(mut check: Arc<Check>) -> Arc<Check> {
    let is_long = check.output.len() > SAID_BYTES_MAX || check.notes.len() > SAID_BYTES_MAX;
    if is_long {
        let notes_bytes_max = notes_bytes_max(&check);
        let check = Arc::make_mut(&mut check);
        cut(&mut check.output, SAID_BYTES_MAX);
        cut(&mut check.notes, notes_bytes_max);
    }
    check
}

/// Bytes of a check's notes that are kept.
pub fn notes_bytes_max(check: &Check) -> usize {
    if hold::is_hold(check) { HOLD_NOTES_BYTES_MAX } else { SAID_BYTES_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Status;

    #[test]
    fn what_is_said_is_cut_at_the_bound_and_not_before() {
        let rows = [
            ("x".repeat(SAID_BYTES_MAX), SAID_BYTES_MAX),
            ("x".repeat(SAID_BYTES_MAX + 1), SAID_BYTES_MAX),
            ("x".repeat(SAID_BYTES_MAX - 1) + "ä", SAID_BYTES_MAX - 1),
            ("x".repeat(SAID_BYTES_MAX - 2) + "ä", SAID_BYTES_MAX),
        ];
        for (said, kept) in rows {
            let output = Text::from(said.as_str());
            let found = finding(Observation { status: Status::Critical, output: output.clone() });
            assert_eq!(found.output, said[..kept], "{}", said.len());
            let held = check(Check { output: output.clone(), notes: output, ..Check::default() }.into());
            assert_eq!((held.output.len(), held.notes.len()), (kept, kept));
        }
    }
}
