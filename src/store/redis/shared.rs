//! What the writer's thread and the store's own thread share: the batches that wait, and how Redis is.
//!
//! One short lock, and two signals (see [`scheduler`](super::scheduler)): one for the thread that has something to do,
//! one for the writer that waits. Changes of state are logged here, once each.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::backlog::{Backlog, BacklogEntry};
use super::error::{ReplicaError, ReplicaErrorKind};
use super::scheduler::{RedisScheduler, RedisSignal};
use super::server_info::Durability;
use crate::base::stdx::counted::counted;
use crate::store::change::RowChange;
use crate::store::checksums::RowChecksum;

/// Most bytes of batches in one transaction. More would keep Redis from its other clients for milliseconds.
const RUN_BYTES_MAX: usize = 1 << 20;

/// How often a start that waits without end looks again by itself.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPhase {
    /// It has everything, and each commit waits for it.
    Well,
    /// It answers, and is given what it lacks. No write waits for it.
    CatchingUp,
    /// It is away, for this reason. No write waits for it.
    Away(ReplicaError),
}

/// What the store's thread is to do next.
pub enum ReplicatorWork {
    /// Write these batches.
    Write(Vec<Arc<BacklogEntry>>),
    /// Compare everything row by row: something was forgotten, or is in doubt.
    Compare,
    /// Nothing to write: keep the lock.
    Renew,
    /// The process ends.
    End,
}

struct State {
    backlog: Backlog,
    phase: RedisPhase,
    /// Since when.
    since: Instant,
    /// Whether Redis may hold a batch that was refused here.
    is_in_doubt: bool,
    /// The kind of error that was logged last, until Redis is well again.
    logged: Option<ReplicaErrorKind>,
    is_ending: bool,
    has_ended: bool,
    /// What Redis said it makes of a write, when it was asked last.
    durability: Option<Durability>,
    version: String,
    /// Rows put back or removed by comparisons since the last line in the log.
    mended: u64,
}

/// Shared by the store, its thread, and what shows its status.
pub struct ReplicatorShared {
    /// The place, for people.
    pub place: String,
    /// What becomes of writes during an outage, for the log: "kept in the spool" or "refused".
    fate: &'static str,
    state: Mutex<State>,
    scheduler: Arc<dyn RedisScheduler>,
    /// Errors, by kind.
    pub errors: [AtomicU64; ReplicaErrorKind::ALL.len()],
    /// Rows put back or removed by comparisons.
    pub rows_mended: AtomicU64,
    /// Batches and transactions written.
    pub batches: AtomicU64,
    /// See `batches`.
    pub transactions: AtomicU64,
    /// The number of the lock held now; 0 for none.
    pub fence: AtomicU64,
}

impl ReplicatorShared {
    /// Redis has the rows of `confirmed`, as far as is known, and is about to be asked.
    pub fn new(
        place: String,
        fate: &'static str,
        confirmed: RowChecksum,
        phase: RedisPhase,
        scheduler: Arc<dyn RedisScheduler>,
    ) -> Self {
        let logged = match &phase {
            RedisPhase::Away(error) => Some(error.kind),
            _ => None,
        };
        Self {
            place,
            fate,
            state: Mutex::new(State {
                backlog: Backlog::new(confirmed),
                phase,
                since: scheduler.now(),
                is_in_doubt: false,
                logged,
                is_ending: false,
                has_ended: false,
                durability: None,
                version: String::new(),
                mended: 0,
            }),
            scheduler,
            errors: [const { AtomicU64::new(0) }; ReplicaErrorKind::ALL.len()],
            rows_mended: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            fence: AtomicU64::new(0),
        }
    }

    // For the writer.

    /// How Redis is at this moment.
    pub fn phase(&self) -> RedisPhase {
        self.state.lock().phase.clone()
    }

    /// Adds a batch that is durable here, without waiting.
    pub fn push(&self, checksum: RowChecksum, changes: Vec<RowChange>) {
        let since = self.scheduler.now();
        self.state.lock().backlog.push(BacklogEntry { checksum, changes, since });
        self.scheduler.ring(RedisSignal::ToDo);
    }

