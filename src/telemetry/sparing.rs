//! Lines about what comes in crowds: one a second is said, the rest is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::clock;

/// Says when a line may be said. One for each kind of line.
#[derive(Debug)]
pub struct Sparing {
    /// The second of Unix time in which the last line was said.
    said_s: AtomicU64,
    unsaid: AtomicU64,
}

impl Sparing {
    /// No line was said yet.
    pub const fn new() -> Sparing {
        Sparing { said_s: AtomicU64::new(0), unsaid: AtomicU64::new(0) }
    }

    /// How many lines like this were left unsaid since the last one; `None` when this is to be another of them.
    pub fn unsaid(&self) -> Option<u64> {
        self.unsaid_at(clock::coarse_unix_seconds())
    }

    fn unsaid_at(&self, now_s: u64) -> Option<u64> {
        if self.said_s.swap(now_s, Ordering::Relaxed) == now_s {
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
    }
}
