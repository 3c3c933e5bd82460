//! A data directory that is there already and is filled in place: where a volume is mounted, or in a directory that
//! only somebody else may write to, it cannot be replaced by another.
//!
//! Its parts are made in a directory within it, `restoring`, and then moved to their places, the identity last:
//!
//! ```text
//! restoring/{identity.json, rows, witness}    being made: nothing of it counts
//! restoring/{identity.json}, rows, witness    being moved: nothing of it counts
//! identity.json, rows, witness                whole
//! ```
//!
//! So whenever the process ends, the directory is whole or has no identity. Without one, what lies beside `restoring`
//! came out of it, and the next to enter removes both.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::directory::{self, LOCK, OURS};
use super::error::StoreError;
use super::identity::{self, Identity};

/// Name of the directory in which the parts are made.
pub const FILE_NAME: &str = "restoring";

/// A data directory that is being filled, by this process and no other.
#[derive(Debug)]
pub struct InPlaceRestore {
    directory: PathBuf,
    /// The lock lives as long as this handle is open.
    _lock: File,
}

impl InPlaceRestore {
    /// Enters a directory that a first start would take, and removes what an earlier one has left.
    ///
    /// # Errors
    /// As a first start's, and when there is a registry already.
    pub fn begin(directory: &Path) -> Result<InPlaceRestore, StoreError> {
        let lock = directory::enter(directory)?;
        if Identity::read(directory)?.is_some() {
            let error = io::Error::new(io::ErrorKind::AlreadyExists, "a registry is there");
            return Err(StoreError::io(directory, "fill")(error));
        }
        clear(directory)?;
        Ok(InPlaceRestore { directory: directory.to_path_buf(), _lock: lock })
    }

    /// Where the parts are to be made; not there yet.
    pub fn parts_directory(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    /// Moves the parts, which are durable, to where they belong.
    ///
    /// # Errors
    /// The system's. What was moved counts for nothing then.
    pub fn finish(self) -> Result<(), StoreError> {
        let place = self.parts_directory();
        let sync = || File::open(&self.directory)?.sync_all();
        for part in parts(&place).map_err(StoreError::io(&place, "list"))? {
            if part == identity::FILE_NAME {
                sync().map_err(StoreError::io(&self.directory, "sync"))?;
            }
            let path = self.directory.join(&part);
            fs::rename(place.join(&part), &path).map_err(StoreError::io(&path, "write"))?;
        }
        sync().map_err(StoreError::io(&self.directory, "sync"))?;
        // It means nothing any more, and the next start tries again.
        let _ = fs::remove_dir_all(&place);
        Ok(())
    }

    /// Gives it up.
    ///
    /// # Errors
    /// The system's, when something has to stay.
    pub fn abandon(self) -> Result<(), StoreError> {
        clear(&self.directory).map(drop)
    }
}

/// What is to be moved, in order: the identity makes it count, and so comes last.
fn parts(place: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(place)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut parts: Vec<String> = names.collect::<io::Result<_>>()?;
    parts.retain(|name| name != LOCK);
    parts.sort_by_key(|name| name == identity::FILE_NAME);
    Ok(parts)
}

/// Removes what a restoration has left in a directory without an identity; whether there was anything. Its own
/// directory goes last: by that the rest is known.
pub(super) fn clear(directory: &Path) -> Result<bool, StoreError> {
    let place = directory.join(FILE_NAME);
    if fs::symlink_metadata(&place).is_err() {
        return Ok(false);
    }
    for path in OURS.map(|name| directory.join(name)).iter().chain([&place]) {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io(path, "remove")(error));
            }
            _ => {}
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::change::{Batch, RowChange, Table};
    use crate::store::directory::DataDirectory;
    use crate::store::embedded::recovery::RecoveryBuild;
    use crate::store::embedded::{EmbeddedStore, EngineLimits};
    use crate::store::rows::Store;

    const NOW: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

    fn filled(directory: &Path) -> (InPlaceRestore, uuid::Uuid) {
        let filling = InPlaceRestore::begin(directory).unwrap();
        let identity = Identity::generate(NOW);
        let mut making = RecoveryBuild::begin(&filling.parts_directory(), &identity, 7).unwrap();
        making.put(RowChange::put(Table::Nodes, "n", "{}")).unwrap();
        making.end().unwrap();
        (filling, identity.node_id)
    }

    fn rows(directory: &Path) -> usize {
        let mut count = 0;
        let mut store = EmbeddedStore::open(directory, NOW, EngineLimits::default()).unwrap();
        let mut see = |_: Table, _: &str, _: &[u8]| {
            count += 1;
            Ok(())
        };
        store.load(&mut see).unwrap();
        store.commit(&Batch { index: 9, changes: vec![RowChange::put(Table::Nodes, "m", "{}")] }).unwrap();
        count
    }

    #[test]
    fn wherever_it_ends_early_the_directory_is_empty_or_whole() {
        let count = {
            let scratch = tempfile::tempdir().unwrap();
            parts(&filled(scratch.path()).0.parts_directory()).unwrap().len()
        };
        assert!(count >= 3, "rows, witness and identity at least");
        for moved in 0..=count {
            for ways in 0..2 {
                let scratch = tempfile::tempdir().unwrap();
                fs::create_dir(scratch.path().join("lost+found")).unwrap();
                let (filling, node_id) = filled(scratch.path());
                for part in parts(&filling.parts_directory()).unwrap().iter().take(moved) {
                    fs::rename(filling.parts_directory().join(part), scratch.path().join(part)).unwrap();
                }
                drop(filling);
                let is_whole = moved == count;
                if ways == 0 && !is_whole {
                    // The next restoration begins anew.
                    filled(scratch.path()).0.finish().unwrap();
                    assert_eq!(rows(scratch.path()), 1, "{moved}");
                    continue;
                }
                let claimed = DataDirectory::claim(scratch.path(), NOW).unwrap();
                assert_eq!(claimed.identity.node_id == node_id, is_whole, "{moved}");
                drop(claimed);
                assert_eq!(rows(scratch.path()), usize::from(is_whole), "{moved}");
                assert!(!scratch.path().join(FILE_NAME).exists());
            }
        }
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let (filling, _) = filled(scratch.path());
        assert!(matches!(DataDirectory::claim(scratch.path(), NOW), Err(StoreError::Locked { .. })));
        filling.finish().unwrap();
        assert!(matches!(InPlaceRestore::begin(scratch.path()), Err(StoreError::Io { .. })));
        assert_eq!(rows(scratch.path()), 1);
        let theirs = tempfile::tempdir().unwrap();
        fs::create_dir(theirs.path().join(FILE_NAME)).unwrap();
        fs::write(theirs.path().join("notes.txt"), "").unwrap();
        assert!(matches!(InPlaceRestore::begin(theirs.path()), Err(StoreError::Foreign { .. })));
        assert!(theirs.path().join(FILE_NAME).exists());
    }
}
