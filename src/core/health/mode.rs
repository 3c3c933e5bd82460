//! How news of a check arrives: by runs of ours, by the instance's own reports, or from elsewhere.

use std::time::{Duration, Instant};

use crate::core::health::reports::Reports;
use crate::core::health::runs::Runs;
use crate::core::health::threshold::Threshold;
use crate::core::health::{Arrival, HealthSettings, TargetReply};
use crate::core::model::{Check, Origin, Probe, Status};

/// How news of a check arrives.
#[derive(Clone, Debug)]
pub enum CheckMode {
    /// By runs of ours.
    Runs(Box<Runs>),
    /// By reports of the instance.
    Reports(Reports),
    /// From the checks of its target, whenever they change.
    Alias,
    /// Not at all: the catalog's writers say what there is to say.
    Elsewhere,
}

impl CheckMode {
    /// How news of `check` arrives. Only the agent's checks are run; the catalog's are findings of other programs.
    pub fn new(
        now: Instant,
        origin: Instant,
        check: &Check,
        arrival: &Arrival,
        settings: &HealthSettings,
    ) -> CheckMode {
        match &check.definition.probe {
            Some(Probe::Ttl { ttl }) if check.origin == Origin::Agent => {
                let left = arrival.saved().and_then(|saved| saved.ttl_left);
                CheckMode::Reports(match left {
                    Some(left) => Reports::resumed(now, *ttl, left),
                    None if arrival.is_restored() && check.status == Status::Critical => {
                        Reports::already_silent(*ttl)
                    }
                    None => Reports::new(now, *ttl),
                })
            }
            Some(Probe::Alias { .. }) if check.origin == Origin::Agent => CheckMode::Alias,
            Some(_) if check.origin == Origin::Agent => {
                CheckMode::Runs(Box::new(runs(now, origin, check, arrival, settings)))
            }
            _ => CheckMode::Elsewhere,
        }
    }

    /// When this watch has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            CheckMode::Runs(runs) => Some(runs.deadline()),
            CheckMode::Reports(reports) => reports.deadline(),
            CheckMode::Alias | CheckMode::Elsewhere => None,
        }
    }

    /// When the instance has had one full chance to show that it is alive.
    pub fn first_chance_over_at(&self, now: Instant) -> Instant {
        match self {
            CheckMode::Runs(runs) => runs.first_chance_over_at(),
            CheckMode::Reports(reports) => now + reports.ttl(),
            CheckMode::Alias | CheckMode::Elsewhere => now,
        }
    }
}

/// A restored check goes straight to its grid; a registered one starts quickly.
fn runs(now: Instant, origin: Instant, check: &Check, arrival: &Arrival, settings: &HealthSettings) -> Runs {
    let definition = &check.definition;
    let threshold = match arrival.saved().and_then(|saved| saved.counters) {
        Some(counters) => Threshold::resumed(definition, counters),
        None if arrival.is_restored() => Threshold::lenient(definition),
        None => Threshold::full(definition),
    };
    let mut runs = Runs::new(now, origin, definition, check.status, threshold, settings.seed);
    if !arrival.is_restored() {
        runs.start_over(now);
    } else if let Some(dead_runs) = arrival.saved().and_then(|saved| saved.dead_runs) {
        runs.resume_dead(dead_runs);
    }
    if arrival.is_restored() && check.status != Status::Critical {
        runs.last_reply = TargetReply::After(Duration::ZERO);
    }
    runs
}
