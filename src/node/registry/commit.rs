//! The one way in which anything becomes durable.
//!
//! A batch of commands, a restoration and what a start has put right differ in what they decide. Here each decision
//! gets its index, all of it goes to the store as one batch, and what the store does not take is taken back. So the
//! state, the index and the store always stand at one change, and nothing else has to see to that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::base::sys::supervision;
use crate::core::acl::row::SharedSeal;
use crate::core::catalog::state::Moment;
use crate::core::catalog::transitions::{cause_of_end, transitions};
use crate::core::kernel::changes::Changes;
use crate::core::kernel::state::{Applied, State};
use crate::core::model::limits::INDEX_MAX;
use crate::core::model::{Caller, Cause, Command, Transition};
use crate::node::registry::error::WriteError;
use crate::node::registry::history::History;
use crate::node::registry::publish::{Publisher, Remembered};
use crate::node::registry::rows;
use crate::node::registry::storage::Storage;
use crate::node::registry::write_stats::WriteStats;
use crate::store::change::{Batch, RowChange};
use crate::store::error::StoreError;
use crate::store::memory::MemoryStore;
use crate::store::rows::Store;

/// The index of the change after `index`, which is also above `floor`.
///
/// # Errors
/// [`WriteError::Exhausted`] when there is none.
pub(super) fn next_index(index: u64, floor: u64) -> Result<u64, WriteError> {
    let next = index.max(floor).saturating_add(1);
    if next <= INDEX_MAX { Ok(next) } else { Err(WriteError::Exhausted { index: next }) }
}

/// What a command came to, at an index that is its own if it is kept.
pub(super) struct Decision {
    pub moment: Moment,
    pub applied: Applied,
    /// What brought about that something is gone.
    cause_of_end: Cause,
    /// Whether indexes below its own are left out.
    pub is_leap: bool,
}

/// What was decided and is not durable yet. It is in the state, which only the writer sees, and nowhere else.
#[derive(Default)]
pub(super) struct PendingBatch {
    /// The index of the last decision.
    pub index: u64,
    /// Whether indexes are left out, so that topics which do not move are to be lifted over them.
    has_leapt: bool,
    /// The changes, which are in the state.
    pub changes: Changes,
    /// The transitions among them.
    transitions: Vec<Transition>,
    /// Rows beside the registry's records.
    pub rows: Vec<RowChange>,
    /// The history that the transitions go on from, where it is another than the present one.
    pub history: Option<History>,
}

impl PendingBatch {
    /// Keeps a decision that `caller` asked for and that led to `state`.
    pub fn keep(&mut self, decision: Decision, state: &State, caller: &Caller) {
        let Decision { moment, applied: Applied { changes, .. }, cause_of_end, is_leap } = decision;
        let mut found = transitions(&state.catalog, moment, cause_of_end, &changes.catalog);
        found.iter_mut().for_each(|transition| transition.caller = caller.clone());
        self.transitions.extend(found);
        self.index = moment.index;
        self.has_leapt |= is_leap;
        self.changes.extend(changes);
    }
}

/// The owner of the state and the store.
pub(super) struct Committer {
    state: State,
    /// The index of the last durable change.
    index: u64,
    storage: Storage,
    publisher: Publisher,
    stats: Arc<WriteStats>,
}

impl Committer {
    /// Goes on from `state`, which stands at `index` and which readers see already.
    pub fn new(
        (state, index): (State, u64),
        storage: Storage,
        publisher: Publisher,
        stats: Arc<WriteStats>,
    ) -> Committer {
        Committer { state, index, storage, publisher, stats }
    }

    /// The state, with everything that is decided.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Under which secrets are kept.
    pub fn seal(&self) -> &SharedSeal {
        &self.storage.seal
    }

    /// The index of the last durable change.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The transitions that are remembered.
    pub fn history(&self) -> &History {
        self.publisher.history()
    }

    /// Has followers do a piece of what they have put off; tells whether more is left. Nothing may be pending.
    pub fn go_on(&mut self) -> bool {
        self.publisher.go_on(&self.state)
    }

    /// A batch in which nothing is decided yet.
    pub fn begin(&self) -> PendingBatch {
        PendingBatch { index: self.index, ..PendingBatch::default() }
    }

