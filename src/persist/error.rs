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
    /// The disk did not keep its word (EIO, a failed sync). The store is poisoned and refuses every later
    /// commit: after a failed sync nobody can tell what the disk holds, and asking again would only hide it.
    Failed {
        /// The store's directory.
        path: PathBuf,
        /// What failed first.
        detail: String,
    },
    /// What the disk holds is not what was acknowledged. The files are left as they were found.
    Damaged {
        /// The file or directory at fault, as closely as known.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The directory holds somebody else's files. Nothing was written.
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
        matches!(self, StoreError::Full { .. } | StoreError::Unavailable { .. })
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

    pub(super) fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        StoreError::Damaged { path: path.to_path_buf(), detail: detail.into() }
    }

    pub(super) fn failed(path: &Path, detail: impl Into<String>) -> Self {
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
            StoreError::Full { path, detail } => write!(
                out,
                "no room to write in {}: {detail}. Nothing was applied; free some space and writes go on by \
                 themselves.",
                path.display()
            ),
            StoreError::Failed { path, detail } => write!(
                out,
                "the store in {} failed: {detail}. It accepts no more writes; look at the disk, then restart muster.",
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
                let holder = holder.map_or_else(|| "another process".into(), |pid| format!("process {pid}"));
                let path = path.display();
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
                write!(out, "cannot {action} {}: {source}. Check the path and its owner.", path.display())
            }
        }
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
