//! Tables whose keys are hashes already.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds a [`Prehashed`].
pub type BuildPrehashed = BuildHasherDefault<Prehashed>;

/// Takes keys that are hashes as they are.
#[derive(Default)]
pub struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
