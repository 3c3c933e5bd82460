//! When the next run of one check is to start, and what its result comes to.

use std::collections::HashMap;
use std::time::Duration;

use muster::core::health::{CheckDiagnostics, ConnectionUse, Run};
use muster::core::model::{CheckDefinition, Probe, Status};

use crate::health::oracle::counting::Counting;
use crate::health::oracle::spec::{
    CONFIRM, CONFIRM_GAP_MIN, GRACE, INTERVAL_MIN, OUTPUT_BYTES, START, START_GAP, STEADY_WHILE_DEAD,
    TIMEOUT, Window,
};

/// What makes two checks ask the same, and so run at the same instants.
pub type Question = (Probe, Duration, usize, Duration);

/// Where in their interval the grids of all questions lie, as far as it has shown itself.
pub type Grids = HashMap<Question, Duration>;

/// The runs of one check.
#[derive(Debug)]
pub struct Runs {
    question: Question,
    interval: Duration,
    timeout: Duration,
    backoff_most: Duration,
    may_keep: bool,
    pub counting: Counting,
    pace: Pace,
    is_down: bool,
    under_way: Option<UnderWay>,
    /// When the next run is to start; while one is under way, if that is lost.
    next: Window,
    /// The next start is a point of the grid.
    is_next_on_grid: bool,
    is_next_extra: bool,
    is_doubted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// No passing result since it was registered; so many failing ones.
    Starting { failures: u32 },
    /// Well.
    Steady,
    /// Failing since then. `whole_row`: the row of failures began then, too.
    Confirming { since: Duration, whole_row: bool },
    /// So many failing results since it is known to be dead.
    Dead { failures: u32 },
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    run: Run,
    started_at: Duration,
    stalls: u32,
}

/// What a result comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is of no run that is waited for.
    Ignored,
    /// It may be our own fault.
    Doubtful,
    /// It counts, and with others may decide.
    Counted(Option<Status>),
}

/// What an orderly restart takes along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarriedRuns {
    failures: u32,
    successes: u32,
    dead: Option<u32>,
}

impl Runs {
    /// The runs of a check that was registered just now.
    pub fn new(now: Duration, definition: &CheckDefinition, status: Status, watches: bool) -> Runs {
        let interval = definition.interval.max(INTERVAL_MIN);
        let timeout = if definition.timeout.is_zero() { TIMEOUT } else { definition.timeout };
        let output_bytes = match definition.output_max_size as usize {
            0 => OUTPUT_BYTES,
            given => given.min(OUTPUT_BYTES),
        };
        let probe = definition.probe.clone().expect("a check that is run has a probe");
        let wants_to_keep = match probe {
            Probe::Http { .. } => definition.watch != Some(false),
            Probe::Tcp { .. } => definition.watch == Some(true),
            _ => false,
        };
        let mut runs = Runs {
            question: (probe, timeout, output_bytes, interval),
            interval,
            timeout,
            backoff_most: Duration::ZERO,
            may_keep: wants_to_keep && watches,
            counting: Counting::new(definition),
            pace: Pace::Steady,
            is_down: status == Status::Critical,
            under_way: None,
            next: Window::at(now),
            is_next_on_grid: false,
            is_next_extra: false,
            is_doubted: false,
        };
        runs.start_over(now);
        runs
    }

    /// With the operator's longest time between two runs of a dead check.
    pub fn backing_off_up_to(self, most: Duration) -> Runs {
        Runs { backoff_most: most, ..self }
    }

    /// After a restart: on the grid, with what was saved.
    pub fn restored(
        self,
        now: Duration,
        grids: &Grids,
        definition: &CheckDefinition,
        saved: Option<CarriedRuns>,
    ) -> Runs {
        let counting = match saved {
            Some(saved) => Counting::carried(definition, saved.failures, saved.successes),
            None => Counting::after_crash(definition),
        };
        let pace = match saved.and_then(|saved| saved.dead) {
            Some(failures) => Pace::Dead { failures },
            None => Pace::Steady,
        };
        let mut runs = Runs { counting, pace, ..self };
        runs.next_on_grid(now, grids);
        runs
    }

    pub fn save(&self) -> CarriedRuns {
        let Counting { failures, successes, .. } = self.counting;
        let dead = match self.pace {
            Pace::Dead { failures } => Some(failures),
            _ => None,
        };
        CarriedRuns { failures, successes, dead }
    }

    pub fn question(&self) -> &Question {
        &self.question
    }

    /// When the next run is to start.
    pub fn next(&self) -> Window {
        self.next
    }

    /// Time that a new process gives the instance to show that it is alive.
    pub fn chance_over_at(&self) -> Window {
        Window::new(self.next.least + self.timeout + GRACE, self.next.most + self.timeout + GRACE)
    }

    /// Somebody registered it again while it was critical.
    pub fn start_over(&mut self, now: Duration) {
        self.pace = Pace::Starting { failures: 0 };
        if self.under_way.is_none() {
            self.next = Window::new(now, now + START);
            self.is_next_on_grid = false;
        }
    }

    /// The kept connection has ended.
    pub fn connection_lost(&mut self, now: Duration) {
        if self.under_way.is_none() {
            self.next = Window::at(now);
            self.is_next_on_grid = false;
            self.is_next_extra = true;
        }
    }

