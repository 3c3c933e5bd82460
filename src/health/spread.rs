//! Chance without chance: a check's place in a span of time, always the same for the same check.

use std::time::Duration;

use crate::health::CheckKey;

/// A duration in `0..range` that depends on `seed` and `key` only, evenly spread over keys.
///
/// Ten thousand checks that one deploy registers in the same instant thus run spread over their interval.
pub fn spread(seed: u64, key: &CheckKey, range: Duration) -> Duration {
    let fraction = hash(seed, key);
    let nanos = (range.as_nanos() * u128::from(fraction)) >> 64;
    Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32)
}

/// FNV-1a over both names, then a finaliser (MurmurHash3's), since FNV alone leaves the high bits of like keys alike.
fn hash(seed: u64, key: &CheckKey) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for byte in key.node.bytes().chain([0xff]).chain(key.check_id.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gets_the_same_place_and_the_seed_moves_it() {
        let key = CheckKey::new("n", "web");
        let range = Duration::from_secs(10);
        assert_eq!(spread(1, &key, range), spread(1, &key, range));
        assert_ne!(spread(1, &key, range), spread(2, &key, range));
        assert_ne!(spread(1, &key, range), spread(1, &CheckKey::new("nw", "eb"), range));
        assert_eq!(spread(1, &key, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn like_keys_fill_the_range_evenly() {
        let mut per_second = [0_u32; 10];
        for number in 0..10_000 {
            let key = CheckKey::new("node", format!("service:web-{number}"));
            per_second[spread(0, &key, Duration::from_secs(10)).as_secs() as usize] += 1;
        }
        for count in per_second {
            assert!((900..1100).contains(&count), "{per_second:?}");
        }
    }
}
