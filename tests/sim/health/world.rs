//! The world around the engine: targets that answer or do not, instances that report or fall silent, a catalog that
//! takes its time, a process that is stopped and started again. All of it follows from a plan and a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use muster::base::stdx::text::Text;
use muster::core::health::{DueAction, ResultSource, Run, Verdict};
use muster::core::model::{Check, Observation, Probe, Status};

use crate::chance::Chance;
use crate::health::mutants::Mutant;
use crate::health::oracle::key_of;
use crate::health::plan::{Action, Disk, Habit, Kind, Mood, Plan, ms, s};
use crate::health::subject::Subject;
use crate::trace::{At, Trace};

mod catalog;

/// A stop that may make a run fail which was under way; shorter ones are told from a busy machine by nobody.
const STOP_MIN: Duration = ms(750);

/// After how many ticks, about, the TTLs are put on disk: now and then more than a TTL late.
const NOTED_EVERY: usize = 5;

/// One life, as it goes.
pub struct World<'a> {
    plan: &'a Plan,
    chance: Chance,
    now: At,
    subject: Subject,
    trace: Trace,
    agenda: BTreeMap<(At, u64), Event>,
    events: u64,
    /// When the next tick comes, and for which wish of the engine.
    tick_at: Option<(At, At)>,
    lateness: Duration,
    checks: Vec<Kept>,
    moods: Vec<Mood>,
    disk: Disk,
    disk_busy_until: At,
    answers_lost_one_in: usize,
    /// Number of this process: what was meant for an earlier one is lost.
    process: u32,
    is_over: bool,
}

/// What the world keeps of one check.
#[derive(Clone, Debug)]
struct Kept {
    /// The catalog's record.
    record: Option<Check>,
    /// When its status changed, by the wall clock.
    status_since: At,
    /// The engine had no room for it.
    is_refused: bool,
    habit: Habit,
    /// Number of the habit: beats of an earlier one are over.
    habits: u32,
    /// Failing results since the last passing one: how many, and whether all were the fault of a stop.
    failures: (u32, bool),
    /// The last run kept its connection.
    is_connected: bool,
}

#[derive(Clone, Debug)]
enum Event {
    Act(Action),
    /// A run has its answer.
    Answer {
        check: usize,
        process: u32,
        run: Run,
        observation: Observation,
        out_at: At,
        by_stop: bool,
    },
    /// A write arrives in the catalog.
    Arrive {
        process: u32,
        write: Write,
    },
    /// An instance reports.
    Beat {
        check: usize,
        habits: u32,
    },
    /// The connection kept to a target is seen to have ended.
    Cut {
        process: u32,
        target: usize,
    },
    /// All harm has ended.
    Calm,
    /// All of this is over.
    End,
}

#[derive(Clone, Debug)]
enum Write {
    Update { check: usize, observation: Observation },
    Register { check: usize, definition: usize, status: Option<Status> },
    Deregister { check: usize },
}

