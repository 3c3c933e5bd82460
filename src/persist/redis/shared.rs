//! What the writer's thread and the store's own thread know together: the batches that wait, and how Redis is.
//!
//! One short lock, and two bells (see [`turns`](super::turns)): one for the thread that has something to do, one for
//! the writer that waits. Changes
//! of state are told to the log here, once each.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::backlog::{Backlog, Entry};
use super::survey::Durability;
use super::trouble::{Kind, Trouble};
use super::turns::{Bell, Turns};
use crate::persist::change::Change;
use crate::persist::ledger::Seal;
use crate::stdx::counted::counted;

/// Most bytes of batches in one transaction. More would keep Redis from its other clients for milliseconds.
const RUN_BYTES_MAX: usize = 1 << 20;

/// How often a start that waits without end looks again by itself.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has everything, and each commit waits for it.
    Well,
    /// It answers, and is given what it lacks. Nobody waits for it.
    CatchingUp,
    /// It is away, for this reason. Nobody waits for it.
    Away(Trouble),
}

/// What the store's thread is to do next.
pub enum Work {
    /// Write these batches.
    Write(Vec<Arc<Entry>>),
    /// Compare everything row by row: something was forgotten, or is in doubt.
    Compare,
    /// Nothing to write: keep the lock.
    Renew,
    /// The process ends.
    End,
}

struct State {
    backlog: Backlog,
    phase: Phase,
    /// Since when.
    since: Instant,
    /// Whether Redis may hold a batch that was refused here.
    is_in_doubt: bool,
    /// The kind of trouble that the log knows of, until Redis is well again.
    told: Option<Kind>,
    is_ending: bool,
    has_ended: bool,
    /// What Redis said it makes of a write, when it was asked last.
    durability: Option<Durability>,
    version: String,
    /// Rows put back or removed by comparisons since the log was told last.
    mended: u64,
}

/// Shared by the store, its thread, and whoever shows how it is.
pub struct Shared {
    /// The place, for people.
    pub place: String,
    /// What becomes of writes during an outage, for the log: "kept in the spool" or "refused".
    fate: &'static str,
    state: Mutex<State>,
    turns: Arc<dyn Turns>,
    /// Troubles met, by kind.
    pub troubles: [AtomicU64; Kind::ALL.len()],
    /// Rows put back or removed by comparisons.
    pub rows_mended: AtomicU64,
    /// Batches and transactions written.
    pub batches: AtomicU64,
    /// See `batches`.
    pub transactions: AtomicU64,
    /// The number of the lock held now; 0 for none.
    pub fence: AtomicU64,
}

impl Shared {
    /// Redis has what `confirmed` seals, as far as is known, and is about to be looked at.
    pub fn new(
        place: String,
        fate: &'static str,
        confirmed: Seal,
        phase: Phase,
        turns: Arc<dyn Turns>,
    ) -> Self {
        let told = match &phase {
            Phase::Away(trouble) => Some(trouble.kind),
            _ => None,
        };
        Self {
            place,
            fate,
            state: Mutex::new(State {
                backlog: Backlog::new(confirmed),
                phase,
                since: turns.now(),
                is_in_doubt: false,
                told,
                is_ending: false,
                has_ended: false,
                durability: None,
                version: String::new(),
                mended: 0,
            }),
            turns,
            troubles: [const { AtomicU64::new(0) }; Kind::ALL.len()],
            rows_mended: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            fence: AtomicU64::new(0),
        }
    }

    // For the writer.

    /// How Redis is at this moment.
    pub fn phase(&self) -> Phase {
        self.state.lock().phase.clone()
    }

    /// Adds a batch that is durable here, without waiting.
    pub fn push(&self, seal: Seal, changes: Vec<Change>) {
        let since = self.turns.now();
        self.state.lock().backlog.push(Entry { seal, changes, since });
        self.turns.ring(Bell::ToDo);
    }

    /// Waits until Redis has the batch, or is no longer well, or `patience` is over; then it counts as away. Gives
    /// whether Redis has it.
    pub fn wait_for(&self, sequence: u64, patience: Duration) -> bool {
        let deadline = self.turns.now() + patience;
        let mut state = self.state.lock();
        loop {
            if state.backlog.confirmed().sequence >= sequence {
                return true;
            }
            if state.phase != Phase::Well {
                return false;
            }
            if !self.wait(Bell::Done, &mut state, deadline) && state.backlog.confirmed().sequence < sequence {
                let detail = format!("a write was not answered within {patience:?}");
                self.note_away(&mut state, Trouble::new(Kind::Slow, detail));
                return false;
            }
        }
    }

