//! How news of a check arrives: by runs of ours, by the instance's own reports, or from elsewhere.

use std::time::{Duration, Instant};

use crate::health::cadence::Cadence;
use crate::health::settings::{
    DURATION_MAX, INTERVAL_MIN, RESULT_GRACE, SETTLE_TIME, TIMEOUT_DEFAULT, TIMEOUT_MAX,
};
use crate::health::threshold::Threshold;
use crate::health::{Run, output};
use crate::model::{CheckDefinition, Observation, Status};
use crate::stdx::text::Text;

/// How news of a check arrives.
#[derive(Clone, Debug)]
pub enum Watch {
    /// By runs of ours.
    Runs(Runs),
    /// By reports of the instance.
    Reports(Reports),
    /// From the checks of its target, whenever they change.
    Alias,
    /// Not at all: the catalog's writers say what there is to say.
    Elsewhere,
}

impl Watch {
    /// When this watch has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Watch::Runs(runs) => Some(runs.deadline()),
            Watch::Reports(reports) => reports.deadline(),
            Watch::Alias | Watch::Elsewhere => None,
        }
    }

    /// When the instance has had one full chance to show that it is alive.
    pub fn first_chance_over_at(&self, now: Instant) -> Instant {
        match self {
            Watch::Runs(runs) => runs.cadence.next_at() + runs.timeout + RESULT_GRACE,
            Watch::Reports(reports) => now + reports.ttl,
            Watch::Alias | Watch::Elsewhere => now,
        }
    }
}

/// The runs of one check: at most one at a time, on a fixed grid.
#[derive(Clone, Debug)]
pub struct Runs {
    cadence: Cadence,
    /// Counts the results.
    pub threshold: Threshold,
    /// Time that a run may take.
    pub timeout: Duration,
    under_way: Option<UnderWay>,
}

#[derive(Clone, Debug)]
struct UnderWay {
    run: Run,
    /// From then on its result counts as lost.
    give_up_at: Instant,
}

impl Runs {
    /// Time between runs of a check so defined.
    pub fn interval(definition: &CheckDefinition) -> Duration {
        definition.interval.clamp(INTERVAL_MIN, DURATION_MAX)
    }

    /// Runs beginning at `first_at`.
    pub fn new(definition: &CheckDefinition, first_at: Instant, threshold: Threshold) -> Runs {
        let timeout = if definition.timeout.is_zero() { TIMEOUT_DEFAULT } else { definition.timeout };
        let cadence = Cadence::new(Runs::interval(definition), first_at);
        Runs { cadence, threshold, timeout: timeout.min(TIMEOUT_MAX), under_way: None }
    }

    /// When the next run starts: on the grid, once the last has ended or is given up.
    fn deadline(&self) -> Instant {
        let next_at = self.cadence.next_at();
        self.under_way.as_ref().map_or(next_at, |under_way| under_way.give_up_at.max(next_at))
    }

    /// Makes the next run due at once.
    pub fn hasten(&mut self, now: Instant) {
        self.cadence.hasten(now);
    }

    /// Starts a run under the given number if one is due.
    pub fn start_due(&mut self, now: Instant, run: Run) -> bool {
        let is_due = self.deadline() <= now;
        if is_due {
            self.cadence.skip_to_after(now);
            self.under_way = Some(UnderWay { run, give_up_at: now + self.timeout + RESULT_GRACE });
        }
        is_due
    }

    /// Ends a run; whether it was the one under way.
    pub fn end(&mut self, now: Instant, run: Run) -> bool {
        let is_current = self.under_way.as_ref().is_some_and(|under_way| under_way.run == run);
        if is_current {
            self.under_way = None;
            self.cadence.skip_to_after(now);
        }
        is_current
    }
}

/// The reports of one instance, and its silence.
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

    /// Reports of an instance whose catalog status is critical already: silence has nothing to add.
    pub fn already_silent(ttl: Duration) -> Reports {
        Reports { ttl: ttl.min(DURATION_MAX), silence: Silence::Known }
    }

    /// The instance reported: it may be silent for a whole TTL again.
    pub fn restart(&mut self, now: Instant) {
        self.silence = Silence::AllowedUntil(now + self.ttl);
    }

    fn deadline(&self) -> Option<Instant> {
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