impl<'a> World<'a> {
    pub fn new(plan: &'a Plan, seed: u64, mutant: Option<Mutant>, trace: Trace) -> World<'a> {
        let kept = Kept {
            record: None,
            status_since: At::ZERO,
            is_refused: false,
            habit: Habit::Silent,
            habits: 0,
            failures: (0, true),
            is_connected: false,
        };
        let targets = plan.checks.iter().filter_map(|it| match it.kind {
            Kind::Run(target) => Some(target + 1),
            _ => None,
        });
        let mut world = World {
            plan,
            chance: Chance::new(!seed),
            now: At::ZERO,
            subject: Subject::new(plan.settings.clone(), mutant),
            trace,
            agenda: BTreeMap::new(),
            events: 0,
            tick_at: None,
            lateness: Duration::ZERO,
            checks: vec![kept; plan.checks.len()],
            moods: vec![Mood::Up; targets.max().unwrap_or(0)],
            disk: Disk::Takes(ms(5)),
            disk_busy_until: At::ZERO,
            answers_lost_one_in: 0,
            process: 0,
            is_over: false,
        };
        for (at, action) in &plan.actions {
            world.at(*at, Event::Act(action.clone()));
        }
        let last = plan.actions.last().map_or(At::ZERO, |(at, _)| *at);
        world.at(last, Event::Calm);
        world
    }

    /// Lives to the end, or to the first complaint.
    ///
    /// # Errors
    /// The complaint.
    pub fn live(mut self) -> Result<Trace, (String, Trace)> {
        while !self.is_over {
            self.step();
            if let Some(complaint) = self.subject.complaint.take() {
                return Err((format!("{:?}: {complaint}", self.now), self.trace));
            }
        }
        match self.judge_end() {
            Ok(()) => Ok(self.trace),
            Err(complaint) => Err((format!("at the end, {:?}: {complaint}", self.now), self.trace)),
        }
    }

    fn at(&mut self, at: At, event: Event) {
        self.events += 1;
        self.agenda.insert((at, self.events), event);
    }

    fn step(&mut self) {
        let tick_at = self.subject.next_due().map(|wish| self.tick_for(wish));
        let next_event = self.agenda.first_key_value().map(|((at, _), _)| *at);
        match (tick_at, next_event) {
            (Some(tick_at), Some(next_event)) if tick_at < next_event => self.tick(tick_at),
            (_, Some(_)) => {
                let ((at, _), event) = self.agenda.pop_first().expect("it was looked at just now");
                self.now = self.now.max(at);
                self.happen(event);
            }
            (Some(tick_at), None) => self.tick(tick_at),
            (None, None) => self.is_over = true,
        }
    }

    /// When the tick comes that the engine wishes at `wish`: as late as ticks are at present.
    fn tick_for(&mut self, wish: At) -> At {
        if let Some((for_wish, at)) = self.tick_at
            && for_wish == wish
        {
            return at;
        }
        let late = match self.lateness {
            Duration::ZERO => Duration::ZERO,
            most => self.chance.span(Duration::ZERO, most),
        };
        self.tick_at = Some((wish, wish + late));
        wish + late
    }

    fn tick(&mut self, at: At) {
        self.now = self.now.max(at);
        for due in self.subject.tick(self.now) {
            self.act(due);
        }
        if self.chance.one_in(NOTED_EVERY) {
            self.subject.note(self.now);
        }
    }

    /// Does what is due, as the registry would.
    fn act(&mut self, due: DueAction) {
        let id = key_of(&due).check_id.clone();
        let Some(check) = self.plan.checks.iter().position(|it| it.key.check_id == id) else { return };
        self.trace.note(self.now, Some(check), || match &due {
            DueAction::Probe { connection, run, .. } => format!("due: {run:?}, {connection:?}"),
            other => format!("due: {other:?}"),
        });
        match due {
            DueAction::Probe { timeout, connection, run, .. } => {
                self.checks[check].is_connected = connection.keep;
                self.probe(check, timeout, run);
            }
            DueAction::Expired { observation, .. }
            | DueAction::Show { observation, .. }
            | DueAction::Sync { observation, .. } => self.write(Write::Update { check, observation }),
            DueAction::Reap { .. } => self.write(Write::Deregister { check }),
        }
    }

    fn probe(&mut self, check: usize, timeout: Duration, run: Run) {
        let Kind::Run(target) = self.plan.checks[check].kind else { return };
        let (mut status, mut takes) = match self.moods[target] {
            Mood::Up => (Status::Passing, self.chance.span(Duration::ZERO, ms(30))),
            Mood::Warn => (Status::Warning, self.chance.span(Duration::ZERO, ms(30))),
            Mood::Down => (Status::Critical, self.chance.span(Duration::ZERO, ms(5))),
            Mood::Hang => (Status::Critical, timeout),
            Mood::Slow(takes) => (Status::Passing, takes),
        };
        if takes >= timeout {
            (status, takes) = (Status::Critical, timeout);
        }
        if self.answers_lost_one_in > 0 && self.chance.one_in(self.answers_lost_one_in) {
            if self.chance.one_in(2) {
                return self.trace.note(self.now, Some(check), || format!("the answer to {run:?} gets lost"));
            }
            takes = self.chance.span(timeout, timeout + s(25));
        }
        let output = match status {
            Status::Passing => self.words(),
            _ => Text::from(format!("no good: {status}")),
        };
        let observation = Observation { status, output };
        let (process, out_at) = (self.process, self.now + timeout);
        let answer = Event::Answer { check, process, run, observation, out_at, by_stop: false };
        self.at(self.now + takes, answer);
    }

    /// What a check says when all is well: now and then something else.
    fn words(&mut self) -> Text {
        Text::from(self.chance.pick(&["ok", "ok", "ok", "fine, thank you", "still here"]))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act(action) => {
                self.trace.note(self.now, None, || format!("world: {action:?}"));
                self.act_of_the_world(action);
            }
            Event::Answer { check, process, run, observation, by_stop, .. } if process == self.process => {
                self.answer(check, run, observation, by_stop);
            }
            Event::Arrive { process, write } if process == self.process => self.arrive(write),
            Event::Beat { check, habits } if habits == self.checks[check].habits => self.beat(check),
            Event::Cut { process, target } if process == self.process => self.cut(target),
            Event::Calm => self.at(self.now + self.plan.calm, Event::End),
            Event::End => self.is_over = true,
            Event::Answer { .. } | Event::Arrive { .. } | Event::Beat { .. } | Event::Cut { .. } => {}
        }
    }

