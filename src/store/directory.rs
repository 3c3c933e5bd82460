//! The data directory: who may enter it, and what must be in it before anyone does.
//!
//! Owns its rights, its lock and the decision whether it is muster's, empty or of another program. Knows nothing of
//! rows.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::StoreError;
use super::identity::{self, Identity};
use super::{private, restoring};
use crate::base::sys::runtime;

/// Held locked for as long as a process uses the directory; holds as text the id of the last one that used it as its
/// own.
pub(super) const LOCK: &str = "LOCK";

/// The store's own entries. One of these without an identity file is a damaged directory.
pub(super) const OURS: [&str; 3] =
    [super::embedded::ROWS, super::startup_backup::BEFORE, super::commit_marker::FILE_NAME];

/// Entries that mean nothing by themselves: left by a first start that got no further, made by `mkfs`, or the snapshots
/// of a registry that was lost.
const IGNORED: [&str; 7] = [
    "takeover.sock",
    LOCK,
    restoring::FILE_NAME,
    identity::FILE_NAME_UNFINISHED,
    super::embedded::TRIAL,
    "lost+found",
    "snapshots",
];

/// Only the owner may look in: the rows hold what services say about themselves.
const MODE: u32 = 0o700;

/// A data directory that this process, and no other, may use until this value is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is. `complete` is false on a first start.
    pub identity: Identity,
    /// The lock lives as long as this handle is open.
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if need be, locks it, and reads its identity or generates one. Tightens the rights of a
    /// directory that others could read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`], [`StoreError::Locked`], [`StoreError::Newer`], [`StoreError::Damaged`] when a store
    /// has lost its identity, [`StoreError::Io`], also where a link leads elsewhere. A foreign directory is not written
    /// to.
    pub fn claim(path: &Path, now: jiff::Timestamp) -> Result<Self, StoreError> {
        make(path)?;
        let lock = enter(path)?;
        let identity = match Identity::read(path)? {
            Some(identity) => {
                // Left by a restoration that ended just when all was in its place.
                let _ = fs::remove_dir_all(path.join(restoring::FILE_NAME));
                identity
            }
            None => {
                if restoring::clear(path)? {
                    log::warn!(
                        "a restoration into {} was not finished: what there was of it is removed, and this start \
                         is an empty one",
                        path.display()
                    );
                }
                sync_ancestors(path)?;
                let identity = Identity::generate(now);
                identity.write(path)?;
                identity
            }
        };
        Ok(Self { path: path.to_path_buf(), identity, _lock: lock })
    }

    /// Records that the store is laid out; see [`Identity::complete`].
    pub fn mark_complete(&mut self) -> Result<(), StoreError> {
        self.identity.complete = true;
        self.identity.write(&self.path)
    }
}

/// Makes the directories that lead to `path`, durably, as far as they are not there.
///
/// # Errors
/// The system's.
pub fn make_ancestors(path: &Path) -> Result<(), StoreError> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
        Some(parent) => make(parent).and_then(|()| sync_ancestors(parent)),
        None => Ok(()),
    }
}

/// Makes the directory and those above it, as far as they are not there.
fn make(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(MODE).create(path).map_err(StoreError::io(path, "create"))
}

/// Locks the directory at `path`, which is there, for this process, and tightens its rights.
///
/// # Errors
/// Those of [`DataDirectory::claim`] but for an identity that does not read.
pub(super) fn enter(path: &Path) -> Result<File, StoreError> {
    refuse_foreign(path)?;
    refuse_links(path)?;
    let lock = lock(&path.join(LOCK))?;
    tighten(path)?;
    Ok(lock)
}

/// An entry of the directory at `path` for which a first start would not begin there: a part of a registry before
/// anything else.
///
/// # Errors
/// [`StoreError::Io`] when it cannot be listed.
pub fn taken_by(path: &Path) -> Result<Option<String>, StoreError> {
    let read = || -> std::io::Result<Vec<String>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let mut entries = read().map_err(StoreError::io(path, "list"))?;
    let has = |name: &str| entries.iter().any(|entry| entry == name);
    let is_unfinished = has(restoring::FILE_NAME) && !has(identity::FILE_NAME);
    let is_ours = |name: &str| OURS.contains(&name);
    let is_ignored = |name: &str| IGNORED.contains(&name) || (is_unfinished && is_ours(name));
    entries.retain(|name| !is_ignored(name));
    Ok(entries.into_iter().min_by_key(|name| (name != identity::FILE_NAME, !is_ours(name))))
}

