//! What can be told about one check to people: where it stands between its runs and its deadlines.

use std::time::Duration;

/// A look at one check under watch. Spans are from the moment of the look, by attended time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Insight {
    /// Until the next run; `None` for checks that are not run.
    pub next_run_in: Option<Duration>,
    /// Whether a run is under way.
    pub is_running: bool,
    /// Until a silent instance's TTL is over; `None` for other checks, and once it is over.
    pub ttl_over_in: Option<Duration>,
    /// Since the last result or report; `None` before the first.
    pub observed_ago: Option<Duration>,
    /// Failing results in a row.
    pub failures_in_a_row: u32,
    /// Failing results in a row that make it critical, at least 1.
    pub failures_before_critical: u32,
    /// Passing results in a row.
    pub successes_in_a_row: u32,
    /// Passing results in a row that make it pass, at least 1.
    pub success_before_passing: u32,
    /// Until the instance is deregistered if nothing changes.
    pub reaped_in: Option<Duration>,
    /// Until flap damping lets it pass; `None` when it is not suppressed.
    pub damped_for: Option<Duration>,
    /// The penalty of flap damping now; 0 without damping.
    pub penalty: u32,
}
