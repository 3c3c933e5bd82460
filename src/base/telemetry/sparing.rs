//! Lines about what comes in crowds: one in so many seconds is said, the rest is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::sys::clock;

/// Says when a line may be said. One for each kind of line.
#[derive(Debug)]
pub struct Sparing {
    /// For how long one line is enough, in seconds.
    every_s: u64,
    /// In which stretch of so many seconds of Unix time the last line was said.
    said_in: AtomicU64,
    unsaid: AtomicU64,
}

impl Sparing {
    /// For one line a second. None was said yet.
    pub const fn new() -> Sparing {
        Sparing::every(1)
    }

    /// For one line in each stretch of `every_s` seconds, 1 at least. None was said yet.
    pub const fn every(every_s: u64) -> Sparing {
        Sparing { every_s, said_in: AtomicU64::new(0), unsaid: AtomicU64::new(0) }
    }

    /// How many lines like this were left unsaid since the last one; `None` when this is to be another of them.
    pub fn unsaid(&self) -> Option<u64> {
        self.unsaid_at(clock::coarse_unix_seconds())
    }

    fn unsaid_at(&self, now_s: u64) -> Option<u64> {
        let stretch = now_s / self.every_s;
        if self.said_in.swap(stretch, Ordering::Relaxed) == stretch {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

impl Default for Sparing {
    fn default() -> Sparing {
        Sparing::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_were_not_said() {
        let sparing = Sparing::new();
        let said: Vec<_> = [7, 7, 7, 8, 8, 20, 21].map(|now_s| sparing.unsaid_at(now_s)).into();
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1), Some(0)]);
        let sparing = Sparing::every(60);
        let said: Vec<_> = [60, 61, 119, 120, 300].map(|now_s| sparing.unsaid_at(now_s)).into();
        assert_eq!(said, [Some(0), None, None, Some(2), Some(0)]);
    }
}
