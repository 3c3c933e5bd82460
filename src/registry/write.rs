//! The one write path: commands in, in order; durable; applied; answered.
//!
//! One thread owns the state and the store. It takes whatever is waiting as one batch, applies the commands
//! to the state (which no reader sees), has the store make the resulting rows durable in one go, publishes
//! them to the views, and only then answers the callers. If the store fails, the batch is undone and every
//! caller is told. So a crowd of writers shares one sync to disk, and a single one waits for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::catalog::change::CatalogChange;
use crate::catalog::state::Moment;
use crate::kernel::changes::Changes;
use crate::kernel::state::{Applied, Outcome, State};
use crate::model::limits::INDEX_MAX;
use crate::model::{Caller, Command, PairWrite};
use crate::persist::change::{Batch, RowChange};
use crate::persist::error::StoreError;
use crate::persist::store::Store;
use crate::registry::batch::BatchWork;
use crate::registry::error::WriteError;
use crate::registry::history::HistoryEntry;
use crate::registry::publish::{Follower, Publisher, Remembered};
use crate::registry::read_model::ReadModel;
use crate::registry::rows;
use crate::registry::snapshot::exclusive::ExclusiveOp;
use crate::registry::store_state::StoreStateBoard;
use crate::registry::waking::Waking;
use crate::registry::write_log::{WriteLog, WriteLogLine, transitions_for};
use crate::sys::clock::Clock;
use crate::sys::oneshot;
use crate::sys::supervision::{self, WAIT_MAX};

/// Writes that may wait for the writer, unless the connections are so few that these would take most of them. At 100
/// bytes each the queue itself is small; the bound keeps a stalled disk from piling up requests nobody waits for any
/// more.
pub const WAITING_MAX: usize = 8_192;

/// How often the writer tries a full disk again when nobody writes, so that its recovery shows by itself.
const ROOM_SOUGHT_EVERY: Duration = Duration::from_secs(1);

/// Commands in one batch: past this the time to encode and publish outweighs the sync it saves.
const BATCH_MAX: usize = 1_024;

/// Changes in one batch that are written and shown within the time in which the writer must give a sign of life. A tree
/// of keys that is deleted has as many as there are keys; one of a whole node changes how all that is on it looks.
const CHANGES_USUAL_MAX: usize = 16 * BATCH_MAX;

/// How long a batch may wait for callers of the last one: a part of what the quickest sync takes.
const PATIENCE_MAX: Duration = Duration::from_micros(100);

/// The part of the last batch's callers, in percent, that is waited for. Not all of them: some have left, or were posts
/// of muster's own.
const REGULARS_PERCENT: usize = 75;

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
    Whole(ExclusiveOp),
}

struct QueuedTask {
    order: WriterTask,
    reply: Option<oneshot::Sender<WriteReply>>,
}

/// The writer's counters, for metrics.
#[derive(Debug, Default)]
pub struct WriteStats {
    /// Commands waiting now.
    pub waiting: AtomicUsize,
    /// Batches made durable.
    pub commits: AtomicU64,
    /// Commands that changed something.
    pub applied: AtomicU64,
    /// Whether the store takes writes.
    pub standing: StoreStateBoard,
}

/// Where callers put their commands.
#[derive(Clone)]
pub struct WriteQueue {
    jobs: SyncSender<QueuedTask>,
    waiting_max: usize,
    stats: Arc<WriteStats>,
}

impl WriteQueue {
    /// Has a command carried out and waits for the outcome.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing was changed then, as far as readers see.
    pub fn write(&self, command: Command) -> WriteReply {
        self.order(WriterTask::Command(command, None))
    }

    /// As [`WriteQueue::write`], for somebody.
    ///
    /// # Errors
    /// As [`WriteQueue::write`].
    pub fn write_for(&self, caller: Caller, command: Command) -> WriteReply {
        self.order(WriterTask::Command(command, Some(caller)))
    }

