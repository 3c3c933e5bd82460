//! Why a store could not do what it was asked, who is at fault, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A store's refusal. `Display` is one or two sentences for an operator and ends in the remedy.
#[derive(Debug)]
pub enum StoreError {
    /// No room on the disk or in the quota. Nothing was applied; the same batch may be tried again.
    Full {
        /// The directory on the full disk.
        path: PathBuf,
        /// What was short, with figures where known.
        detail: String,
    },
    /// The disk failed (EIO, a failed sync). The store is poisoned and refuses every later
    /// commit: after a failed sync it is not known what the disk holds, and another sync would only hide it.
    Failed {
        /// The store's directory.
        path: PathBuf,
        /// What failed first.
        detail: String,
    },
    /// The disk took the batch and then failed, or had no room after all: it is not known whether the
    /// batch is there. The next start decides, or the store itself once there is room. Otherwise as `Failed` and
    /// `Full`.
    InDoubt {
        /// The store's directory.
        path: PathBuf,
        /// What failed.
        detail: String,
        /// Whether it was for want of room, so that the store goes on when there is some.
        is_full: bool,
    },
    /// What the disk holds is not what was acknowledged. The files are left as they were found.
    Damaged {
        /// The file or directory at fault, as closely as known.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The directory holds files of another program. Nothing was written.
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the entries that do not belong to muster.
        found: String,
    },
    /// A later muster wrote this directory.
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// Format version found.
        found: u32,
        /// Highest format version this program reads.
        supported: u32,
    },
    /// Another process holds the directory.
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The other process, if it left its id.
        holder: Option<u32>,
    },
    /// A key longer than [`KEY_BYTES_MAX`](super::change::KEY_BYTES_MAX): the caller's fault. Nothing was
    /// applied and the store goes on.
    Oversize {
        /// Length of the key.
        key_bytes: usize,
        /// The most a store accepts.
        key_bytes_max: usize,
    },
    /// The server that the rows are kept in as well does not answer, or takes no writes. Nothing was applied; the same
    /// batch may be tried again.
    Unavailable {
        /// Where the server is, without any password.
        place: String,
        /// What is the matter with it.
        detail: String,
    },
    /// The server cannot be used as it is. Nothing was written, there or here.
    Unfit {
        /// Where the server is, without any password.
        place: String,
        /// What is the matter with it, and what to do.
        detail: String,
    },
    /// The operating system refused a file operation before any row was at stake.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as in "cannot ...".
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl StoreError {
    /// True when the same call may succeed later without a restart.
    pub fn is_retryable(&self) -> bool {
        let is_in_doubt = matches!(self, StoreError::InDoubt { is_full: true, .. });
        is_in_doubt || matches!(self, StoreError::Full { .. } | StoreError::Unavailable { .. })
    }

    /// The sentence for a start, which ends with it.
    pub fn at_start(&self) -> String {
        match self {
            full @ StoreError::Full { .. } => format!("{full}. Free some space, then start muster again."),
            damaged @ StoreError::Damaged { .. } => format!(
                "{damaged} `muster store inspect DATA_DIR` says what is in it, `muster store repair DATA_DIR --into \
                 NEW` makes a sound one of what can be kept, snapshots that were taken by themselves are in \
                 DATA_DIR/snapshots or where snapshot_dir says, and `muster help drills` has each step."
            ),
            error => error.to_string(),
        }
    }

    /// The sentence for a command that inspects or makes a directory while no agent runs on it.
    pub fn offline(&self) -> String {
        match self {
            StoreError::Full { .. } => format!("{self}. Free some space, then try again."),
            StoreError::Locked { path, holder } => format!(
                "{} is held by {}. Stop that agent first; of one that runs `muster snapshot save` tells everything.",
                path.display(),
                holder_text(*holder)
            ),
            StoreError::Damaged { path, detail } => format!("{} cannot be read: {detail}", path.display()),
            StoreError::Io { path, action, source } => {
                let remedy = match source.kind() {
                    io::ErrorKind::PermissionDenied => "Be the user that muster runs as, or root.",
                    io::ErrorKind::NotFound => {
                        "A part of the path is not there: make it, or name another place."
                    }
                    io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                        "A part of the path is a file: name another place."
                    }
                    _ => remedy(source),
                };
                format!("cannot {action} {}: {source}. {remedy}", path.display())
            }
            error => error.to_string(),
        }
    }

    /// For `map_err`: names the file and the attempt, and tells a full disk from other refusals.
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_path_buf();
        move |source| {
            if is_full(&source) {
                StoreError::Full { path, detail: format!("cannot {action}: {source}") }
            } else {
                StoreError::Io { path, action, source }
            }
        }
    }

    /// A symbolic link stands where none is followed.
    pub(super) fn link(path: &Path) -> StoreError {
        StoreError::io(path, "use")(rustix::io::Errno::LOOP.into())
    }

    /// The same error for later writes, which were not begun; `None` when they need another.
    pub fn for_later_writes(&self) -> Option<StoreError> {
        let StoreError::InDoubt { path, detail, is_full } = self else { return None };
        let (path, detail) = (path.clone(), detail.clone());
        Some(if *is_full { StoreError::Full { path, detail } } else { StoreError::Failed { path, detail } })
    }

    pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        StoreError::Damaged { path: path.to_path_buf(), detail: detail.into() }
    }

    /// The store is poisoned, for this reason.
    pub(crate) fn failed(path: &Path, detail: impl Into<String>) -> Self {
        StoreError::Failed { path: path.to_path_buf(), detail: detail.into() }
    }
}

