//! The reports of one instance, and its silence.

use std::time::{Duration, Instant};

use crate::core::health::settings::DURATION_MAX;
use crate::core::model::Status;

/// When an instance that reports by itself has been silent for too long.
#[derive(Clone, Debug)]
pub struct Reports {
    ttl: Duration,
    /// Until then it may be silent; `None` once it has been for too long.
    allowed_until: Option<Instant>,
    /// Whether that was set since it was last asked.
    is_set_anew: bool,
}

impl Reports {
    /// Reports that are expected every `ttl`, beginning now.
    pub fn new(now: Instant, ttl: Duration) -> Reports {
        let ttl = ttl.min(DURATION_MAX);
        Reports { ttl, allowed_until: Some(now + ttl), is_set_anew: true }
    }

    /// Reports of an instance that had been silent for all but `left` of its TTL when muster went away.
    pub fn resumed(now: Instant, ttl: Duration, left: Duration) -> Reports {
        let ttl = ttl.min(DURATION_MAX);
        Reports { ttl, allowed_until: Some(now + left.min(ttl)), is_set_anew: true }
    }

    /// Reports of an instance whose catalog status is critical already: silence has nothing to add.
    pub fn already_silent(ttl: Duration) -> Reports {
        Reports { ttl: ttl.min(DURATION_MAX), allowed_until: None, is_set_anew: true }
    }

    /// The same reports, expected every `ttl` from now on: what silence there was goes on to count. Otherwise who is
    /// registered again and again, each time otherwise, would never have to report.
    pub fn redefined(&self, now: Instant, ttl: Duration) -> Reports {
        let ttl = ttl.min(DURATION_MAX);
        let silent_for = |left: Duration| self.ttl.saturating_sub(left);
        let allowed_until = self.left(now).map(|left| now + ttl.saturating_sub(silent_for(left)));
        Reports { ttl, allowed_until, is_set_anew: true }
    }

    /// Longest silence that is not a failure.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Time that the instance may still be silent; `None` when it has been for too long.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.allowed_until.map(|until| until.saturating_duration_since(now))
    }

    /// When the silence will have lasted too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.allowed_until
    }

    /// The instance reported: it may be silent for a whole TTL again.
    pub fn restart(&mut self, now: Instant) {
        self.allowed_until = Some(now + self.ttl);
        self.is_set_anew = true;
    }

    /// The catalog shows `status`. If it is not critical although the instance has been silent for too long, somebody
    /// else answers for the instance, which has a whole TTL to confirm it.
    pub fn note_shown(&mut self, now: Instant, status: Status) {
        if status != Status::Critical && self.allowed_until.is_none() {
            self.restart(now);
        }
    }

    /// Whether the silence has just become too long; true once.
    pub fn take_expired(&mut self, now: Instant) -> bool {
        let is_over = self.allowed_until.take_if(|until| *until <= now).is_some();
        self.is_set_anew |= is_over;
        is_over
    }

    /// Whether the end of the silence was set since this was last asked.
    pub fn take_set_anew(&mut self) -> bool {
        std::mem::take(&mut self.is_set_anew)
    }
}
