//! One check under watch.

use std::time::{Duration, Instant};

use crate::health::reaping::Reaping;
use crate::health::spread::spread;
use crate::health::standing::Standing;
use crate::health::threshold::Threshold;
use crate::health::timers::{Alarm, Timers};
use crate::health::watch::{Reports, Runs, Watch};
use crate::health::{Arrival, CheckKey, ConnectionUse, Due, Insight, Run, Settings, Source, Verdict, output};
use crate::model::{Check, CheckDefinition, Observation, Origin, Probe, Status};
use crate::stdx::text::Text;

/// Everything health knows of one check.
#[derive(Debug)]
pub struct Tracked {
    definition: CheckDefinition,
    service_id: Text,
    watch: Watch,
    standing: Standing,
    reaping: Reaping,
    /// Delay of an output that changed alone.
    output_delay: Duration,
    /// The alarm that is set for it: at the deadline or earlier.
    alarm: Option<Alarm>,
}

impl Tracked {
    /// Begins to watch a check.
    pub fn new(
        now: Instant,
        key: &CheckKey,
        check: &Check,
        arrival: Arrival,
        settings: &Settings,
    ) -> Tracked {
        let watch = watch(now, key, check, arrival, settings);
        let (status_age, not_before) = match arrival {
            Arrival::Registered => (Duration::ZERO, now),
            Arrival::Restored { status_age } => (status_age, watch.first_chance_over_at(now)),
        };
        Tracked {
            definition: check.definition.clone(),
            service_id: check.service_id.clone(),
            watch,
            standing: Standing::new(check.status, &check.output),
            reaping: Reaping::new(now, check, status_age, not_before),
            output_delay: output_delay(key, settings),
            alarm: None,
        }
    }

    /// Takes over a check that was registered again. An unchanged definition changes nothing but the standing; a
    /// changed one starts a new schedule with full counters. The time in critical goes on in either case.
    pub fn update(&mut self, now: Instant, key: &CheckKey, check: &Check, settings: &Settings) {
        if self.definition != check.definition || self.service_id != check.service_id {
            self.watch = watch(now, key, check, Arrival::Registered, settings);
            self.definition = check.definition.clone();
            self.service_id = check.service_id.clone();
            self.reaping.redefine(check);
        }
        self.settle(now, check.status, &check.output);
    }

    /// The catalog shows `status` and `output` now.
    pub fn settle(&mut self, now: Instant, status: Status, output: &Text) {
        if let Watch::Reports(reports) = &mut self.watch
            && reports.has_asked(status, output)
        {
            reports.settle_silence();
        }
        self.reaping.settle(now, status);
        self.standing.settle(now, status, output, self.output_delay);
    }

    /// The connection kept to the target has ended.
    pub fn connection_lost(&mut self, now: Instant) {
        if let Watch::Runs(runs) = &mut self.watch {
            runs.hasten(now);
        }
    }

