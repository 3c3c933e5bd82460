//! What answers show of one check: where it stands between its runs and its deadlines.

use std::time::Duration;

use crate::core::model::Status;

/// A look at one check under watch. Spans are from the moment of the look, by attended time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckDiagnostics {
    /// What its runs are about at present; `None` for checks that are not run.
    pub phase: Option<CheckPhase>,
    /// Since the phase began.
    pub phase_for: Duration,
    /// Until the next run; `None` for checks that are not run. While one is under way: until the one after it, if
    /// that one passes.
    pub next_run_in: Option<Duration>,
    /// Whether a run is under way.
    pub is_running: bool,
    /// Since the run under way was started.
    pub running_for: Option<Duration>,
    /// Until a silent instance's TTL is over; `None` for other checks, and once it is over.
    pub ttl_over_in: Option<Duration>,
    /// Since the last result or report, or since the checks of an alias's target last changed; `None` before the first.
    pub observed_ago: Option<Duration>,
    /// Failing results in a row; at least `failures_before_critical` before the first result of a new check.
    pub failures_in_a_row: u32,
    /// Failing results in a row that make it critical, at least 1.
    pub failures_before_critical: u32,
    /// Passing results in a row; at least `success_before_passing` before the first result of a new check.
    pub successes_in_a_row: u32,
    /// Passing results in a row that make it pass, at least 1.
    pub success_before_passing: u32,
    /// How long it has been critical without a break, downtime of muster included; `None` when it is not, or when
    /// something better is held back by flap damping.
    pub critical_for: Option<Duration>,
    /// Until the instance is deregistered if nothing changes.
    pub reaped_in: Option<Duration>,
    /// Until flap damping lets it pass; `None` when it is not suppressed.
    pub damped_for: Option<Duration>,
    /// The better status that flap damping holds back at present.
    pub held_back: Option<Status>,
    /// The penalty of flap damping now, rounded; 0 without damping.
    pub penalty: u32,
}

/// What the runs of a check are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckPhase {
    /// Registered (again), and without a passing result since: it runs quickly, then ever more slowly.
    Starting,
    /// It runs at its interval.
    Steady,
    /// It failed, but not often enough in a row to be critical: it runs fast, to know at once.
    Confirming,
    /// It is known to be critical and still runs at its interval.
    Dead,
    /// It has been critical for a while and runs more rarely.
    BackingOff,
}

impl CheckPhase {
    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckPhase::Starting => "starting",
            CheckPhase::Steady => "steady",
            CheckPhase::Confirming => "confirming",
            CheckPhase::Dead => "dead",
            CheckPhase::BackingOff => "backing-off",
        }
    }
}
