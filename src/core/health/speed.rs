//! How fast a check runs in its present circumstances.

use std::time::{Duration, Instant};

use crate::core::health::grid::Grid;
use crate::core::health::settings::{CONFIRM_GAP_MIN, CONFIRM_TIME, DEAD_RUNS_STEADY, START_GAP};
use crate::core::health::spread::{hash, part};

/// The circumstances of a check that is run, as its results tell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckSpeed {
    /// Registered (again) and without a passing result since: quickly, then slower.
    Starting {
        /// Time to the next run after a failing one.
        gap: Duration,
    },
    /// Its last result was passing, or it has none yet after a restart: on the grid.
    Steady,
    /// Failing, but not often enough in a row to be critical: fast, to know at once.
    Confirming {
        /// When the first failing result came.
        since: Instant,
    },
    /// Known to be critical: on the grid at first, then less and less often.
    Dead {
        /// Failing results since it is known.
        runs: u32,
    },
}

impl CheckSpeed {
    /// The pace of a check whose instance was started just now, as far as anybody knows.
    pub const START: CheckSpeed = CheckSpeed::Starting { gap: START_GAP };

    /// The pace after a failing result. `is_down`: failures enough in a row.
    pub fn failed(self, now: Instant, is_down: bool, interval: Duration) -> CheckSpeed {
        match self {
            CheckSpeed::Confirming { since } if !is_down => CheckSpeed::Confirming { since },
            _ if !is_down => CheckSpeed::Confirming { since: now },
            CheckSpeed::Starting { gap } if gap < interval => CheckSpeed::Starting { gap: gap * 2 },
            CheckSpeed::Dead { runs } => CheckSpeed::Dead { runs: runs.saturating_add(1) },
            _ => CheckSpeed::Dead { runs: 0 },
        }
    }
}

/// Time between the tries that confirm a first failure: all of them are begun within a second of it.
pub fn confirm_gap(interval: Duration, failures_before_critical: u32) -> Duration {
    (CONFIRM_TIME / failures_before_critical.max(1)).min(interval).max(CONFIRM_GAP_MIN)
}

/// Time between the starts of two runs of a check that has failed `runs` times since it is known to be critical, with
/// a jitter of a tenth; `None`: on the grid. At least the interval, at most `backoff_max`.
pub fn backoff_gap(grid: &Grid, grid_hash: u64, runs: u32, backoff_max: Duration) -> Option<Duration> {
    let interval = grid.interval();
    if runs < DEAD_RUNS_STEADY || backoff_max <= interval {
        return None;
    }
    let doublings = (runs - DEAD_RUNS_STEADY + 1).min(20);
    let nominal = interval.saturating_mul(1 << doublings).min(backoff_max);
    let gap = nominal - nominal / 10 + part(hash(grid_hash, &runs), nominal / 5);
    // What would be past the bound is mirrored at it, so that dead checks do not gather there.
    let beyond = gap.saturating_sub(backoff_max);
    Some((gap - beyond * 2).max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn failures_lead_from_pace_to_pace() {
        let now = Instant::now();
        let later = now + SECOND;
        let starting = |gap_ms| CheckSpeed::Starting { gap: Duration::from_millis(gap_ms) };
        let rows = [
            ("a first failure", CheckSpeed::Steady, false, CheckSpeed::Confirming { since: later }),
            (
                "a second one",
                CheckSpeed::Confirming { since: now },
                false,
                CheckSpeed::Confirming { since: now },
            ),
            ("the last one", CheckSpeed::Confirming { since: now }, true, CheckSpeed::Dead { runs: 0 }),
            ("at once", CheckSpeed::Steady, true, CheckSpeed::Dead { runs: 0 }),
            ("dead", CheckSpeed::Dead { runs: 7 }, true, CheckSpeed::Dead { runs: 8 }),
            ("starting", CheckSpeed::START, true, starting(200)),
            ("starting for long", starting(6_400), true, starting(12_800)),
            ("not starting any more", starting(12_800), true, CheckSpeed::Dead { runs: 0 }),
        ];
        for (name, pace, is_down, expected) in rows {
            assert_eq!(pace.failed(later, is_down, 10 * SECOND), expected, "{name}");
        }
    }

    #[test]
    fn tries_are_begun_within_a_second() {
        for (failures, interval_ms, expected_ms) in [
            (0, 10_000, 1000),
            (1, 10_000, 1000),
            (3, 10_000, 333),
            (3, 100, 100),
            (50, 10_000, 20),
            (999, 10_000, 20),
        ] {
            let gap = confirm_gap(Duration::from_millis(interval_ms), failures);
            assert_eq!(gap.as_millis(), expected_ms, "{failures} failures at {interval_ms} ms");
        }
    }

    #[test]
    fn the_dead_are_asked_ever_less_often_up_to_the_bound() {
        let bound = 60 * SECOND;
        let rows = [
            (0, None),
            (2, None),
            (3, Some(20)),
            (4, Some(40)),
            (5, Some(60)),
            (6, Some(60)),
            (999, Some(60)),
        ];
        for grid_hash in 0..1000 {
            let grid = Grid::new(Instant::now(), grid_hash, 10 * SECOND);
            for (runs, nominal) in rows {
                let gap = backoff_gap(&grid, grid_hash, runs, bound).map(|gap| gap.as_millis());
                let Some(nominal) = nominal else {
                    assert_eq!(gap, None);
                    continue;
                };
                let allowed = nominal * 900..=(nominal * 1100).min(bound.as_millis());
                assert!(gap.is_some_and(|gap| allowed.contains(&gap)), "{runs} runs: {gap:?} ms");
            }
            assert_eq!(backoff_gap(&grid, grid_hash, 9, Duration::ZERO), None, "switched off");
            assert_eq!(backoff_gap(&grid, grid_hash, 9, 10 * SECOND), None, "not longer than the interval");
            let barely = backoff_gap(&grid, grid_hash, 9, 10 * SECOND + SECOND / 100);
            assert!(barely.is_some_and(|gap| gap >= 10 * SECOND), "{barely:?}");
        }
    }
}
