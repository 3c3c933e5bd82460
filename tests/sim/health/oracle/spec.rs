//! The fixed numbers of the specification, written down a second time so that a slip in the first is seen.

use std::time::Duration;

/// A process wants to be called at least this often.
pub const HEARTBEAT: Duration = Duration::from_millis(500);
/// A longer silence does not count but for a heartbeat of it.
pub const STALL: Duration = Duration::from_secs(1);
/// A longer silence may be why a run failed that was under way.
pub const DOUBT: Duration = Duration::from_millis(750);
/// A write that has not arrived by then is asked for again.
pub const RETRY: Duration = Duration::from_secs(5);
/// A run that has not ended so long after its timeout is given up.
pub const GRACE: Duration = Duration::from_secs(10);
/// A new check runs within this.
pub const START: Duration = Duration::from_millis(50);
/// From the first failing run of a new check to its second; doubled each time.
pub const START_GAP: Duration = Duration::from_millis(100);
/// All tries that a threshold asks for are begun within this.
pub const CONFIRM: Duration = Duration::from_secs(1);
/// But no faster than this.
pub const CONFIRM_GAP_MIN: Duration = Duration::from_millis(20);
/// Runs of a dead check at its interval.
pub const STEADY_WHILE_DEAD: u32 = 3;
/// Shortest interval.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Timeout of a definition without one.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Shortest time in critical that deregisters.
pub const REAP_MIN: Duration = Duration::from_secs(1);
/// Bytes of output kept where the definition does not say.
pub const OUTPUT_BYTES: usize = 4096;
/// What a fall adds to the penalty.
pub const PENALTY: f64 = 1_000.0;
/// Half-lives that a suppression lasts at most after the last fall.
pub const HALF_LIVES: i32 = 4;
/// How far two ways of reckoning with fractions may be apart.
pub const ROUNDING: Duration = Duration::from_micros(2);

/// Where something may happen: not before `least`, and by `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub least: Duration,
    pub most: Duration,
}

impl Window {
    /// Exactly then.
    pub fn at(instant: Duration) -> Window {
        Window { least: instant, most: instant }
    }

    /// From `least` to `most`.
    pub fn new(least: Duration, most: Duration) -> Window {
        assert!(least <= most, "the oracle is wrong: {least:?} to {most:?} is no window");
        Window { least, most }
    }

    /// Whether `instant` is in it, but for rounding.
    pub fn holds(&self, instant: Duration) -> bool {
        instant + ROUNDING >= self.least && instant <= self.most + ROUNDING
    }
}
