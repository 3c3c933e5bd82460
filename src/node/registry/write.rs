//! The one write path: commands in, in order; applied; durable; answered.
//!
//! One thread takes whatever is waiting in the queue as one batch, applies the commands to the state (which no reader
//! sees), has all of it committed in one go, and only then answers the callers. If that fails, nothing of the batch
//! holds and every caller hears it. So a crowd of writers shares one sync to disk, and a single one waits for nobody.

use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use crate::base::sys::clock::Clock;
use crate::base::sys::supervision;
use crate::core::catalog::change::CatalogChange;
use crate::core::kernel::state::{Outcome, State};
use crate::core::model::{Caller, Command, PairWrite};
use crate::node::registry::batch::BatchWork;
use crate::node::registry::commit::Committer;
use crate::node::registry::error::WriteError;
use crate::node::registry::exclusive::ExclusiveOp;
use crate::node::registry::publish::{Follower, Publisher};
use crate::node::registry::queue::{QueuedTask, TaskReceiver, WriteReply, WriterTask, Written};
use crate::node::registry::read_model::ReadModel;
use crate::node::registry::storage::Storage;
use crate::node::registry::waking::Waking;
use crate::node::registry::write_log::{WriteLog, WriteLogLine};
use crate::store::change::RowChange;

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

/// The writer: takes tasks from the queue, and is the only one to have anything committed.
pub struct Writer {
    tasks: TaskReceiver,
    committer: Committer,
    /// Tasks in the last batch.
    last_batch: usize,
    /// Whether another process has the store for good.
    has_given_up: bool,
    log: WriteLog,
}

impl Writer {
    /// A writer that goes on from `state`, which stands at `index` and which `read_model` shows already.
    pub fn new(
        tasks: TaskReceiver,
        (state, index): (State, u64),
        storage: Storage,
        (read_model, waking): (&ReadModel, Waking),
        followers: Vec<Box<dyn Follower>>,
    ) -> Writer {
        let publisher = Publisher::new(read_model.clone(), waking, followers);
        let committer = Committer::new((state, index), storage, publisher, tasks.stats().clone());
        let (last_batch, has_given_up, log) = (0, false, WriteLog::default());
        Writer { tasks, committer, last_batch, has_given_up, log }
    }

    /// Makes durable what a start has put right, at the index of the state.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn commit_repairs(&mut self, rows: Vec<RowChange>) -> Result<(), WriteError> {
        let mut pending = self.committer.begin();
        pending.rows = rows;
        self.committer.commit(&mut pending)
    }

    /// Works until every [`WriteQueue`](super::queue::WriteQueue) is dropped, or the store is another's.
    pub(super) fn run(mut self, clock: Clock) {
        // How the disk is, is known before anybody asks: a start by itself may have nothing to write.
        self.committer.seek_room();
        while !self.has_given_up {
            let is_more_left = self.committer.go_on();
            let task = match self.tasks.waiting() {
                None if is_more_left => {
                    supervision::beat();
                    continue;
                }
                None => self.tasks.next(),
                Some(task) => Ok(task),
            };
            match task {
                Ok(first) => self.work_off(first, PATIENCE_MAX, clock.unix_ms()),
                Err(RecvTimeoutError::Timeout) => self.committer.look_for_room(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Carries out what is waiting as one batch, at `now_ms` of Unix time; tells whether anything was. For who drives a
    /// writer without a thread: a simulation.
    pub fn turn(&mut self, now_ms: u64) -> bool {
        let is_more_left = self.committer.go_on();
        self.tasks.waiting().map(|first| self.work_off(first, Duration::ZERO, now_ms)).is_some()
            || is_more_left
    }

    /// One batch: `first` and what is waiting behind it, as far as it has room; then a task that ended it.
    fn work_off(&mut self, first: QueuedTask, patience: Duration, now_ms: u64) {
        let mut work = BatchWork::new(self.committer.begin());
        let mut exclusive = self.take(first, now_ms, &mut work);
        if exclusive.is_none() {
            exclusive = self.fill(&mut work, patience, now_ms);
        }
        let taken = work.outcomes.len() + usize::from(exclusive.is_some());
        self.tasks.stats().waiting.fetch_sub(taken, Ordering::Relaxed);
        let changes = &work.pending.changes;
        let is_long =
            changes.len() > CHANGES_USUAL_MAX || changes.catalog.iter().any(CatalogChange::is_of_whole_node);
        let mut commit = || self.committer.commit(&mut work.pending);
        let outcome = if is_long { supervision::patiently(commit) } else { commit() };
        if let Err(error) = outcome {
            work.fail(&error, self.committer.index());
        }
        let lines = std::mem::take(&mut work.lines);
        work.answer();
        self.log.say(lines, now_ms);
        if let Some(task) = exclusive {
            // A restoration is as long as what is restored.
            let goes_on = supervision::patiently(|| task.carry_out(&mut self.committer, now_ms));
            self.has_given_up = !goes_on;
        }
    }

    /// Takes what is waiting into the batch, and waits a little for callers of the last batch to come back.
    ///
    /// Callers that were answered together return one by one within microseconds. Without a wait the first of them
    /// would have a commit to itself and the others would sit it out, so every second commit would be nearly empty. A
    /// caller who is alone never waits. Gives back a task that ends the batch.
    fn fill(&mut self, work: &mut BatchWork, patience: Duration, now_ms: u64) -> Option<ExclusiveOp> {
        let expected = self.last_batch * REGULARS_PERCENT / 100;
        let (mut until, mut exclusive) = (None, None);
        while exclusive.is_none() && work.outcomes.len() < BATCH_MAX {
            let task = match self.tasks.waiting() {
                Some(task) => task,
                None if work.outcomes.len() >= expected => break,
                None => {
                    let until = *until.get_or_insert_with(|| Clock.now() + patience);
                    let Some(task) = self.tasks.next_until(until) else { break };
                    task
                }
            };
            exclusive = self.take(task, now_ms, work);
        }
        self.last_batch = work.outcomes.len();
        exclusive
    }

    /// Takes one task into the batch; gives back one that ends it.
    fn take(&mut self, queued: QueuedTask, now_ms: u64, work: &mut BatchWork) -> Option<ExclusiveOp> {
        supervision::beat();
        let outcome = match queued.task {
            WriterTask::Exclusive(task) => return Some(task),
            // As long as there are keys below the prefix.
            WriterTask::Command(command @ Command::WritePair(PairWrite::DeleteTree { .. }), caller) => {
                supervision::patiently(|| self.decide(command, caller, now_ms, work))
            }
            WriterTask::Command(command, caller) => self.decide(command, caller, now_ms, work),
            WriterTask::Rows(rows) => {
                let changed = !rows.is_empty();
                work.pending.rows.extend(rows);
                Ok(Written { index: work.pending.index, changed, outcome: Outcome::Done })
            }
        };
        work.outcomes.push((queued.reply, outcome));
        None
    }

    /// Carries out one command in the state that only the writer sees.
    fn decide(
        &mut self,
        command: Command,
        caller: Option<Caller>,
        now_ms: u64,
        work: &mut BatchWork,
    ) -> WriteReply {
        let caller = caller.unwrap_or_else(|| Caller::of(&command));
        let decision = self.committer.decide(&work.pending, command, now_ms)?;
        let (changes, outcome) = (&decision.applied.changes, decision.applied.outcome);
        let changed = !changes.is_empty();
        if changed {
            work.lines.extend(WriteLogLine::new(&caller, decision.moment.index, changes));
            work.pending.keep(decision, self.committer.state(), &caller);
        }
        Ok(Written { index: work.pending.index, changed, outcome })
    }
}
