//! Which targets bear an idle connection, as they have shown themselves: pure, `now` is an argument.
//!
//! A server with one thread that serves a connection until its end serves nobody else while it is held. So a target is
//! tried before its connection is held, and each further probe, over a new connection while the former is held, tries
//! it again. One that was slower than usual and quick as soon as the connection was let go seems to bear none: once may
//! be chance, so the connection is let go and the target tried anew; what it shows then, or shows once more, is
//! believed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::base::stdx::text::Text;

/// Least time that a second connection has for its answer before the first is let go. Healthy targets nearby take
/// milliseconds; for so long at most a target with one thread keeps its users waiting when it is tried.
const PATIENCE_MIN: Duration = Duration::from_millis(250);

/// How many times as long as usual a second connection may take.
const PATIENCE_FACTOR: u32 = 4;

/// For so long it need not be tried again that a target bears a connection, when it has hung up on one.
const PROOF_MAX: Duration = Duration::from_secs(600);

/// For so long a target that bears none is left alone at first. The span is four times as long with each failure.
const SHY_MIN: Duration = Duration::from_secs(600);

/// For so long at most.
const SHY_MAX: Duration = Duration::from_secs(24 * 3600);

/// Targets that are remembered. At the bound those are forgotten of which nothing is known but that they bear one.
const TARGETS_MAX: usize = 50_000;

/// Trials at a time: each is a connection and a request beside the usual ones.
const TRIALS_MAX: usize = 64;

/// What targets have shown, by address.
#[derive(Debug, Default)]
pub struct TargetEvidence {
    targets: HashMap<Text, Shown>,
    trials: usize,
}

#[derive(Clone, Copy, Debug)]
enum Shown {
    /// It answered a second connection as quickly as usual. `doubted_at`: the contrary was seen then.
    Bears { at: Instant, usual: Duration, doubted_at: Option<Instant> },
    /// It bore one until then, and has shown the contrary once.
    Doubted { at: Instant },
    /// It is being tried.
    Trial { failures: u32, doubted_at: Option<Instant> },
    /// It did not.
    Shy { until: Instant, failures: u32 },
}

/// What may be done with a connection that a target left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Hold it.
    Hold,
    /// Try the target first; the outcome is to be told to [`TargetEvidence::tried`].
    Try,
    /// Close it.
    Close,
}

impl TargetEvidence {
    /// How long a second connection has for its answer, where the first took `usual`.
    pub fn patience(usual: Duration) -> Duration {
        (usual * PATIENCE_FACTOR).max(PATIENCE_MIN)
    }

    /// How long the next probe of a target has before the connection that is held to it is let go.
    pub fn patience_of(&self, address: &Text) -> Duration {
        match self.targets.get(address) {
            Some(Shown::Bears { usual, .. }) => TargetEvidence::patience(*usual),
            _ => PATIENCE_MIN,
        }
    }

    /// What to do with a connection to `address`, which has answered within `took`. `is_second`: while another was
    /// held.
    pub fn leave(&mut self, address: &Text, now: Instant, took: Duration, is_second: bool) -> Leave {
        let (failures, doubted_at) = match self.targets.get_mut(address) {
            Some(Shown::Bears { at, usual, doubted_at }) => {
                if is_second {
                    *at = now;
                }
                if now.saturating_duration_since(*at) < PROOF_MAX {
                    *usual = took;
                    return Leave::Hold;
                }
                (0, *doubted_at)
            }
            Some(Shown::Doubted { at }) => (0, Some(*at)),
            Some(Shown::Trial { .. }) => return Leave::Close,
            Some(Shown::Shy { until, .. }) if *until > now => return Leave::Close,
            Some(Shown::Shy { failures, .. }) => (*failures, None),
            None => (0, None),
        };
        if self.trials >= TRIALS_MAX {
            return Leave::Close;
        }
        if self.targets.len() >= TARGETS_MAX {
            self.targets.retain(|_, shown| match shown {
                Shown::Bears { .. } | Shown::Doubted { .. } => false,
                Shown::Trial { .. } => true,
                Shown::Shy { until, .. } => *until > now,
            });
        }
        if self.targets.len() >= TARGETS_MAX {
            return Leave::Close;
        }
        self.trials += 1;
        self.targets.insert(address.clone(), Shown::Trial { failures, doubted_at });
        Leave::Try
    }

    /// Whether a target has shown that it bears none.
    pub fn is_shy(&self, address: &Text, now: Instant) -> bool {
        matches!(self.targets.get(address), Some(Shown::Shy { until, .. }) if *until > now)
    }

    /// How a trial went; `None`: it says nothing, since the target was slow in any case.
    pub fn tried(&mut self, address: &Text, now: Instant, usual: Duration, bears: Option<bool>) {
        self.trials = self.trials.saturating_sub(1);
        let (failures, doubted_at) = match self.targets.get(address) {
            Some(Shown::Trial { failures, doubted_at }) => (*failures, *doubted_at),
            _ => (0, None),
        };
        match bears {
            Some(true) => {
                self.targets.insert(address.clone(), Shown::Bears { at: now, usual, doubted_at });
            }
            Some(false) => self.shied(address, now, failures),
            None => {
                self.targets.remove(address);
            }
        }
    }

