//! Limits lines about what comes in crowds: one in so many seconds is logged, the rest is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::sys::clock;

/// Whether a line may be logged. One for each kind of line.
#[derive(Debug)]
pub struct LogLimit {
    /// For how long one line is enough, in seconds.
    every_s: u64,
    /// In which stretch of so many seconds of Unix time the last line was logged.
    logged_in: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimit {
    /// For one line a second. None was logged yet.
    pub const fn new() -> LogLimit {
        LogLimit::every(1)
    }

    /// For one line in each stretch of `every_s` seconds, 1 at least. None was logged yet.
    pub const fn every(every_s: u64) -> LogLimit {
        LogLimit { every_s, logged_in: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// How many lines like this were suppressed since the last one; `None` when this is to be another of them.
    pub fn suppressed(&self) -> Option<u64> {
        self.suppressed_at(clock::coarse_unix_seconds())
    }

    fn suppressed_at(&self, now_s: u64) -> Option<u64> {
        let stretch = now_s / self.every_s;
        if self.logged_in.swap(stretch, Ordering::Relaxed) == stretch {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.suppressed.swap(0, Ordering::Relaxed))
    }
}

impl Default for LogLimit {
    fn default() -> LogLimit {
        LogLimit::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_were_suppressed() {
        let limit = LogLimit::new();
        let logged: Vec<_> = [7, 7, 7, 8, 8, 20, 21].map(|now_s| limit.suppressed_at(now_s)).into();
        assert_eq!(logged, [Some(0), None, None, Some(2), None, Some(1), Some(0)]);
        let limit = LogLimit::every(60);
        let logged: Vec<_> = [60, 61, 119, 120, 300].map(|now_s| limit.suppressed_at(now_s)).into();
        assert_eq!(logged, [Some(0), None, None, Some(2), Some(0)]);
    }
}
