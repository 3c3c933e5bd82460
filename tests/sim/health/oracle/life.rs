//! One check from its registration to its end, as it should go.

use std::time::Duration;

use muster::base::stdx::text::Text;
use muster::core::health::{CheckDiagnostics, DueAction, HealthSettings, ResultSource, Run, Verdict};
use muster::core::model::{Cause, Check, Observation, Origin, Probe, Status};

use crate::health::oracle::falls::{Falls, Telling};
use crate::health::oracle::reaping::Reaping;
use crate::health::oracle::runs::{CarriedRuns, Grids, Outcome, Runs};
use crate::health::oracle::shown::Shown;
use crate::health::oracle::silence::Silence;
use crate::health::oracle::spec::{OUTPUT_BYTES, ROUNDING, Window};

/// One check.
#[derive(Debug)]
pub struct Life {
    check: Check,
    watch: Watch,
    shown: Shown,
    reaping: Reaping,
    falls: Option<Falls>,
}

#[derive(Debug)]
enum Watch {
    Runs(Box<Runs>),
    Reports(Silence),
    Alias,
    Elsewhere,
}

/// What an orderly restart takes along of a check. All of it as it was at `then`.
#[derive(Debug)]
pub struct Carried {
    then: Duration,
    runs: Option<CarriedRuns>,
    ttl_left: Option<Duration>,
    falls: Option<Falls>,
}

impl Life {
    /// Begins with a registration.
    pub fn new(now: Duration, check: &Check, settings: &HealthSettings) -> Life {
        Life {
            watch: watch(now, check, settings),
            shown: Shown::new(check.status, &check.output, settings.check_update_interval),
            reaping: Reaping::new(now, check, Duration::ZERO, Window::at(now)),
            falls: check.definition.damping.map(|rules| Falls::new(now, rules)),
            check: check.clone(),
        }
    }

    /// Goes on after a restart.
    pub fn restored(
        now: Duration,
        check: &Check,
        settings: &HealthSettings,
        grids: &Grids,
        age: Duration,
        carried: Option<Carried>,
    ) -> Life {
        let mut life = Life::new(now, check, settings);
        let carried = carried.as_ref();
        let mut chance = Window::at(now);
        match (life.watch, &check.definition.probe) {
            (Watch::Runs(runs), _) => {
                let saved = carried.and_then(|it| it.runs);
                let runs = runs.restored(now, grids, &check.definition, saved);
                chance = runs.chance_over_at();
                life.watch = Watch::Runs(Box::new(runs));
            }
            (Watch::Reports(_), Some(Probe::Ttl { ttl })) => {
                let left = carried.and_then(|it| it.ttl_left);
                chance = Window::new(now + left.unwrap_or(*ttl).min(*ttl), now + *ttl);
                life.watch = Watch::Reports(Silence::restored(now, *ttl, check.status, left));
            }
            (watch, _) => life.watch = watch,
        }
        life.reaping = Reaping::new(now, check, age, chance);
        if let (Some(rules), Some(carried)) = (check.definition.damping, carried)
            && let Some(falls) = &carried.falls
        {
            life.falls = Some(falls.carried(carried.then, now, rules).restarted(now));
        }
        life
    }

    pub fn save(&self, now: Duration) -> Carried {
        let (runs, ttl_left) = match &self.watch {
            Watch::Runs(runs) => (Some(runs.save()), None),
            Watch::Reports(silence) => (None, silence.left(now)),
            Watch::Alias | Watch::Elsewhere => (None, None),
        };
        Carried { then: now, runs, ttl_left, falls: self.falls.clone() }
    }

    /// What is on disk of it when it is put there.
    pub fn note(&self, now: Duration) -> Carried {
        Carried { runs: None, falls: None, ..self.save(now) }
    }

    /// The catalog has the check so now.
    pub fn update(&mut self, now: Duration, check: &Check, settings: &HealthSettings) {
        if check.definition != self.check.definition || check.service_id != self.check.service_id {
            self.watch = match (&self.watch, watch(now, check, settings), &check.definition.probe) {
                (Watch::Reports(before), Watch::Reports(_), Some(Probe::Ttl { ttl })) => {
                    Watch::Reports(before.redefined(now, *ttl))
                }
                (_, begun, _) => begun,
            };
            self.reaping.redefine(check);
            self.falls = check.definition.damping.map(|rules| match &self.falls {
                Some(before) => before.carried(now, now, rules).holding(before),
                None => Falls::new(now, rules),
            });
            self.check = check.clone();
        }
        self.settle(now, check.status, &check.output);
    }