    /// Waits until Redis has the batch, or is no longer well, or `timeout` is over; then it counts as away. Gives
    /// whether Redis has it.
    pub fn wait_for(&self, sequence: u64, timeout: Duration) -> bool {
        let deadline = self.scheduler.now() + timeout;
        let mut state = self.state.lock();
        loop {
            if state.backlog.confirmed().sequence >= sequence {
                return true;
            }
            if state.phase != RedisPhase::Well {
                return false;
            }
            if !self.wait(RedisSignal::Done, &mut state, deadline)
                && state.backlog.confirmed().sequence < sequence
            {
                let detail = format!("a write was not answered within {timeout:?}");
                self.note_away(&mut state, ReplicaError::new(ReplicaErrorKind::Slow, detail));
                return false;
            }
        }
    }

    /// Takes back a batch that is refused after all. Whether Redis has it is in doubt from here on, so everything is
    /// compared before Redis counts as well again.
    pub fn withdraw(&self, sequence: u64, error: ReplicaError) {
        let mut state = self.state.lock();
        state.backlog.withdraw(sequence);
        state.is_in_doubt = true;
        if state.phase == RedisPhase::Well {
            self.note_away(&mut state, error);
        }
        self.scheduler.ring(RedisSignal::ToDo);
    }

    // For the store's thread.

    /// Waits for something to do: for `when_well` at most, or for `otherwise` while Redis is not well.
    pub fn next(&self, when_well: Duration, otherwise: Duration) -> ReplicatorWork {
        let mut state = self.state.lock();
        let timeout = if state.phase == RedisPhase::Well { when_well } else { otherwise };
        let deadline = self.scheduler.now() + timeout;
        loop {
            if state.is_ending && (state.backlog.is_empty() || state.phase != RedisPhase::Well) {
                return ReplicatorWork::End;
            }
            if state.is_in_doubt || state.backlog.has_gap() {
                return ReplicatorWork::Compare;
            }
            let run = state.backlog.first(RUN_BYTES_MAX);
            if !run.is_empty() {
                return ReplicatorWork::Write(run);
            }
            if state.is_ending {
                return ReplicatorWork::End;
            }
            if !self.wait(RedisSignal::ToDo, &mut state, deadline) {
                return ReplicatorWork::Renew;
            }
        }
    }

    /// Waits for `pause`, or for the end if it comes first. Gives whether the process goes on.
    pub fn pause(&self, pause: Duration) -> bool {
        let deadline = self.scheduler.now() + pause;
        let mut state = self.state.lock();
        while !state.is_ending && self.wait(RedisSignal::ToDo, &mut state, deadline) {}
        !state.is_ending
    }

    /// Redis has every batch up to `checksum`. With `is_brisk` false it took so long that it does not count as well
    /// yet.
    pub fn confirm(&self, checksum: RowChecksum, is_brisk: bool) {
        let mut state = self.state.lock();
        // A batch may have been taken back while it was under way; then nothing is known until all is compared.
        if state.is_in_doubt {
            return;
        }
        state.backlog.confirm(checksum);
        self.note_well_if_it_is(&mut state, is_brisk);
        self.scheduler.ring(RedisSignal::Done);
    }

    /// Redis has answered while there was nothing to write; see [`confirm`](Self::confirm).
    pub fn confirm_again(&self, is_brisk: bool) {
        let mut state = self.state.lock();
        if !state.is_in_doubt {
            self.note_well_if_it_is(&mut state, is_brisk);
        }
    }

