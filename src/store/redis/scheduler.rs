//! Time, and how the two threads of a Redis store wait: the writer's for the store's own, and that one for work.
//!
//! In earnest it is the machine's clock and [`Threads`]. It is a trait so that the simulation can decide which of the
//! two goes on at every place where one may wait, and let hours pass at once.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::base::sys::clock::Clock;
use crate::base::sys::runtime;
use crate::base::sys::supervision::{self, Habit, WAIT_MAX};

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisSignal {
    /// There is something to do for the store's thread.
    ToDo,
    /// It has done something, or found out how Redis is.
    Done,
}

/// Time and turns.
pub trait RedisScheduler: Send + Sync {
    /// The monotonic clock.
    fn now(&self) -> Instant;

    /// Lets time go by.
    fn sleep(&self, pause: Duration);

    /// Starts the store's own thread.
    ///
    /// # Errors
    /// When the system gives none.
    fn start(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<()>;

    /// Wakes the thread that waits for `signal`.
    fn ring(&self, signal: RedisSignal);

    /// How often `signal` was given so far. Read it under the lock under which it was seen that there is a need to
    /// wait: then no ring is missed.
    fn rung(&self, signal: RedisSignal) -> u64;

    /// Waits until `signal` was given more than `heard` times, or until `deadline`. Gives whether it has.
    fn wait(&self, signal: RedisSignal, heard: u64, deadline: Instant) -> bool;
}

/// Real threads on the machine's clock.
#[derive(Default)]
pub struct Threads {
    to_do: Rings,
    done: Rings,
}

#[derive(Default)]
struct Rings {
    count: Mutex<u64>,
    rung: Condvar,
}

impl Threads {
    /// For one store.
    pub fn shared() -> Arc<dyn RedisScheduler> {
        Arc::new(Self::default())
    }

    fn of(&self, signal: RedisSignal) -> &Rings {
        match signal {
            RedisSignal::ToDo => &self.to_do,
            RedisSignal::Done => &self.done,
        }
    }
}

impl RedisScheduler for Threads {
    fn now(&self) -> Instant {
        Clock.now()
    }

    fn sleep(&self, pause: Duration) {
        runtime::sleep(pause);
    }

    fn start(&self, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        // A call to Redis takes as long as Redis does; what it waits for by itself is counted.
        supervision::thread("redis", Habit::BEATS, || {
            supervision::patiently(work);
            // It was stopped, with the process or before its store is opened anew.
            supervision::retire();
        })
    }

    fn ring(&self, signal: RedisSignal) {
        let rings = self.of(signal);
        *rings.count.lock() += 1;
        rings.rung.notify_all();
    }

    fn rung(&self, signal: RedisSignal) -> u64 {
        *self.of(signal).count.lock()
    }

    fn wait(&self, signal: RedisSignal, heard: u64, deadline: Instant) -> bool {
        let rings = self.of(signal);
        let mut count = rings.count.lock();
        supervision::attentively(|| {
            while *count <= heard && self.now() < deadline {
                let until = deadline.min(self.now() + WAIT_MAX);
                supervision::waiting(|| rings.rung.wait_until(&mut count, until));
            }
        });
        *count > heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_between_the_look_and_the_wait_is_not_missed() {
        let scheduler = Threads::default();
        let heard = scheduler.rung(RedisSignal::ToDo);
        scheduler.ring(RedisSignal::ToDo);
        assert!(scheduler.wait(RedisSignal::ToDo, heard, scheduler.now()), "it rang before the wait");
        assert!(!scheduler.wait(RedisSignal::ToDo, heard + 1, scheduler.now()), "and once only");
        assert!(!scheduler.wait(RedisSignal::Done, 0, scheduler.now()), "the other did not");
    }
}
