//! What an operator may set about health, and the fixed times beside it.

use std::time::Duration;

use crate::core::model::limits;

/// Shortest time between two runs of a check, as in Consul; shorter ones are raised to it. A check that runs more
/// often loads its target more than it tells.
pub const INTERVAL_MIN: Duration = limits::CHECK_INTERVAL_MIN;

/// Time that a run may take when its definition does not say, as in Consul.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Longest time a run may take, whatever its definition says: a run holds a coroutine and a place among those that
/// may run at once.
pub const TIMEOUT_MAX: Duration = limits::CHECK_TIMEOUT_MAX;

/// What a run may take beyond its timeout before its result is given up as lost. Covers the wait for a free place
/// and for the processor; a result that comes later is ignored.
pub const RESULT_GRACE: Duration = Duration::from_secs(10);

/// How long a change that was handed out may be on its way into the catalog before it is handed out again. Well above
/// the slowest commit that is not a failure; below what an operator would call stuck.
pub const SETTLE_TIME: Duration = Duration::from_secs(5);

/// A check that was registered just now runs within this, spread by a hash: long enough to keep a deploy of thousands
/// from running at one instant, short enough to seem at once.
pub const START_SPREAD: Duration = Duration::from_millis(50);

/// Time to the second run of a check that was registered just now and fails; it doubles from run to run up to the
/// interval. Most services begin to listen within a few tenths of a second.
pub const START_GAP: Duration = Duration::from_millis(100);

/// Time after a first failing result within which all further tries are begun that the threshold asks for.
pub const CONFIRM_TIME: Duration = Duration::from_secs(1);

/// Shortest time between such tries, whatever the threshold: tries at the same instant all meet the same hiccup.
pub const CONFIRM_GAP_MIN: Duration = Duration::from_millis(20);

/// Runs of a check known to be critical that still come at the interval; later ones come ever more rarely. Leaves a
/// quick restart its quick return.
pub const DEAD_RUNS_STEADY: u32 = 3;

/// `Health::tick` wants to be called at least this often, so that a stall of the process shows.
pub const HEARTBEAT: Duration = Duration::from_millis(500);

/// A silence longer than this is a stall: while it lasted no beat of an instance could be heard, so the excess over
/// `HEARTBEAT` does not count against anybody. Smaller, and a busy machine would slow all checks down; larger, and a
/// TTL of two seconds could expire through our fault.
pub const STALL_MIN: Duration = Duration::from_secs(1);

/// A silence longer than this is taken for a stop that may have made a run under way fail: its deadline passed while
/// nothing could be read. Above a heartbeat that comes late on a busy machine, which at worst costs a run more.
pub const DOUBT_MIN: Duration = Duration::from_millis(750);

/// Longest duration that is reckoned with. Keeps sums of instants within their type; nothing here waits a century.
pub const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What an operator may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSettings {
    /// Most checks that time is kept for. Each takes about a kilobyte here.
    pub checks_max: usize,
    /// How long a new output without a change of status may wait until it is written to the catalog, give or take a
    /// half (Consul's `check_update_interval`). Zero writes each at once, and so wakes every watcher for it.
    pub check_update_interval: Duration,
    /// Most time between the starts of two runs of a check that stays critical: how late it may be noticed that an
    /// instance is back which nobody registers again. Never shorter than the check's interval; zero for no back-off.
    pub backoff_max: Duration,
    /// Whether connections are kept between runs and watched for their end, where the check wants it.
    pub watch_connections: bool,
    /// Shifts where in their interval checks run. Two members of a cluster differ in it.
    pub seed: u64,
}

impl Default for HealthSettings {
    fn default() -> Self {
        HealthSettings {
            checks_max: 1_000_000,
            check_update_interval: Duration::from_secs(300),
            backoff_max: Duration::from_secs(60),
            watch_connections: true,
            seed: 0,
        }
    }
}
