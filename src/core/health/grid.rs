//! The instants at which a healthy check runs.

use std::time::{Duration, Instant};

use crate::core::health::spread::part;

/// Instants one interval apart, tied to one origin for all checks and shifted by a hash of what the check does.
///
/// So runs never drift, however late each is started and however long it takes; checks that do the very same are due
/// at the very same instants, whenever each was registered; and different ones are spread over the interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    interval: Duration,
    /// The first point at or after the origin.
    first_at: Instant,
}

impl Grid {
    /// The grid that `hash` stands for. `interval` must be above zero.
    pub fn new(origin: Instant, hash: u64, interval: Duration) -> Grid {
        Grid { interval, first_at: origin + part(hash, interval) }
    }

    /// Time between two points.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The first point after `now`.
    pub fn next_after(&self, now: Instant) -> Instant {
        let Some(late) = now.checked_duration_since(self.first_at) else { return self.first_at };
        let into_interval_nanos = late.as_nanos() % self.interval.as_nanos();
        let into_interval = Duration::from_nanos(u64::try_from(into_interval_nanos).unwrap_or(0));
        now - into_interval + self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: u64 = 1 << 63;

    #[test]
    fn points_are_where_the_origin_and_the_hash_put_them() {
        let origin = Instant::now();
        let seconds = Duration::from_secs_f64;
        let rows = [
            ("at the origin", 0.0, 5.0),
            ("a hair early", 4.9, 5.0),
            ("on a point", 5.0, 15.0),
            ("late", 8.7, 15.0),
            ("on the next point", 15.0, 25.0),
            ("three points missed", 40.0, 45.0),
        ];
        let grid = Grid::new(origin, HALF, seconds(10.0));
        for (name, now, expected) in rows {
            assert_eq!(grid.next_after(origin + seconds(now)), origin + seconds(expected), "{name}");
        }
    }
}
