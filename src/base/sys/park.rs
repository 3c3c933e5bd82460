//! How another thread wakes a coroutine that waits on its socket: the state they share, and the waker that sets it.
//!
//! A wake is remembered until the coroutine takes it, so one between a check and the wait after it is not lost.
//! Why it was woken is not known here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use may::io::WaitIoWaker;

use crate::base::sys::clock::Deadline;

/// Wakes one coroutine that waits on its socket. Cheap to clone, safe to keep after the connection is gone.
///
/// Waking works from any thread and never blocks; waking twice before the coroutine looks counts once. A
/// waker does not keep the socket open.
#[derive(Clone)]
pub struct Waker(Arc<WakeState>);

impl Waker {
    pub(crate) fn new(wake_state: Arc<WakeState>) -> Waker {
        Waker(wake_state)
    }

    /// The waker of a caller that has no socket and never sleeps: it looks by itself whether it was woken.
    pub fn without_socket() -> Waker {
        Waker(Arc::new(WakeState::over(None)))
    }

    /// Whether it was woken since this was last asked.
    pub fn take_wake(&self) -> bool {
        self.0.take_wake()
    }

    /// Wakes: the coroutine's present wait, or else its next one, returns.
    pub fn wake(&self) {
        self.0.woken.store(true, Ordering::Release);
        self.0.nudge();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("woken", &self.0.woken).finish()
    }
}

/// What a connection shares with those who may wake it: holders of a [`Waker`], and the deadline timer.
pub(crate) struct WakeState {
    /// Set by a [`Waker`], taken by the connection.
    woken: AtomicBool,
    /// When the deadline timer is to wake the connection, in coarse milliseconds; [`Deadline::NEVER`] while it does
    /// not wait.
    deadline_ms: AtomicU64,
    /// Set once the connection has ended, so that the deadline timer forgets it.
    closed: AtomicBool,
    /// `None` when nothing sleeps: the holder of the waker looks by itself.
    io: Option<WaitIoWaker>,
}

impl WakeState {
    pub(crate) fn new(io: WaitIoWaker) -> WakeState {
        WakeState::over(Some(io))
    }

    fn over(io: Option<WaitIoWaker>) -> WakeState {
        WakeState {
            woken: AtomicBool::new(false),
            deadline_ms: AtomicU64::new(Deadline::NEVER.0),
            closed: AtomicBool::new(false),
            io,
        }
    }

    /// Takes a wake, if there was one since the last time.
    pub(crate) fn take_wake(&self) -> bool {
        self.woken.load(Ordering::Relaxed) && self.woken.swap(false, Ordering::Acquire)
    }

    pub(crate) fn set_deadline(&self, deadline: Deadline) {
        self.deadline_ms.store(deadline.0, Ordering::Release);
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline(self.deadline_ms.load(Ordering::Acquire))
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Makes the connection look around without leaving a wake behind: its deadline may be due, or the server
    /// drains.
    pub(crate) fn nudge(&self) {
        if let Some(io) = &self.io {
            io.wakeup();
        }
    }
}
