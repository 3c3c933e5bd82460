//! One thread that moves the coarse clock, wakes connections whose deadline is due, and closes ended sockets.
//!
//! Connections wait on their socket, which has no timeout of its own; each puts its deadline into an atomic,
//! and this thread looks at all of them when the earliest may be due. Ended sockets rest here before they are
//! closed: the runtime may still be between storing a coroutine and looking at its socket when that
//! coroutine, already resumed elsewhere, ends and would free it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::sys::clock::{self, Deadline, TICK_MS};
use crate::base::sys::park::WakeState;
use crate::base::sys::registered::Registered;
use crate::base::sys::supervision::{self, Habit};
use crate::base::sys::turnstile;

/// The longest time between two looks at every deadline, in milliseconds. It bounds how late a deadline can
/// be noticed whose arming raced with a look, and how long an ended connection stays in the list.
const LOOK_AT_LEAST_EVERY_MS: u64 = 500;

/// Connections woken, or sockets closed, between two pauses: a crowd whose time comes at once must not keep the workers
/// from all others. A pause is [`SLICE_PAUSE`], and those that wake wait until the workers have looked at their
/// sockets, for a worker that is given more and more looks at none. Ten thousand take a third of a second.
const SLICE: usize = 64;
const SLICE_PAUSE: Duration = Duration::from_millis(1);

static TIMER: DeadlineTimer = DeadlineTimer {
    wake_states: Mutex::new(Vec::new()),
    next_due_ms: AtomicU64::new(u64::MAX),
    ended: Mutex::new(Vec::new()),
};

struct DeadlineTimer {
    /// The wake state of every connection. Locked to add one and by a look; nothing waits under it.
    wake_states: Mutex<Vec<Arc<WakeState>>>,
    /// No deadline is earlier than this, but for one being armed during a look.
    next_due_ms: AtomicU64,
    /// Sockets whose coroutine has ended since the last tick. Nothing waits under it.
    ended: Mutex<Vec<Arc<Registered>>>,
}

/// Starts the thread; [`crate::base::sys::runtime::start`] calls this once.
pub(crate) fn start() -> io::Result<()> {
    clock::tick();
    supervision::thread("reaper", Habit::BEATS, run)
}

/// Adds a connection to those whose deadline is watched, until it is closed.
pub(crate) fn watch(wake_state: Arc<WakeState>) {
    TIMER.wake_states.lock().push(wake_state);
}

/// Sets when the connection of `wake_state` is to be woken. A store and a load, unless it is the earliest of all.
pub(crate) fn arm(wake_state: &WakeState, deadline: Deadline) {
    wake_state.set_deadline(deadline);
    if deadline.0 < TIMER.next_due_ms.load(Ordering::Acquire) {
        TIMER.next_due_ms.fetch_min(deadline.0, Ordering::AcqRel);
    }
}

/// Takes a socket whose coroutine is done with it, and closes it one to two ticks later.
pub(crate) fn close_later(socket: Arc<Registered>) {
    TIMER.ended.lock().push(socket);
}

/// Wakes every connection of the process once, so that each looks at its flags. Cost: O(connections).
pub fn nudge_all() {
    TIMER.wake_states.lock().iter().for_each(|wake_state| wake_state.nudge());
}

fn run() {
    let mut resting = Vec::new();
    let (mut looked_ms, mut looked_after_ms) = (0, 0);
    loop {
        std::thread::sleep(Duration::from_millis(TICK_MS));
        let now_ms = clock::tick();
        supervision::beat();
        if now_ms >= looked_after_ms + supervision::LOOK_EVERY.as_millis() as u64 {
            supervision::look_at_supervisor();
            looked_after_ms = now_ms;
        }
        let due = TIMER.next_due_ms.load(Ordering::Acquire) <= now_ms;
        if due || now_ms >= looked_ms + LOOK_AT_LEAST_EVERY_MS {
            TIMER.look(now_ms);
            looked_ms = now_ms;
        }
        let rested = std::mem::replace(&mut resting, std::mem::take(&mut *TIMER.ended.lock()));
        in_slices(rested, || (), drop::<Arc<Registered>>);
    }
}

impl DeadlineTimer {
    /// Wakes what is due, forgets what is closed, and learns when the next deadline is.
    fn look(&self, now_ms: u64) {
        self.next_due_ms.store(u64::MAX, Ordering::Release);
        let (mut next_due_ms, mut due) = (u64::MAX, Vec::new());
        self.wake_states.lock().retain(|wake_state| {
            let Deadline(deadline_ms) = wake_state.deadline();
            if deadline_ms <= now_ms {
                due.push(wake_state.clone());
            } else {
                next_due_ms = next_due_ms.min(deadline_ms);
            }
            !wake_state.is_closed()
        });
        self.next_due_ms.fetch_min(next_due_ms, Ordering::AcqRel);
        // Not for a worker that is held: the clock goes on.
        let mut waits = true;
        let rest = || waits = waits && turnstile::wait_on_a_thread();
        in_slices(due, rest, |wake_state| wake_state.nudge());
    }
}

/// Does it to each, a few at a time with a pause and a rest between; the coarse clock goes on meanwhile.
fn in_slices<T>(all: Vec<T>, mut rest: impl FnMut(), mut each: impl FnMut(T)) {
    for (at, one) in all.into_iter().enumerate() {
        if at > 0 && at % SLICE == 0 {
            std::thread::sleep(SLICE_PAUSE);
            rest();
            clock::tick();
            supervision::beat();
        }
        each(one);
    }
}
