//! One check under watch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::stdx::text::Text;
use crate::core::health::damping::{Flaps, Weighed};
use crate::core::health::diagnostics::{CheckDiagnostics, CheckPhase};
use crate::core::health::mode::CheckMode;
use crate::core::health::reaping::Reaping;
use crate::core::health::reconciler::StatusReconciler;
use crate::core::health::runs::{RunEnd, may_keep};
use crate::core::health::saved::{Saved, TtlLeft};
use crate::core::health::speed::CheckSpeed;
use crate::core::health::spread::{hash, part};
use crate::core::health::timers::{Alarm, Timers};
use crate::core::health::{
    Arrival, CheckKey, DueAction, HealthSettings, ResultSource, Run, TargetReply, Verdict, output,
};
use crate::core::model::{Cause, Check, CheckDefinition, Observation, Status};

/// Everything health knows of one check.
#[derive(Debug)]
pub struct Tracked {
    definition: Arc<CheckDefinition>,
    service_id: Text,
    watch: CheckMode,
    /// It had a TTL, by a definition that has changed since this was last asked.
    lost_ttl: bool,
    reconciler: StatusReconciler,
    reaping: Reaping,
    /// Boxed, since few checks have it.
    flaps: Option<Box<Flaps>>,
    /// When the last result or report came.
    observed_at: Option<Instant>,
    /// Of its key: decides how long an output that changed alone waits.
    key_hash: u64,
    /// The alarm that is set for it: at the deadline or earlier.
    alarm: Option<Alarm>,
}

/// When something happens, and under which circumstances that all checks share.
#[derive(Clone, Copy, Debug)]
pub struct HealthMoment<'a> {
    /// Attended time.
    pub now: Instant,
    /// Where all grids begin.
    pub origin: Instant,
    /// Stops of the process so far.
    pub stalls: u64,
    /// What the operator set.
    pub settings: &'a HealthSettings,
}

impl Tracked {
    /// Begins to watch a check.
    pub fn new(at: HealthMoment<'_>, key: &CheckKey, check: &Check, arrival: &Arrival) -> Tracked {
        let watch = CheckMode::new(at.now, at.origin, check, arrival, at.settings);
        let (status_age, not_before) = match arrival {
            Arrival::Registered => (Duration::ZERO, at.now),
            Arrival::Restored { status_age, .. } => (*status_age, watch.first_chance_over_at(at.now)),
        };
        let saved_flaps = arrival.saved().and_then(|saved| saved.flaps);
        let flaps = check.definition.damping.map(|rules| match saved_flaps {
            Some(saved) => Flaps::resumed(at.now, rules, saved),
            None => Flaps::new(at.now, rules),
        });
        Tracked {
            definition: check.definition.clone(),
            service_id: check.service_id.clone(),
            watch,
            lost_ttl: false,
            reconciler: StatusReconciler::new(check.status, &check.output),
            reaping: Reaping::new(at.now, check, status_age, not_before),
            flaps: flaps.map(Box::new),
            observed_at: None,
            key_hash: hash(at.settings.seed, key),
            alarm: None,
        }
    }

    /// Takes over a check as the catalog has it now. An unchanged definition changes nothing but the standing; a
    /// changed one starts a new schedule with full counters. The time in critical, the penalty for falls and the
    /// silence of an instance that reports by itself go on in either case.
    pub fn update(&mut self, at: HealthMoment<'_>, check: &Check) {
        let is_same = self.definition == check.definition && self.service_id == check.service_id;
        if !is_same {
            self.redefine(at, check);
        }
        self.note_shown(at, check.status, &check.output);
    }

    fn redefine(&mut self, at: HealthMoment<'_>, check: &Check) {
        self.lost_ttl |= self.reports();
        let begun = CheckMode::new(at.now, at.origin, check, &Arrival::Registered, at.settings);
        self.watch = match (&self.watch, begun) {
            (CheckMode::Reports(before), CheckMode::Reports(begun)) => {
                CheckMode::Reports(before.redefined(at.now, begun.ttl()))
            }
            (_, begun) => begun,
        };
        self.flaps = check.definition.damping.map(|rules| match &self.flaps {
            Some(flaps) => Box::new(flaps.redefined(at.now, rules)),
            None => Box::new(Flaps::new(at.now, rules)),
        });
        self.definition = check.definition.clone();
        self.service_id = check.service_id.clone();
        self.reaping.redefine(check);
    }

    /// Somebody registered the check again as it is. While it is critical that means a new try: it starts over. Tells
    /// whether it does.
    pub fn registered_again(&mut self, now: Instant) -> bool {
        let CheckMode::Runs(runs) = &mut self.watch else { return false };
        let is_critical = self.reconciler.expected(now).status == Status::Critical;
        if is_critical {
            runs.start_over(now);
        }
        is_critical
    }

    /// The catalog shows `status` and `output` now.
    pub fn note_shown(&mut self, at: HealthMoment<'_>, status: Status, output: &Text) {
        if let Some(flaps) = &mut self.flaps {
            flaps.note_shown(at.now, self.reconciler.shown().status, status);
        }
        self.reconciler.note_shown(at.now, status, output, self.output_delay(at.settings));
        if let CheckMode::Reports(reports) = &mut self.watch
            && self.reconciler.is_in_sync()
        {
            reports.note_shown(at.now, status);
        }
        self.note_reaping(at.now);
    }

