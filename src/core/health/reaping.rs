//! How long a check has been critical, and when that is too long.

use std::time::{Duration, Instant};

use crate::core::health::settings::{DURATION_MAX, SETTLE_TIME};
use crate::core::model::{Check, Status};

/// Shortest time in critical after which an instance is deregistered; shorter ones are raised to it. It leaves room
/// for one more run of the fastest check.
const AFTER_MIN: Duration = Duration::from_secs(1);

/// Watches for an instance that has been critical for too long, as one of its checks sees it.
///
/// Measured from the change to critical without a break; a result that only repeats the verdict changes nothing.
#[derive(Clone, Debug)]
pub struct Reaping {
    /// `None`: never.
    after: Option<Duration>,
    critical: Option<Since>,
    /// Not earlier than this: after a restart each instance may first show that it is alive.
    not_before: Instant,
}

/// A beginning that may lie before the start of the process, where an `Instant` cannot point.
#[derive(Clone, Copy, Debug)]
struct Since {
    /// When this process learned of it.
    at: Instant,
    /// How long it had lasted by then.
    before: Duration,
}

impl Reaping {
    /// Watches `check`, whose status has stood for `status_age`.
    pub fn new(now: Instant, check: &Check, status_age: Duration, not_before: Instant) -> Reaping {
        let since = Since { at: now, before: status_age };
        let critical = (check.status == Status::Critical).then_some(since);
        Reaping { after: after(check), critical, not_before }
    }

    /// Takes over a changed definition. The time in critical goes on.
    pub fn redefine(&mut self, check: &Check) {
        self.after = after(check);
    }

    /// The catalog's status is `status` now.
    pub fn note_shown(&mut self, now: Instant, status: Status) {
        if status != Status::Critical {
            self.critical = None;
        } else if self.critical.is_none() {
            self.critical = Some(Since { at: now, before: Duration::ZERO });
            // News from this side of a restart: the instance has had its chance.
            self.not_before = now;
        }
    }

    /// How long the check has been critical without a break.
    pub fn critical_for(&self, now: Instant) -> Option<Duration> {
        self.critical.map(|since| now.saturating_duration_since(since.at) + since.before)
    }

    /// When the instance is to be deregistered if nothing changes.
    pub fn deadline(&self) -> Option<Instant> {
        let (after, since) = (self.after?, self.critical?);
        Some((since.at + after.saturating_sub(since.before)).max(self.not_before))
    }

    /// Time in critical when the instance is due by `now`. It is due again after `SETTLE_TIME`, should it still be
    /// here.
    pub fn take_due(&mut self, now: Instant) -> Option<Duration> {
        if self.deadline()? > now {
            return None;
        }
        self.not_before = now + SETTLE_TIME;
        self.critical_for(now)
    }
}

/// The time after which `check` condemns its instance: only a check of an instance can.
fn after(check: &Check) -> Option<Duration> {
    let after = check.definition.deregister_critical_service_after;
    let applies = !after.is_zero() && !check.is_node_level();
    applies.then(|| after.clamp(AFTER_MIN, DURATION_MAX))
}