    pub fn settle(&mut self, now: Duration, status: Status, output: &Text) {
        if let Some(falls) = &mut self.falls {
            falls.settle(now, self.shown.status(), status);
        }
        self.shown.settle(now, status, output);
        if let Watch::Reports(silence) = &mut self.watch
            && self.shown.is_settled()
        {
            silence.settle(now, status);
        }
        self.settle_reaping(now);
    }

    pub fn registered_again(&mut self, now: Duration) {
        if let Watch::Runs(runs) = &mut self.watch
            && self.shown.expected(now).status == Status::Critical
        {
            runs.start_over(now);
        }
    }

    pub fn connection_lost(&mut self, now: Duration) {
        if let Watch::Runs(runs) = &mut self.watch {
            runs.connection_lost(now);
        }
    }

    /// The engine was told `observation` and said `verdict`; since then `newest` is its newest output.
    pub fn observe(
        &mut self,
        now: Duration,
        observation: &Observation,
        source: ResultSource,
        stalls: u32,
        grids: &Grids,
        (verdict, newest): (&Verdict, &Text),
    ) -> Result<(), String> {
        let finding = match (&mut self.watch, source) {
            (Watch::Runs(runs), ResultSource::Probe(run)) => {
                match runs.ended(now, run, observation.status, stalls, grids) {
                    Outcome::Ignored => return same(verdict, &Verdict::Ignored),
                    Outcome::Doubtful => return same(verdict, &Verdict::Unchanged),
                    Outcome::Counted(decided) => {
                        self.reaping.chance_taken(now);
                        let Some(status) = decided else { return same(verdict, &Verdict::Unchanged) };
                        Observation { status, output: observation.output.clone() }
                    }
                }
            }
            (Watch::Reports(silence), ResultSource::Report) => {
                silence.reported(now);
                let output = cut(&observation.output, self.check.definition.output_max_size as usize);
                Observation { status: observation.status, output }
            }
            (Watch::Alias, ResultSource::Alias) => observation.clone(),
            _ => return same(verdict, &Verdict::Ignored),
        };
        let cause = match source {
            ResultSource::Probe(_) => Cause::Probe,
            ResultSource::Report => Cause::Report,
            ResultSource::Alias => Cause::Alias,
        };
        same(verdict, &self.conclude(now, &finding, cause, newest)?)
    }

    /// The right verdict on a finding that stands. `newest`: the words of the engine, should it have some of its own.
    fn conclude(
        &mut self,
        now: Duration,
        finding: &Observation,
        cause: Cause,
        newest: &Text,
    ) -> Result<Verdict, String> {
        let expected = self.shown.expected(now).status;
        let telling = self.falls.as_mut().and_then(|falls| falls.weigh(now, expected, finding));
        self.settle_reaping(now);
        let Some(telling) = telling else { return Ok(self.shown.judge(now, finding, cause)) };
        if telling == Telling::No {
            return Ok(Verdict::Unchanged);
        }
        if !newest.contains("damping") || !newest.ends_with(finding.output.as_str()) {
            return Err(format!("it is not told that {finding:?} is held back"));
        }
        let words = Observation { status: expected, output: newest.clone() };
        if telling == Telling::Later {
            return Ok(self.shown.judge(now, &words, Cause::Damping));
        }
        self.shown.ask(now, &words, Cause::Damping);
        Ok(Verdict::Changed(words))
    }

    fn settle_reaping(&mut self, now: Duration) {
        let held = self.falls.as_ref().and_then(Falls::held);
        self.reaping.settle(now, held.unwrap_or(self.shown.status()));
    }

