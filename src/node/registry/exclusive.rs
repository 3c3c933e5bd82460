//! What the writer does with the registry as a whole: hand out a snapshot of it, make it another, or close its store.
//!
//! Each stands between two batches, so a snapshot shows all of a batch or nothing, and a restoration is a batch of its
//! own: one atomic commit of the store, of whatever size.

use crate::base::sys::oneshot;
use crate::core::kernel::changes::Changes;
use crate::core::model::{Caller, Command, Restoration};
use crate::node::registry::commit::Committer;
use crate::node::registry::error::WriteError;
use crate::node::registry::history::HistoryEntry;
use crate::node::registry::rest::RestOrder;
use crate::node::registry::snapshot::view::SnapshotView;

/// What concerns the registry as a whole.
pub(super) enum ExclusiveOp {
    /// Hand out a snapshot.
    View(oneshot::Sender<SnapshotView>),
    /// Become another.
    Restore(Box<RestoreOrder>),
    /// Close the store, and wait for what comes of it.
    Rest(RestOrder),
}

/// What to become.
pub(super) struct RestoreOrder {
    pub restoration: Restoration,
    pub history: Vec<HistoryEntry>,
    /// Only say what would change.
    pub is_dry_run: bool,
    pub caller: Caller,
    pub reply: oneshot::Sender<Result<Restored, WriteError>>,
}

/// What a restoration changed, or would change.
#[derive(Debug)]
pub struct Restored {
    /// The registry's index after it.
    pub index: u64,
    /// The changes, each with its face before and after.
    pub changes: Changes,
}

impl ExclusiveOp {
    /// Carries it out while no batch is under way; false when the store is another process's for good.
    pub fn carry_out(self, committer: &mut Committer, now_ms: u64) -> bool {
        match self {
            ExclusiveOp::View(reply) => {
                let history = committer.history().entries();
                let (state, seal) = (committer.state(), committer.seal().clone());
                reply.send(SnapshotView::of(state, committer.index(), history, seal));
            }
            ExclusiveOp::Restore(order) => {
                let RestoreOrder { restoration, history, is_dry_run, caller, reply } = *order;
                let command = Command::Restore(Box::new(restoration));
                reply.send(match is_dry_run {
                    true => rehearse(committer, command, now_ms),
                    false => restore(committer, (command, now_ms), &history, &caller),
                });
            }
            ExclusiveOp::Rest(order) => match order.carry_out(committer) {
                Ok(goes_on) => return goes_on,
                Err(error) => committer.store_failed(&error),
            },
        }
        true
    }
}

fn rehearse(committer: &mut Committer, command: Command, now_ms: u64) -> Result<Restored, WriteError> {
    let changes = committer.decide(&committer.begin(), command, now_ms)?.applied.changes;
    committer.take_back(&changes);
    Ok(Restored { index: committer.index(), changes })
}

fn restore(
    committer: &mut Committer,
    (command, now_ms): (Command, u64),
    history: &[HistoryEntry],
    caller: &Caller,
) -> Result<Restored, WriteError> {
    let mut pending = committer.begin();
    let decision = committer.decide(&pending, command, now_ms)?;
    let graft = committer.history().graft(history);
    if decision.applied.changes.is_empty() && graft.rows.is_empty() && !decision.is_leap {
        return Ok(Restored { index: pending.index, changes: Changes::default() });
    }
    pending.keep(decision, committer.state(), caller);
    (pending.rows, pending.history) = (graft.rows, Some(graft.history));
    committer.commit(&mut pending)?;
    let (by, id) = (caller.by.as_str(), caller.request_id.as_str());
    log::info!(peer = by, request_id = id, index = pending.index, changes = pending.changes.len();
        "a snapshot was restored");
    Ok(Restored { index: pending.index, changes: pending.changes })
}
