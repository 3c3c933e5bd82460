//! A batch under way in the writer: what it changes, and what each of its callers will hear.

use crate::base::sys::oneshot;
use crate::node::registry::commit::PendingBatch;
use crate::node::registry::error::WriteError;
use crate::node::registry::queue::{WriteReply, Written};
use crate::node::registry::write_log::WriteLogLine;

/// A batch under way: what it changes and what each caller will hear.
pub(super) struct BatchWork {
    pub pending: PendingBatch,
    pub lines: Vec<WriteLogLine>,
    pub outcomes: Vec<(Option<oneshot::Sender<WriteReply>>, WriteReply)>,
}

impl BatchWork {
    /// One with nothing in it yet.
    pub fn new(pending: PendingBatch) -> BatchWork {
        BatchWork { pending, lines: Vec::new(), outcomes: Vec::new() }
    }

    /// Tells every caller of a batch that began at `index_before` that it failed. One exception: on a disk that only
    /// lacks room, a command that changed nothing is still true, unless a change of this batch came before it.
    pub fn fail(&mut self, error: &WriteError, index_before: u64) {
        let lacks_room = matches!(error, WriteError::Full { .. });
        for (_, outcome) in &mut self.outcomes {
            let holds = |written: &Written| lacks_room && !written.changed && written.index == index_before;
            if outcome.as_ref().is_ok_and(|written| !holds(written)) {
                *outcome = Err(error.clone());
            }
        }
        self.lines.clear();
    }

    /// Tells every caller.
    pub fn answer(self) {
        for (reply, outcome) in self.outcomes {
            match (reply, outcome) {
                (Some(reply), outcome) => reply.send(outcome),
                (None, Err(WriteError::Refused(refusal))) => {
                    log::warn!("a finding of muster's own was not recorded: {refusal}");
                }
                // That the store takes no writes is said once, and what was found will be found again.
                (None, Ok(_) | Err(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::kernel::state::Outcome;

    #[test]
    fn what_changed_nothing_holds_on_a_full_disk_unless_a_change_stood_before_it() {
        let written = |index, changed| Ok(Written { index, changed, outcome: Outcome::Done });
        let holding = |error: WriteError| {
            let replies = [
                written(5, false),
                // Rows beside the registry's records.
                written(5, true),
                written(5, false),
                written(6, true),
                written(6, false),
                Err(WriteError::Closing),
            ];
            let mut work = BatchWork::new(PendingBatch::default());
            work.outcomes = replies.map(|reply| (None, reply)).into();
            work.fail(&error, 5);
            work.outcomes.iter().map(|(_, outcome)| outcome.is_ok()).collect::<Vec<_>>()
        };
        let [full, closing] = [WriteError::Full { message: "".into() }, WriteError::Closing].map(holding);
        assert_eq!(full, [true, false, true, false, false, false]);
        assert_eq!(closing, [false; 6]);
    }
}
