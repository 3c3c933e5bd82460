//! A few threads for work that would block a worker: name lookups, compression of big bodies, file reads.
//!
//! The queue before them is bounded; when it is full the caller gets an error at once and decides what to do
//! without.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::time::Instant;

use parking_lot::Mutex;

use crate::base::sys::oneshot::{Receiver, RecvError, oneshot};
use crate::base::sys::runtime;
use crate::base::sys::supervision::{self, Habit};

type Job = Box<dyn FnOnce() + Send>;

/// Named threads behind one bounded queue. Dropping the last clone ends them once the queue is empty.
#[derive(Clone)]
pub struct Offload {
    queue: SyncSender<Job>,
}

impl Offload {
    /// Starts `threads` threads named after `name`, with room for `queue_max` jobs that wait.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn new(name: &str, threads: usize, queue_max: usize) -> io::Result<Offload> {
        Offload::begun_with(name, threads, queue_max, || {})
    }

    fn begun_with(name: &str, threads: usize, queue_max: usize, begin: fn()) -> io::Result<Offload> {
        let (queue, jobs) = mpsc::sync_channel::<Job>(queue_max);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads.max(1) {
            let jobs = jobs.clone();
            supervision::thread(&format!("{name}-{number}"), Habit::Lives, move || {
                begin();
                // The lock is held over the wait for a job, by threads of this pool alone.
                loop {
                    let Ok(job) = jobs.lock().recv() else { return };
                    job();
                }
            })?;
        }
        Ok(Offload { queue })
    }

    /// As [`Offload::new`], with threads that let every other one go first: for work that may take long.
    ///
    /// # Errors
    /// As [`Offload::new`].
    pub fn humble(name: &str, threads: usize, queue_max: usize) -> io::Result<Offload> {
        Offload::begun_with(name, threads, queue_max, runtime::lower_priority)
    }

    /// Runs `work` on one of the threads and waits for its value; a coroutine parks meanwhile.
    ///
    /// # Errors
    /// [`OffloadError::Full`] at once when the queue is full, [`OffloadError::Panicked`] when `work` did.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, OffloadError> {
        self.start(work)?.recv().map_err(|_lost| OffloadError::Panicked)
    }

    /// As [`Offload::run`], but waits until `deadline` only. The work goes on then, and its value is dropped.
    ///
    /// # Errors
    /// Those of [`Offload::run`], and [`OffloadError::Timeout`].
    pub fn run_until<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, OffloadError> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.start(work)?.recv_timeout(left).map_err(|error| match error {
            RecvError::Lost => OffloadError::Panicked,
            RecvError::Timeout => OffloadError::Timeout,
        })
    }

    /// Has `work` run on one of the threads, without waiting for it.
    ///
    /// # Errors
    /// [`OffloadError::Full`] when the queue is full.
    pub fn post(&self, work: impl FnOnce() + Send + 'static) -> Result<(), OffloadError> {
        self.start(work).map(drop)
    }

    fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Receiver<T>, OffloadError> {
        let (sender, receiver) = oneshot();
        let job = Box::new(move || match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => sender.send(value),
            Err(panic) => log::error!("offloaded work panicked: {}", runtime::panic_text(panic.as_ref())),
        });
        match self.queue.try_send(job) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(OffloadError::Full),
        }
    }
}

/// Why offloaded work has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffloadError {
    /// The queue is full; the work did not start.
    Full,
    /// The work panicked; the log has its text.
    Panicked,
    /// The work took too long; its value will be dropped.
    Timeout,
}

impl fmt::Display for OffloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OffloadError::Full => "too much work is waiting; try again later",
            OffloadError::Panicked => "the work failed on its own fault; the log says how",
            OffloadError::Timeout => "the work took too long; try again later",
        })
    }
}

impl std::error::Error for OffloadError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn work_answers_and_a_panic_is_told() {
        let pool = Offload::new("test", 2, 4).unwrap();
        assert_eq!(pool.run(|| 6 * 7), Ok(42));
        assert_eq!(pool.run(|| panic!("expected by the test")), Err::<(), _>(OffloadError::Panicked));
        assert_eq!(pool.run(|| 1), Ok(1), "the thread survived");
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let pool = Offload::new("test", 1, 4).unwrap();
        let (release, released) = channel::<()>();
        let waited = pool.run_until(Instant::now(), move || released.recv());
        assert_eq!(waited, Err(OffloadError::Timeout));
        release.send(()).unwrap();
        assert_eq!(pool.run(|| 1), Ok(1), "the thread is free again");
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let pool = Offload::new("test", 1, 1).unwrap();
        let (started, has_started) = channel();
        let (release, released) = channel::<()>();
        let busy = pool.clone();
        let first = std::thread::spawn(move || {
            busy.run(move || {
                started.send(()).unwrap();
                released.recv().unwrap();
            })
        });
        has_started.recv().unwrap();
        pool.queue.try_send(Box::new(|| {})).expect("one job fits the queue");
        assert_eq!(pool.run(|| ()), Err(OffloadError::Full));
        release.send(()).unwrap();
        assert_eq!(first.join().unwrap(), Ok(()));
    }
}
