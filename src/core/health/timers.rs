//! Which check is to be looked at next.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::core::health::CheckKey;

/// One alarm per check, ordered by time.
///
/// Cost: O(log n) for everything. A check whose deadline moves back (a TTL that was fed) keeps its earlier alarm and is
/// looked at once for nothing: so a heartbeat costs no work here.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BTreeMap<Alarm, CheckKey>,
    numbers_used: u64,
}

/// An alarm that is set. The number tells alarms of the same instant apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    at: Instant,
    number: u64,
}

impl Timers {
    /// Moves `alarm` so that it goes off at `at` or earlier; `None` for `at` leaves it to go off for nothing.
    pub fn set(&mut self, alarm: &mut Option<Alarm>, key: &CheckKey, at: Option<Instant>) {
        let Some(at) = at else { return };
        if alarm.is_some_and(|alarm| alarm.at <= at) {
            return;
        }
        self.clear(alarm);
        self.numbers_used += 1;
        let set = Alarm { at, number: self.numbers_used };
        self.queue.insert(set, key.clone());
        *alarm = Some(set);
    }

    /// Takes `alarm` back.
    pub fn clear(&mut self, alarm: &mut Option<Alarm>) {
        if let Some(alarm) = alarm.take() {
            self.queue.remove(&alarm);
        }
    }

    /// Takes out the earliest alarm that is due by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<CheckKey> {
        let first = self.queue.first_entry()?;
        (first.key().at <= now).then(|| first.remove())
    }

    /// When the earliest alarm goes off.
    pub fn next_at(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|(alarm, _)| alarm.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn alarms_go_off_in_order_and_only_move_forward() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (first, second) = (CheckKey::new("n", "a"), CheckKey::new("n", "b"));
        let mut timers = Timers::default();
        let (mut first_alarm, mut second_alarm) = (None, None);

        timers.set(&mut first_alarm, &first, Some(at(5)));
        timers.set(&mut second_alarm, &second, Some(at(5)));
        timers.set(&mut second_alarm, &second, Some(at(9)));
        timers.set(&mut second_alarm, &second, None);
        assert_eq!(timers.next_at(), Some(at(5)));
        timers.set(&mut second_alarm, &second, Some(at(4)));

        assert_eq!(timers.pop(at(3)), None);
        assert_eq!(timers.pop(at(5)), Some(second));
        assert_eq!(timers.pop(at(5)), Some(first));
        assert_eq!(timers.next_at(), None);
    }
}
