//! A channel for one value: the answer to work handed to another thread or coroutine.
//!
//! Sending never blocks and works from anywhere; receiving parks a coroutine or blocks a thread, whichever
//! calls.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use may::sync::Blocker;
use parking_lot::Mutex;

use crate::base::sys::clock;

/// Makes the two ends.
pub fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(State::Empty));
    (Sender { shared: Some(shared.clone()) }, Receiver { shared })
}

/// Where the value is. Locked for a move of the value only, never over a wait.
enum State<T> {
    Empty,
    Awaited(Arc<Blocker>),
    Full(T),
    /// The sender is gone without a value, or the value was taken.
    Closed,
}

/// The sending end. If it is dropped unused, the receiver gets an error.
pub struct Sender<T> {
    shared: Option<Arc<Mutex<State<T>>>>,
}

impl<T> Sender<T> {
    /// Sends the value. Without a receiver it is dropped with the channel.
    pub fn send(mut self, value: T) {
        self.set(State::Full(value));
    }

    fn set(&mut self, state: State<T>) {
        let Some(shared) = self.shared.take() else { return };
        let before = std::mem::replace(&mut *shared.lock(), state);
        if let State::Awaited(blocker) = before {
            blocker.unpark();
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.set(State::Closed);
    }
}

/// The receiving end.
pub struct Receiver<T> {
    shared: Arc<Mutex<State<T>>>,
}

impl<T> Receiver<T> {
    /// Waits for the value.
    ///
    /// # Errors
    /// [`RecvError::Lost`] when the sender was dropped unused.
    pub fn recv(self) -> Result<T, RecvError> {
        self.recv_before(None)
    }

    /// Waits for the value at most `timeout`, in the steps of [`clock::quantise`].
    ///
    /// # Errors
    /// [`RecvError::Lost`] when the sender was dropped unused, [`RecvError::Timeout`] when no value came in
    /// time.
    pub fn recv_timeout(self, timeout: Duration) -> Result<T, RecvError> {
        self.recv_before(Some(Instant::now() + timeout))
    }

    /// The value or its loss, if decided.
    ///
    /// # Errors
    /// The receiver again, when it is not.
    pub fn try_recv(self) -> Result<Result<T, RecvError>, Receiver<T>> {
        self.take(None).ok_or(self)
    }

    fn recv_before(self, deadline: Option<Instant>) -> Result<T, RecvError> {
        if let Some(outcome) = self.take(None) {
            return outcome;
        }
        let blocker = Arc::new(Blocker::new(true));
        loop {
            if let Some(outcome) = self.take(Some(&blocker)) {
                return outcome;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(RecvError::Timeout);
            }
            if blocker.park(left.map(clock::quantise)).is_err() {
                // A timed-out coroutine resumes on the runtime's timer thread, which must not be kept.
                may::coroutine::yield_now();
            }
        }
    }

    /// The value or its loss, if decided; otherwise leaves `blocker` for the sender to wake.
    fn take(&self, blocker: Option<&Arc<Blocker>>) -> Option<Result<T, RecvError>> {
        let mut state = self.shared.lock();
        match std::mem::replace(&mut *state, State::Closed) {
            State::Full(value) => Some(Ok(value)),
            State::Closed => Some(Err(RecvError::Lost)),
            State::Empty | State::Awaited(_) => {
                *state = blocker.map_or(State::Empty, |blocker| State::Awaited(blocker.clone()));
                None
            }
        }
    }
}

/// Why no value came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// The sender was dropped unused: its owner has failed.
    Lost,
    /// The time was over first.
    Timeout,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecvError::Lost => "the answering side ended without an answer; its log says why",
            RecvError::Timeout => "no answer came in time; try again later",
        })
    }
}

impl std::error::Error for RecvError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::sys::runtime;
    use std::sync::mpsc;

    #[test]
    fn a_value_arrives_between_every_pair_of_worlds() {
        runtime::start(2);
        for (from_coroutine, to_coroutine) in [(false, false), (false, true), (true, false), (true, true)] {
            let (sender, receiver) = oneshot();
            let (done, outcome) = mpsc::channel();
            run(to_coroutine, move || done.send(receiver.recv()).unwrap());
            run(from_coroutine, move || sender.send(7));
            assert_eq!(outcome.recv().unwrap(), Ok(7), "from {from_coroutine} to {to_coroutine}");
        }
    }

    #[test]
    fn a_dropped_sender_and_an_elapsed_time_are_told_apart() {
        runtime::start(2);
        for in_coroutine in [false, true] {
            let (done, outcome) = mpsc::channel();
            run(in_coroutine, move || {
                let (sender, receiver) = oneshot::<()>();
                let receiver = receiver.try_recv().expect_err("the sender is there");
                drop(sender);
                done.send(receiver.recv()).unwrap();
                let (sender, receiver) = oneshot();
                sender.send(());
                assert_eq!(receiver.try_recv().ok(), Some(Ok(())));
                let (_sender, receiver) = oneshot::<()>();
                done.send(receiver.recv_timeout(Duration::from_millis(5))).unwrap();
            });
            assert_eq!(outcome.recv().unwrap(), Err(RecvError::Lost));
            assert_eq!(outcome.recv().unwrap(), Err(RecvError::Timeout));
        }
    }

    fn run(in_coroutine: bool, work: impl FnOnce() + Send + 'static) {
        if in_coroutine {
            runtime::spawn("test", work).unwrap();
        } else {
            runtime::thread("test", work).unwrap();
        }
    }
}