    /// Has rows beside the registry's records made durable, and waits for it.
    ///
    /// # Errors
    /// See [`WriteError`]; none of them was written then.
    pub(super) fn write_rows(&self, rows: Vec<RowChange>) -> Result<(), WriteError> {
        if rows.is_empty() { Ok(()) } else { self.order(WriterTask::Rows(rows)).map(|_| ()) }
    }

    /// Waits until everything that was handed in before is published, and every follower has heard of it.
    ///
    /// # Errors
    /// When the queue is full or closed, or the store has failed.
    pub(super) fn catch_up(&self) -> Result<(), WriteError> {
        self.order(WriterTask::Rows(Vec::new())).map(|_| ())
    }

    /// Has a command carried out some time, without waiting. For muster's own findings: what is lost here is
    /// found again by the next probe.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn post(&self, command: Command) -> Result<(), WriteError> {
        self.put(WriterTask::Command(command, None))
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
        self.hand_in(WriterTask::Command(command, None))
    }

    /// Hands in rows beside the registry's records, like [`WriteQueue::submit`].
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn submit_rows(&self, rows: Vec<RowChange>) -> Result<oneshot::Receiver<WriteReply>, WriteError> {
        self.hand_in(WriterTask::Rows(rows))
    }

    fn order(&self, order: WriterTask) -> WriteReply {
        self.hand_in(order)?.recv().unwrap_or_else(|_lost| Err(WriteError::unanswered()))
    }

    fn hand_in(&self, order: WriterTask) -> Result<oneshot::Receiver<WriteReply>, WriteError> {
        let (sender, receiver) = oneshot::oneshot();
        self.put_job(QueuedTask { order, reply: Some(sender) })?;
        Ok(receiver)
    }

    /// Leaves an order that answers by itself, if at all.
    pub(super) fn put(&self, order: WriterTask) -> Result<(), WriteError> {
        self.put_job(QueuedTask { order, reply: None })
    }

    fn put_job(&self, job: QueuedTask) -> Result<(), WriteError> {
        self.stats.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|error| {
            self.stats.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => WriteError::Busy { waiting_max: self.waiting_max },
                TrySendError::Disconnected(_) => WriteError::Closing,
            }
        })
    }
}

/// The writer: owner of the state and the store.
pub struct Writer {
    pub(super) state: State,
    /// The index of the last change.
    pub(super) index: u64,
    pub(super) store: Box<dyn Store>,
    pub(super) publisher: Publisher,
    pub(super) on_commit: Box<dyn Fn(Duration) + Send>,
    /// Orders in the last batch.
    pub(super) last_batch: usize,
    /// Whether another process has the store for good.
    pub(super) has_given_up: bool,
    audit: WriteLog,
}

/// A queue in which `waiting_max` writes may wait, and the end the writer takes from.
pub fn queue(waiting_max: usize) -> (WriteQueue, TaskReceiver) {
    let (sender, receiver) = sync_channel(waiting_max);
    let stats = Arc::new(WriteStats::default());
    (WriteQueue { jobs: sender, waiting_max, stats: stats.clone() }, TaskReceiver { receiver, stats })
}

/// The writer's end of the queue.
pub struct TaskReceiver {
    receiver: Receiver<QueuedTask>,
    stats: Arc<WriteStats>,
}

impl TaskReceiver {
    /// The next job; `Timeout` when a full disk is to be tried again.
    fn next(&self) -> Result<QueuedTask, RecvTimeoutError> {
        let is_full = self.stats.standing.is_full();
        let wait = if is_full { ROOM_SOUGHT_EVERY } else { WAIT_MAX };
        loop {
            match supervision::waiting(|| self.receiver.recv_timeout(wait)) {
                Err(RecvTimeoutError::Timeout) if !is_full => {}
                outcome => return outcome,
            }
        }
    }
}

impl Writer {
    /// A writer that goes on from `state`, which stands at `index` and which `shown` shows already.
    pub fn new(
        (state, index): (State, u64),
        store: Box<dyn Store>,
        shown: &ReadModel,
        waking: Waking,
        followers: Vec<Box<dyn Follower>>,
        on_commit: Box<dyn Fn(Duration) + Send>,
    ) -> Writer {
        let publisher = Publisher::new(shown.clone(), waking, followers);
        let (last_batch, has_given_up, audit) = (0, false, WriteLog::default());
        Writer { state, index, store, publisher, on_commit, last_batch, has_given_up, audit }
    }

