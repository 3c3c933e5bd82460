//! The runs of one check: when the next one starts, over which connection, and what a result does to that.

use std::time::{Duration, Instant};

use crate::core::health::grid::Grid;
use crate::core::health::settings::{
    DURATION_MAX, INTERVAL_MIN, RESULT_GRACE, START_SPREAD, TIMEOUT_DEFAULT, TIMEOUT_MAX,
};
use crate::core::health::speed::{CheckSpeed, backoff_gap, confirm_gap};
use crate::core::health::spread::{hash, part};
use crate::core::health::threshold::Threshold;
use crate::core::health::{ConnectionUse, HealthSettings, Run, TargetReply, output};
use crate::core::model::{CheckDefinition, Probe, Status};

/// The runs of one check, at most one at a time.
#[derive(Clone, Debug)]
pub struct Runs {
    grid: Grid,
    /// Of everything that makes two checks ask the same: such checks keep step in all they do.
    grid_hash: u64,
    pace: CheckSpeed,
    pace_since: Instant,
    /// When the next run is due; while one is under way, not before that is given up.
    next_at: Instant,
    /// The next run is out of turn: over a connection of its own, which is not kept.
    next_is_extra: bool,
    /// Counts the results.
    pub threshold: Threshold,
    /// Time that a run may take.
    pub timeout: Duration,
    /// How the target took the last run; of a check that a restart brought back, as its status lets one hope.
    pub last_reply: TargetReply,
    /// The results add up to critical, as far as they are known.
    is_down: bool,
    under_way: Option<UnderWay>,
    /// The last result was not counted, since muster was stopped meanwhile. Never twice in a row.
    is_doubted: bool,
}

/// A run under way.
#[derive(Clone, Debug)]
struct UnderWay {
    run: Run,
    started_at: Instant,
    /// From then on its result counts as lost.
    give_up_at: Instant,
    /// Stalls of the process before it was started.
    stalls: u64,
}

/// What became of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It is not of the run under way.
    Stale,
    /// Muster was stopped while the run was under way, and so may itself be why it failed: it is made again at once.
    Doubtful,
    /// It counts. With enough in a row, what they come to.
    Counted(Option<Status>),
}

impl Runs {
    /// Runs of a check of which `status` is known, on the grid from the beginning.
    pub fn new(
        now: Instant,
        origin: Instant,
        definition: &CheckDefinition,
        status: Status,
        threshold: Threshold,
        seed: u64,
    ) -> Runs {
        let interval = definition.interval.clamp(INTERVAL_MIN, DURATION_MAX);
        let timeout = if definition.timeout.is_zero() { TIMEOUT_DEFAULT } else { definition.timeout };
        let timeout = timeout.min(TIMEOUT_MAX);
        let output_bytes_max = output::bytes_max(definition.output_max_size);
        let grid_hash = hash(seed, &(&definition.probe, timeout, output_bytes_max, interval));
        let grid = Grid::new(origin, grid_hash, interval);
        Runs {
            next_at: grid.next_after(now),
            grid,
            grid_hash,
            pace: CheckSpeed::Steady,
            pace_since: now,
            next_is_extra: false,
            threshold,
            timeout,
            last_reply: TargetReply::Unknown,
            is_down: status == Status::Critical,
            under_way: None,
            is_doubted: false,
        }
    }

    /// When there is something to do: start the next run, once the last has ended or is given up.
    pub fn deadline(&self) -> Instant {
        self.under_way.as_ref().map_or(self.next_at, |under_way| under_way.give_up_at.max(self.next_at))
    }

    /// When the instance has had one full chance to show that it is alive.
    pub fn first_chance_over_at(&self) -> Instant {
        self.next_at + self.timeout + RESULT_GRACE
    }

    /// When the next run is due.
    pub fn next_at(&self) -> Instant {
        self.next_at
    }

    /// When the run under way was started.
    pub fn running_since(&self) -> Option<Instant> {
        self.under_way.as_ref().map(|under_way| under_way.started_at)
    }

    /// The present pace, and since when.
    pub fn pace(&self) -> (CheckSpeed, Instant) {
        (self.pace, self.pace_since)
    }

    /// Whether runs are further apart than the interval.
    pub fn is_backing_off(&self, backoff_max: Duration) -> bool {
        matches!(self.pace, CheckSpeed::Dead { runs }
            if backoff_gap(&self.grid, self.grid_hash, runs, backoff_max).is_some())
    }

