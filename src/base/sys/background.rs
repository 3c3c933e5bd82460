//! One thread for long work of many clients, which are served in turns.

use std::hash::Hash;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::base::stdx::fair_queue::{FairQueue, QueueFull};
use crate::base::sys::runtime;
use crate::base::sys::supervision::{self, Habit};

/// What is to be done, or what is dropped instead.
type Work = Box<dyn FnOnce() + Send>;

/// A thread of low priority and what waits for it. Dropping it ends the thread, and drops what waits.
pub struct BackgroundThread<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    /// Locked to put and to take; `None` once the lane is gone. Nothing yields or runs under it.
    turns: Mutex<Option<FairQueue<K, Work>>>,
    /// Signalled under the lock when there is something to do, or never will be again.
    came: Condvar,
}

impl<K: Clone + Eq + Hash + Send + 'static> BackgroundThread<K> {
    /// Starts the thread `name`, for which so many pieces of work of one client may wait, and of all.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn begin(name: &str, share_max: usize, count_max: usize) -> io::Result<BackgroundThread<K>> {
        let turns = Mutex::new(Some(FairQueue::new(share_max, count_max)));
        let shared = Arc::new(Shared { turns, came: Condvar::new() });
        let own = shared.clone();
        supervision::thread(name, Habit::Lives, move || {
            runtime::lower_priority();
            own.serve();
        })?;
        Ok(BackgroundThread { shared })
    }

    /// Has `work` of `client` done when its turn comes. Where another's work had to make room for it, that is dropped.
    ///
    /// # Errors
    /// Why it is not done; it is dropped.
    pub fn put(&self, client: K, work: impl FnOnce() + Send + 'static) -> Result<(), QueueFull> {
        let mut guard = self.shared.turns.lock();
        let Some(turns) = guard.as_mut() else { return Err(QueueFull::Full) };
        let put = turns.put(client, Box::new(work));
        drop(guard);
        // What is dropped wakes its waiter, so not under the lock.
        match put {
            Ok(displaced) => {
                self.shared.came.notify_one();
                drop(displaced);
                Ok(())
            }
            Err((refused, _work)) => Err(refused),
        }
    }
}

impl<K> Drop for BackgroundThread<K> {
    fn drop(&mut self) {
        let left = self.shared.turns.lock().take();
        self.shared.came.notify_all();
        drop(left);
    }
}

impl<K: Clone + Eq + Hash> Shared<K> {
    fn serve(&self) {
        loop {
            let mut guard = self.turns.lock();
            let work = loop {
                let Some(turns) = guard.as_mut() else { return };
                match turns.take() {
                    Some(work) => break work,
                    None => self.came.wait(&mut guard),
                }
            };
            drop(guard);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                log::error!("work in a lane panicked: {}", runtime::panic_text(panic.as_ref()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn clients_are_served_in_turns_and_a_panic_is_told() {
        let lane = BackgroundThread::begin("test-turns", 2, 3).unwrap();
        let (said, heard) = channel();
        let (release, released) = channel::<()>();
        let (begun, has_begun) = channel();
        lane.put('a', move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
            panic!("expected by the test");
        })
        .unwrap();
        has_begun.recv().unwrap();
        for (client, number, expected) in [
            ('a', 1, Ok(())),
            ('a', 2, Ok(())),
            ('a', 3, Err(QueueFull::Share)),
            ('b', 4, Ok(())),
            ('b', 5, Err(QueueFull::Full)),
        ] {
            let said = said.clone();
            assert_eq!(lane.put(client, move || said.send(number).unwrap()), expected, "{number}");
        }
        release.send(()).unwrap();
        drop(said);
        assert_eq!(heard.iter().collect::<Vec<_>>(), [1, 4, 2], "the thread survived");
        drop(lane);
    }
}
