//! How much work may go into one answer: a counter that loops spend from until it is exhausted.

use std::cell::Cell;

/// Units after which the meter asks whether there is time left. A unit is a microsecond or less of optimised code, so
/// time is looked at some twenty times a millisecond.
const LOOK_EVERY: u64 = 48;

/// Units that are free of a look at the time: nearly every answer is made with fewer, and what it costs to make one
/// does not depend on how busy the machine is.
const FREE: u64 = 256;

/// Bytes written that are one unit.
const BYTES_OF_UNIT: usize = 1024;

/// Whether work may go on. Everything that repeats by what a client asks for spends from it: records looked at, bytes
/// written, patterns tried. Once it is exhausted it stays so, and the caller throws the result away.
///
/// It reads no clock: its maker says when the time is over.
pub struct Meter<'a> {
    units_left: Cell<u64>,
    until_look: Cell<u64>,
    bytes_max: usize,
    exhausted: Cell<Option<Exhausted>>,
    goes_on: &'a dyn Fn() -> bool,
}

/// Why a meter is exhausted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// The units or the time are used up.
    Work,
    /// The answer grew larger than it may.
    Bytes,
}

impl<'a> Meter<'a> {
    /// So many units, as long as `goes_on` says so, for an answer of at most `bytes_max` bytes.
    pub fn new(units_max: u64, bytes_max: usize, goes_on: &'a dyn Fn() -> bool) -> Meter<'a> {
        Meter {
            units_left: Cell::new(units_max),
            until_look: Cell::new(FREE),
            bytes_max,
            exhausted: Cell::new(None),
            goes_on,
        }
    }

    /// A meter that is never exhausted: for work that no client asked for.
    pub fn boundless() -> Meter<'static> {
        Meter::new(u64::MAX, usize::MAX, &|| true)
    }

    /// Spends some units. `false`: it is enough, stop.
    pub fn spend(&self, units: u64) -> bool {
        if self.exhausted.get().is_some() {
            return false;
        }
        let left = self.units_left.get().checked_sub(units);
        let until_look = self.until_look.get().checked_sub(units);
        let is_in_time = until_look.is_some_and(|it| it > 0) || (self.goes_on)();
        match left {
            Some(left) if is_in_time => {
                self.units_left.set(left);
                self.until_look.set(until_look.filter(|it| *it > 0).unwrap_or(LOOK_EVERY));
                true
            }
            _ => {
                self.exhausted.set(Some(Exhausted::Work));
                false
            }
        }
    }

    /// Spends what writing so many bytes costs, of an answer that has `total` bytes with them.
    pub fn spend_bytes(&self, bytes: usize, total: usize) -> bool {
        if total > self.bytes_max && self.exhausted.get().is_none() {
            self.exhausted.set(Some(Exhausted::Bytes));
        }
        self.spend(1 + (bytes / BYTES_OF_UNIT) as u64)
    }

    /// Whether it was enough at some time, and why.
    pub fn exhausted(&self) -> Option<Exhausted> {
        self.exhausted.get()
    }

    /// Whether it was enough at some time.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.get().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_end_at_their_bound() {
        let always = || true;
        let meter = Meter::new(10, 100, &always);
        assert!(meter.spend(10) && !meter.is_exhausted());
        assert!(!meter.spend(1) && !meter.spend(0), "once exhausted, always exhausted");
        assert_eq!(meter.exhausted(), Some(Exhausted::Work));
    }

    #[test]
    fn bytes_end_at_their_bound() {
        let always = || true;
        let meter = Meter::new(100, 100, &always);
        assert!(meter.spend_bytes(100, 100));
        assert!(!meter.spend_bytes(1, 101));
        assert_eq!(meter.exhausted(), Some(Exhausted::Bytes));
    }

    #[test]
    fn time_is_looked_at_after_a_while_and_then_every_so_often() {
        let looks = Cell::new(0);
        let goes_on = || {
            looks.set(looks.get() + 1);
            looks.get() < 3
        };
        let meter = Meter::new(u64::MAX, 100, &goes_on);
        let spent = (0..1_000).take_while(|_| meter.spend(1)).count() as u64;
        assert_eq!((spent, looks.get()), (FREE + 2 * LOOK_EVERY - 1, 3));
        let meter = Meter::new(u64::MAX, 100, &goes_on);
        assert!(meter.spend(FREE - 1) && !meter.spend(1), "who is late does not go on");
        assert!((0..1_000).all(|_| Meter::boundless().spend(1 << 40)));
    }
}
