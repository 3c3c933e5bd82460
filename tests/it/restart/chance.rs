//! Chance that can be had again: the same seed draws the same numbers. Knows nothing of what they are for.

/// The numbers of SplitMix64 from a seed on.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// A number below `bound`, which is small against 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Another sequence, as good as independent of this one: for a thread of its own.
    pub fn fork(&mut self) -> Chance {
        Chance(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The seed of this run: `MUSTER_SEED`, or one from the clock. Printed, so that a failure can be repeated.
pub fn seed() -> u64 {
    let given = std::env::var("MUSTER_SEED").ok();
    let seed = match given {
        Some(text) => text.parse().expect("MUSTER_SEED is a whole number"),
        None => std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64),
    };
    println!("seed: MUSTER_SEED={seed}");
    seed
}
