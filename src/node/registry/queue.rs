//! The queue of the writer: commands in, in order, and what became of each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::base::sys::clock::Clock;
use crate::base::sys::oneshot;
use crate::base::sys::supervision::{self, WAIT_MAX};
use crate::core::kernel::state::Outcome;
use crate::core::model::{Caller, Command, Restoration};
use crate::node::registry::error::WriteError;
use crate::node::registry::exclusive::{ExclusiveOp, RestoreOrder, Restored};
use crate::node::registry::history::HistoryEntry;
use crate::node::registry::rest::{RestOrder, Resting};
use crate::node::registry::snapshot::view::SnapshotView;
use crate::node::registry::write_stats::WriteStats;
use crate::store::change::RowChange;

/// Writes that may wait for the writer, unless the connections are so few that these would take most of them. At 100
/// bytes each the queue itself is small; the bound keeps a stalled disk from piling up requests nobody waits for any
/// more.
pub const WAITING_MAX: usize = 8_192;

/// How often the writer tries a full disk again when nobody writes, so that its recovery shows by itself. One that was
/// not full it looks at each [`WAIT_MAX`].
const ROOM_SOUGHT_EVERY: Duration = Duration::from_secs(1);

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The registry's index after the command.
    pub index: u64,
    /// Whether it changed anything.
    pub changed: bool,
    /// What it came to besides.
    pub outcome: Outcome,
}

/// What the caller hears.
pub type WriteReply = Result<Written, WriteError>;

/// What the writer is asked for.
pub(super) enum WriterTask {
    /// A change of the registry's state, and who asks for it; the part of muster whose finding it is, if nobody.
    Command(Command, Option<Caller>),
    /// Rows beside the registry's records. They have no index and no reader.
    Rows(Vec<RowChange>),
    /// Something about the registry as a whole, between two batches.
    Exclusive(ExclusiveOp),
}

/// A task, and where its reply goes if anybody waits for it.
pub(super) struct QueuedTask {
    pub task: WriterTask,
    pub reply: Option<oneshot::Sender<WriteReply>>,
}

/// Where callers put their commands.
#[derive(Clone)]
pub struct WriteQueue {
    tasks: SyncSender<QueuedTask>,
    waiting_max: usize,
    stats: Arc<WriteStats>,
}

impl WriteQueue {
    /// Has a command carried out and waits for the outcome.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing was changed then, as far as readers see.
    pub fn write(&self, command: Command) -> WriteReply {
        self.wait_for(WriterTask::Command(command, None))
    }

    /// As [`WriteQueue::write`], for somebody.
    ///
    /// # Errors
    /// As [`WriteQueue::write`].
    pub fn write_for(&self, caller: Caller, command: Command) -> WriteReply {
        self.wait_for(WriterTask::Command(command, Some(caller)))
    }

    /// Has rows beside the registry's records made durable, and waits for it.
    ///
    /// # Errors
    /// See [`WriteError`]; none of them was written then.
    pub(super) fn write_rows(&self, rows: Vec<RowChange>) -> Result<(), WriteError> {
        if rows.is_empty() { Ok(()) } else { self.wait_for(WriterTask::Rows(rows)).map(|_| ()) }
    }

    /// Waits until everything that was handed in before is published, and every follower has heard of it.
    ///
    /// # Errors
    /// When the queue is full or closed, or the store has failed.
    pub(super) fn catch_up(&self) -> Result<(), WriteError> {
        self.wait_for(WriterTask::Rows(Vec::new())).map(|_| ())
    }