    /// A target was slower than usual while a connection to it was held, and quick without. The second time within
    /// the span of a proof is believed.
    pub fn showed_contrary(&mut self, address: &Text, now: Instant) {
        match self.targets.get(address) {
            Some(Shown::Bears { doubted_at, .. })
                if doubted_at.is_none_or(|at| now.saturating_duration_since(at) >= PROOF_MAX) =>
            {
                self.targets.insert(address.clone(), Shown::Doubted { at: now });
            }
            _ => self.shied(address, now, 0),
        }
    }

    fn shied(&mut self, address: &Text, now: Instant, failures: u32) {
        let span = SHY_MIN.saturating_mul(4_u32.saturating_pow(failures)).min(SHY_MAX);
        self.targets.insert(address.clone(), Shown::Shy { until: now + span, failures: failures + 1 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_target_is_tried_before_its_connection_is_held() {
        let (mut bearing, mut now, address) = (TargetEvidence::default(), Instant::now(), Text::from("a:1"));
        assert_eq!(bearing.leave(&address, now, MS, false), Leave::Try);
        assert_eq!(bearing.leave(&address, now, MS, false), Leave::Close, "one trial at a time");
        bearing.tried(&address, now, 100 * MS, Some(true));
        assert_eq!(bearing.leave(&address, now, 100 * MS, true), Leave::Hold);
        assert_eq!(bearing.patience_of(&address), 400 * MS);
        now += PROOF_MAX - MS;
        assert_eq!(
            bearing.leave(&address, now, MS, false),
            Leave::Hold,
            "it hung up, and is known to bear one"
        );
        now += MS;
        assert_eq!(bearing.leave(&address, now, MS, false), Leave::Try, "that was long ago");
        bearing.tried(&address, now, MS, None);
        assert_eq!(bearing.leave(&address, now, MS, false), Leave::Try, "the trial said nothing");
    }

    #[test]
    fn a_target_that_bears_none_is_left_alone_ever_longer() {
        let (mut bearing, mut now, address) = (TargetEvidence::default(), Instant::now(), Text::from("a:1"));
        for span in [SHY_MIN, 4 * SHY_MIN, 16 * SHY_MIN, 64 * SHY_MIN, SHY_MAX, SHY_MAX] {
            assert_eq!(bearing.leave(&address, now, MS, false), Leave::Try);
            bearing.tried(&address, now, MS, Some(false));
            now += span - MS;
            assert_eq!(bearing.leave(&address, now, MS, false), Leave::Close, "{span:?}");
            now += MS;
        }
    }

    #[test]
    fn the_contrary_is_believed_when_it_is_seen_again() {
        let (mut bearing, mut now, address) = (TargetEvidence::default(), Instant::now(), Text::from("a:1"));
        let try_it = |bearing: &mut TargetEvidence, now: Instant, bears: bool| {
            assert_eq!(bearing.leave(&address, now, MS, false), Leave::Try);
            bearing.tried(&address, now, MS, Some(bears));
        };
        // In the trial that follows.
        try_it(&mut bearing, now, true);
        bearing.showed_contrary(&address, now);
        try_it(&mut bearing, now, false);
        assert_eq!(bearing.leave(&address, now, MS, false), Leave::Close);
        // Later, though it stood the trial.
        now += SHY_MIN;
        try_it(&mut bearing, now, true);
        bearing.showed_contrary(&address, now);
        now += PROOF_MAX - MS;
        try_it(&mut bearing, now, true);
        bearing.showed_contrary(&address, now);
        assert_eq!(bearing.leave(&address, now, MS, false), Leave::Close);
        // Long ago does not count.
        now += SHY_MIN;
        try_it(&mut bearing, now, true);
        for _ in 0..3 {
            bearing.showed_contrary(&address, now);
            try_it(&mut bearing, now, true);
            assert_eq!(bearing.leave(&address, now, MS, true), Leave::Hold);
            now += PROOF_MAX;
        }
    }

    #[test]
    fn trials_and_memory_are_bounded() {
        let (mut bearing, now) = (TargetEvidence::default(), Instant::now());
        let address = |at: usize| Text::from(format!("h:{at}").as_str());
        for at in 0..TRIALS_MAX {
            assert_eq!(bearing.leave(&address(at), now, MS, false), Leave::Try);
        }
        assert_eq!(bearing.leave(&address(TRIALS_MAX), now, MS, false), Leave::Close);
        for at in 0..TARGETS_MAX + 10 {
            bearing.tried(&address(at), now, MS, Some(false));
            bearing.leave(&address(at + TRIALS_MAX), now, MS, false);
        }
        assert!(bearing.targets.len() <= TARGETS_MAX + TRIALS_MAX);
    }
}