    /// Failing results since the check is known to be critical.
    pub fn dead_runs(&self) -> Option<u32> {
        match self.pace {
            CheckSpeed::Dead { runs } => Some(runs),
            _ => None,
        }
    }

    /// Goes on where a check that was critical for so many runs was before a restart.
    pub fn resume_dead(&mut self, runs: u32) {
        self.pace = CheckSpeed::Dead { runs };
    }

    /// Somebody started the instance: runs at once, and quickly until the first passing result.
    pub fn start_over(&mut self, now: Instant) {
        self.set_pace(now, CheckSpeed::START);
        if self.under_way.is_none() {
            self.next_at = now + part(self.grid_hash, START_SPREAD);
        }
    }

    /// Makes one run out of turn, unless one is under way.
    pub fn run_extra(&mut self, now: Instant) {
        if self.under_way.is_none() {
            self.next_at = now;
            self.next_is_extra = true;
        }
    }

    /// Starts a run under the given number if one is due, and says what becomes of its connection.
    pub fn start_due(
        &mut self,
        now: Instant,
        run: Run,
        stalls: u64,
        may_keep: bool,
    ) -> Option<ConnectionUse> {
        if self.deadline() > now {
            return None;
        }
        let is_extra = std::mem::take(&mut self.next_is_extra);
        let joins = !is_extra && self.pace == CheckSpeed::Steady && self.under_way.is_none();
        let give_up_at = now + self.timeout + RESULT_GRACE;
        self.under_way = Some(UnderWay { run, started_at: now, give_up_at, stalls });
        self.next_at = self.grid.next_after(now);
        Some(ConnectionUse { joins, keep: may_keep && !is_extra, linger: is_extra })
    }

    /// Ends a run with what it found.
    pub fn end(
        &mut self,
        now: Instant,
        run: Run,
        found: Status,
        stalls: u64,
        backoff_max: Duration,
    ) -> RunEnd {
        let Some(ended) = self.under_way.take_if(|under_way| under_way.run == run) else {
            return RunEnd::Stale;
        };
        let is_failure = found == Status::Critical;
        self.is_doubted = is_failure && ended.stalls != stalls && !self.is_doubted;
        if self.is_doubted {
            self.run_extra(now);
            return RunEnd::Doubtful;
        }
        let counted = match self.threshold.count(found) {
            // After a restart its failures are counted anew, but a further one makes no check better.
            _ if is_failure && self.is_down => Some(Status::Critical),
            counted => counted,
        };
        match counted {
            Some(status) if is_failure => self.is_down |= status == Status::Critical,
            Some(_) => self.is_down = false,
            None => {}
        }
        let pace_before = self.pace;
        let interval = self.grid.interval();
        let pace =
            if is_failure { self.pace.failed(now, self.is_down, interval) } else { CheckSpeed::Steady };
        self.set_pace(now, pace);
        self.next_at = match (pace, pace_before) {
            (CheckSpeed::Starting { .. }, CheckSpeed::Starting { gap }) => now + gap,
            (CheckSpeed::Confirming { since }, _) => self.confirm_at(since).max(now),
            (CheckSpeed::Dead { runs }, _) => backoff_gap(&self.grid, self.grid_hash, runs, backoff_max)
                .map_or_else(|| self.grid.next_after(now), |gap| (ended.started_at + gap).max(now)),
            _ => self.grid.next_after(now),
        };
        RunEnd::Counted(counted)
    }

    /// When the next try is to be made that confirms failures since `since`.
    fn confirm_at(&self, since: Instant) -> Instant {
        let (failures, failures_before_critical) = self.threshold.failures();
        since + confirm_gap(self.grid.interval(), failures_before_critical) * failures
    }

    fn set_pace(&mut self, now: Instant, pace: CheckSpeed) {
        if std::mem::discriminant(&self.pace) != std::mem::discriminant(&pace) {
            self.pace_since = now;
        }
        self.pace = pace;
    }
}

/// Whether the connections of a check's ordinary runs are kept, if the operator allows it.
pub fn may_keep(definition: &CheckDefinition, settings: &HealthSettings) -> bool {
    let is_kept = match &definition.probe {
        Some(Probe::Http { .. }) => definition.watch != Some(false),
        Some(Probe::Tcp { .. }) => definition.watch == Some(true),
        _ => false,
    };
    is_kept && settings.watch_connections
}