    /// Everything is about to be compared; see [`Backlog::begin_anew`].
    pub fn begin_anew(&self, checksum: RowChecksum) {
        let mut state = self.state.lock();
        state.is_in_doubt = false;
        state.backlog.begin_anew(checksum);
        if state.phase == RedisPhase::Well {
            self.set(&mut state, RedisPhase::CatchingUp);
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
    pub fn note_server(&self, durability: Durability, version: &str, fence: u64) {
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
        self.note_server(durability, version, fence);
        let mut state = self.state.lock();
        if state.phase != RedisPhase::Well {
            self.set(&mut state, RedisPhase::CatchingUp);
        }
    }

    /// Redis is away.
    pub fn away(&self, error: ReplicaError) {
        self.errors[error.kind as usize].fetch_add(1, Ordering::Relaxed);
        if error.kind != ReplicaErrorKind::Refused {
            self.fence.store(0, Ordering::Relaxed);
        }
        self.note_away(&mut self.state.lock(), error);
    }

    /// Whether Redis is where it was left, so that what waits can simply be written.
    pub fn knows(&self, checksum: RowChecksum) -> bool {
        let state = self.state.lock();
        !state.is_in_doubt && !state.backlog.has_gap() && state.backlog.knows(checksum)
    }

    /// The process ends: the thread is to write what waits if Redis is well, give back the lock and stop.
    pub fn end(&self) {
        self.state.lock().is_ending = true;
        self.scheduler.ring(RedisSignal::ToDo);
    }

    /// The thread has stopped.
    pub fn ended(&self) {
        self.state.lock().has_ended = true;
        self.scheduler.ring(RedisSignal::Done);
    }

    /// Waits until the thread has stopped, for `timeout` at most. Gives whether it has.
    pub fn wait_for_the_end(&self, timeout: Duration) -> bool {
        let deadline = self.scheduler.now() + timeout;
        let mut state = self.state.lock();
        while !state.has_ended && self.wait(RedisSignal::Done, &mut state, deadline) {}
        state.has_ended
    }

    /// Waits until Redis is well or away.
    pub fn wait_until_settled(&self) {
        let mut state = self.state.lock();
        while state.phase == RedisPhase::CatchingUp {
            let deadline = self.scheduler.now() + LOOK_EVERY;
            self.wait(RedisSignal::Done, &mut state, deadline);
        }
    }

    /// Waits for a signal without the lock, and gives whether it came before `deadline`.
    fn wait(&self, signal: RedisSignal, state: &mut MutexGuard<'_, State>, deadline: Instant) -> bool {
        let heard = self.scheduler.rung(signal);
        MutexGuard::unlocked(state, || self.scheduler.wait(signal, heard, deadline))
    }

    /// Since when Redis is well, or since when it is not: being away for another reason is no new beginning.
    fn set(&self, state: &mut State, phase: RedisPhase) {
        if (phase == RedisPhase::Well) != (state.phase == RedisPhase::Well) {
            state.since = self.scheduler.now();
        }
        state.phase = phase;
        self.scheduler.ring(RedisSignal::Done);
    }

    fn note_away(&self, state: &mut State, error: ReplicaError) {
        if state.logged != Some(error.kind) {
            let (place, kind) = (&self.place, error.kind.word());
            let fate = if error.kind.is_rivalry() { "refused" } else { self.fate };
            match error.kind {
                ReplicaErrorKind::Altered => {
                    log::warn!(kind = kind; "{place}: {error}. What differs is put back")
                }
                _ => log::warn!(kind = kind; "{place} is away: {error}. Reads go on; writes are {fate}"),
            }
            state.logged = Some(error.kind);
        }
        self.set(state, RedisPhase::Away(error));
    }

    fn note_well_if_it_is(&self, state: &mut State, is_brisk: bool) {
        if !state.backlog.is_empty() || !is_brisk || state.phase == RedisPhase::Well {
            return;
        }
        let mended = std::mem::take(&mut state.mended);
        state.logged = None;
        let fence = self.fence.load(Ordering::Relaxed);
        log::info!(mended = mended, fence = fence; "{} is well and has everything", self.place);
        self.set(state, RedisPhase::Well);
    }

    // For what shows its status.

    /// The present status.
    pub fn status(&self) -> RedisStatus {
        let (state, now) = (self.state.lock(), self.scheduler.now());
        RedisStatus {
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

/// How Redis is at one moment.
#[derive(Clone, Debug)]
pub struct RedisStatus {
    /// How it is.
    pub phase: RedisPhase,
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
impl fmt::Display for RedisStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.for_long.as_secs();
        let behind = format!("{} behind", counted(self.depth, "batch"));
        match &self.phase {
            RedisPhase::Well => write!(out, "well for {seconds}s"),
            RedisPhase::CatchingUp => write!(out, "catching up for {seconds}s, {behind}"),
            RedisPhase::Away(error) => {
                write!(out, "away for {seconds}s, {behind}: {}: {error}", error.kind.word())
            }
        }
    }
}
