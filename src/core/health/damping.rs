//! Flap damping: out at once, back in only when there has been quiet for a while.

use std::time::{Duration, Instant};

use crate::base::stdx::text::Text;
use crate::core::health::saved::SavedFlaps;
use crate::core::health::settings::DURATION_MAX;
use crate::core::model::{Damping, Observation, Status};

/// Longest suppression after the last fall, in half-lives. A penalty is kept from growing past what decays to the
/// limit of reuse in that time, and a limit too low for it is raised: so no instance is kept out for ever.
const HALF_LIVES_MAX: i32 = 4;

/// Shortest half-life; shorter ones are raised to it.
const HALF_LIFE_MIN: Duration = Duration::from_secs(1);

/// Longest half-life: a day, so that nothing is suppressed for longer than four.
const HALF_LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// The penalty of one check for its falls out of passing, and what is held back for it (RFC 2439's way).
///
/// Each fall that the catalog shows adds [`Damping::PENALTY`]; half of it is gone after every half-life. Once
/// `suppress` is reached, whatever is better than what is shown is held back until the penalty has decayed to `reuse`.
#[derive(Clone, Debug)]
pub struct Flaps {
    half_life: Duration,
    suppress: f64,
    reuse: f64,
    /// The penalty at `penalty_at`.
    penalty: f64,
    penalty_at: Instant,
    /// When the penalty will have decayed to `reuse`; in the past when nothing is suppressed.
    suppressed_until: Instant,
    /// The latest finding, if it is better than what is shown and held back, until `suppressed_until`.
    held: Option<Observation>,
    /// A holding back was written to the catalog since the last fall.
    is_told: bool,
}

/// What becomes of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weighed {
    /// It is shown.
    Show(Observation),
    /// It is held back from now on, and the output says so. `at_once`: for the first time since the last fall.
    Begin {
        /// What is shown instead.
        words: Observation,
        /// Whether readers are to see it at once.
        at_once: bool,
    },
    /// It goes on being held back.
    Hold,
}

impl Flaps {
    /// No falls yet.
    pub fn new(now: Instant, rules: Damping) -> Flaps {
        let suppress = f64::from(rules.suppress.max(1));
        Flaps {
            half_life: rules.half_life.clamp(HALF_LIFE_MIN, HALF_LIFE_MAX),
            suppress,
            reuse: f64::from(rules.reuse).clamp(suppress / f64::from(1 << HALF_LIVES_MAX), suppress),
            penalty: 0.0,
            penalty_at: now,
            suppressed_until: now,
            held: None,
            is_told: false,
        }
    }

    /// The same falls under new rules. A suppression that has begun goes on until the new rules end it.
    pub fn redefined(&self, now: Instant, rules: Damping) -> Flaps {
        let fresh = Flaps::new(now, rules);
        let penalty = self.penalty(now).min(fresh.penalty_max());
        let mut flaps = Flaps { penalty, is_told: self.is_told, ..fresh };
        if self.suppressed_for(now).is_some() {
            flaps.suppressed_until = now + flaps.time_to_reuse();
        }
        flaps.held = self.held.clone();
        flaps
    }

    /// Goes on where `saved` left off.
    pub fn resumed(now: Instant, rules: Damping, saved: SavedFlaps) -> Flaps {
        let fresh = Flaps::new(now, rules);
        let penalty_max = fresh.penalty_max();
        let penalty = if saved.penalty.is_finite() { saved.penalty.clamp(0.0, penalty_max) } else { 0.0 };
        let suppressed_until = now + saved.suppressed_for.min(fresh.half_life * HALF_LIVES_MAX as u32);
        let is_told = suppressed_until > now;
        Flaps { penalty, suppressed_until, is_told, ..fresh }
    }

    /// What an orderly restart takes along; `None` when the penalty is as good as gone.
    pub fn save(&self, now: Instant) -> Option<SavedFlaps> {
        let penalty = self.penalty(now);
        let suppressed_for = self.suppressed_for(now).unwrap_or_default();
        (penalty >= 1.0 || !suppressed_for.is_zero()).then_some(SavedFlaps { penalty, suppressed_for })
    }

    /// The penalty now.
    pub fn penalty(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.penalty_at);
        self.penalty * (-age.as_secs_f64() / self.half_life.as_secs_f64()).exp2()
    }

    /// Time until the check may pass again; `None` when nothing keeps it from that.
    pub fn suppressed_for(&self, now: Instant) -> Option<Duration> {
        Some(self.suppressed_until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// The status that is held back.
    pub fn held(&self) -> Option<Status> {
        self.held.as_ref().map(|held| held.status)
    }

    /// When there is something to show.
    pub fn deadline(&self) -> Option<Instant> {
        self.held.as_ref().map(|_| self.suppressed_until)
    }

    /// The catalog showed `before` and shows `after` now.
    pub fn note_shown(&mut self, now: Instant, before: Status, after: Status) {
        if before == Status::Passing && after != Status::Passing {
            self.penalty = (self.penalty(now) + f64::from(Damping::PENALTY)).min(self.penalty_max());
            self.penalty_at = now;
            self.is_told = false;
            if self.penalty >= self.suppress || self.suppressed_for(now).is_some() {
                self.suppressed_until = now + self.time_to_reuse();
            }
        }
        if self.held().is_some_and(|held| held >= after) {
            self.held = None;
        }
    }

    /// Decides about a finding, while the catalog shows `shown`.
    pub fn weigh(&mut self, now: Instant, shown: Status, finding: Observation) -> Weighed {
        let held_before = self.held.take().map(|held| held.status);
        let Some(left) = self.suppressed_for(now).filter(|_| finding.status < shown) else {
            return Weighed::Show(finding);
        };
        let words = Observation { status: shown, output: words(shown, left, &finding) };
        let is_known = held_before == Some(finding.status);
        self.held = Some(finding);
        if is_known {
            return Weighed::Hold;
        }
        let at_once = !std::mem::replace(&mut self.is_told, true);
        Weighed::Begin { words, at_once }
    }

    /// The finding that was held back long enough.
    pub fn take_due(&mut self, now: Instant) -> Option<Observation> {
        if self.suppressed_for(now).is_some() { None } else { self.held.take() }
    }

    fn penalty_max(&self) -> f64 {
        self.reuse * f64::from(1 << HALF_LIVES_MAX)
    }

    /// Time in which the penalty of `penalty_at` decays to the limit of reuse.
    fn time_to_reuse(&self) -> Duration {
        let half_lives = (self.penalty / self.reuse).log2().clamp(0.0, f64::from(HALF_LIVES_MAX));
        self.half_life.mul_f64(half_lives).min(DURATION_MAX)
    }
}

/// What a check says that passes and is not shown so.
fn words(shown: Status, left: Duration, finding: &Observation) -> Text {
    let left_s = left.as_nanos().div_ceil(1_000_000_000);
    let Observation { status, output } = finding;
    Text::from(format!(
        "Kept {shown} by flap damping for another {left_s} s although the check is {status} now: {output}"
    ))
}