    /// What there is to tell people.
    pub fn insight(&self, now: Instant) -> Insight {
        let until = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(now));
        let reaped_in = until(self.reaping.deadline());
        match &self.watch {
            Watch::Runs(_) => {
                Insight { next_run_in: until(self.watch.deadline()), reaped_in, ..Insight::default() }
            }
            _ => Insight { ttl_over_in: until(self.watch.deadline()), reaped_in, ..Insight::default() },
        }
    }

    /// The newest output, written or not.
    pub fn output(&self) -> &Text {
        self.standing.freshest()
    }

    /// Sees to it that an alarm goes off when this check is to be looked at next, or earlier.
    pub fn rearm(&mut self, timers: &mut Timers, key: &CheckKey) {
        let deadlines = [self.watch.deadline(), self.reaping.deadline(), self.standing.deadline()];
        timers.set(&mut self.alarm, key, deadlines.into_iter().flatten().min());
    }

    /// Takes back the alarm of a check that is no longer watched.
    pub fn disarm(mut self, timers: &mut Timers) {
        timers.clear(&mut self.alarm);
    }

    /// Notes that the alarm went off, and so is set no more.
    pub fn alarm_gone_off(&mut self) {
        self.alarm = None;
    }

    /// Takes what one run, report or alias came to.
    pub fn observe(&mut self, now: Instant, observation: Observation, source: Source) -> Verdict {
        let finding = match (&mut self.watch, source) {
            (Watch::Runs(runs), Source::Probe(run)) => {
                if !runs.end(now, run) {
                    return Verdict::Ignored;
                }
                let Some(status) = runs.threshold.count(observation.status) else {
                    return Verdict::Unchanged;
                };
                Observation { status, ..observation }
            }
            (Watch::Reports(reports), Source::Report) => {
                reports.restart(now);
                let bytes_max = output::bytes_max(self.definition.output_max_size);
                let output = output::cut_report(&observation.output, bytes_max);
                Observation { output, ..observation }
            }
            (Watch::Alias, Source::Alias) => observation,
            _ => return Verdict::Ignored,
        };
        self.standing.judge(now, finding, self.output_delay)
    }

    /// Hands out everything that is due by `now`.
    pub fn collect(&mut self, now: Instant, key: &CheckKey, runs_started: &mut u64, due: &mut Vec<Due>) {
        if let Some(critical_for) = self.reaping.take_due(now) {
            let service_id = self.service_id.clone();
            due.push(Due::Reap { key: key.clone(), service_id, critical_for });
        }
        match &mut self.watch {
            Watch::Runs(_) => self.collect_run(now, key, runs_started, due),
            Watch::Reports(_) => self.collect_expiry(now, key, due),
            Watch::Alias | Watch::Elsewhere => {}
        }
        if let Some(observation) = self.standing.take_due(now) {
            due.push(Due::Sync { key: key.clone(), observation });
        }
    }

    fn collect_run(&mut self, now: Instant, key: &CheckKey, runs_started: &mut u64, due: &mut Vec<Due>) {
        let (Watch::Runs(runs), Some(probe)) = (&mut self.watch, &self.definition.probe) else { return };
        let run = Run(*runs_started);
        if runs.start_due(now, run) {
            *runs_started += 1;
            due.push(Due::Probe {
                key: key.clone(),
                probe: probe.clone(),
                timeout: runs.timeout,
                output_bytes_max: output::bytes_max(self.definition.output_max_size),
                connection: ConnectionUse { reuse: true, keep: self.definition.watch != Some(false) },
                run,
            });
        }
    }

    fn collect_expiry(&mut self, now: Instant, key: &CheckKey, due: &mut Vec<Due>) {
        let Watch::Reports(reports) = &mut self.watch else { return };
        let Some(expired) = reports.take_expired(now, self.standing.freshest()) else { return };
        match self.standing.judge(now, expired, self.output_delay) {
            Verdict::Changed(observation) => due.push(Due::Expired { key: key.clone(), observation }),
            _ => reports.settle_silence(),
        }
    }
}

/// How news of `check` arrives. Only the agent's checks are run; the catalog's are somebody else's findings.
fn watch(now: Instant, key: &CheckKey, check: &Check, arrival: Arrival, settings: &Settings) -> Watch {
    let definition = &check.definition;
    let is_restored = arrival != Arrival::Registered;
    match &definition.probe {
        Some(probe) if check.origin == Origin::Agent => match probe {
            Probe::Ttl { ttl } if is_restored && check.status == Status::Critical => {
                Watch::Reports(Reports::already_silent(*ttl))
            }
            Probe::Ttl { ttl } => Watch::Reports(Reports::new(now, *ttl)),
            Probe::Alias { .. } => Watch::Alias,
            _ => {
                let counting = if is_restored { Threshold::lenient } else { Threshold::full };
                let first_at = now + spread(settings.seed, key, Runs::interval(definition));
                Watch::Runs(Runs::new(definition, first_at, counting(definition)))
            }
        },
        _ => Watch::Elsewhere,
    }
}

/// Half to one and a half of the operator's setting, so that checks registered together are not written together.
fn output_delay(key: &CheckKey, settings: &Settings) -> Duration {
    let delay = settings.check_update_interval;
    delay / 2 + spread(settings.seed, key, delay)
}