/// Without an identity file, only an empty directory will do.
fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    match taken_by(path)? {
        Some(name) if name == identity::FILE_NAME => Ok(()),
        Some(name) if OURS.contains(&name.as_str()) => {
            let identity = path.join(identity::FILE_NAME);
            Err(StoreError::damaged(&identity, format!("it is missing beside {name:?}")))
        }
        Some(found) => Err(StoreError::Foreign { path: path.to_path_buf(), found }),
        None => Ok(()),
    }
}

/// No directory in it may be a link: what is made in such a one would be made elsewhere. Links in the place of files
/// are met where these are opened.
///
/// # Errors
/// [`StoreError::Io`] with the link.
pub(super) fn refuse_links(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(StoreError::io(path, "list"))? {
        let entry = entry.map_err(StoreError::io(path, "list"))?.path();
        if entry.is_symlink() && entry.is_dir() {
            return Err(StoreError::link(&entry));
        }
    }
    Ok(())
}

/// Keeps every process from the data directory at `path` as long as the file is open, without writing to it; `None`
/// where none has ever been in it.
///
/// # Errors
/// [`StoreError::Locked`] when another process is in it, and the system's.
pub fn lock_if_used(path: &Path) -> Result<Option<File>, StoreError> {
    let path = path.join(LOCK);
    match private::read(&path) {
        Ok(file) => locked(&path, file).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io(&path, "open")(error)),
    }
}

fn locked(path: &Path, mut file: File) -> Result<File, StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            // Who wrote it may have ended, and another holds the lock: a look into a directory writes no id.
            let holder = holder.filter(|process| has_open(*process, &file));
            Err(StoreError::Locked { path: path.to_path_buf(), holder })
        }
        Err(TryLockError::Error(error)) => Err(StoreError::io(path, "lock")(error)),
    }
}

/// Whether process `process` is there and has this file open, by another handle than this one.
fn has_open(process: u32, file: &File) -> bool {
    let Ok(wanted) = file.metadata() else { return false };
    let own = (process == std::process::id()).then(|| file.as_raw_fd().to_string());
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let others = descriptors.filter(|it| own.as_ref().is_none_or(|own| it.file_name().to_str() != Some(own)));
    let found = others.filter_map(|it| fs::metadata(it.path()).ok());
    found.map(|it| (it.dev(), it.ino())).any(|it| it == (wanted.dev(), wanted.ino()))
}

/// Looks for a lock that is held for a moment only, and the pause between two. A program that somebody starts has for
/// that moment every file open that its parent has: also where the parent has let go, or was killed.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

fn lock(path: &Path) -> Result<File, StoreError> {
    let open = || private::write_or_make(path).map_err(StoreError::io(path, "open"));
    let mut found = locked(path, open()?);
    for _ in 1..LOCK_TRIES {
        if !matches!(found, Err(StoreError::Locked { .. })) {
            break;
        }
        runtime::sleep(LOCK_PAUSE);
        found = locked(path, open()?);
    }
    let mut file = found?;
    let mut write = || -> std::io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write().map_err(StoreError::io(path, "write"))?;
    Ok(file)
}

