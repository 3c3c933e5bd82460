//! What health knows of a check and the catalog does not: what an orderly restart takes along.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The part of a check's life that no catalog record shows. Spans are by attended time; the time until it is restored
/// does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// Results in a row, of a check that is run and whose counters are not what a restart would begin with.
    pub counters: Option<Counters>,
    /// Failing results since the check is known to be critical, from which follows how rarely it runs.
    pub dead_runs: Option<u32>,
    /// Time that the instance may still be silent.
    pub ttl_left: Option<Duration>,
    /// Where flap damping stands.
    pub flaps: Option<SavedFlaps>,
}

/// Results in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Failing ones; of a check that has never run, as many as make it critical.
    pub failures: u32,
    /// Passing ones; of a check that has never run, as many as make it pass.
    pub successes: u32,
}

/// Where flap damping stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedFlaps {
    /// The penalty.
    pub penalty: f64,
    /// Time for which it will still hold back; zero when it does not.
    pub suppressed_for: Duration,
}

impl Saved {
    /// Whether there is anything to save.
    pub fn is_empty(&self) -> bool {
        *self == Saved::default()
    }
}