    /// An instance that is kept from passing by damping alone is alive: it does not come nearer to its end.
    fn note_reaping(&mut self, now: Instant) {
        let held = self.flaps.as_ref().and_then(|flaps| flaps.held());
        self.reaping.note_shown(now, held.unwrap_or(self.reconciler.shown().status));
    }

    /// The connection kept to the target has ended.
    pub fn connection_lost(&mut self, now: Instant) {
        if let CheckMode::Runs(runs) = &mut self.watch {
            runs.run_extra(now);
        }
    }

    /// How the target took a run.
    pub fn replied(&mut self, reply: TargetReply) {
        if let CheckMode::Runs(runs) = &mut self.watch {
            runs.last_reply = reply;
        }
    }

    /// What an orderly restart takes along.
    pub fn save(&self, now: Instant) -> Saved {
        let flaps = self.flaps.as_ref().and_then(|flaps| flaps.save(now));
        match &self.watch {
            CheckMode::Runs(runs) => {
                let (counters, dead_runs) = (runs.threshold.save(), runs.dead_runs());
                Saved { counters, dead_runs, flaps, ..Saved::default() }
            }
            CheckMode::Reports(reports) => Saved { ttl_left: reports.left(now), flaps, ..Saved::default() },
            CheckMode::Alias | CheckMode::Elsewhere => Saved { flaps, ..Saved::default() },
        }
    }

    /// Whether its instance reports by itself.
    pub fn reports(&self) -> bool {
        matches!(self.watch, CheckMode::Reports(_))
    }

    /// Whether the time that its instance may be silent was set since this was last asked.
    pub fn take_ttl_set_anew(&mut self) -> bool {
        let is_set = match &mut self.watch {
            CheckMode::Reports(reports) => reports.take_set_anew(),
            _ => false,
        };
        std::mem::take(&mut self.lost_ttl) || is_set
    }

    /// The TTL that runs, if one does.
    pub fn ttl_left(&self, now: Instant) -> Option<TtlLeft> {
        let CheckMode::Reports(reports) = &self.watch else { return None };
        Some(TtlLeft { ttl: reports.ttl(), left: reports.left(now)? })
    }

