//! Time: the exact clocks, and a coarse one that costs a load.
//!
//! The coarse clock is a number the reaper thread writes every [`TICK_MS`]; deadlines of connections are
//! compared with it, since none of them needs to be finer than a tenth of a second. It knows nothing of who
//! waits for what.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the coarse clock moves, in milliseconds. Larger and a blocking query answers noticeably late;
/// smaller and an idle process wakes for nothing.
pub const TICK_MS: u64 = 100;

/// The instant from which [`monotonic_ms`] counts: the first use of the clock in this process.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
static COARSE_MS: AtomicU64 = AtomicU64::new(0);
static COARSE_UNIX_SECONDS: AtomicU64 = AtomicU64::new(0);

/// The exact clocks of this machine, handed to code that is tested with another time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Monotonic time: never goes back, unrelated to the calendar. The clock of every timeout.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Milliseconds since 1970 UTC by the calendar, which an operator may set back. For display only.
    pub fn unix_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }
}

/// A point in time by the coarse clock, in milliseconds since the process's epoch.
///
/// It may be missed by up to [`TICK_MS`] (late, never early), and fits an atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub(crate) u64);

impl Deadline {
    /// A deadline that never comes.
    pub const NEVER: Deadline = Deadline(u64::MAX);

    /// The deadline `duration` from now. Costs a load, for the coarse clock lags at most a tick, which is
    /// added.
    pub fn after(duration: Duration) -> Deadline {
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Deadline(coarse_ms().saturating_add(TICK_MS).saturating_add(duration_ms))
    }

    /// The deadline at `instant`, rounded up to the millisecond.
    pub fn at(instant: Instant) -> Deadline {
        let since = instant.saturating_duration_since(*EPOCH);
        Deadline(u64::try_from(since.as_millis()).unwrap_or(u64::MAX - 1).saturating_add(1))
    }

    /// The same so many milliseconds later.
    pub(crate) fn later_by(self, milliseconds: u64) -> Deadline {
        Deadline(self.0.saturating_add(milliseconds))
    }

    /// The earlier of two.
    pub fn or_earlier(self, other: Deadline) -> Deadline {
        Deadline(self.0.min(other.0))
    }

    /// Whether the coarse clock has reached it.
    pub fn is_past(self) -> bool {
        coarse_ms() >= self.0
    }
}

/// Processor time that the calling thread has had: goes on only while it runs, so work is measured by it and not what
/// else the machine does. Costs a system call.
pub fn thread_processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Exact milliseconds since the process's epoch.
pub fn monotonic_ms() -> u64 {
    EPOCH.elapsed().as_millis() as u64
}

/// Milliseconds since the process's epoch as of the last tick.
pub fn coarse_ms() -> u64 {
    COARSE_MS.load(Ordering::Relaxed)
}

/// Seconds since 1970 UTC as of the last tick; what a `Date` header shows.
pub fn coarse_unix_seconds() -> u64 {
    match COARSE_UNIX_SECONDS.load(Ordering::Relaxed) {
        0 => Clock.unix_ms() / 1000,
        seconds => seconds,
    }
}

/// Moves the coarse clock to the exact time; called by the reaper thread alone. Returns the new
/// [`coarse_ms`].
pub(crate) fn tick() -> u64 {
    let now_ms = monotonic_ms();
    COARSE_MS.store(now_ms, Ordering::Release);
    COARSE_UNIX_SECONDS.store(Clock.unix_ms() / 1000, Ordering::Relaxed);
    now_ms
}

/// Rounds a duration up to what the runtime's timers should see: 100 ms steps from one second, 10 ms steps
/// below.
///
/// The runtime keeps one list for each distinct duration, so freely chosen ones would each cost a list.
pub fn quantise(duration: Duration) -> Duration {
    let step_ms = if duration >= Duration::from_secs(1) { 100 } else { 10 };
    let whole_ms = duration.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(whole_ms.div_ceil(step_ms) * step_ms).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_up_to_the_step_of_their_size() {
        let rows_ms =
            [(0, 0), (1, 10), (10, 10), (11, 20), (999, 1000), (1000, 1000), (1001, 1100), (60_000, 60_000)];
        for (given_ms, rounded_ms) in rows_ms {
            let given = Duration::from_millis(given_ms);
            assert_eq!(quantise(given), Duration::from_millis(rounded_ms), "{given:?}");
        }
        assert_eq!(quantise(Duration::from_nanos(1)), Duration::from_millis(10));
    }

    #[test]
    fn a_deadline_lies_after_the_instant_it_was_made_from() {
        let instant = Instant::now() + Duration::from_millis(5);
        assert!(Deadline::at(instant) > Deadline(monotonic_ms()));
        assert!(Deadline::after(Duration::MAX) == Deadline::NEVER);
        assert!(!Deadline::NEVER.is_past());
    }
}
