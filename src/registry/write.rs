//! The one write path: commands in, in order; durable; applied; answered.
//!
//! One thread owns the state and the store. It takes whatever is waiting as one batch, applies the commands
//! to the state (which no reader sees), has the store make the resulting rows durable in one go, publishes
//! them to the views, and only then answers the callers. If the store fails, the batch is undone and every
//! caller is told. So a crowd of writers shares one sync to disk, and a single one waits for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::catalog::change::Change;
use crate::catalog::state::{Moment, State};
use crate::catalog::transitions::transitions;
use crate::catalog::update::Update;
use crate::model::{Command, Transition};
use crate::persist::change::{Batch, Change as RowChange};
use crate::persist::error::StoreError;
use crate::persist::store::Store;
use crate::registry::error::WriteError;
use crate::registry::history::{Entry, History};
use crate::registry::rows;
use crate::registry::shown::Shown;
use crate::registry::topics::Topics;
use crate::registry::views::Views;
use crate::sys::clock::Clock;
use crate::sys::oneshot;

/// Writes that may wait for the writer. At 64 bytes each the queue itself is small; the bound keeps a stalled
/// disk from piling up requests nobody waits for any more.
pub const WAITING_MAX: usize = 8_192;

/// Commands in one batch: past this the time to encode and publish outweighs the sync it saves.
const BATCH_MAX: usize = 1_024;

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The registry's index after the command.
    pub index: u64,
    /// Whether it changed anything.
    pub changed: bool,
}

/// What the caller hears.
pub type Reply = Result<Written, WriteError>;

/// What the writer is asked for.
enum Order {
    /// A change of the registry's state.
    Command(Command),
    /// Rows beside the registry's records. They have no index and no reader.
    Rows(Vec<RowChange>),
}

struct Job {
    order: Order,
    reply: Option<oneshot::Sender<Reply>>,
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
    /// Whether the store has failed for good.
    pub read_only: AtomicBool,
}

/// Where callers put their commands.
#[derive(Clone)]
pub struct Queue {
    jobs: SyncSender<Job>,
    stats: Arc<WriteStats>,
}

impl Queue {
    /// Has a command carried out and waits for the outcome.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing was changed then.
    pub fn write(&self, command: Command) -> Reply {
        self.order(Order::Command(command))
    }

    /// Has rows beside the registry's records made durable, and waits for it.
    ///
    /// # Errors
    /// See [`WriteError`]; none of them was written then.
    pub(super) fn write_rows(&self, rows: Vec<RowChange>) -> Result<(), WriteError> {
        if rows.is_empty() { Ok(()) } else { self.order(Order::Rows(rows)).map(|_| ()) }
    }

    /// Has a command carried out some time, without waiting. For muster's own findings: what is lost here is
    /// found again by the next probe.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn post(&self, command: Command) -> Result<(), WriteError> {
        self.put(Job { order: Order::Command(command), reply: None })
    }

    /// The writer's counters.
    pub fn stats(&self) -> &Arc<WriteStats> {
        &self.stats
    }

    /// Hands in a command without waiting; the outcome comes by the channel when its batch is done.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn submit(&self, command: Command) -> Result<oneshot::Receiver<Reply>, WriteError> {
        self.hand_in(Order::Command(command))
    }

    /// Hands in rows beside the registry's records, like [`Queue::submit`].
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn submit_rows(&self, rows: Vec<RowChange>) -> Result<oneshot::Receiver<Reply>, WriteError> {
        self.hand_in(Order::Rows(rows))
    }

    fn order(&self, order: Order) -> Reply {
        self.hand_in(order)?.recv().unwrap_or(Err(WriteError::Closing))
    }

    fn hand_in(&self, order: Order) -> Result<oneshot::Receiver<Reply>, WriteError> {
        let (sender, receiver) = oneshot::oneshot();
        self.put(Job { order, reply: Some(sender) })?;
        Ok(receiver)
    }

    fn put(&self, job: Job) -> Result<(), WriteError> {
        self.stats.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|error| {
            self.stats.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => WriteError::Busy { waiting_max: WAITING_MAX },
                TrySendError::Disconnected(_) => WriteError::Closing,
            }
        })
    }
}

/// What a batch has changed, durable and published.
pub struct News<'a> {
    /// The state after it.
    pub state: &'a State,
    /// The changes in their order; each record carries the index of its own.
    pub changes: &'a [Change],
    /// The transitions among them, with what brought each about; in the history already.
    pub transitions: &'a [Entry],
}

/// Whoever wants to know of changes when they are durable and published: the health engine above all.
pub trait Follower: Send {
    /// The changes are in force now. Called on the writer's thread, so it must be quick and must not wait for a
    /// write.
    fn follow(&mut self, news: &News<'_>);
}

/// The writer: owner of the state and the store.
pub struct Writer {
    state: State,
    /// The index of the last change.
    index: u64,
    store: Box<dyn Store>,
    views: Arc<Views>,
    topics: Arc<Topics>,
    followers: Vec<Box<dyn Follower>>,
    history: Arc<History>,
    on_commit: Box<dyn Fn(Duration) + Send>,
}

/// A queue and the end the writer takes from.
pub fn queue() -> (Queue, Jobs) {
    let (sender, receiver) = sync_channel(WAITING_MAX);
    let stats = Arc::new(WriteStats::default());
    (Queue { jobs: sender, stats: stats.clone() }, Jobs { receiver, stats })
}

/// The writer's end of the queue.
pub struct Jobs {
    receiver: Receiver<Job>,
    stats: Arc<WriteStats>,
}

/// A batch under way: what it changes and what each caller will hear.
#[derive(Default)]
struct Work {
    changes: Vec<Change>,
    transitions: Vec<Transition>,
    rows: Vec<RowChange>,
    outcomes: Vec<(Option<oneshot::Sender<Reply>>, Reply)>,
}

impl Writer {
    /// A writer that goes on from `state`, which stands at `index` and which `shown` shows already.
    pub fn new(
        (state, index): (State, u64),
        store: Box<dyn Store>,
        shown: &Shown,
        followers: Vec<Box<dyn Follower>>,
        on_commit: Box<dyn Fn(Duration) + Send>,
    ) -> Writer {
        let Shown { views, topics, history } = shown.clone();
        Writer { state, index, store, views, topics, followers, history, on_commit }
    }

