//! Counts what must be there. Owns the checksum, a running digest of all rows, and knows no file and no engine.

use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Rows of a batch that room is kept for, some 160 KiB: a batch as the writer makes them has so many. A restoration's,
/// which has as many as the store, leaves nothing behind.
const UNDO_KEPT: usize = 4_096;

/// The sum of a store's rows at one moment. Written with every batch, in the same atomic step, so that a load can tell
/// a complete set of rows from one with a hole, a phantom or an altered byte, whatever the engine believes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowChecksum {
    /// How many batches were committed since the directory was made.
    pub sequence: u64,
    /// The highest index among them.
    pub index: u64,
    /// How many rows are live.
    pub rows: u64,
    /// Sum, modulo 2^64, of the XXH3 hash of each row. A sum can be kept up to date row by row, in any order.
    pub digest: u64,
}

/// The checksum of the present rows, with what it takes to keep it up to date.
///
/// Memory: about 28 bytes a row, for the row's hash under a 128-bit name. The name is hashed with keys drawn at start,
/// because a client chooses row keys: with fixed ones it could craft two that collide and so spoil the digest.
#[derive(Debug, Default)]
pub struct ChecksumIndex {
    checksum: RowChecksum,
    hashes: HashMap<[u64; 2], u64>,
    naming: [RandomState; 2],
    /// Earlier hashes of the rows touched by the batch at hand, newest last.
    undo: Vec<([u64; 2], Option<u64>)>,
}

impl ChecksumIndex {
    /// The present checksum.
    pub fn checksum(&self) -> RowChecksum {
        self.checksum
    }

    /// Enters one row, or takes it out.
    pub fn record(&mut self, name: &str, value: Option<&[u8]>) {
        let short = self.short(name);
        let earlier = self.place(short, value.map(|value| hash(name, value)));
        self.undo.push((short, earlier));
    }

    /// Enters one row that was found on the disk. Unlike [`record`](Self::record) it belongs to no batch, and cannot be
    /// taken back.
    pub fn found(&mut self, name: &str, value: &[u8]) {
        self.place(self.short(name), Some(hash(name, value)));
    }

    /// Ends the batch at hand: the checksum after it, to be written along with its rows. [`commit`](Self::commit) or
    /// [`revert`](Self::revert) must follow.
    pub fn close(&mut self, index: u64) -> RowChecksum {
        RowChecksum {
            sequence: self.checksum.sequence + 1,
            index: self.checksum.index.max(index),
            ..self.checksum
        }
    }

    /// The batch is durable: `checksum` holds from now on.
    pub fn commit(&mut self, checksum: RowChecksum) {
        self.undo.clear();
        self.undo.shrink_to(UNDO_KEPT);
        self.checksum = checksum;
    }

    /// The batch was refused: back to how things were before it.
    pub fn revert(&mut self) {
        while let Some((short, earlier)) = self.undo.pop() {
            self.place(short, earlier);
        }
    }

    fn short(&self, name: &str) -> [u64; 2] {
        [self.naming[0].hash_one(name), self.naming[1].hash_one(name)]
    }

    fn place(&mut self, short: [u64; 2], hash: Option<u64>) -> Option<u64> {
        let earlier = match hash {
            Some(hash) => self.hashes.insert(short, hash),
            None => self.hashes.remove(&short),
        };
        let digest = self.checksum.digest.wrapping_sub(earlier.unwrap_or(0));
        self.checksum.digest = digest.wrapping_add(hash.unwrap_or(0));
        self.checksum.rows = self.hashes.len() as u64;
        earlier
    }
}

/// What a row adds to the digest.
fn hash(name: &str, value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64_with_seed(name.as_bytes(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_counts_as_what_was_recorded_and_is_no_batch() {
        let (mut recorded, mut found) = (ChecksumIndex::default(), ChecksumIndex::default());
        for (name, value) in [("a", "1"), ("b", "2"), ("a", "3")] {
            recorded.record(name, Some(value.as_bytes()));
            found.found(name, value.as_bytes());
        }
        assert_eq!(found.checksum(), recorded.checksum());
        found.record("c", Some(b"4"));
        found.revert();
        assert_eq!(found.checksum(), recorded.checksum());
    }

    #[test]
    fn the_checksum_depends_on_the_rows_and_not_on_their_history() {
        let mut direct = ChecksumIndex::default();
        direct.record("a", Some(b"1"));
        direct.record("b", Some(b"2"));
        let mut winding = ChecksumIndex::default();
        for (name, value) in
            [("b", Some("9")), ("c", Some("3")), ("b", Some("2")), ("a", Some("1")), ("c", None)]
        {
            winding.record(name, value.map(str::as_bytes));
        }
        assert_eq!(winding.checksum(), direct.checksum());
        assert_eq!(direct.checksum().rows, 2);
    }

    #[test]
    fn any_difference_shows() {
        let digest = |rows: &[(&str, &str)]| {
            let mut checksums = ChecksumIndex::default();
            rows.iter().for_each(|(name, value)| checksums.record(name, Some(value.as_bytes())));
            checksums.checksum().digest
        };
        let whole = digest(&[("a", "1"), ("b", "2")]);
        let others: [&[(&str, &str)]; 5] = [
            &[("a", "1")],
            &[("a", "1"), ("b", "3")],
            &[("a", "2"), ("b", "1")],
            &[("a", "1"), ("c", "2")],
            &[],
        ];
        for rows in others {
            assert_ne!(digest(rows), whole, "{rows:?}");
        }
    }

    #[test]
    fn a_refused_batch_leaves_no_trace() {
        let mut checksums = ChecksumIndex::default();
        checksums.record("a", Some(b"1"));
        let checksum = checksums.close(5);
        checksums.commit(checksum);
        for (name, value) in [("a", None), ("b", Some("2")), ("a", Some("3")), ("b", None)] {
            checksums.record(name, value.map(str::as_bytes));
        }
        checksums.close(9);
        checksums.revert();
        assert_eq!(checksums.checksum(), checksum);
        assert_eq!(checksum, RowChecksum { sequence: 1, index: 5, rows: 1, digest: checksum.digest });
        assert_eq!(checksums.close(4).index, 5, "the index never goes back");
    }
}
