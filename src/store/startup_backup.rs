//! A copy of the engine's files that a start which fails puts back.
//!
//! Opening an engine is not a read: it truncates what it takes for a torn tail and deletes files it cannot place. On a
//! damaged store that destroys the evidence, and perhaps the rows. So before the engine opens, this takes a second set
//! of names for its files and copies the few that change in place. If the start fails, the set goes back.
//!
//! Owns `rows.before`; knows nothing of what the files hold. A start that dies half-way leaves a `rows.before` behind
//! that the next start throws away: it was never synced, so after a power cut it could be worth less than the original.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use crate::base::sys::file;

/// Name of the second set in the data directory; it exists only during a start.
pub const BEFORE: &str = "rows.before";

/// Folder of files that the engine writes once and never changes: a second name is as good as a copy.
const WRITTEN_ONCE: &str = "tables";

/// Files are copied in pieces of this size, and pieces of zeros are left out: a journal is mostly room to grow.
const PIECE_BYTES: usize = 64 * 1024;

/// What a piece is compared with: whole, which is many times quicker than byte by byte.
static ZEROS: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

/// A directory as it was. Dropping it keeps neither promise: call [`release`](Self::release) or
/// [`restore`](Self::restore).
#[derive(Debug)]
pub struct StartupBackup {
    original: PathBuf,
    before: PathBuf,
}

impl StartupBackup {
    /// Remembers `original`, a directory beside which `rows.before` may be made.
    pub fn prepare(original: &Path) -> Result<Self, StoreError> {
        let before = original.with_file_name(BEFORE);
        remove(&before).map_err(StoreError::io(&before, "remove"))?;
        match duplicate(original, &before) {
            Ok(()) => Ok(Self { original: original.to_path_buf(), before }),
            Err(error) => {
                // Whatever stays is removed by the next start.
                let _ = remove(&before);
                Err(error)
            }
        }
    }

    /// The start went well: forget how things were.
    pub fn release(self) -> Result<(), StoreError> {
        remove(&self.before).map_err(StoreError::io(&self.before, "remove"))
    }

    /// The start failed: put everything back as it was. A failure to do so is logged, and `rows.before` stays.
    pub fn restore(self) {
        let restore = || -> io::Result<()> {
            remove(&self.original)?;
            fs::rename(&self.before, &self.original)
        };
        if let Err(error) = restore() {
            let (before, original) = (self.before.display(), self.original.display());
            log::error!("cannot put {before} back in the place of {original}: {error}; do it by hand");
        }
    }
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The depth is the engine's own, three levels. It makes no links, and one that is there is not followed.
///
/// # Errors
/// The link, or the file at fault: one that cannot be read is the original's, one that cannot be written the copy's.
pub(super) fn duplicate(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::create_dir(to).map_err(StoreError::io(to, "create"))?;
    let written_once = from.file_name().is_some_and(|name| name == WRITTEN_ONCE);
    for entry in fs::read_dir(from).map_err(StoreError::io(from, "list"))? {
        let entry = entry.map_err(StoreError::io(from, "list"))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(StoreError::io(&source, "examine"))?;
        if kind.is_symlink() {
            return Err(StoreError::link(&source));
        }
        if kind.is_dir() {
            duplicate(&source, &target)?;
        } else if !written_once || fs::hard_link(&source, &target).is_err() {
            file::open(&source).map_err(|error| StoreError::io(&source, "read")(error.into()))?;
            copy(&source, &target).map_err(StoreError::io(&target, "write"))?;
        }
    }
    Ok(())
}

/// Copies one file, its holes included.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = file::open(from)?;
    let mut target = File::create_new(to)?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut length = 0;
    loop {
        let count = source.read(&mut piece)?;
        if count == 0 {
            break;
        }
        length += count as u64;
        if piece[..count] == ZEROS[..count] {
            target.seek(SeekFrom::Current(count as i64))?;
        } else {
            target.write_all(&piece[..count])?;
        }
    }
    target.set_len(length)?;
    target.set_permissions(source.metadata()?.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                files.extend(tree(&entry.path()));
            } else {
                files.push((entry.path(), fs::read(entry.path()).unwrap()));
            }
        }
        files.sort();
        files
    }

    #[test]
    fn whatever_happens_to_the_files_comes_undone() {
        let parent = tempfile::tempdir().unwrap();
        let rows = parent.path().join("rows");
        fs::create_dir_all(rows.join("a/tables")).unwrap();
        fs::write(rows.join("a/tables/1"), "table").unwrap();
        let mut journal = vec![0; 3 * PIECE_BYTES + 5];
        journal[PIECE_BYTES] = 7;
        fs::write(rows.join("1.jnl"), &journal).unwrap();
        let found = tree(&rows);

        let backup = StartupBackup::prepare(&rows).unwrap();
        File::options().write(true).open(rows.join("1.jnl")).unwrap().set_len(3).unwrap();
        fs::remove_file(rows.join("a/tables/1")).unwrap();
        backup.restore();
        assert_eq!(tree(parent.path()), found);

        std::os::unix::fs::symlink(rows.join("1.jnl"), rows.join("2.jnl")).unwrap();
        let refusal = StartupBackup::prepare(&rows).unwrap_err().to_string();
        assert!(refusal.contains("2.jnl") && refusal.contains("none is followed"), "{refusal}");
        fs::remove_file(rows.join("2.jnl")).unwrap();
        assert!(!parent.path().join(BEFORE).exists(), "nothing is left of an attempt that failed");
        StartupBackup::prepare(&rows).unwrap().release().unwrap();
        assert_eq!(tree(parent.path()), found);
    }
}
