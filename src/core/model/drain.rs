//! A drain: an instance on its way out, getting less and less traffic until a deadline.

use std::time::Duration;

use crate::base::stdx::text::Text;
use crate::core::model::Weights;

/// Shortest deadline: that of a single step.
pub const DEADLINE_MIN: Duration = Duration::from_secs(1);

/// Longest deadline. Whoever plans further ahead has not planned an end.
pub const DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Bytes in a reason; it is shown with every answer that shows the check at the end.
pub const REASON_BYTES_MAX: usize = 512;

/// Steps in which the weights fall. Each that shows wakes every watcher of the service, so they are few.
const STEPS_MAX: u64 = 10;

/// A step takes at least this long, so that a short deadline does not make a storm of answers.
const STEP_MS_MIN: u64 = 1_000;

/// Longest time between the end and the deregistration. It lets watchers see the instance go; a step of a long drain
/// would hold the record for hours.
const LINGER_MS_MAX: u64 = 10_000;

/// The plan of one drain, and how far it has come. Times are in milliseconds of Unix time, so that it goes on over a
/// restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drain {
    /// When the plan began.
    pub started_ms: u64,
    /// When it is over.
    pub until_ms: u64,
    /// Share of its weights that the instance had at the beginning: 100, unless an earlier plan was changed.
    pub from_percent: u8,
    /// Share that answers go by now. It follows the plan where that shows; at 0 the instance is out.
    pub share_percent: u8,
    /// Whether the instance is deregistered in the end.
    pub deregister: bool,
    /// Why, for people; may be empty.
    pub reason: Text,
}

/// Where a drain ought to be at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Under way, with this share of its weights in percent, at least 1 unless it began with none.
    Share(u8),
    /// Over: without weight and kept out by a check.
    Over,
    /// To be deregistered.
    Gone,
}

impl Drain {
    /// A plan that begins now with `from_percent` of the weights.
    pub fn begin(now_ms: u64, deadline: Duration, from_percent: u8, deregister: bool, reason: Text) -> Drain {
        let deadline = deadline.clamp(DEADLINE_MIN, DEADLINE_MAX);
        let until_ms = now_ms.saturating_add(deadline.as_millis() as u64);
        Drain { started_ms: now_ms, until_ms, from_percent, share_percent: from_percent, deregister, reason }
    }

    /// Whether it was asked for with this deadline.
    pub fn has_deadline(&self, deadline: Duration) -> bool {
        u128::from(self.length_ms()) == deadline.as_millis()
    }

    /// The share of the weights that is planned for `now_ms`, in percent. It falls in equal steps; the last one is the
    /// end. Before the beginning (the clock was set back) it is as at the beginning.
    pub fn share_at(&self, now_ms: u64) -> u8 {
        if now_ms >= self.until_ms {
            return 0;
        }
        let taken = now_ms.saturating_sub(self.started_ms) * self.steps() / self.length_ms().max(1);
        self.share_after(taken)
    }

    /// Where it ought to be at `now_ms`.
    pub fn stage_at(&self, now_ms: u64) -> Stage {
        match self.deregister_at_ms() {
            Some(at_ms) if now_ms >= at_ms => Stage::Gone,
            _ if now_ms >= self.until_ms || self.from_percent == 0 => Stage::Over,
            _ => Stage::Share(self.share_at(now_ms)),
        }
    }

    /// When the instance is deregistered: one more step after the end, ten seconds at most. `None` when it stays.
    pub fn deregister_at_ms(&self) -> Option<u64> {
        let linger_ms = (self.length_ms() / self.steps()).min(LINGER_MS_MAX);
        self.deregister.then(|| self.until_ms.saturating_add(linger_ms))
    }

    /// When the next thing happens that an instance of these weights shows: a step, the end, the deregistration. That
    /// may be in the past, when it is overdue; `None` when there is nothing more to come.
    pub fn next_ms(&self, weights: Weights) -> Option<u64> {
        if self.share_percent == 0 {
            return self.deregister_at_ms();
        }
        let shown = self.scaled(weights);
        let steps = 1..=self.steps();
        let shows = |step: &u64| {
            let share = self.share_after(*step);
            share < self.share_percent && weights.scaled(share) != shown
        };
        let next = steps.clone().find(|step| shows(step) || step == steps.end())?;
        // Rounded up: a step has been taken when its time has come, not a moment before.
        Some(self.started_ms + (self.length_ms() * next).div_ceil(self.steps()))
    }

    /// The weights that answers show.
    pub fn scaled(&self, weights: Weights) -> Weights {
        weights.scaled(self.share_percent)
    }

    fn length_ms(&self) -> u64 {
        self.until_ms.saturating_sub(self.started_ms)
    }

    fn steps(&self) -> u64 {
        (self.length_ms() / STEP_MS_MIN).clamp(1, STEPS_MAX)
    }