/// True for ENOSPC and EDQUOT.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What to do is said where it is shown: while it serves, writes go on by themselves.
            StoreError::Full { path, detail } => {
                write!(out, "no room to write in {}: {detail}", path.display())
            }
            StoreError::Failed { path, detail } => write!(
                out,
                "the store in {} failed: {detail}. It accepts no more writes; look at the disk, then restart muster.",
                path.display()
            ),
            StoreError::InDoubt { path, detail, is_full: false } => write!(
                out,
                "the store in {} failed: {detail}. Whether this write is on the disk is not known, and the next start \
                 decides. It accepts no more writes; look at the disk, then restart muster.",
                path.display()
            ),
            StoreError::InDoubt { path, detail, is_full: true } => write!(
                out,
                "no room to write in {}: {detail}. Whether this write is on the disk is not known: it is taken back \
                 when there is room, and if muster ends before, the next start decides. Free some space and writes \
                 go on by themselves.",
                path.display()
            ),
            StoreError::Damaged { path, detail } => write!(
                out,
                "{} is damaged: {detail}. It was left as found; restore the data directory from a backup, or move \
                 it away to start empty.",
                path.display()
            ),
            StoreError::Foreign { path, found } => write!(
                out,
                "{} holds files that are not muster's (such as {found:?}). Nothing was written; give --data-dir an \
                 empty directory or one that muster made.",
                path.display()
            ),
            StoreError::Newer { path, found, supported } => write!(
                out,
                "{} says format {found}, and this muster reads up to {supported}. Run the version that wrote it, or \
                 a later one.",
                path.display()
            ),
            StoreError::Locked { path, holder } => {
                let (path, holder) = (path.display(), holder_text(*holder));
                write!(out, "{path} is held by {holder}. Stop it, or give this one its own --data-dir.")
            }
            StoreError::Oversize { key_bytes, key_bytes_max } => {
                write!(out, "a key of {key_bytes} bytes is too long; use at most {key_bytes_max}.")
            }
            StoreError::Unavailable { place, detail } => {
                write!(out, "{place} is away: {detail}. Nothing was written; try again when it is back.")
            }
            StoreError::Unfit { place, detail } => write!(out, "{place} cannot be used: {detail}"),
            StoreError::Io { path, action, source } => {
                write!(out, "cannot {action} {}: {source}. {}", path.display(), remedy(source))
            }
        }
    }
}

/// Who holds a directory.
fn holder_text(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}

/// What there is to do about the system's refusal.
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "Its file system is read-only: mount it for writing, or give --data-dir another place."
        }
        io::ErrorKind::PermissionDenied => {
            "The user that muster runs as may not: make it the owner of the data directory and all that is in it."
        }
        io::ErrorKind::NotFound => {
            "A part of the path is not there: make it, or give --data-dir another place."
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "A part of the path is a file: give --data-dir a directory."
        }
        _ if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            "A symbolic link stands there, and none is followed: put what it leads to in its place, or move it away."
        }
        _ if source.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            "The process may open no more files: raise its limit (ulimit -n, or LimitNOFILE in the unit)."
        }
        _ => "Look at the disk and the system's log.",
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