    /// Works until every [`Queue`] is dropped.
    pub(super) fn run(mut self, jobs: Jobs, clock: Clock) {
        while let Ok(first) = jobs.receiver.recv() {
            self.work_off(first, &jobs, clock.unix_ms());
        }
    }

    /// Carries out what is waiting as one batch, at `now_ms` of Unix time; tells whether anything was. For who drives a
    /// writer without a thread: a simulation.
    pub fn turn(&mut self, jobs: &Jobs, now_ms: u64) -> bool {
        jobs.receiver.try_recv().map(|first| self.work_off(first, jobs, now_ms)).is_ok()
    }

    /// One batch: `first` and what is waiting behind it, as far as it has room.
    fn work_off(&mut self, first: Job, jobs: &Jobs, now_ms: u64) {
        let index_before = self.index;
        let mut work = Work::default();
        self.take(first, now_ms, &mut work);
        while work.outcomes.len() < BATCH_MAX
            && let Ok(job) = jobs.receiver.try_recv()
        {
            self.take(job, now_ms, &mut work);
        }
        jobs.stats.waiting.fetch_sub(work.outcomes.len(), Ordering::Relaxed);
        let entries = self.history.place(std::mem::take(&mut work.transitions));
        let rows = std::mem::take(&mut work.rows);
        if let Err(error) = self.commit(&work.changes, entries, rows, &jobs.stats) {
            self.state.undo(&work.changes);
            self.index = index_before;
            work.fail(&WriteError::from(&error));
        }
        work.answer();
    }

    /// Takes one order into the batch.
    fn take(&mut self, job: Job, now_ms: u64, work: &mut Work) {
        let outcome = match job.order {
            Order::Command(command) => self.apply(&command, now_ms, work),
            Order::Rows(rows) => {
                work.rows.extend(rows);
                Ok(Written { index: self.index, changed: false })
            }
        };
        work.outcomes.push((job.reply, outcome));
    }

    /// Applies one command to the state that only the writer sees.
    fn apply(&mut self, command: &Command, now_ms: u64, work: &mut Work) -> Reply {
        let moment = Moment { index: self.index + 1, now_ms };
        match self.state.apply(moment, command) {
            Ok(changes) if changes.is_empty() => Ok(Written { index: self.index, changed: false }),
            Ok(changes) => {
                self.index = moment.index;
                work.transitions.extend(transitions(&self.state, moment, command, &changes));
                work.changes.extend(changes);
                Ok(Written { index: self.index, changed: true })
            }
            Err(refusal) => Err(WriteError::Refused(refusal)),
        }
    }

    /// Makes the batch durable, then visible.
    fn commit(
        &mut self,
        changes: &[Change],
        entries: Vec<Entry>,
        rows: Vec<RowChange>,
        stats: &WriteStats,
    ) -> Result<(), StoreError> {
        if changes.is_empty() && rows.is_empty() {
            return Ok(());
        }
        let rows = changes.iter().map(rows::row).chain(self.history.rows(&entries)).chain(rows);
        let batch = Batch { index: self.index, changes: rows.collect() };
        let started = Instant::now();
        self.store.commit(&batch).inspect_err(|error| {
            let is_final = !matches!(error, StoreError::Full { .. });
            if !stats.read_only.fetch_or(is_final, Ordering::Relaxed) {
                log::error!(index = batch.index; "the store did not commit: {error}");
            }
        })?;
        (self.on_commit)(started.elapsed());
        stats.commits.fetch_add(1, Ordering::Relaxed);
        self.publish(changes, entries);
        Ok(())
    }

    /// Shows changes to readers, tells the followers, and moves the topics, which wakes the watchers.
    fn publish(&mut self, changes: &[Change], entries: Vec<Entry>) {
        let update = Update::plan(&self.state, changes);
        let topics = self.views.publish(changes, update);
        self.history.absorb(&entries);
        let news = News { state: &self.state, changes, transitions: &entries };
        self.followers.iter_mut().for_each(|follower| follower.follow(&news));
        topics.iter().for_each(|topic| self.topics.advance(topic, self.index));
    }
}

impl Work {
    /// Nothing of the batch holds; even a command that changed nothing may have relied on one that did.
    fn fail(&mut self, error: &WriteError) {
        for (_, outcome) in &mut self.outcomes {
            if outcome.is_ok() {
                *outcome = Err(error.clone());
            }
        }
    }

    fn answer(self) {
        for (reply, outcome) in self.outcomes {
            match (reply, outcome) {
                (Some(reply), outcome) => reply.send(outcome),
                (None, Err(error)) => log::warn!("a finding of muster's own was not recorded: {error}"),
                (None, Ok(_)) => {}
            }
        }
    }
}