    /// Takes back a batch that is refused after all. Whether Redis has it is in doubt from here on, so everything is
    /// compared before Redis counts as well again.
    pub fn withdraw(&self, sequence: u64, trouble: Trouble) {
        let mut state = self.state.lock();
        state.backlog.withdraw(sequence);
        state.is_in_doubt = true;
        if state.phase == Phase::Well {
            self.note_away(&mut state, trouble);
        }
        self.turns.ring(Bell::ToDo);
    }

    // For the store's thread.

    /// Waits for something to do: for `when_well` at most, or for `otherwise` while Redis is not well.
    pub fn next(&self, when_well: Duration, otherwise: Duration) -> Work {
        let mut state = self.state.lock();
        let patience = if state.phase == Phase::Well { when_well } else { otherwise };
        let deadline = self.turns.now() + patience;
        loop {
            if state.is_ending && (state.backlog.is_empty() || state.phase != Phase::Well) {
                return Work::End;
            }
            if state.is_in_doubt || state.backlog.has_gap() {
                return Work::Compare;
            }
            let run = state.backlog.first(RUN_BYTES_MAX);
            if !run.is_empty() {
                return Work::Write(run);
            }
            if state.is_ending {
                return Work::End;
            }
            if !self.wait(Bell::ToDo, &mut state, deadline) {
                return Work::Renew;
            }
        }
    }

    /// Waits for `pause`, or for the end if it comes first. Gives whether the process goes on.
    pub fn pause(&self, pause: Duration) -> bool {
        let deadline = self.turns.now() + pause;
        let mut state = self.state.lock();
        while !state.is_ending && self.wait(Bell::ToDo, &mut state, deadline) {}
        !state.is_ending
    }

    /// Redis holds everything up to `seal`. With `is_brisk` false it took so long that it does not count as well yet.
    pub fn confirm(&self, seal: Seal, is_brisk: bool) {
        let mut state = self.state.lock();
        // A batch may have been taken back while it was under way; then nothing is known until all is compared.
        if state.is_in_doubt {
            return;
        }
        state.backlog.confirm(seal);
        self.note_well_if_it_is(&mut state, is_brisk);
        self.turns.ring(Bell::Done);
    }

    /// Redis has answered while there was nothing to write; see [`confirm`](Self::confirm).
    pub fn confirm_again(&self, is_brisk: bool) {
        let mut state = self.state.lock();
        if !state.is_in_doubt {
            self.note_well_if_it_is(&mut state, is_brisk);
        }
    }

    /// Everything is about to be compared; see [`Backlog::begin_anew`].
    pub fn begin_anew(&self, seal: Seal) {
        let mut state = self.state.lock();
        state.is_in_doubt = false;
        state.backlog.begin_anew(seal);
        if state.phase == Phase::Well {
            self.set(&mut state, Phase::CatchingUp);
        }
    }

    /// A comparison has put back or removed rows.
    pub fn mended(&self, rows: u64) {
        self.rows_mended.fetch_add(rows, Ordering::Relaxed);
        self.state.lock().mended += rows;
    }

    /// Batches were written in one transaction.
    pub fn count(&self, batches: u64) {
        self.batches.fetch_add(batches, Ordering::Relaxed);
        self.transactions.fetch_add(1, Ordering::Relaxed);
    }

    /// What Redis said of itself, when the lock was held.
    pub fn looked_at(&self, durability: Durability, version: &str, fence: u64) {
        let mut state = self.state.lock();
        if state.durability != Some(durability) {
            log::info!(version = version, appendfsync = durability.word(); "{}: {}", self.place, durability.sentence());
        }
        state.durability = Some(durability);
        version.clone_into(&mut state.version);
        self.fence.store(fence, Ordering::Relaxed);
    }

    /// Redis answers, is fit, and the lock is held.
    pub fn reached(&self, durability: Durability, version: &str, fence: u64) {
        self.looked_at(durability, version, fence);
        let mut state = self.state.lock();
        if state.phase != Phase::Well {
            self.set(&mut state, Phase::CatchingUp);
        }
    }

    /// Redis is away.
    pub fn away(&self, trouble: Trouble) {
        self.troubles[trouble.kind as usize].fetch_add(1, Ordering::Relaxed);
        if trouble.kind != Kind::Refused {
            self.fence.store(0, Ordering::Relaxed);
        }
        self.note_away(&mut self.state.lock(), trouble);
    }

