//! What an operator may set about health, and the fixed times beside it.

use std::time::Duration;

/// Shortest time between two runs of a check, as in Consul; shorter ones are raised to it. A check that runs more
/// often loads its target more than it tells.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Time that a run may take when its definition does not say, as in Consul.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Longest time a run may take, whatever its definition says: a run holds a coroutine and a place among those that
/// may run at once.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// What a run may take beyond its timeout before its result is given up as lost. Covers the wait for a free place
/// and for the processor; a result that comes later is ignored.
pub const RESULT_GRACE: Duration = Duration::from_secs(10);

/// How long a change that was handed out may be on its way into the catalog before it is handed out again. Well above
/// the slowest commit that is not a failure; below what an operator would call stuck.
pub const SETTLE_TIME: Duration = Duration::from_secs(5);

/// `Health::tick` wants to be called at least this often, so that a stall of the process shows.
pub const HEARTBEAT: Duration = Duration::from_millis(500);

/// A silence longer than this is a stall: while it lasted no beat of an instance could be heard, so the excess over
/// `HEARTBEAT` does not count against anybody. Smaller, and a busy machine would slow all checks down; larger, and a
/// TTL of two seconds could expire through our fault.
pub const STALL_MIN: Duration = Duration::from_secs(1);

/// Longest duration that is reckoned with. Keeps sums of instants within their type; nothing here waits a century.
pub const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What an operator may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most checks that time is kept for. Each takes about half a kilobyte here.
    pub checks_max: usize,
    /// How long a new output without a change of status may wait until it is written to the catalog, give or take a
    /// half (Consul's `check_update_interval`). Zero writes each at once, and so wakes every watcher for it.
    pub check_update_interval: Duration,
    /// Shifts where in their interval checks run. Two members of a cluster differ in it.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { checks_max: 1_000_000, check_update_interval: Duration::from_secs(300), seed: 0 }
    }
}
