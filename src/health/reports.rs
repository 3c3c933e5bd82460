//! The reports of one instance, and its silence.

use std::time::{Duration, Instant};

use crate::health::output;
use crate::health::settings::{DURATION_MAX, SETTLE_TIME};
use crate::model::{Observation, Status};
use crate::stdx::text::Text;

/// When an instance that reports by itself has been silent for too long.
#[derive(Clone, Debug)]
pub struct Reports {
    ttl: Duration,
    silence: Silence,
}

#[derive(Clone, Debug)]
enum Silence {
    /// Allowed until then.
    AllowedUntil(Instant),
    /// Over the limit, and the catalog was asked to say so; asked again at `retry_at`.
    Asked { expired: Observation, retry_at: Instant },
    /// Over the limit, and the catalog says so.
    Known,
}

impl Reports {
    /// Reports that are expected every `ttl`, beginning now.
    pub fn new(now: Instant, ttl: Duration) -> Reports {
        let ttl = ttl.min(DURATION_MAX);
        Reports { ttl, silence: Silence::AllowedUntil(now + ttl) }
    }

    /// Reports of an instance that had been silent for all but `left` of its TTL when muster went away.
    pub fn resumed(now: Instant, ttl: Duration, left: Duration) -> Reports {
        let ttl = ttl.min(DURATION_MAX);
        Reports { ttl, silence: Silence::AllowedUntil(now + left.min(ttl)) }
    }

    /// Time that the instance may still be silent; `None` when it has been for too long.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        match self.silence {
            Silence::AllowedUntil(until) => Some(until.saturating_duration_since(now)),
            Silence::Asked { .. } | Silence::Known => None,
        }
    }

    /// Longest silence that is not a failure.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Reports of an instance whose catalog status is critical already: silence has nothing to add.
    pub fn already_silent(ttl: Duration) -> Reports {
        Reports { ttl: ttl.min(DURATION_MAX), silence: Silence::Known }
    }

    /// The instance reported: it may be silent for a whole TTL again.
    pub fn restart(&mut self, now: Instant) {
        self.silence = Silence::AllowedUntil(now + self.ttl);
    }

    /// When something is to be done about the silence.
    pub fn deadline(&self) -> Option<Instant> {
        match self.silence {
            Silence::AllowedUntil(until) => Some(until),
            Silence::Asked { retry_at, .. } => Some(retry_at),
            Silence::Known => None,
        }
    }

    /// What to ask of the catalog by `now`, if the instance has been silent for too long.
    pub fn take_expired(&mut self, now: Instant, last_output: &Text) -> Option<Observation> {
        if self.deadline()? > now {
            return None;
        }
        let expired = match &self.silence {
            Silence::Asked { expired, .. } => expired.clone(),
            _ => Observation { status: Status::Critical, output: output::expired(last_output) },
        };
        self.silence = Silence::Asked { expired: expired.clone(), retry_at: now + SETTLE_TIME };
        Some(expired)
    }

    /// Nobody needs to be asked (again): the catalog shows a critical check.
    pub fn settle_silence(&mut self) {
        if let Silence::Asked { .. } = self.silence {
            self.silence = Silence::Known;
        }
    }

    /// Whether the catalog was asked to show exactly this.
    pub fn has_asked(&self, status: Status, output: &Text) -> bool {
        matches!(&self.silence, Silence::Asked { expired, .. }
            if expired.status == status && expired.output == *output)
    }
}