    fn share_after(&self, taken: u64) -> u8 {
        let left = self.steps().saturating_sub(taken);
        (u64::from(self.from_percent) * left).div_ceil(self.steps()) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: u64 = 1_000_000;

    fn drain(deadline_ms: u64, from_percent: u8, deregister: bool) -> Drain {
        Drain::begin(START_MS, Duration::from_millis(deadline_ms), from_percent, deregister, Text::default())
    }

    #[test]
    fn shares_fall_in_equal_steps_of_at_least_a_second() {
        let rows: &[(u64, u8, &[u8])] = &[
            (1_000, 100, &[100, 0]),
            (1_999, 100, &[100, 0]),
            (2_000, 100, &[100, 50, 0]),
            (3_500, 100, &[100, 67, 34, 0]),
            (10_000, 100, &[100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 0]),
            (86_400_000, 100, &[100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 0]),
            (10_000, 35, &[35, 32, 28, 25, 21, 18, 14, 11, 7, 4, 0]),
            (10_000, 3, &[3, 2, 1, 0]),
            (10_000, 0, &[0]),
        ];
        for (deadline_ms, from, shares) in rows {
            let drain = drain(*deadline_ms, *from, false);
            let every = (deadline_ms / 1000).max(1);
            let times = (0..=deadline_ms + every).step_by(every as usize);
            let mut seen: Vec<u8> = times.map(|at| drain.share_at(START_MS + at)).collect();
            seen.dedup();
            assert_eq!(seen, *shares, "{deadline_ms} ms from {from} %");
        }
    }

    #[test]
    fn a_clock_that_went_back_changes_nothing() {
        let drain = drain(60_000, 80, true);
        assert_eq!((drain.share_at(0), drain.stage_at(0)), (80, Stage::Share(80)));
    }

    #[test]
    fn it_ends_and_then_it_is_deregistered_if_that_was_asked() {
        let rows = [
            (1_000, true, 999, Stage::Share(100)),
            (1_000, true, 1_000, Stage::Over),
            (1_000, true, 1_999, Stage::Over),
            (1_000, true, 2_000, Stage::Gone),
            (60_000, true, 59_999, Stage::Share(10)),
            (60_000, true, 65_999, Stage::Over),
            (60_000, true, 66_000, Stage::Gone),
            (86_400_000, true, 86_409_999, Stage::Over),
            (86_400_000, true, 86_410_000, Stage::Gone),
            (60_000, false, u64::MAX - START_MS, Stage::Over),
        ];
        for (deadline_ms, deregister, at_ms, stage) in rows {
            let drain = drain(deadline_ms, 100, deregister);
            assert_eq!(drain.stage_at(START_MS + at_ms), stage, "{deadline_ms} ms at {at_ms} ms");
        }
    }

    /// Lives through a drain as its keeper does: from one thing that shows to the next.
    #[test]
    fn only_steps_that_show_are_taken_and_all_of_those() {
        let rows: &[(u64, u16, u16, bool, &[u16])] = &[
            (10_000, 1, 1, false, &[1, 0]),
            (10_000, 3, 1, true, &[3, 2, 1, 0]),
            (10_000, 10, 1, false, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
            (60_000, 100, 1, true, &[100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 0]),
            (2_000, 65_535, 0, false, &[65_535, 32_768, 0]),
            (1_000, 100, 1, true, &[100, 0]),
        ];
        for (deadline_ms, passing, warning, deregister, shown) in rows {
            let weights = Weights { passing: *passing, warning: *warning };
            let mut drain = drain(*deadline_ms, 100, *deregister);
            let mut seen = vec![drain.scaled(weights).passing];
            let mut last_ms = START_MS;
            while let Some(at_ms) = drain.next_ms(weights) {
                assert!(at_ms >= last_ms + STEP_MS_MIN, "{deadline_ms}: {at_ms} after {last_ms}");
                match drain.stage_at(at_ms) {
                    Stage::Share(share) => drain.share_percent = share,
                    Stage::Over => drain.share_percent = 0,
                    Stage::Gone => break,
                }
                seen.push(drain.scaled(weights).passing);
                last_ms = at_ms;
            }
            assert_eq!(seen, *shown, "{deadline_ms} ms, weight {passing}");
            assert_eq!(last_ms, START_MS + deadline_ms, "the end is no earlier and no later than asked");
        }
    }

    #[test]
    fn deadlines_stay_within_their_bounds() {
        let length = |deadline| {
            let drain = Drain::begin(START_MS, deadline, 100, false, Text::default());
            drain.until_ms - START_MS
        };
        assert_eq!(length(Duration::ZERO), 1_000);
        assert_eq!(length(Duration::MAX), 86_400_000);
        assert!(drain(5_000, 100, false).has_deadline(Duration::from_secs(5)));
        assert!(!drain(5_000, 100, false).has_deadline(Duration::from_millis(5_001)));
    }
}
