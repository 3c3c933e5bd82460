//! The time of one run, in nanoseconds since it began.

use std::time::{Duration, Instant};

/// Counts from the moment it was made; copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock at 0.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the start.
    pub fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Sleeps until the clock shows `at`, which may have passed.
    pub fn sleep_until(&self, at: u64) {
        std::thread::sleep(Duration::from_nanos(at.saturating_sub(self.now())));
    }
}

/// Seconds of a scenario in the unit of the clock.
pub fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
