//! Whose turn it is: the store's own thread and the world take turns by the world's clock, one at a time, so that what
//! they do to each other follows from the seed alone.
//!
//! Both are real threads, and exactly one of them runs. The store's thread gives the turn away wherever it waits: for
//! a bell, for time, for an answer. The world gives it away when it waits for the store, and whenever time goes by.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use muster::store::redis::scheduler::{RedisScheduler, RedisSignal};

use crate::trace::At;

/// Turns without time going by, after which the store's thread is held to go round in circles.
const TURNS_MAX: usize = 10_000;

/// The clock of a world, and the turns in it.
pub struct ModelTurns {
    /// What the clock says at the beginning of the world.
    beginning: Instant,
    state: Mutex<State>,
    passed: Condvar,
}

#[derive(Default)]
struct State {
    now: At,
    rung: [u64; 2],
    other: Other,
    is_others_turn: bool,
    /// The process has died: nothing waits any more.
    is_over: bool,
    thread: Option<JoinHandle<()>>,
    thread_id: Option<ThreadId>,
    complaint: Option<String>,
}

/// The store's thread.
#[derive(Clone, Copy, Default)]
enum Other {
    /// There is none, or it has ended.
    #[default]
    None,
    /// It can go on.
    Ready,
    /// It waits for a ring beyond so many of the bell, or for a time.
    Waits { bell: Option<(RedisSignal, u64)>, until: At },
}

impl ModelTurns {
    /// At the beginning of a world.
    pub fn new() -> ModelTurns {
        ModelTurns { beginning: Instant::now(), state: Mutex::default(), passed: Condvar::new() }
    }

    /// Time since the beginning of the world.
    pub fn at(&self) -> At {
        self.hold().now
    }

    /// Lets time go by for the world; the store's thread does meanwhile what falls due.
    pub fn pass(&self, time: Duration) {
        let until = self.at() + time;
        while self.go_on(until) {}
    }

    /// Lets time go by for everybody but this process, which is stopped.
    pub fn stall(&self, time: Duration) {
        self.hold().now += time;
    }

    /// Time that a call takes, on whichever thread.
    pub fn take(&self, time: Duration) {
        if self.is_other() {
            let until = self.at() + time;
            self.give_away(None, until);
        } else {
            self.pass(time);
        }
    }

    /// Whether the process has died, so that nothing that it does has an effect.
    pub fn is_over(&self) -> bool {
        self.hold().is_over
    }

    /// The process dies: whatever its thread waits for is over, and nothing that it does has an effect.
    pub fn cut_off(&self) {
        self.hold().is_over = true;
        self.passed.notify_all();
    }

    /// Waits until the store's thread is gone; another process may begin then.
    pub fn bury(&self) {
        let thread = self.hold().thread.take();
        if let Some(thread) = thread {
            thread.join().expect("its panics are caught");
        }
        let mut state = self.hold();
        (state.other, state.thread_id) = (Other::None, None);
        (state.is_over, state.is_others_turn) = (false, false);
    }

    /// What the store's thread did that it must not.
    pub fn complaint(&self) -> Option<String> {
        self.hold().complaint.take()
    }

    /// Gives the turn to the store's thread if it can go on, or lets time go by until it can, or until `until`. Gives
    /// whether it is not yet `until`.
    fn go_on(&self, until: At) -> bool {
        let mut state = self.hold();
        let mut turns = 0;
        while state.is_others_to_go_on() {
            turns += 1;
            if turns > TURNS_MAX {
                state.complaint = Some("the store's thread goes round in circles".into());
                return false;
            }
            state.is_others_turn = true;
            self.passed.notify_all();
            state = self.wait_while(state, |state| state.is_others_turn);
            if state.complaint.is_some() {
                return false;
            }
        }
        let next = match state.other {
            Other::Waits { until: next, .. } => next.min(until),
            Other::None | Other::Ready => until,
        };
        state.now = state.now.max(next);
        state.now < until
    }

    /// The store's thread waits, and the world goes on. Gives whether the bell has rung.
    fn give_away(&self, bell: Option<(RedisSignal, u64)>, until: At) -> bool {
        let mut state = self.hold();
        state.other = Other::Waits { bell, until };
        state.is_others_turn = false;
        self.passed.notify_all();
        let mut state = self.wait_while(state, |state| !state.is_others_turn && !state.is_over);
        state.other = Other::Ready;
        bell.is_some_and(|(bell, heard)| !state.is_over && state.rung[bell as usize] > heard)
    }

    fn is_other(&self) -> bool {
        self.hold().thread_id == Some(std::thread::current().id())
    }

    fn hold(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn wait_while<'a>(
        &self,
        state: MutexGuard<'a, State>,
        is_to_wait: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        self.passed.wait_while(state, |state| is_to_wait(state)).expect("no holder panics")
    }
}

impl State {
    fn is_others_to_go_on(&self) -> bool {
        match self.other {
            Other::None => false,
            Other::Ready => true,
            Other::Waits { bell, until } => {
                let has_rung = bell.is_some_and(|(bell, heard)| self.rung[bell as usize] > heard);
                has_rung || until <= self.now
            }
        }
    }
}

/// The turns as the store sees them.
pub struct Shared(pub std::sync::Arc<ModelTurns>);

impl RedisScheduler for Shared {
    fn now(&self) -> Instant {
        self.0.beginning + self.0.at()
    }

    fn sleep(&self, pause: Duration) {
        self.0.take(pause);
    }

    fn start(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let turns = self.0.clone();
        let body = move || {
            let state = turns.hold();
            drop(turns.wait_while(state, |state| !state.is_others_turn && !state.is_over));
            let outcome = catch_unwind(AssertUnwindSafe(work));
            let mut state = turns.hold();
            if outcome.is_err() {
                state.complaint = Some("the store's thread panicked".into());
            }
            (state.other, state.is_others_turn) = (Other::None, false);
            turns.passed.notify_all();
        };
        let mut state = self.0.hold();
        let thread = std::thread::Builder::new().spawn(body)?;
        (state.thread_id, state.thread) = (Some(thread.thread().id()), Some(thread));
        state.other = Other::Ready;
        Ok(())
    }

    fn ring(&self, bell: RedisSignal) {
        self.0.hold().rung[bell as usize] += 1;
    }

    fn rung(&self, bell: RedisSignal) -> u64 {
        self.0.hold().rung[bell as usize]
    }

    fn wait(&self, bell: RedisSignal, heard: u64, deadline: Instant) -> bool {
        let until = deadline.saturating_duration_since(self.0.beginning);
        if self.0.is_other() {
            return self.0.give_away(Some((bell, heard)), until);
        }
        loop {
            if self.rung(bell) > heard {
                return true;
            }
            if self.0.is_over() || !self.0.go_on(until) {
                let state = self.0.hold();
                assert!(state.complaint.is_none(), "{:?}", state.complaint);
                return state.rung[bell as usize] > heard;
            }
        }
    }
}
