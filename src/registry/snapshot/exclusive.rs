//! What the writer does with the registry as a whole: hand out a picture of it, or make it another.
//!
//! Each stands between two batches, so a picture shows all of a batch or nothing, and a restoration is a batch of its
//! own: one atomic commit of the store, of whatever size.

use crate::catalog::state::Moment;
use crate::kernel::changes::Changes;
use crate::model::{Caller, Command, Restoration};
use crate::persist::change::RowChange;
use crate::registry::error::WriteError;
use crate::registry::history::HistoryEntry;
use crate::registry::publish::Remembered;
use crate::registry::rest::RestOrder;
use crate::registry::rows;
use crate::registry::snapshot::view::SnapshotView;
use crate::registry::write::{WriteQueue, WriteStats, Writer, WriterTask, next_index};
use crate::registry::write_log::transitions_for;
use crate::sys::oneshot;

/// An order that concerns the registry as a whole.
pub(in crate::registry) enum ExclusiveOp {
    /// Hand out a picture.
    Picture(oneshot::Sender<SnapshotView>),
    /// Become another.
    Restore(Box<RestoreOrder>),
    /// Close the store, and wait for what comes of it.
    Rest(RestOrder),
}

/// What to become.
pub(in crate::registry) struct RestoreOrder {
    restoration: Restoration,
    history: Vec<HistoryEntry>,
    /// Only say what would change.
    is_dry_run: bool,
    caller: Caller,
    reply: oneshot::Sender<Result<Restored, WriteError>>,
}

/// What a restoration changed, or would change.
#[derive(Debug)]
pub struct Restored {
    /// The registry's index after it.
    pub index: u64,
    /// The changes, each with its face before and after.
    pub changes: Changes,
}

impl WriteQueue {
    /// A picture of the registry after everything that is acknowledged now.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn picture(&self) -> Result<SnapshotView, WriteError> {
        let (sender, receiver) = oneshot::oneshot();
        self.put(WriterTask::Whole(ExclusiveOp::Picture(sender)))?;
        receiver.recv().map_err(|_| WriteError::Closing)
    }

    /// Has the registry hold `restoration` and nothing else, all at once, with the transitions of `history` among those
    /// it remembers; or only works out what that would change.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing was changed then.
    pub fn restore(
        &self,
        restoration: Restoration,
        history: Vec<HistoryEntry>,
        is_dry_run: bool,
        caller: Caller,
    ) -> Result<Restored, WriteError> {
        let (reply, receiver) = oneshot::oneshot();
        let order = RestoreOrder { restoration, history, is_dry_run, caller, reply };
        self.put(WriterTask::Whole(ExclusiveOp::Restore(Box::new(order))))?;
        receiver.recv().unwrap_or_else(|_lost| Err(WriteError::unanswered()))
    }
}

impl Writer {
    /// Carries out an order while no batch is under way.
    pub(in crate::registry) fn carry_out(&mut self, order: ExclusiveOp, now_ms: u64, stats: &WriteStats) {
        match order {
            ExclusiveOp::Picture(reply) => {
                reply.send(SnapshotView::of(&self.state, self.index, self.publisher.history().entries()));
            }
            ExclusiveOp::Restore(order) => {
                let RestoreOrder { restoration, history, is_dry_run, caller, reply } = *order;
                let command = Command::Restore(Box::new(restoration));
                let restored = match is_dry_run {
                    true => self.rehearse(&command, now_ms),
                    false => self.restore((&command, now_ms), &history, &caller, stats),
                };
                reply.send(restored);
            }
            ExclusiveOp::Rest(order) => match self.rest(order) {
                Ok(goes_on) => self.has_given_up = !goes_on,
                Err(error) => stats.standing.failed(&error),
            },
        }
    }

    fn rehearse(&mut self, command: &Command, now_ms: u64) -> Result<Restored, WriteError> {
        let moment = self.moment_of(command, now_ms)?;
        let changes = self.state.apply(moment, command).map_err(WriteError::Refused)?.changes;
        self.state.undo(&changes);
        Ok(Restored { index: self.index, changes })
    }

    fn restore(
        &mut self,
        (command, now_ms): (&Command, u64),
        history: &[HistoryEntry],
        caller: &Caller,
        stats: &WriteStats,
    ) -> Result<Restored, WriteError> {
        let (moment, index_before) = (self.moment_of(command, now_ms)?, self.index);
        let changes = self.state.apply(moment, command).map_err(WriteError::Refused)?.changes;
        let graft = self.publisher.history().graft(history);
        let is_later = moment.index > index_before + 1;
        if changes.is_empty() && graft.rows.is_empty() && !is_later {
            return Ok(Restored { index: index_before, changes });
        }
        let transitions = transitions_for(caller, &self.state.catalog, moment, command, &changes.catalog);
        let entries = graft.history.place(transitions);
        let rows: Vec<RowChange> =
            rows::of(&changes).chain(graft.rows).chain(rows::of_history(&graft.history, &entries)).collect();
        self.index = moment.index;
        if let Err(error) = self.make_durable(rows, stats) {
            self.state.undo(&changes);
            self.index = index_before;
            return Err(WriteError::from(&error));
        }
        // Clients of the registry that the snapshot is of have seen indexes up to its own.
        let history = Some(graft.history);
        self.publish(&changes, Remembered { transitions: entries, history, raises_floor: is_later });
        let (by, id) = (caller.by.as_str(), caller.request_id.as_str());
        log::info!(peer = by, request_id = id, index = self.index, changes = changes.len();
            "a snapshot was restored");
        Ok(Restored { index: self.index, changes })
    }

    /// A restoration's index is above the present one and above that of the snapshot.
    fn moment_of(&self, command: &Command, now_ms: u64) -> Result<Moment, WriteError> {
        let of_snapshot = match command {
            Command::Restore(restoration) => restoration.index,
            _ => 0,
        };
        Ok(Moment { index: next_index(self.index.max(of_snapshot))?, now_ms })
    }
}