    /// Has a command carried out some time, without waiting. For muster's own findings: what is lost here is
    /// found again by the next probe.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn post(&self, command: Command) -> Result<(), WriteError> {
        self.push(WriterTask::Command(command, None))
    }

    /// A snapshot of the registry after everything that is acknowledged now.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn snapshot(&self) -> Result<SnapshotView, WriteError> {
        let (sender, receiver) = oneshot::oneshot();
        self.push(WriterTask::Exclusive(ExclusiveOp::View(sender)))?;
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
        self.push(WriterTask::Exclusive(ExclusiveOp::Restore(Box::new(order))))?;
        receiver.recv().unwrap_or_else(|_lost| Err(WriteError::unanswered()))
    }

    /// Has the store closed once everything before is written; returns when it is.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn rest(&self) -> Result<Resting, WriteError> {
        let (order, is_closed, resting) = RestOrder::channel();
        self.push(WriterTask::Exclusive(ExclusiveOp::Rest(order)))?;
        is_closed.recv().map_err(|_| WriteError::Closing)?;
        Ok(resting)
    }

    /// How many more writes may wait.
    pub(super) fn room(&self) -> usize {
        self.waiting_max.saturating_sub(self.stats.waiting.load(Ordering::Relaxed))
    }

    /// The writer's counters.
    pub fn stats(&self) -> &Arc<WriteStats> {
        &self.stats
    }

    /// Hands in a command without waiting; the outcome comes by the channel when its batch is done.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn submit(&self, command: Command) -> Result<oneshot::Receiver<WriteReply>, WriteError> {
        self.enqueue(WriterTask::Command(command, None))
    }

    /// Hands in rows beside the registry's records, like [`WriteQueue::submit`].
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn submit_rows(&self, rows: Vec<RowChange>) -> Result<oneshot::Receiver<WriteReply>, WriteError> {
        self.enqueue(WriterTask::Rows(rows))
    }

    fn wait_for(&self, task: WriterTask) -> WriteReply {
        self.enqueue(task)?.recv().unwrap_or_else(|_lost| Err(WriteError::unanswered()))
    }

    fn enqueue(&self, task: WriterTask) -> Result<oneshot::Receiver<WriteReply>, WriteError> {
        let (sender, receiver) = oneshot::oneshot();
        self.push_queued(QueuedTask { task, reply: Some(sender) })?;
        Ok(receiver)
    }

    /// Hands in a task that replies by itself, if at all.
    fn push(&self, task: WriterTask) -> Result<(), WriteError> {
        self.push_queued(QueuedTask { task, reply: None })
    }

    fn push_queued(&self, task: QueuedTask) -> Result<(), WriteError> {
        self.stats.waiting.fetch_add(1, Ordering::Relaxed);
        self.tasks.try_send(task).map_err(|error| {
            self.stats.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => WriteError::Busy { waiting_max: self.waiting_max },
                TrySendError::Disconnected(_) => WriteError::Closing,
            }
        })
    }
}

/// A queue in which `waiting_max` writes may wait, and the end the writer takes from.
pub fn queue(waiting_max: usize) -> (WriteQueue, TaskReceiver) {
    let (tasks, receiver) = sync_channel(waiting_max);
    let stats = Arc::new(WriteStats::default());
    (WriteQueue { tasks, waiting_max, stats: stats.clone() }, TaskReceiver { receiver, stats })
}

/// The writer's end of the queue.
pub struct TaskReceiver {
    receiver: Receiver<QueuedTask>,
    stats: Arc<WriteStats>,
}

impl TaskReceiver {
    /// The writer's counters.
    pub(super) fn stats(&self) -> &Arc<WriteStats> {
        &self.stats
    }

    /// The next task; `Timeout` when it is time to look whether there is room.
    pub(super) fn next(&self) -> Result<QueuedTask, RecvTimeoutError> {
        let wait = if self.stats.store_state.is_full() { ROOM_SOUGHT_EVERY } else { WAIT_MAX };
        supervision::waiting(|| self.receiver.recv_timeout(wait))
    }

    /// A task that waits already.
    pub(super) fn waiting(&self) -> Option<QueuedTask> {
        self.receiver.try_recv().ok()
    }

    /// A task that comes by `until`.
    pub(super) fn next_until(&self, until: Instant) -> Option<QueuedTask> {
        self.receiver.recv_timeout(until.saturating_duration_since(Clock.now())).ok()
    }
}
