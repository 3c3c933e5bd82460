//! Whether there is room on the disk: by what the file system says, and by trying a write. Knows no rows.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::base::sys::disk;
use crate::store::error::StoreError;
use crate::store::private;

/// Name of the file by which room is tried out. It exists for a moment; a crash may leave it, and it means nothing.
pub const TRIAL: &str = "room.trial";

/// More than a file system keeps inside its own records, and little enough for every second.
const TRIAL_BYTES: usize = 64 * 1024;

/// Refuses when less than `needed` bytes are free for this user.
///
/// # Errors
/// [`StoreError::Full`]; [`StoreError::Io`] when the file system does not say.
pub(super) fn require(directory: &Path, needed: u64) -> Result<(), StoreError> {
    let free = disk::free_bytes(directory).map_err(StoreError::io(directory, "examine"))?;
    if free >= needed {
        return Ok(());
    }
    // Rounded down and up: otherwise a megabyte too little would be freed.
    let (free, needed) = (free >> 20, needed.div_ceil(1 << 20));
    let detail = format!("{free} MiB are free, and {needed} MiB have to be");
    Err(StoreError::Full { path: directory.to_path_buf(), detail })
}

/// Writes a little and removes it again: a quota, or a disk that is shared, shows in no figure.
///
/// # Errors
/// [`StoreError::Full`]; [`StoreError::Io`] for any other refusal.
pub(super) fn try_out(directory: &Path) -> Result<(), StoreError> {
    let path = directory.join(TRIAL);
    let write = || -> io::Result<()> {
        let mut file = private::replace(&path)?;
        // Not zeros, which some file systems do not store.
        file.write_all(&[1; TRIAL_BYTES])?;
        file.sync_all()
    };
    let written = write();
    let removed = fs::remove_file(&path);
    written.map_err(StoreError::io(&path, "write"))?;
    removed.map_err(StoreError::io(&path, "remove"))
}