    /// Works until every [`WriteQueue`] is dropped, or the store is another's.
    pub(super) fn run(mut self, jobs: TaskReceiver, clock: Clock) {
        // How the disk stands is known before anybody asks: a start by itself may have nothing to write.
        self.seek_room(&jobs.stats.standing);
        while !self.has_given_up {
            match jobs.next() {
                Ok(first) => self.work_off(first, &jobs, PATIENCE_MAX, clock.unix_ms()),
                Err(RecvTimeoutError::Timeout) => self.seek_room(&jobs.stats.standing),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Carries out what is waiting as one batch, at `now_ms` of Unix time; tells whether anything was. For who drives a
    /// writer without a thread: a simulation.
    pub fn turn(&mut self, jobs: &TaskReceiver, now_ms: u64) -> bool {
        jobs.receiver.try_recv().map(|first| self.work_off(first, jobs, Duration::ZERO, now_ms)).is_ok()
    }

    /// One batch: `first` and what is waiting behind it, as far as it has room; then an order that ended it.
    fn work_off(&mut self, first: QueuedTask, jobs: &TaskReceiver, patience: Duration, now_ms: u64) {
        let index_before = self.index;
        let mut work = BatchWork::default();
        let mut whole = self.take(first, now_ms, &mut work);
        if whole.is_none() {
            whole = self.fill(&mut work, jobs, patience, now_ms);
        }
        let taken = work.outcomes.len() + usize::from(whole.is_some());
        jobs.stats.waiting.fetch_sub(taken, Ordering::Relaxed);
        let is_long = work.changes.len() > CHANGES_USUAL_MAX
            || work.changes.catalog.iter().any(CatalogChange::is_of_whole_node);
        let mut settle = || self.settle(&mut work, &jobs.stats);
        let settled = if is_long { supervision::patiently(settle) } else { settle() };
        if let Err(error) = settled {
            self.state.undo(&work.changes);
            self.index = index_before;
            work.fail(&error, index_before);
        }
        let lines = std::mem::take(&mut work.lines);
        work.answer();
        self.audit.say(lines, now_ms);
        if let Some(order) = whole {
            // A restoration is as long as what is restored.
            supervision::patiently(|| self.carry_out(order, now_ms, &jobs.stats));
        }
    }

    /// Takes what is waiting into the batch, and waits a little for callers of the last batch to come back.
    ///
    /// Callers that were answered together return one by one within microseconds. Without a wait the first of them
    /// would have a commit to itself and the others would sit it out, so every second commit would be nearly empty. A
    /// caller who is alone never waits. Gives back an order that ends the batch.
    fn fill(
        &mut self,
        work: &mut BatchWork,
        jobs: &TaskReceiver,
        patience: Duration,
        now_ms: u64,
    ) -> Option<ExclusiveOp> {
        let expected = self.last_batch * REGULARS_PERCENT / 100;
        let (mut until, mut whole) = (None, None);
        while whole.is_none() && work.outcomes.len() < BATCH_MAX {
            let job = match jobs.receiver.try_recv() {
                Ok(job) => job,
                Err(_) if work.outcomes.len() >= expected => break,
                Err(_) => {
                    let until = *until.get_or_insert_with(|| Clock.now() + patience);
                    let left = until.saturating_duration_since(Clock.now());
                    let Ok(job) = jobs.receiver.recv_timeout(left) else { break };
                    job
                }
            };
            whole = self.take(job, now_ms, work);
        }
        self.last_batch = work.outcomes.len();
        whole
    }

    /// Takes one order into the batch; gives back one that ends it.
    fn take(&mut self, job: QueuedTask, now_ms: u64, work: &mut BatchWork) -> Option<ExclusiveOp> {
        supervision::beat();
        let outcome = match job.order {
            WriterTask::Whole(order) => return Some(order),
            // As long as there are keys below the prefix.
            WriterTask::Command(command @ Command::WritePair(PairWrite::DeleteTree { .. }), caller) => {
                supervision::patiently(|| self.apply(&command, caller, now_ms, work))
            }
            WriterTask::Command(command, caller) => self.apply(&command, caller, now_ms, work),
            WriterTask::Rows(rows) => {
                let changed = !rows.is_empty();
                work.rows.extend(rows);
                Ok(Written { index: self.index, changed, outcome: Outcome::Done })
            }
        };
        work.outcomes.push((job.reply, outcome));
        None
    }

    /// Applies one command to the state that only the writer sees.
    fn apply(
        &mut self,
        command: &Command,
        caller: Option<Caller>,
        now_ms: u64,
        work: &mut BatchWork,
    ) -> WriteReply {
        let moment = Moment { index: next_index(self.index)?, now_ms };
        match self.state.apply(moment, command) {
            Ok(Applied { changes, outcome }) if changes.is_empty() => {
                Ok(Written { index: self.index, changed: false, outcome })
            }
            Ok(Applied { changes, outcome }) => {
                self.index = moment.index;
                let caller = caller.unwrap_or_else(|| Caller::of(command));
                work.transitions.extend(transitions_for(
                    &caller,
                    &self.state.catalog,
                    moment,
                    command,
                    &changes.catalog,
                ));
                work.lines.extend(WriteLogLine::new(&caller, self.index, &changes));
                work.changes.extend(changes);
                Ok(Written { index: self.index, changed: true, outcome })
            }
            Err(refusal) => Err(WriteError::Refused(refusal)),
        }
    }

    /// Commits the batch, unless the store has failed for good.
    fn settle(&mut self, work: &mut BatchWork, stats: &WriteStats) -> Result<(), WriteError> {
        if let Some(refusal) = stats.standing.refusal() {
            return Err(refusal);
        }
        let entries = self.publisher.history().place(std::mem::take(&mut work.transitions));
        let rows = std::mem::take(&mut work.rows);
        self.commit(&work.changes, entries, rows, stats).map_err(|error| WriteError::from(&error))
    }

    /// Makes the batch durable, then visible.
    fn commit(
        &mut self,
        changes: &Changes,
        entries: Vec<HistoryEntry>,
        rows: Vec<RowChange>,
        stats: &WriteStats,
    ) -> Result<(), StoreError> {
        if changes.is_empty() && rows.is_empty() {
            return Ok(());
        }
        let rows = rows::of(changes).chain(rows::of_history(self.publisher.history(), &entries)).chain(rows);
        self.make_durable(rows.collect(), stats)?;
        self.publish(changes, Remembered { transitions: entries, ..Remembered::default() });
        Ok(())
    }

    /// Has the store take rows under the present index, all or none.
    pub(super) fn make_durable(
        &mut self,
        rows: Vec<RowChange>,
        stats: &WriteStats,
    ) -> Result<(), StoreError> {
        let batch = Batch { index: self.index, changes: rows };
        let started = Instant::now();
        // A slow disk is the store's to tell; see `Standing`.
        supervision::patiently(|| self.store.commit(&batch))
            .inspect_err(|error| stats.standing.failed(error))?;
        stats.standing.committed();
        (self.on_commit)(started.elapsed());
        stats.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Tries a full disk again with a commit that changes nothing.
    fn seek_room(&mut self, standing: &StoreStateBoard) {
        let nothing = Batch { index: self.index, changes: Vec::new() };
        match supervision::patiently(|| self.store.commit(&nothing)) {
            Ok(()) => standing.committed(),
            Err(error) => standing.failed(&error),
        }
    }

    /// Makes durable changes visible.
    pub(super) fn publish(&mut self, changes: &Changes, remembered: Remembered) {
        self.publisher.publish((&self.state, self.index), changes, remembered);
    }
}

/// The index of the change after `index`.
///
/// # Errors
/// [`WriteError::Exhausted`] when there is none.
pub(super) fn next_index(index: u64) -> Result<u64, WriteError> {
    let next = index.saturating_add(1);
    if next <= INDEX_MAX { Ok(next) } else { Err(WriteError::Exhausted { index: next }) }
}
