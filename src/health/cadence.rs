//! The beat at which one check runs.

use std::time::{Duration, Instant};

/// A grid of instants one interval apart. Runs happen on the grid only, so they never drift, however late each is
/// started and however long it takes; grid points that pass while a run is under way are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cadence {
    interval: Duration,
    next_at: Instant,
}

impl Cadence {
    /// A grid through `first_at`. `interval` must be above zero.
    pub fn new(interval: Duration, first_at: Instant) -> Cadence {
        Cadence { interval, next_at: first_at }
    }

    /// The next grid point that was not used yet; in the past when it is overdue.
    pub fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Brings the next grid point forward to `now`; the grid moves with it.
    pub fn hasten(&mut self, now: Instant) {
        self.next_at = self.next_at.min(now);
    }

    /// Moves on to the first grid point after `now`.
    pub fn skip_to_after(&mut self, now: Instant) {
        let Some(late) = now.checked_duration_since(self.next_at) else { return };
        let into_interval_nanos = late.as_nanos() % self.interval.as_nanos();
        let into_interval = Duration::from_nanos(u64::try_from(into_interval_nanos).unwrap_or(0));
        self.next_at = now - into_interval + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_starts_do_not_move_the_grid() {
        let start = Instant::now();
        let seconds = Duration::from_secs_f64;
        let rows = [
            ("on time", 0.0, 10.0),
            ("late", 3.7, 10.0),
            ("a hair early", -0.1, 0.0),
            ("on the next point", 10.0, 20.0),
            ("three points missed", 35.0, 40.0),
        ];
        for (name, now, expected) in rows {
            let origin = start + seconds(100.0);
            let mut cadence = Cadence::new(seconds(10.0), origin);
            cadence.skip_to_after(start + seconds(100.0 + now));
            assert_eq!(cadence.next_at(), origin + seconds(expected), "{name}");
        }
    }
}