/// Syncs every directory on the way to a new one: a file is no safer than the names that lead to it. What may not be
/// opened, or cannot be synced, was there before.
fn sync_ancestors(path: &Path) -> Result<(), StoreError> {
    let path = fs::canonicalize(path).map_err(StoreError::io(path, "examine"))?;
    for ancestor in path.ancestors().skip(1) {
        match File::open(ancestor).and_then(|directory| directory.sync_all()) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                return Err(StoreError::io(ancestor, "sync")(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn tighten(path: &Path) -> Result<(), StoreError> {
    let mode = fs::metadata(path).map_err(StoreError::io(path, "examine"))?.permissions().mode() & 0o777;
    if mode == MODE {
        return Ok(());
    }
    log::warn!("the data directory {} had rights {mode:o}; made them {MODE:o}", path.display());
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .map_err(StoreError::io(path, "set the rights of"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(path: &Path) -> Result<DataDirectory, StoreError> {
        DataDirectory::claim(path, jiff::Timestamp::UNIX_EPOCH)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_directory_is_private_and_keeps_its_identity() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/data");
        let first = claim(&path).unwrap().identity;
        assert_eq!(mode(&path), 0o700);
        assert!(!first.complete);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(claim(&path).unwrap().identity, first);
        assert_eq!(mode(&path), 0o700, "looser rights are tightened");
    }

    #[test]
    fn a_second_user_is_told_who_holds_the_directory() {
        let parent = tempfile::tempdir().unwrap();
        let held = claim(parent.path()).unwrap();
        let refusal = claim(parent.path()).unwrap_err();
        assert!(matches!(refusal, StoreError::Locked { holder: Some(pid), .. } if pid == std::process::id()));
        drop(held);
        claim(parent.path()).unwrap();
    }

    #[test]
    fn only_a_process_that_holds_the_lock_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let held = claim(parent.path()).unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        // One that has ended, one that lives and has nothing to do with it, and no number at all.
        for text in [ended.id().to_string(), std::os::unix::process::parent_id().to_string(), "x".to_owned()]
        {
            fs::write(parent.path().join(LOCK), &text).unwrap();
            let refusal = claim(parent.path()).unwrap_err();
            assert!(matches!(refusal, StoreError::Locked { holder: None, .. }), "{text}: {refusal:?}");
            assert!(refusal.to_string().contains("held by another process"), "{refusal}");
        }
        drop(held);
    }

    #[test]
    fn the_own_attempt_is_not_taken_for_the_holder() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join(LOCK);
        fs::write(&path, std::process::id().to_string()).unwrap();
        assert!(!has_open(std::process::id(), &File::open(&path).unwrap()));
        let _other = File::open(&path).unwrap();
        assert!(has_open(std::process::id(), &File::open(&path).unwrap()));
    }

    #[test]
    fn entries_decide_whose_directory_it_is() {
        let rows = [
            (&["lost+found"][..], "ours"),
            (&["identity.json.unfinished", "LOCK"][..], "ours"),
            (&["notes.txt"][..], "foreign"),
            (&["notes.txt", "LOCK"][..], "foreign"),
            (&["rows"][..], "damaged"),
            (&["witness", "notes.txt"][..], "damaged"),
        ];
        for (entries, expected) in rows {
            let directory = tempfile::tempdir().unwrap();
            for entry in entries {
                fs::create_dir(directory.path().join(entry)).ok();
                if *entry == "LOCK" || *entry == "identity.json.unfinished" {
                    fs::remove_dir(directory.path().join(entry)).unwrap();
                    fs::write(directory.path().join(entry), "").unwrap();
                }
            }
            let rights = mode(directory.path());
            let found = match claim(directory.path()) {
                Ok(_) => "ours",
                Err(StoreError::Foreign { .. }) => "foreign",
                Err(StoreError::Damaged { .. }) => "damaged",
                Err(other) => panic!("{entries:?}: {other}"),
            };
            assert_eq!(found, expected, "{entries:?}");
            if found != "ours" {
                assert_eq!(
                    fs::read_dir(directory.path()).unwrap().count(),
                    entries.len(),
                    "nothing was written"
                );
                assert_eq!(mode(directory.path()), rights);
            }
        }
    }

    #[test]
    fn no_directory_in_it_leads_elsewhere() {
        for name in [crate::store::embedded::ROWS, "snapshots", "webhooks"] {
            let (directory, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            drop(claim(directory.path()).unwrap());
            let link = directory.path().join(name);
            std::os::unix::fs::symlink(theirs.path(), &link).unwrap();
            let refusal = claim(directory.path()).unwrap_err().to_string();
            assert!(
                refusal.contains(link.to_str().unwrap()) && refusal.contains("none is followed"),
                "{refusal}"
            );
            assert_eq!(fs::read_dir(theirs.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(matches!(claim(&path), Err(StoreError::Io { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }
}
