//! How slow a client may be over a whole transfer: a time without progress, an average rate, and a time for all of it.

use std::time::Duration;

use crate::base::sys::clock::{self, Deadline};

/// What is demanded of a client that holds a place which others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaceLimit {
    /// Bytes a second, on average over the time in which it is waited for; only where the server demands any rate.
    pub rate_bytes_min: usize,
    /// How long all of it may take, whoever is waited for, ...
    pub time_max: Duration,
    /// ... and a second more for each so many bytes that have come or gone.
    pub bytes_a_second: usize,
}

/// Time waited for one client, and what came of it. Only waiting counts: a stream that has nothing to say is not slow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientPace {
    waited_ms: u64,
    bytes: u64,
    /// When all of it must be over.
    end: Option<End>,
}

/// A time that moves with what has come.
#[derive(Clone, Copy, Debug)]
struct End {
    at: Deadline,
    bytes_a_second: usize,
}

impl ClientPace {
    /// Counts progress.
    pub(crate) fn progress(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Demands from now on that all of it is over in time.
    pub(crate) fn hurry(&mut self, haste: PaceLimit) {
        self.end =
            Some(End { at: Deadline::after(haste.time_max), bytes_a_second: haste.bytes_a_second.max(1) });
    }

    /// Waits with `wait`, which is given the time when the client has been too slow: `timeout`, and what its bytes may
    /// take at `rate_bytes_min` a second, less what was waited before; and never longer than `idle`.
    pub(crate) fn wait(
        &mut self,
        timeout: Duration,
        rate_bytes_min: usize,
        idle: Deadline,
        wait: impl FnOnce(Deadline),
    ) {
        let before_ms = clock::coarse_ms();
        wait(self.deadline(timeout, rate_bytes_min).or_earlier(idle));
        self.waited_ms += clock::coarse_ms().saturating_sub(before_ms);
    }

    /// When the client has been too slow, if it sends or reads nothing until then.
    pub(crate) fn deadline(&self, timeout: Duration, rate_bytes_min: usize) -> Deadline {
        if rate_bytes_min == 0 {
            return self.end();
        }
        let earned = Duration::from_millis(self.earned_ms(rate_bytes_min));
        Deadline::after(timeout.saturating_add(earned).saturating_sub(Duration::from_millis(self.waited_ms)))
            .or_earlier(self.end())
    }

    /// Whether nothing is left of the time.
    pub(crate) fn is_over(&self, timeout: Duration, rate_bytes_min: usize) -> bool {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let is_slow =
            rate_bytes_min > 0 && self.waited_ms >= timeout_ms.saturating_add(self.earned_ms(rate_bytes_min));
        is_slow || self.end().is_past()
    }

    fn earned_ms(&self, bytes_a_second: usize) -> u64 {
        self.bytes.saturating_mul(1000) / bytes_a_second as u64
    }

    fn end(&self) -> Deadline {
        self.end.map_or(Deadline::NEVER, |end| end.at.later_by(self.earned_ms(end.bytes_a_second)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_earn_time_and_waiting_spends_it() {
        let timeout = Duration::from_secs(20);
        let mut pace = ClientPace { waited_ms: 20_000, ..ClientPace::default() };
        assert!(pace.is_over(timeout, 4096));
        assert!(!pace.is_over(timeout, 0), "any rate will do");
        pace.progress(4096);
        assert!(!pace.is_over(timeout, 4096));
        pace.waited_ms += 999;
        assert!(!pace.is_over(timeout, 4096));
        pace.waited_ms += 1;
        assert!(pace.is_over(timeout, 4096));
        assert_eq!(ClientPace::default().deadline(timeout, 0), Deadline::NEVER);
        assert!(ClientPace::default().deadline(timeout, 1) > Deadline::after(Duration::from_secs(19)));
    }

    #[test]
    fn all_of_it_has_a_time_that_grows_with_what_has_come() {
        let (idle, second) = (Duration::from_secs(1_000), Duration::from_secs(1));
        let haste = PaceLimit { rate_bytes_min: 1, time_max: 10 * second, bytes_a_second: 100 };
        let mut pace = ClientPace::default();
        pace.hurry(haste);
        let left = |pace: &ClientPace, rate| pace.deadline(idle, rate);
        for rate in [0, 1] {
            assert!(left(&pace, rate) > Deadline::after(9 * second), "rate {rate}");
            assert!(left(&pace, rate) <= Deadline::after(10 * second), "rate {rate}");
        }
        pace.progress(500);
        assert!(
            left(&pace, 0) > Deadline::after(14 * second) && left(&pace, 0) <= Deadline::after(15 * second)
        );
        assert!(!pace.is_over(idle, 0));
        pace.end = Some(End { at: Deadline::after(Duration::ZERO), bytes_a_second: 100 });
        pace.bytes = 0;
        while !pace.end().is_past() {
            crate::base::sys::clock::tick();
        }
        assert!(
            pace.is_over(idle, 0) && pace.is_over(idle, 1),
            "it was never waited for, and is late all the same"
        );
    }
}