    /// Something was handed out.
    pub fn due(
        &mut self,
        now: Duration,
        due: &DueAction,
        stalls: u32,
        grids: &Grids,
        newest: &Text,
    ) -> Result<(), String> {
        match (due, &mut self.watch) {
            (DueAction::Probe { connection, run, .. }, Watch::Runs(runs)) => {
                is_asked_right(runs, due)?;
                runs.started(now, *run, *connection, stalls, grids)
            }
            (DueAction::Expired { observation, .. }, Watch::Reports(silence)) => {
                let Some(window) = silence.deadline() else { return Err("the silence is known".into()) };
                if now < window.least {
                    return Err(format!("the TTL expires {:?} early", window.least - now));
                }
                same(&Verdict::Changed(observation.clone()), &self.expire(now, newest)?)
            }
            (DueAction::Show { observation, cause, .. }, _) => self.show(now, observation, *cause),
            (DueAction::Sync { observation, .. }, _) => self.shown.synced(now, observation),
            (DueAction::Reap { service_id, critical_for, .. }, _) => {
                if *service_id != self.check.service_id {
                    return Err("another instance than its own".into());
                }
                if self.shown.is_recovering() {
                    return Err("it is well; only the catalog does not show it yet".into());
                }
                self.reaping.reaped(now, *critical_for)
            }
            _ => Err("it has no part in this".into()),
        }
    }

    fn expire(&mut self, now: Duration, newest: &Text) -> Result<Verdict, String> {
        if let Watch::Reports(silence) = &mut self.watch {
            silence.over();
        }
        let finding = Silence::finding(self.shown.newest());
        self.conclude(now, &finding, Cause::Ttl, newest)
    }

    /// Something is to be shown: what damping lets go, or what did not arrive.
    fn show(&mut self, now: Duration, observation: &Observation, cause: Cause) -> Result<(), String> {
        if self.falls.as_ref().and_then(Falls::deadline).is_some_and(|window| window.least <= now) {
            let finding = self.falls.as_mut().and_then(Falls::release).unwrap_or_else(|| observation.clone());
            if cause != Cause::Damping {
                return Err("damping is its cause".into());
            }
            return same(&Verdict::Changed(observation.clone()), &self.shown.judge(now, &finding, cause));
        }
        match self.shown.lost(now) {
            Some(lost) if lost == (observation, cause) => {
                self.shown.retried(now);
                Ok(())
            }
            other => Err(format!("what should be shown now is {other:?}")),
        }
    }

    /// The tick is over: nothing that was due may be left.
    pub fn ticked(&mut self, now: Duration, newest: &Text) -> Result<(), String> {
        if let Watch::Reports(silence) = &self.watch
            && silence.deadline().is_some_and(|window| window.most <= now)
        {
            // Nothing was handed out, so there must have been nothing new to say.
            if let Verdict::Changed(missed) = self.expire(now, newest)? {
                return Err(format!("not told: {missed:?}"));
            }
        }
        if self.falls.as_ref().and_then(Falls::deadline).is_some_and(|window| window.most <= now) {
            let finding = self.falls.as_mut().and_then(Falls::release);
            let verdict = finding.map(|it| self.shown.judge(now, &it, Cause::Damping));
            if let Some(Verdict::Changed(missed)) = verdict {
                return Err(format!("not let go: {missed:?}"));
            }
        }
        if let Some(lost) = self.shown.lost(now) {
            return Err(format!("not asked for again: {lost:?}"));
        }
        if self.shown.retry().is_some_and(|window| window.most <= now) {
            self.shown.retried(now);
        }
        match self.deadline() {
            Some(at) if at + ROUNDING < now => Err(format!("something is {:?} overdue: {self:?}", now - at)),
            _ => Ok(()),
        }
    }