    fn answer(&mut self, check: usize, run: Run, observation: Observation, by_stop: bool) {
        let is_failure = observation.status == Status::Critical;
        let failures = &mut self.checks[check].failures;
        *failures = if is_failure { (failures.0 + 1, failures.1 && by_stop) } else { (0, true) };
        let verdict = self.observe(check, observation, ResultSource::Probe(run));
        if verdict == Verdict::Ignored {
            return;
        }
        let (failures, all_by_stop) = self.checks[check].failures;
        if is_failure && failures == 1 && all_by_stop && matches!(verdict, Verdict::Changed(_)) {
            let wolf = "a stop of the process alone made a check change its status";
            self.subject.complaint.get_or_insert(wolf.to_owned());
        }
    }

    fn observe(&mut self, check: usize, observation: Observation, source: ResultSource) -> Verdict {
        let key = &self.plan.checks[check].key;
        let verdict = self.subject.observe(self.now, key, observation.clone(), source);
        self.trace.note(self.now, Some(check), || format!("{source:?}: {observation:?} -> {verdict:?}"));
        if let Verdict::Changed(observation) = verdict.clone() {
            self.write(Write::Update { check, observation });
        }
        verdict
    }

    fn beat(&mut self, check: usize) {
        let kept = &self.checks[check];
        let planned = &self.plan.checks[check];
        let definition = kept.record.as_ref().map_or(&planned.record.definition, |it| &it.definition);
        let Some(Probe::Ttl { ttl }) = definition.probe else { return };
        let (habit, habits, is_known) = (kept.habit, kept.habits, kept.record.is_some());
        let (status, next) = match habit {
            Habit::Silent => return,
            Habit::Says(status) => (status, ttl / 3),
            Habit::Moody => {
                let gaps = [ttl / 10, ttl - ms(1), ttl, ttl * 6 / 5, ttl * 2];
                (self.chance.pick(&[Status::Passing, Status::Critical]), self.chance.pick(&gaps))
            }
        };
        if is_known {
            let output = self.words();
            self.observe(check, Observation { status, output }, ResultSource::Report);
        }
        self.at(self.now + next, Event::Beat { check, habits });
    }

    fn cut(&mut self, target: usize) {
        for check in 0..self.checks.len() {
            let is_its_target = self.plan.checks[check].kind == Kind::Run(target);
            let is_connected = std::mem::take(&mut self.checks[check].is_connected);
            // One that was never kept may be told lost all the same: the news may be late.
            if is_its_target && (is_connected || self.chance.one_in(10)) {
                self.trace.note(self.now, Some(check), || "connection lost".into());
                self.subject.connection_lost(self.now, &self.plan.checks[check].key);
            }
        }
    }

