//! When an instance has been critical for too long.

use std::time::Duration;

use muster::core::model::{Check, Status};

use crate::health::oracle::spec::{REAP_MIN, RETRY, Window};

/// The time of one check in critical.
#[derive(Debug)]
pub struct Reaping {
    after: Option<Duration>,
    /// Since then, and how long before that.
    critical: Option<(Duration, Duration)>,
    /// Not before the instance had its chance, which is over within this window.
    chance: Window,
}

impl Reaping {
    pub fn new(now: Duration, check: &Check, age: Duration, chance: Window) -> Reaping {
        let critical = (check.status == Status::Critical).then_some((now, age));
        Reaping { after: after(check), critical, chance }
    }

    /// The definition is another one; the time goes on.
    pub fn redefine(&mut self, check: &Check) {
        self.after = after(check);
    }

    /// The check is, all in all, in this status.
    pub fn settle(&mut self, now: Duration, status: Status) {
        if status != Status::Critical {
            self.critical = None;
        } else if self.critical.is_none() {
            self.critical = Some((now, Duration::ZERO));
            self.chance = Window::at(now);
        }
    }

    /// The instance has had its chance, sooner than it might have been.
    pub fn chance_taken(&mut self, now: Duration) {
        self.chance.least = self.chance.least.min(now);
    }

    pub fn critical_for(&self, now: Duration) -> Option<Duration> {
        self.critical.map(|(since, before)| now - since + before)
    }

    /// When it is to be deregistered.
    pub fn deadline(&self) -> Option<Window> {
        let (after, (since, before)) = (self.after?, self.critical?);
        let at = since + after.saturating_sub(before);
        Some(Window::new(at.max(self.chance.least), at.max(self.chance.most)))
    }

    /// It was handed out.
    pub fn reaped(&mut self, now: Duration, critical_for: Duration) -> Result<(), String> {
        let Some(window) = self.deadline() else { return Err("nothing condemns the instance".into()) };
        if now < window.least {
            return Err(format!("reaped {:?} early", window.least - now));
        }
        if self.critical_for(now) != Some(critical_for) {
            return Err(format!("it has been critical for {:?}", self.critical_for(now)));
        }
        self.chance = Window::at(now + RETRY);
        Ok(())
    }
}

fn after(check: &Check) -> Option<Duration> {
    let after = check.definition.deregister_critical_service_after;
    (!after.is_zero() && !check.service_id.is_empty()).then(|| after.max(REAP_MIN))
}
