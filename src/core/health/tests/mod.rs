//! Whole lives of checks, lived in a loop: the clock is a number, a week takes milliseconds.

mod bounds;
mod damping;
mod paces;
mod reaping;
mod restarts;
mod runs;
mod ttl;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::stdx::text::Text;
use crate::core::health::settings::{RESULT_GRACE, SETTLE_TIME};
use crate::core::health::{
    Arrival, CheckKey, CheckPhase, ConnectionUse, DueAction, Full, HealthEngine, HealthSettings,
    ResultSource, Run, Saved, Verdict,
};
use crate::core::model::{Cause, Check, CheckDefinition, Observation, Origin, Probe, Status};

const SECOND: Duration = Duration::from_secs(1);

/// Time that a run takes where `serve` answers it.
const LATENCY: Duration = Duration::from_millis(1);

/// Health under test with its clock, and the catalog reduced to "whatever is asked for is shown at once".
struct World {
    health: HealthEngine,
    start: Instant,
    now: Instant,
    /// Whether changes arrive in the catalog; a full disk says no.
    catalog_works: bool,
    /// Runs under way that will be answered: when, which and with what.
    answers: Vec<(Instant, CheckKey, Run, Status)>,
}

/// What can be seen from outside, with the time since the start in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// A run was started.
    Run(ConnectionUse),
    /// The catalog shows this from now on; also when only the output changed.
    Shown(Status),
    /// The instance was deregistered.
    Reaped,
}

/// A steady run.
const USUAL: Seen = Seen::Run(ConnectionUse { joins: true, keep: true, linger: false });
/// A run over a new connection.
const FRESH: Seen = Seen::Run(ConnectionUse { joins: false, keep: true, linger: false });
/// A run out of turn.
const EXTRA: Seen = Seen::Run(ConnectionUse { joins: false, keep: false, linger: true });

impl World {
    fn new(settings: HealthSettings) -> World {
        let start = Instant::now();
        let health = HealthEngine::new(settings);
        World { health, start, now: start, catalog_works: true, answers: Vec::new() }
    }

    fn track(&mut self, check: &Check, arrival: Arrival) -> CheckKey {
        let key = CheckKey::new("n", check.id.clone());
        self.health.track(self.now, key.clone(), check, arrival).unwrap();
        key
    }

    /// Lives on for `duration`, always calling when asked to; what came up, with the time of each since the start.
    fn live(&mut self, duration: Duration) -> Vec<(Duration, DueAction)> {
        let end = self.now + duration;
        let mut events = Vec::new();
        let mut due = Vec::new();
        while let Some(next) = self.health.next_due().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.health.tick(self.now, &mut due);
            self.take(&mut due, &mut events);
        }
        self.now = end;
        self.health.tick(self.now, &mut due);
        self.take(&mut due, &mut events);
        events
    }

    fn take(&mut self, due: &mut Vec<DueAction>, events: &mut Vec<(Duration, DueAction)>) {
        for event in due.drain(..) {
            if let DueAction::Expired { key, observation }
            | DueAction::Show { key, observation, .. }
            | DueAction::Sync { key, observation } = &event
            {
                self.note_shown(key, observation);
            }
            events.push((self.now - self.start, event));
        }
    }

    /// Lives on for `duration` with a target that answers each run after `LATENCY` as it is at the start of it; `None`
    /// is no answer at all.
    fn serve(
        &mut self,
        duration: Duration,
        mut target: impl FnMut(Duration) -> Option<Status>,
    ) -> Vec<(u64, Seen)> {
        let end = self.now + duration;
        let mut seen = Vec::new();
        while self.now < end {
            let answer_at = self.answers.iter().map(|(at, ..)| *at).min();
            let next = self.health.next_due().into_iter().chain(answer_at).min().unwrap_or(end).min(end);
            for (at, event) in self.live(next.saturating_duration_since(self.now)) {
                let at_ms = at.as_millis() as u64;
                match event {
                    DueAction::Probe { key, run, connection, .. } => {
                        seen.push((at_ms, Seen::Run(connection)));
                        let answer = target(at);
                        let answer_at = self.now + LATENCY;
                        self.answers.extend(answer.map(|status| (answer_at, key, run, status)));
                    }
                    DueAction::Expired { observation, .. } | DueAction::Show { observation, .. } => {
                        seen.push((at_ms, Seen::Shown(observation.status)));
                    }
                    DueAction::Reap { .. } => seen.push((at_ms, Seen::Reaped)),
                    DueAction::Sync { .. } => {}
                }
            }
            let now = self.now;
            for (_, key, run, status) in
                self.answers.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>()
            {
                let verdict = self.observe(&key, status, "", ResultSource::Probe(run));
                if let Verdict::Changed(observation) = verdict {
                    seen.push(((now - self.start).as_millis() as u64, Seen::Shown(observation.status)));
                }
            }
        }
        seen
    }

    fn note_shown(&mut self, key: &CheckKey, observation: &Observation) {
        if self.catalog_works {
            self.health.note_shown(self.now, key, observation.status, &observation.output);
        }
    }

    fn observe(&mut self, key: &CheckKey, status: Status, output: &str, source: ResultSource) -> Verdict {
        let observation = Observation { status, output: Text::from(output) };
        let verdict = self.health.observe(self.now, key, observation, source);
        if let Verdict::Changed(observation) = &verdict {
            self.note_shown(key, observation);
        }
        verdict
    }
}

/// When something of a kind was seen.
fn times(seen: &[(u64, Seen)], wanted: impl Fn(Seen) -> bool) -> Vec<u64> {
    seen.iter().filter(|(_, what)| wanted(*what)).map(|(at_ms, _)| *at_ms).collect()
}

fn is_run(seen: Seen) -> bool {
    matches!(seen, Seen::Run(_))
}

fn is_shown(seen: Seen) -> bool {
    matches!(seen, Seen::Shown(_))
}

/// An HTTP check of path `id`, which is enough to give it a grid of its own.
fn http(id: &str) -> Check {
    check(
        id,
        Some(Probe::Http {
            url: format!("http://127.0.0.1/{id}").into(),
            method: Text::default(),
            header: Default::default(),
            body: Text::default(),
            tls_skip_verify: false,
            tls_server_name: Text::default(),
            disable_redirects: false,
        }),
    )
}

fn check(id: &str, probe: Option<Probe>) -> Check {
    let definition = CheckDefinition { probe, interval: 10 * SECOND, ..CheckDefinition::default() };
    Check {
        id: id.into(),
        service_id: "web".into(),
        definition: definition.into(),
        origin: Origin::Agent,
        ..Check::default()
    }
}

fn tcp(id: &str) -> Check {
    check(id, Some(Probe::Tcp { address: format!("{id}:80").into(), tls: None }))
}

fn ttl(id: &str, seconds: u64) -> Check {
    check(id, Some(Probe::Ttl { ttl: Duration::from_secs(seconds) }))
}

fn run_of(event: &DueAction) -> Option<Run> {
    match event {
        DueAction::Probe { run, .. } => Some(*run),
        _ => None,
    }
}

fn reaped_at(events: &[(Duration, DueAction)]) -> Option<Duration> {
    events.iter().find(|(_, event)| matches!(event, DueAction::Reap { .. })).map(|(at, _)| *at)
}

fn expired_at(events: &[(Duration, DueAction)]) -> Option<Duration> {
    events.iter().find(|(_, event)| matches!(event, DueAction::Expired { .. })).map(|(at, _)| *at)
}