    /// Whether Redis is where it was left, so that what waits can simply be written.
    pub fn knows(&self, seal: Seal) -> bool {
        let state = self.state.lock();
        !state.is_in_doubt && !state.backlog.has_gap() && state.backlog.knows(seal)
    }

    /// The process ends: the thread is to write what waits if Redis is well, give back the lock and stop.
    pub fn end(&self) {
        self.state.lock().is_ending = true;
        self.turns.ring(Bell::ToDo);
    }

    /// The thread has stopped.
    pub fn ended(&self) {
        self.state.lock().has_ended = true;
        self.turns.ring(Bell::Done);
    }

    /// Waits until the thread has stopped, for `patience` at most. Gives whether it has.
    pub fn wait_for_the_end(&self, patience: Duration) -> bool {
        let deadline = self.turns.now() + patience;
        let mut state = self.state.lock();
        while !state.has_ended && self.wait(Bell::Done, &mut state, deadline) {}
        state.has_ended
    }

    /// Waits until Redis is well or away.
    pub fn wait_until_settled(&self) {
        let mut state = self.state.lock();
        while state.phase == Phase::CatchingUp {
            let deadline = self.turns.now() + LOOK_EVERY;
            self.wait(Bell::Done, &mut state, deadline);
        }
    }

    /// Waits for a bell without the lock, and gives whether it rang before `deadline`.
    fn wait(&self, bell: Bell, state: &mut MutexGuard<'_, State>, deadline: Instant) -> bool {
        let heard = self.turns.rung(bell);
        MutexGuard::unlocked(state, || self.turns.wait(bell, heard, deadline))
    }

    /// Since when Redis is well, or since when it is not: being away for another reason is no new beginning.
    fn set(&self, state: &mut State, phase: Phase) {
        if (phase == Phase::Well) != (state.phase == Phase::Well) {
            state.since = self.turns.now();
        }
        state.phase = phase;
        self.turns.ring(Bell::Done);
    }

    fn note_away(&self, state: &mut State, trouble: Trouble) {
        if state.told != Some(trouble.kind) {
            let (place, kind) = (&self.place, trouble.kind.word());
            let fate = if trouble.kind.is_rivalry() { "refused" } else { self.fate };
            match trouble.kind {
                Kind::Altered => log::warn!(kind = kind; "{place}: {trouble}. What differs is put back"),
                _ => log::warn!(kind = kind; "{place} is away: {trouble}. Reads go on; writes are {fate}"),
            }
            state.told = Some(trouble.kind);
        }
        self.set(state, Phase::Away(trouble));
    }

    fn note_well_if_it_is(&self, state: &mut State, is_brisk: bool) {
        if !state.backlog.is_empty() || !is_brisk || state.phase == Phase::Well {
            return;
        }
        let mended = std::mem::take(&mut state.mended);
        state.told = None;
        let fence = self.fence.load(Ordering::Relaxed);
        log::info!(mended = mended, fence = fence; "{} is well and has everything", self.place);
        self.set(state, Phase::Well);
    }

    // For whoever shows it.

    /// How things stand.
    pub fn standing(&self) -> Standing {
        let (state, now) = (self.state.lock(), self.turns.now());
        Standing {
            phase: state.phase.clone(),
            for_long: now - state.since,
            depth: state.backlog.depth(),
            bytes: state.backlog.bytes(),
            age: state.backlog.since().map(|since| now - since).unwrap_or_default(),
            durability: state.durability,
            version: state.version.clone(),
        }
    }
}

/// How things stand with Redis at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// How it is.
    pub phase: Phase,
    /// For how long.
    pub for_long: Duration,
    /// Batches that Redis lacks.
    pub depth: u64,
    /// Bytes of them that are kept in memory.
    pub bytes: usize,
    /// Age of the oldest of them.
    pub age: Duration,
    /// What Redis makes of a write, once it was asked.
    pub durability: Option<Durability>,
    /// Its version, once it was asked.
    pub version: String,
}

/// One line for people: `well for 3s, 0 batches behind`.
impl fmt::Display for Standing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.for_long.as_secs();
        let behind = format!("{} behind", counted(self.depth, "batch"));
        match &self.phase {
            Phase::Well => write!(out, "well for {seconds}s"),
            Phase::CatchingUp => write!(out, "catching up for {seconds}s, {behind}"),
            Phase::Away(trouble) => {
                write!(out, "away for {seconds}s, {behind}: {}: {trouble}", trouble.kind.word())
            }
        }
    }
}
