//! Chance that a seed repeats: SplitMix64.

use std::time::Duration;

/// A source of numbers that follow from its seed alone.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Chance {
        Chance(seed ^ 0x5eed_0f4e_a174_0b5e)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`; `bound` must be above zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Whether one of `count` equally likely things happens.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// A span of `least..most`, to the microsecond; half of them within the first tenth, since short spans are where
    /// things meet.
    pub fn span(&mut self, least: Duration, most: Duration) -> Duration {
        let range = (most - least).as_micros() as u64;
        let range = if self.one_in(2) { range / 10 } else { range };
        least + Duration::from_micros(self.next() % range.max(1))
    }

    /// A span of `least..most`, each as likely.
    pub fn even_span(&mut self, least: Duration, most: Duration) -> Duration {
        least + Duration::from_micros(self.next() % ((most - least).as_micros() as u64).max(1))
    }
}