    fn act_of_the_world(&mut self, action: Action) {
        match action {
            Action::Register { check, definition, status } => {
                self.write(Write::Register { check, definition, status });
            }
            Action::Deregister { check } => self.write(Write::Deregister { check }),
            Action::WriteByHand { check, status } => {
                let observation = Observation { status, output: "by hand".into() };
                self.write(Write::Update { check, observation });
            }
            Action::Mood { target, mood } => {
                if let Some(it) = self.moods.get_mut(target) {
                    *it = mood;
                }
            }
            Action::CutConnections { target } => {
                let at = self.now + self.chance.span(Duration::ZERO, ms(20));
                self.at(at, Event::Cut { process: self.process, target });
            }
            Action::Habit { check, habit } => {
                let kept = &mut self.checks[check];
                (kept.habit, kept.habits) = (habit, kept.habits + 1);
                let (at, habits) = (self.now + self.chance.span(Duration::ZERO, s(1)), kept.habits);
                self.at(at, Event::Beat { check, habits });
            }
            Action::Disk(disk) => self.disk = disk,
            Action::LoseAnswers { one_in } => self.answers_lost_one_in = one_in,
            Action::Stop(duration) => self.stop(duration),
            Action::LateTicks(lateness) => self.lateness = lateness,
            Action::Restart { is_orderly, downtime } => self.restart(is_orderly, downtime),
        }
    }

    /// Nothing is called for `duration`. Runs whose time is up by then may have failed for that.
    fn stop(&mut self, duration: Duration) {
        let end = self.now + duration;
        for event in self.agenda.range_mut(..=(end, u64::MAX)) {
            if let Event::Answer { observation, out_at, by_stop, .. } = event.1
                && duration > STOP_MIN
                && *out_at <= end
                && self.chance.one_in(2)
            {
                *by_stop = observation.status != Status::Critical;
                *observation = Observation { status: Status::Critical, output: "timed out".into() };
            }
        }
        self.now = end;
        if self.chance.one_in(2) {
            self.tick(end);
        }
    }

    fn restart(&mut self, is_orderly: bool, downtime: Duration) {
        let mut luggage = self.subject.leave();
        if is_orderly {
            let writes: Vec<(At, u64)> = self
                .agenda
                .iter()
                .filter(|it| matches!(it.1, Event::Arrive { .. }))
                .map(|it| *it.0)
                .collect();
            for at in writes {
                let event = self.agenda.remove(&at).expect("it is on the agenda");
                self.happen(event);
            }
            luggage = self.subject.save(self.now);
        }
        if self.subject.complaint.is_some() {
            return;
        }
        self.process += 1;
        self.now += downtime;
        self.disk_busy_until = self.now;
        self.tick_at = None;
        self.subject = self.subject.restarted();
        for check in 0..self.checks.len() {
            let kept = &mut self.checks[check];
            kept.is_connected = false;
            kept.failures = (0, true);
            let Some(record) = kept.record.clone() else { continue };
            // The wall clock tells milliseconds.
            let age = ms((self.now - kept.status_since).as_millis() as u64);
            let key = &self.plan.checks[check].key;
            kept.is_refused = self.subject.restore(self.now, key, &record, age, &mut luggage).is_err();
        }
        for check in 0..self.checks.len() {
            if matches!(self.plan.checks[check].kind, Kind::Alias(_)) {
                self.judge_aliases(check);
            }
        }
    }

    /// Whether everything shows its target's truth, long after all harm has ended.
    fn judge_end(&self) -> Result<(), String> {
        for (planned, kept) in self.plan.checks.iter().zip(&self.checks) {
            let Some(record) = kept.record.as_ref().filter(|_| !kept.is_refused) else { continue };
            let truth = match planned.kind {
                Kind::Run(target) => match self.moods[target] {
                    Mood::Up => Status::Passing,
                    Mood::Warn => Status::Warning,
                    Mood::Down | Mood::Hang => Status::Critical,
                    Mood::Slow(_) => continue,
                },
                Kind::Ttl => match kept.habit {
                    Habit::Says(status) => status,
                    Habit::Silent => Status::Critical,
                    Habit::Moody => continue,
                },
                Kind::Alias(target) => self.alias_truth(target),
                Kind::Elsewhere => record.status,
            };
            let id = &record.id;
            if record.status != truth {
                return Err(format!("{id} is {truth} and shown {}", record.status));
            }
            let is_condemned = !record.definition.deregister_critical_service_after.is_zero()
                && !record.service_id.is_empty()
                && truth == Status::Critical;
            if is_condemned {
                return Err(format!("{id} should have been reaped"));
            }
        }
        Ok(())
    }
}