    /// A run was started.
    pub fn started(
        &mut self,
        now: Duration,
        run: Run,
        connection: ConnectionUse,
        stalls: u32,
        grids: &Grids,
    ) -> Result<(), String> {
        if now < self.next.least {
            let early = self.next.least - now;
            let why = if self.under_way.is_some() { ", while one is under way" } else { "" };
            return Err(format!("a run starts {early:?} early{why}"));
        }
        let is_extra = std::mem::take(&mut self.is_next_extra);
        let is_ordinary = !is_extra && self.under_way.is_none() && self.pace == Pace::Steady;
        if connection.keep != (self.may_keep && !is_extra) {
            return Err(format!("the connection of this run is wrongly kept or not: {connection:?}"));
        }
        if connection.joins && !is_ordinary {
            return Err("a run that is to confirm something takes the outcome of an older one".into());
        }
        self.under_way = Some(UnderWay { run, started_at: now, stalls });
        let given_up_at = now + self.timeout + GRACE;
        self.next_on_grid(now, grids);
        self.next = Window::new(self.next.least.max(given_up_at), self.next.most.max(given_up_at));
        Ok(())
    }

    /// A run has ended.
    pub fn ended(&mut self, now: Duration, run: Run, found: Status, stalls: u32, grids: &Grids) -> Outcome {
        let Some(ended) = self.under_way.take_if(|it| it.run == run) else { return Outcome::Ignored };
        let is_failure = found == Status::Critical;
        self.is_doubted = is_failure && stalls > ended.stalls && !self.is_doubted;
        if self.is_doubted {
            self.connection_lost(now);
            return Outcome::Doubtful;
        }
        let mut decided = self.counting.count(found);
        if is_failure && self.is_down {
            // However many failures are remembered: one more makes nothing better.
            decided = Some(Status::Critical);
        }
        if is_failure {
            self.is_down |= decided == Some(Status::Critical);
            self.failed(now, ended.started_at, grids);
        } else {
            self.is_down &= decided.is_none();
            self.pace = Pace::Steady;
            self.next_on_grid(now, grids);
        }
        Outcome::Counted(decided)
    }

    fn failed(&mut self, now: Duration, started_at: Duration, grids: &Grids) {
        self.is_next_on_grid = false;
        if !self.is_down {
            let (since, whole_row) = match self.pace {
                Pace::Confirming { since, whole_row } => (since, whole_row),
                _ => (now, self.counting.failures == 1),
            };
            self.pace = Pace::Confirming { since, whole_row };
            let gap = (CONFIRM / self.counting.before_critical).min(self.interval).max(CONFIRM_GAP_MIN);
            let at = (since + gap * self.counting.failures).max(now);
            self.next = Window::new(if whole_row { at } else { now }, at);
            return;
        }
        if let Pace::Starting { failures } = self.pace
            && let gap = START_GAP * 2_u32.pow(failures.min(20))
            && gap < self.interval
        {
            self.pace = Pace::Starting { failures: failures + 1 };
            self.next = Window::new((started_at + gap).max(now), now + gap);
            return;
        }
        let failures = match self.pace {
            Pace::Dead { failures } => failures + 1,
            _ => 0,
        };
        self.pace = Pace::Dead { failures };
        if failures < STEADY_WHILE_DEAD || self.backoff_most <= self.interval {
            return self.next_on_grid(now, grids);
        }
        let doublings = (failures - STEADY_WHILE_DEAD + 1).min(20);
        let gap = (self.interval * 2_u32.pow(doublings)).min(self.backoff_most);
        let least = (gap * 9 / 10).max(self.interval);
        let most = (gap * 11 / 10).clamp(self.interval, self.backoff_most);
        self.next = Window::new((started_at + least).max(now), (started_at + most).max(now));
    }

    fn next_on_grid(&mut self, now: Duration, grids: &Grids) {
        self.is_next_on_grid = true;
        self.next = match grids.get(&self.question) {
            Some(phase) => Window::at(point_after(now, *phase, self.interval)),
            None => Window::new(now, now + self.interval),
        };
    }

    /// Compares with what the engine says, and learns what the specification leaves to it: within which window it has
    /// decided to run, and where the grid lies.
    pub fn look(
        &mut self,
        now: Duration,
        insight: &CheckDiagnostics,
        grids: &mut Grids,
    ) -> Result<(), String> {
        // More successes than are needed are as good as enough, so a restart need not know how many more.
        let Counting { failures, successes, before_passing, .. } = self.counting;
        let told = (insight.failures_in_a_row, insight.successes_in_a_row.min(before_passing));
        if told != (failures, successes.min(before_passing)) {
            return Err(format!("{told:?} failures and successes in a row: should be {:?}", self.counting));
        }
        if insight.is_running != self.under_way.is_some() {
            return Err(format!("is it running: {}", insight.is_running));
        }
        let Some(left) = insight.next_run_in else { return Err("no next run is planned".into()) };
        if !left.is_zero() && (self.is_next_on_grid || self.under_way.is_some()) {
            let phase = Duration::from_nanos(((now + left).as_nanos() % self.interval.as_nanos()) as u64);
            grids.entry(self.question.clone()).or_insert(phase);
        }
        if let Some(under_way) = self.under_way {
            let given_up_at = under_way.started_at + self.timeout + GRACE;
            if self.next.least < self.next.most {
                self.next_on_grid(under_way.started_at, grids);
                self.next = Window::at(self.next.least.max(given_up_at));
            }
            return Ok(());
        }
        let at = now + left;
        let window = Window::new(self.next.least.max(now), self.next.most.max(now));
        if !window.holds(at) {
            return Err(format!("the next run is planned for {at:?}: should be {window:?}"));
        }
        if self.next.least < self.next.most && !left.is_zero() {
            self.next = Window::at(at);
        }
        Ok(())
    }
}

/// The first instant after `now` that is `phase` into an interval.
fn point_after(now: Duration, phase: Duration, interval: Duration) -> Duration {
    let mut point = phase;
    if now > phase {
        let passed = (now - phase).as_nanos() / interval.as_nanos();
        point += Duration::from_nanos((passed * interval.as_nanos()) as u64);
    }
    while point <= now {
        point += interval;
    }
    point
}
