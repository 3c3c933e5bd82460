//! What health knows of a check and the catalog does not: what an orderly restart takes along, and a crash.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::health::CheckKey;
use crate::core::health::settings::DURATION_MAX;

/// The part of a check's life that no catalog record shows. Spans are by attended time; the time until it is restored
/// does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// Results in a row, of a check that is run and whose counters are not what a restart would begin with.
    pub counters: Option<ResultCounters>,
    /// Failing results since the check is known to be critical, from which follows how rarely it runs.
    pub dead_runs: Option<u32>,
    /// Time that the instance may still be silent.
    pub ttl_left: Option<Duration>,
    /// Where flap damping stands.
    pub flaps: Option<SavedFlaps>,
}

/// Results in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultCounters {
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

/// The most results in a row that are read back: more than any threshold asks for within a life, and far from the end
/// of what can be counted.
const IN_A_ROW_MAX: u32 = 1 << 24;

/// What a crash is to leave of the TTLs: those that were set anew since this was last asked for.
#[derive(Clone, Debug, Default)]
pub struct TtlNews {
    /// Attended time since the first call, which all of this is said at.
    pub attended: Duration,
    /// Each check with its TTL and how much of it is left; `None` when it has none any more.
    pub ttls: Vec<(CheckKey, Option<TtlLeft>)>,
}

/// A TTL that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlLeft {
    /// All of it.
    pub ttl: Duration,
    /// Time that the instance may still be silent.
    pub left: Duration,
}

impl Saved {
    /// What is known after a crash, of a check whose instance may still be silent for `left`.
    pub fn after_crash(left: Duration) -> Saved {
        Saved { ttl_left: Some(left), ..Saved::default() }
    }

    /// The same with every number within what can be reckoned with, whatever wrote it.
    pub fn bounded(self) -> Saved {
        let counters = self.counters.map(|ResultCounters { failures, successes }| ResultCounters {
            failures: failures.min(IN_A_ROW_MAX),
            successes: successes.min(IN_A_ROW_MAX),
        });
        Saved {
            counters,
            dead_runs: self.dead_runs.map(|runs| runs.min(IN_A_ROW_MAX)),
            ttl_left: self.ttl_left.map(|left| left.min(DURATION_MAX)),
            flaps: self
                .flaps
                .map(|flaps| SavedFlaps { suppressed_for: flaps.suppressed_for.min(DURATION_MAX), ..flaps }),
        }
    }

    /// Whether there is anything to save.
    pub fn is_empty(&self) -> bool {
        *self == Saved::default()
    }
}