    /// When something must have happened at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        let watch = match &self.watch {
            Watch::Runs(runs) => Some(runs.next()),
            Watch::Reports(silence) => silence.deadline(),
            Watch::Alias | Watch::Elsewhere => None,
        };
        let falls = self.falls.as_ref().and_then(Falls::deadline);
        let all = [watch, self.reaped_at(), falls, self.shown.sync(), self.shown.retry()];
        all.into_iter().flatten().map(|window| window.most).min()
    }

    /// When the instance is deregistered if nothing changes: never while something better was found.
    fn reaped_at(&self) -> Option<Window> {
        self.reaping.deadline().filter(|_| !self.shown.is_recovering())
    }

    /// Compares with what the engine tells people.
    pub fn look(
        &mut self,
        now: Duration,
        insight: &CheckDiagnostics,
        newest: &Text,
        grids: &mut Grids,
    ) -> Result<(), String> {
        match &mut self.watch {
            Watch::Runs(runs) => runs.look(now, insight, grids)?,
            Watch::Reports(silence) => {
                agree("end of the TTL", now, insight.ttl_over_in, silence.deadline())?;
            }
            Watch::Alias | Watch::Elsewhere => {}
        }
        agree("reaping", now, insight.reaped_in, self.reaped_at())?;
        let falls = self.falls.as_ref();
        let until = falls.filter(|it| it.is_suppressed(now)).map(|it| Window::at(it.suppressed_until()));
        agree("end of damping", now, insight.damped_for.filter(|left| *left > ROUNDING), until)?;
        let penalty = falls.map_or(0.0, |it| it.penalty(now));
        if (penalty - f64::from(insight.penalty)).abs() > 1.5 {
            return Err(format!("the penalty is {}: should be {penalty}", insight.penalty));
        }
        if insight.critical_for != self.reaping.critical_for(now) {
            let right = self.reaping.critical_for(now);
            return Err(format!("critical for {:?}: should be {right:?}", insight.critical_for));
        }
        if insight.held_back != falls.and_then(Falls::held) {
            return Err(format!("{:?} is held back: should be {falls:?}", insight.held_back));
        }
        if newest != self.shown.newest() {
            return Err(format!("the newest output is {newest:?}: should be {:?}", self.shown.newest()));
        }
        Ok(())
    }
}

/// Whether the run asks what its check says.
fn is_asked_right(runs: &Runs, due: &DueAction) -> Result<(), String> {
    let DueAction::Probe { probe, timeout, output_bytes_max, .. } = due else { return Ok(()) };
    let (right_probe, right_timeout, right_bytes, _) = runs.question();
    let is_right = probe == right_probe && timeout == right_timeout && output_bytes_max == right_bytes;
    if is_right { Ok(()) } else { Err(format!("should ask {:?}", runs.question())) }
}

fn watch(now: Duration, check: &Check, settings: &HealthSettings) -> Watch {
    match &check.definition.probe {
        Some(Probe::Ttl { ttl }) if check.origin == Origin::Agent => Watch::Reports(Silence::new(now, *ttl)),
        Some(Probe::Alias { .. }) if check.origin == Origin::Agent => Watch::Alias,
        Some(_) if check.origin == Origin::Agent => {
            let runs = Runs::new(now, &check.definition, check.status, settings.watch_connections);
            Watch::Runs(Box::new(runs.backing_off_up_to(settings.backoff_max)))
        }
        _ => Watch::Elsewhere,
    }
}

/// Whether a span that the engine tells ends within `window`.
fn agree(what: &str, now: Duration, left: Option<Duration>, window: Option<Window>) -> Result<(), String> {
    let is_right = match (left, window) {
        (None, None) => true,
        (Some(left), Some(window)) => {
            Window::new(window.least.max(now), window.most.max(now)).holds(now + left)
        }
        _ => false,
    };
    let at = left.map(|left| now + left);
    if is_right { Ok(()) } else { Err(format!("{what} at {at:?}: should be {window:?}")) }
}

fn same(verdict: &Verdict, right: &Verdict) -> Result<(), String> {
    if verdict == right { Ok(()) } else { Err(format!("{verdict:?}: should be {right:?}")) }
}

fn cut(output: &Text, bytes_most: usize) -> Text {
    let bytes_most = if bytes_most == 0 { OUTPUT_BYTES } else { bytes_most.min(OUTPUT_BYTES) };
    if output.len() <= bytes_most {
        return output.clone();
    }
    let kept = &output[..bytes_most];
    Text::from(format!("{kept} ... (captured {bytes_most} of {} bytes)", output.len()))
}

/// The run that `due` starts.
pub fn run_of(due: &DueAction) -> Option<Run> {
    match due {
        DueAction::Probe { run, .. } => Some(*run),
        _ => None,
    }
}
