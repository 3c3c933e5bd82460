//! Chance without chance: a place in a span of time, always the same for the same thing.

use std::hash::{Hash, Hasher};
use std::time::Duration;

/// A hash that depends on `seed` and `value` only, evenly spread over like values.
pub fn hash(seed: u64, value: &impl Hash) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325 ^ seed);
    value.hash(&mut hasher);
    hasher.finish()
}

/// The part of `range` that `hash` stands for, in `0..range`.
pub fn part(hash: u64, range: Duration) -> Duration {
    let nanos = (range.as_nanos() * u128::from(hash)) >> 64;
    Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32)
}

/// FNV-1a, then a finaliser (MurmurHash3's), since FNV alone leaves the high bits of like values alike.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    fn finish(&self) -> u64 {
        let hash = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::health::CheckKey;

    #[test]
    fn the_same_value_gets_the_same_place_and_the_seed_moves_it() {
        let key = CheckKey::new("n", "web");
        assert_eq!(hash(1, &key), hash(1, &key));
        assert_ne!(hash(1, &key), hash(2, &key));
        assert_ne!(hash(1, &key), hash(1, &CheckKey::new("nw", "eb")));
    }

    #[test]
    fn a_part_is_below_the_range() {
        let second = Duration::from_secs(1);
        let rows = [(0, 0), (u64::MAX / 2, 499_999_999), (u64::MAX, 999_999_999)];
        for (hash, nanos) in rows {
            assert_eq!(part(hash, second), Duration::from_nanos(nanos));
        }
        assert_eq!(part(u64::MAX, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn like_values_fill_the_range_evenly() {
        let mut per_second = [0_u32; 10];
        for number in 0..10_000 {
            let key = CheckKey::new("node", format!("service:web-{number}"));
            per_second[part(hash(0, &key), Duration::from_secs(10)).as_secs() as usize] += 1;
        }
        for count in per_second {
            assert!((900..1100).contains(&count), "{per_second:?}");
        }
    }
}
