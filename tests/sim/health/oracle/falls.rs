//! What the falls of one check out of passing cost it.

use std::time::Duration;

use muster::core::model::{Damping, Observation, Status};

use crate::health::oracle::spec::{HALF_LIVES, PENALTY, ROUNDING, Window};

/// The falls of one check with damping.
#[derive(Clone, Debug)]
pub struct Falls {
    rules: Damping,
    /// The penalty at that time.
    penalty: (f64, Duration),
    suppressed_until: Duration,
    /// A better finding that is not shown until then.
    held: Option<Observation>,
    /// Somebody was told since the last fall.
    is_told: bool,
}

impl Falls {
    pub fn new(now: Duration, rules: Damping) -> Falls {
        Falls { rules, penalty: (0.0, now), suppressed_until: now, held: None, is_told: false }
    }

    /// Goes on after an orderly restart, or under other rules.
    pub fn carried(&self, then: Duration, now: Duration, rules: Damping) -> Falls {
        let penalty = self.penalty(then).min(most(rules));
        let mut falls = Falls { penalty: (penalty, now), is_told: self.is_told, ..Falls::new(now, rules) };
        if self.is_suppressed(then) {
            falls.suppressed_until = if rules == self.rules {
                now + (self.suppressed_until - then)
            } else {
                now + falls.time_to_reuse(now)
            };
        }
        falls
    }

    /// After a restart nobody is told of what began before, and a penalty that is as good as gone is.
    pub fn restarted(self, now: Duration) -> Falls {
        let penalty = if self.penalty.0 < 1.0 { (0.0, now) } else { self.penalty };
        Falls { is_told: self.is_suppressed(now), penalty, ..self }
    }

    /// What was held stays held under other rules.
    pub fn holding(mut self, before: &Falls) -> Falls {
        self.held = before.held.clone();
        self
    }

    pub fn penalty(&self, now: Duration) -> f64 {
        let half_lives = (now - self.penalty.1).as_secs_f64() / self.rules.half_life.as_secs_f64();
        self.penalty.0 / 2_f64.powf(half_lives)
    }

    pub fn is_suppressed(&self, now: Duration) -> bool {
        self.suppressed_until > now + ROUNDING
    }

    pub fn suppressed_until(&self) -> Duration {
        self.suppressed_until
    }

    pub fn held(&self) -> Option<Status> {
        self.held.as_ref().map(|finding| finding.status)
    }

    /// When what is held is shown.
    pub fn deadline(&self) -> Option<Window> {
        let at = self.held.as_ref().map(|_| self.suppressed_until)?;
        Some(Window::new(at.saturating_sub(ROUNDING), at + ROUNDING))
    }

    /// The catalog showed `before` and shows `after`.
    pub fn settle(&mut self, now: Duration, before: Status, after: Status) {
        if before == Status::Passing && after != Status::Passing {
            let was_suppressed = self.is_suppressed(now);
            self.penalty = ((self.penalty(now) + PENALTY).min(most(self.rules)), now);
            self.is_told = false;
            if was_suppressed || self.penalty.0 >= f64::from(self.rules.suppress) {
                self.suppressed_until = now + self.time_to_reuse(now);
            }
        }
        if self.held().is_some_and(|held| held >= after) {
            self.held = None;
        }
    }

    /// Whether a finding is held back, while `expected` is shown or about to be; and if so, whether it may be told.
    pub fn weigh(&mut self, now: Duration, expected: Status, finding: &Observation) -> Option<Telling> {
        let before = self.held.take().map(|finding| finding.status);
        if !self.is_suppressed(now) || finding.status >= expected {
            return None;
        }
        self.held = Some(finding.clone());
        if before == Some(finding.status) {
            return Some(Telling::No);
        }
        let is_told = std::mem::replace(&mut self.is_told, true);
        Some(if is_told { Telling::Later } else { Telling::Now })
    }

    /// What is held is due.
    pub fn release(&mut self) -> Option<Observation> {
        self.held.take()
    }

    fn time_to_reuse(&self, now: Duration) -> Duration {
        let half_lives = (self.penalty(now) / f64::from(self.rules.reuse)).ln() / 2_f64.ln();
        self.rules.half_life.mul_f64(half_lives.max(0.0))
    }
}

/// Whether it may be told that something is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// For the first time since the last fall: at once.
    Now,
    /// As an output that changed alone.
    Later,
    /// It was told already.
    No,
}

/// More than this decays to `reuse` only after the last half-life that is allowed.
fn most(rules: Damping) -> f64 {
    f64::from(rules.reuse) * 2_f64.powi(HALF_LIVES)
}