    /// Carries out a command in the state, after everything in `pending`. Its index is the next one; that of a
    /// restoration is above the one of its snapshot as well, since clients of the registry that it is of have seen
    /// indexes up to there.
    ///
    /// # Errors
    /// [`WriteError::Refused`], or [`WriteError::Exhausted`]; the state is as before then.
    pub fn decide(
        &mut self,
        pending: &PendingBatch,
        command: Command,
        now_ms: u64,
    ) -> Result<Decision, WriteError> {
        let floor = if let Command::Restore(restoration) = &command { restoration.index } else { 0 };
        let moment = Moment { index: next_index(pending.index, floor)?, now_ms };
        let cause_of_end = cause_of_end(&command);
        let applied = self.state.apply(moment, command).map_err(WriteError::Refused)?;
        Ok(Decision { moment, applied, cause_of_end, is_leap: moment.index > pending.index + 1 })
    }

    /// Takes back what was decided last.
    pub fn take_back(&mut self, changes: &Changes) {
        self.state.undo(changes);
    }

    /// Makes what was decided durable, then visible.
    ///
    /// # Errors
    /// See [`WriteError`]: all of it is taken back then.
    pub fn commit(&mut self, pending: &mut PendingBatch) -> Result<(), WriteError> {
        let outcome = match self.stats.store_state.refusal() {
            Some(refusal) => Err(refusal),
            None if pending.index == self.index && pending.rows.is_empty() => return Ok(()),
            None => self.store_and_publish(pending).map_err(|error| WriteError::from(&error)),
        };
        outcome.inspect_err(|_| self.state.undo(&pending.changes))
    }

    fn store_and_publish(&mut self, pending: &mut PendingBatch) -> Result<(), StoreError> {
        let PendingBatch { index, has_leapt, changes, transitions, rows, history } = pending;
        let history = history.take();
        let remembered = history.as_ref().unwrap_or(self.publisher.history());
        let entries = remembered.place(std::mem::take(transitions));
        let of_changes = rows::of(changes, &*self.storage.seal);
        let rows = of_changes.chain(std::mem::take(rows)).chain(rows::of_history(remembered, &entries));
        let batch = Batch { index: *index, changes: rows.collect() };
        let started = Instant::now();
        self.try_store(&batch)?;
        (self.storage.on_commit)(started.elapsed());
        self.stats.commits.fetch_add(1, Ordering::Relaxed);
        self.index = *index;
        let remembered = Remembered { transitions: entries, history, raises_floor: *has_leapt };
        self.publisher.publish((&self.state, self.index), changes, remembered);
        Ok(())
    }

    /// Has the store take a batch, all or nothing of it, and notes how the store is.
    fn try_store(&mut self, batch: &Batch) -> Result<(), StoreError> {
        // A slow disk is the store's to tell; see `StoreState`.
        let outcome = supervision::patiently(|| self.storage.store.commit(batch));
        match &outcome {
            Ok(()) => self.stats.store_state.committed(),
            Err(error) => self.stats.store_state.failed(error),
        }
        outcome
    }

    /// Notes what keeps the store from taking writes, found otherwise than by a commit.
    pub fn store_failed(&self, error: &StoreError) {
        self.stats.store_state.failed(error);
    }

    /// Looks whether the next write would find room: on a full disk with a commit that changes nothing, otherwise
    /// without writing.
    pub fn look_for_room(&mut self) {
        if self.stats.store_state.is_full() {
            return self.seek_room();
        }
        if let Err(full @ StoreError::Full { .. }) =
            supervision::patiently(|| self.storage.store.look_for_room())
        {
            self.store_failed(&full);
        }
    }

    /// Tries a full disk again with a commit that changes nothing.
    pub fn seek_room(&mut self) {
        // How the store is, is known then.
        let _ = self.try_store(&Batch { index: self.index, changes: Vec::new() });
    }

    /// Closes the store. Nothing is to be written until [`Committer::reopen`].
    pub fn close_store(&mut self) {
        self.storage.store = Box::new(MemoryStore::standing_at(self.index));
    }

    /// Goes on with the store, opened anew.
    ///
    /// # Errors
    /// What it finds when it is read, and [`StoreError::Failed`] when it stands at another index than the state.
    pub fn reopen(&mut self, store: Box<dyn Store>) -> Result<(), StoreError> {
        self.storage.store = store;
        match self.storage.store.load(&mut |_, _, _| Ok(()))?.index {
            index if index == self.index => Ok(()),
            index => {
                let path = self.storage.store.describe().path.unwrap_or_default();
                let detail = format!("a successor that failed left it at index {index}, not {}", self.index);
                Err(StoreError::failed(&path, detail))
            }
        }
    }
}