    /// What there is to tell people.
    pub fn insight(&self, now: Instant, settings: &HealthSettings) -> CheckDiagnostics {
        let until = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(now));
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let flaps = self.flaps.as_deref();
        let mut insight = CheckDiagnostics {
            observed_ago: since(self.observed_at),
            critical_for: self.reaping.critical_for(now),
            reaped_in: until(self.reaped_at()),
            damped_for: flaps.and_then(|flaps| flaps.suppressed_for(now)),
            held_back: flaps.and_then(Flaps::held),
            penalty: flaps.map_or(0, |flaps| flaps.penalty(now).round() as u32),
            ..CheckDiagnostics::default()
        };
        match &self.watch {
            CheckMode::Runs(runs) => {
                let (pace, pace_since) = runs.pace();
                insight.phase = Some(match pace {
                    CheckSpeed::Starting { .. } => CheckPhase::Starting,
                    CheckSpeed::Steady => CheckPhase::Steady,
                    CheckSpeed::Confirming { .. } => CheckPhase::Confirming,
                    CheckSpeed::Dead { .. } if runs.is_backing_off(settings.backoff_max) => {
                        CheckPhase::BackingOff
                    }
                    CheckSpeed::Dead { .. } => CheckPhase::Dead,
                });
                insight.phase_for = now.saturating_duration_since(pace_since);
                insight.next_run_in = until(Some(runs.next_at()));
                insight.is_running = runs.running_since().is_some();
                insight.running_for = since(runs.running_since());
                (insight.failures_in_a_row, insight.failures_before_critical) = runs.threshold.failures();
                (insight.successes_in_a_row, insight.success_before_passing) = runs.threshold.successes();
            }
            CheckMode::Reports(reports) => insight.ttl_over_in = reports.left(now),
            CheckMode::Alias | CheckMode::Elsewhere => {}
        }
        insight
    }

    /// The newest output, written or not.
    pub fn output(&self) -> &Text {
        self.reconciler.freshest()
    }

    /// When its instance is deregistered if nothing changes: not while it is better than the catalog shows yet.
    fn reaped_at(&self) -> Option<Instant> {
        self.reaping.deadline().filter(|_| !self.reconciler.is_recovering())
    }

    /// Sees to it that an alarm goes off when this check is to be looked at next, or earlier.
    pub fn rearm(&mut self, timers: &mut Timers, key: &CheckKey) {
        let deadlines = [
            self.watch.deadline(),
            self.reaped_at(),
            self.reconciler.deadline(),
            self.flaps.as_ref().and_then(|flaps| flaps.deadline()),
        ];
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
    pub fn observe(
        &mut self,
        at: HealthMoment<'_>,
        observation: Observation,
        source: ResultSource,
    ) -> Verdict {
        let now = at.now;
        let finding = match (&mut self.watch, source) {
            (CheckMode::Runs(runs), ResultSource::Probe(run)) => {
                let ended = runs.end(now, run, observation.status, at.stalls, at.settings.backoff_max);
                match ended {
                    RunEnd::Stale => return Verdict::Ignored,
                    RunEnd::Doubtful => return Verdict::Unchanged,
                    RunEnd::Counted(counted) => counted.map(|status| Observation { status, ..observation }),
                }
            }
            (CheckMode::Reports(reports), ResultSource::Report) => {
                reports.restart(now);
                let bytes_max = output::bytes_max(self.definition.output_max_size);
                let output = output::cut_report(&observation.output, bytes_max);
                Some(Observation { output, ..observation })
            }
            (CheckMode::Alias, ResultSource::Alias) => Some(observation),
            _ => return Verdict::Ignored,
        };
        self.observed_at = Some(now);
        let cause = match source {
            ResultSource::Probe(_) => Cause::Probe,
            ResultSource::Report => Cause::Report,
            ResultSource::Alias => Cause::Alias,
        };
        finding.map_or(Verdict::Unchanged, |finding| self.conclude(at, finding, cause))
    }

    /// Says what to show for a finding that stands.
    fn conclude(&mut self, at: HealthMoment<'_>, finding: Observation, cause: Cause) -> Verdict {
        let (now, delay) = (at.now, self.output_delay(at.settings));
        let Some(flaps) = &mut self.flaps else {
            return self.reconciler.reconcile(now, finding, cause, delay);
        };
        let verdict = match flaps.weigh(now, self.reconciler.expected(now).status, finding) {
            Weighed::Show(finding) => self.reconciler.reconcile(now, finding, cause, delay),
            Weighed::Begin { words, at_once } => {
                let delay = if at_once { Duration::ZERO } else { delay };
                self.reconciler.reconcile(now, words, Cause::Damping, delay)
            }
            Weighed::Hold => Verdict::Unchanged,
        };
        self.note_reaping(now);
        verdict
    }

    /// Hands out everything that is due by now.
    pub fn collect(
        &mut self,
        at: HealthMoment<'_>,
        key: &CheckKey,
        runs_started: &mut u64,
        due: &mut Vec<DueAction>,
    ) {
        if !self.reconciler.is_recovering()
            && let Some(critical_for) = self.reaping.take_due(at.now)
        {
            let service_id = self.service_id.clone();
            due.push(DueAction::Reap { key: key.clone(), service_id, critical_for });
        }
        self.collect_run(at, key, runs_started, due);
        self.collect_expiry(at, key, due);
        self.collect_release(at, key, due);
        if let Some((observation, cause)) = self.reconciler.take_lost(at.now) {
            due.push(DueAction::Show { key: key.clone(), observation, cause });
        }
        if let Some(observation) = self.reconciler.take_due(at.now) {
            due.push(DueAction::Sync { key: key.clone(), observation });
        }
    }

    fn collect_run(
        &mut self,
        at: HealthMoment<'_>,
        key: &CheckKey,
        runs_started: &mut u64,
        due: &mut Vec<DueAction>,
    ) {
        let (CheckMode::Runs(runs), Some(probe)) = (&mut self.watch, &self.definition.probe) else { return };
        let run = Run(*runs_started);
        let may_keep = may_keep(&self.definition, at.settings);
        if let Some(connection) = runs.start_due(at.now, run, at.stalls, may_keep) {
            *runs_started += 1;
            due.push(DueAction::Probe {
                key: key.clone(),
                probe: probe.clone(),
                timeout: runs.timeout,
                output_bytes_max: output::bytes_max(self.definition.output_max_size),
                connection,
                last: runs.last_reply,
                run,
            });
        }
    }

    fn collect_expiry(&mut self, at: HealthMoment<'_>, key: &CheckKey, due: &mut Vec<DueAction>) {
        let CheckMode::Reports(reports) = &mut self.watch else { return };
        if !reports.take_expired(at.now) {
            return;
        }
        let output = output::expired(self.reconciler.freshest());
        let expired = Observation { status: Status::Critical, output };
        if let Verdict::Changed(observation) = self.conclude(at, expired, Cause::Ttl) {
            due.push(DueAction::Expired { key: key.clone(), observation });
        }
    }

    fn collect_release(&mut self, at: HealthMoment<'_>, key: &CheckKey, due: &mut Vec<DueAction>) {
        let Some(held) = self.flaps.as_mut().and_then(|flaps| flaps.take_due(at.now)) else { return };
        let (cause, delay) = (Cause::Damping, self.output_delay(at.settings));
        if let Verdict::Changed(observation) = self.reconciler.reconcile(at.now, held, cause, delay) {
            due.push(DueAction::Show { key: key.clone(), observation, cause });
        }
    }

    /// How long an output that changed alone may wait: half to one and a half of the operator's setting, so that checks
    /// registered together are not written together.
    fn output_delay(&self, settings: &HealthSettings) -> Duration {
        let delay = settings.check_update_interval;
        delay / 2 + part(self.key_hash, delay)
    }
}
