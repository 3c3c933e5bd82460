//! Records, outside the engine, the checksum of the rows that were acknowledged last.
//!
//! An engine's journal may end early: after a power cut the tail of an unfinished batch is torn, and engines drop it
//! and report nothing. They do the same when a damaged byte makes good batches unreadable. The marker tells the two
//! apart: rows older than the marker mean that acknowledged writes are missing.
//!
//! Owns the file `witness` and its bytes; knows nothing of rows. The file is two slots of 512 bytes (a sector each, so
//! that a torn write spoils one only), written in turn, little-endian:
//!
//! ```text
//! 0        8          16      24     32       40         48
//! | "muster-w" | sequence | index | rows | digest | XXH3 of 0..40 | zeros to 512
//! ```
//!
//! It is not synced, on purpose: it is written after the rows are durable, so what a power cut leaves is at most an
//! older marker, which demands less. A killed process leaves it exact. Cost: one write of 48 bytes a batch.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::checksums::RowChecksum;
use super::error::StoreError;
use super::private;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "witness";

const MAGIC: [u8; 8] = *b"muster-w";
/// Bytes of one record.
pub const SLOT_BYTES: usize = 512;
const FILE_BYTES: usize = 2 * SLOT_BYTES;

/// The open file.
#[derive(Debug)]
pub struct CommitMarker {
    file: File,
    path: PathBuf,
}

impl CommitMarker {
    /// A new file, of an empty store, synced. The caller syncs the directory.
    pub fn create(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        let create = || -> std::io::Result<File> {
            let file = private::replace(&path)?;
            let slot = encode(RowChecksum::default());
            file.write_all_at(&[slot, slot].concat(), 0)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = create().map_err(StoreError::io(&path, "write"))?;
        Ok(Self { file, path })
    }

    /// The marker and the newest checksum in it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the file is missing, has another length, or neither slot reads.
    pub fn open(directory: &Path) -> Result<(Self, RowChecksum), StoreError> {
        let path = directory.join(FILE_NAME);
        let file = match private::write(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::damaged(&path, "it is missing"));
            }
            Err(error) => return Err(StoreError::io(&path, "open")(error)),
        };
        let length = file.metadata().map_err(StoreError::io(&path, "examine"))?.len();
        if length != FILE_BYTES as u64 {
            return Err(StoreError::damaged(&path, format!("it has {length} bytes instead of {FILE_BYTES}")));
        }
        let mut bytes = [0; FILE_BYTES];
        file.read_exact_at(&mut bytes, 0).map_err(StoreError::io(&path, "read"))?;
        let checksum =
            newest(&bytes).ok_or_else(|| StoreError::damaged(&path, "neither of its two records reads"))?;
        Ok((Self { file, path }, checksum))
    }

    /// Records that `checksum` is about to be acknowledged. Call it once the rows are durable, and before their callers
    /// hear of it.
    pub fn remember(&self, checksum: RowChecksum) -> Result<(), StoreError> {
        let (at, slot) = record(checksum);
        let written = self.file.write_all_at(&slot, at);
        written.map_err(StoreError::io(&self.path, "write"))
    }
}

/// Where in the file `checksum` is written, and what.
pub fn record(checksum: RowChecksum) -> (u64, [u8; SLOT_BYTES]) {
    ((checksum.sequence % 2) * SLOT_BYTES as u64, encode(checksum))
}

/// The newest checksum in the bytes of a marker file; `None` when none of its records reads.
pub fn newest(bytes: &[u8]) -> Option<RowChecksum> {
    bytes.chunks(SLOT_BYTES).filter_map(decode).max_by_key(|checksum| checksum.sequence)
}

fn encode(checksum: RowChecksum) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(&MAGIC);
    for (at, field) in
        [checksum.sequence, checksum.index, checksum.rows, checksum.digest].into_iter().enumerate()
    {
        slot[8 + at * 8..][..8].copy_from_slice(&field.to_le_bytes());
    }
    let hash = xxh3_64(&slot[..40]);
    slot[40..48].copy_from_slice(&hash.to_le_bytes());
    slot
}

fn decode(slot: &[u8]) -> Option<RowChecksum> {
    let field = |at: usize| Some(u64::from_le_bytes(slot.get(at..at + 8)?.try_into().ok()?));
    if slot.get(..8)? != MAGIC || field(40)? != xxh3_64(slot.get(..40)?) {
        return None;
    }
    Some(RowChecksum { sequence: field(8)?, index: field(16)?, rows: field(24)?, digest: field(32)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKSUM: RowChecksum = RowChecksum { sequence: 3, index: 0x0102, rows: 2, digest: 0xfeed };

    #[test]
    fn the_bytes_are_as_drawn() {
        let slot = encode(CHECKSUM);
        assert_eq!(&slot[..18], b"muster-w\x03\0\0\0\0\0\0\0\x02\x01");
        assert_eq!(&slot[32..34], [0xed, 0xfe]);
        assert_eq!(&slot[40..48], [0xd7, 0xa5, 0x66, 0xc3, 0x08, 0xaa, 0x4d, 0xcc]);
        assert_eq!(decode(&slot), Some(CHECKSUM));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for bit in 0..48 * 8 {
            let mut slot = encode(CHECKSUM);
            slot[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&slot), None, "bit {bit}");
        }
    }

    #[test]
    fn the_newest_readable_record_counts() {
        let directory = tempfile::tempdir().unwrap();
        let marker = CommitMarker::create(directory.path()).unwrap();
        assert_eq!(CommitMarker::open(directory.path()).unwrap().1, RowChecksum::default());
        for sequence in 1..=3 {
            marker.remember(RowChecksum { sequence, ..CHECKSUM }).unwrap();
        }
        assert_eq!(CommitMarker::open(directory.path()).unwrap().1, CHECKSUM);
        marker.file.write_all_at(b"x", SLOT_BYTES as u64).unwrap();
        assert_eq!(CommitMarker::open(directory.path()).unwrap().1.sequence, 2, "one record is torn");
        marker.file.write_all_at(b"x", 0).unwrap();
        assert!(matches!(CommitMarker::open(directory.path()), Err(StoreError::Damaged { .. })));
        for length in [0, 1, FILE_BYTES as u64 - 1, FILE_BYTES as u64 + 1] {
            marker.file.set_len(length).unwrap();
            assert!(
                matches!(CommitMarker::open(directory.path()), Err(StoreError::Damaged { .. })),
                "{length}"
            );
        }
    }
}
