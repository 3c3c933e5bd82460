//! The door to the storage engine, `fjall`. Owns its settings, its error types and its panics; everything above sees
//! names, values and a [`EngineFault`]. Knows no table and no index.

use std::error::Error as _;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use rustix::io::Errno;

use super::backend::{NamedRow, NewRow, RowEngine, RowReceiver};
use super::engine_checksums;
use crate::store::error::{StoreError, is_full};

/// One keyspace for all tables: one tree to flush and compact, and no journal kept alive by a table without writes.
const KEYSPACE: &str = "rows";

/// Blocks kept in memory. Rows are read once, at start, so more would be wasted.
const CACHE_BYTES: u64 = 4 << 20;

/// Threads that flush and compact. They sleep while nothing is written.
const WORKERS: usize = 1;

/// Upper bound of all journals together, the least the engine allows; at a start they are replayed.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// What went wrong below, sorted by what it means above.
#[derive(Debug)]
pub enum EngineFault {
    /// ENOSPC or EDQUOT.
    Full(String),
    /// The system refused a read, a write or a sync.
    Disk(String),
    /// The engine cannot make sense of its files.
    Content(String),
    /// A background thread of the engine stopped earlier; the engine takes no writes until reopened.
    Stopped,
}

impl EngineFault {
    /// What the fault means while a store in `path` is opened or loaded.
    pub(super) fn refusal(self, path: &Path) -> StoreError {
        match self {
            EngineFault::Full(detail) => StoreError::Full { path: path.to_path_buf(), detail },
            EngineFault::Disk(detail) => StoreError::failed(path, detail),
            EngineFault::Content(detail) => StoreError::damaged(path, detail),
            EngineFault::Stopped => StoreError::failed(path, "the engine's background thread stopped"),
        }
    }
}

/// An open engine. Dropping it ends its threads.
pub struct StorageEngine {
    database: Database,
    rows: Keyspace,
}

impl StorageEngine {
    /// Opens the engine in `path`, or makes it there. Rows wait in memory until there are `memtable_bytes` of them.
    pub fn open(path: &Path, memtable_bytes: u64) -> Result<Self, EngineFault> {
        engine_checksums::check(path).map_err(EngineFault::Content)?;
        guarded(|| {
            let database = Database::builder(path)
                .worker_threads(WORKERS)
                .cache_size(CACHE_BYTES)
                .max_journaling_size(JOURNAL_BYTES_MAX)
                .manual_journal_persist(true)
                .open()
                .map_err(content)?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes);
            let rows = database.keyspace(KEYSPACE, options).map_err(content)?;
            Ok(Self { database, rows })
        })
    }
}

impl StorageEngine {
    /// Hands over the rows with a prefix from the last one on, until the first that cannot be read, or is not after
    /// `last`: what stands behind a damage.
    pub fn each_backwards(
        &self,
        prefix: &str,
        last: Option<&str>,
        row: &mut RowReceiver<'_>,
    ) -> Result<(), EngineFault> {
        guarded(|| {
            for guard in self.rows.prefix(prefix).rev() {
                let (name, value) = guard.into_inner().map_err(content)?;
                let name =
                    std::str::from_utf8(&name).map_err(|error| EngineFault::Content(error.to_string()))?;
                if last.is_some_and(|last| name <= last) {
                    return Ok(());
                }
                row(name, &value).map_err(EngineFault::Content)?;
            }
            Ok(())
        })
    }
}

impl RowEngine for StorageEngine {
    fn write(&self, rows: &[NewRow<'_>]) -> Result<(), EngineFault> {
        guarded(|| {
            let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
            for (name, value) in rows {
                match value {
                    Some(value) => batch.insert(&self.rows, *name, *value),
                    None => batch.remove(&self.rows, *name),
                }
            }
            batch.commit().map_err(|error| fault(error, EngineFault::Disk))
        })
    }

    fn each(&self, prefix: &str, row: &mut RowReceiver<'_>) -> Result<(), EngineFault> {
        guarded(|| {
            for guard in self.rows.prefix(prefix) {
                let (name, value) = guard.into_inner().map_err(content)?;
                let name =
                    std::str::from_utf8(&name).map_err(|error| EngineFault::Content(error.to_string()))?;
                row(name, &value).map_err(EngineFault::Content)?;
            }
            Ok(())
        })
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, EngineFault> {
        guarded(|| Ok(self.rows.get(name).map_err(content)?.map(|value| value.to_vec())))
    }

    fn page(&self, after: &str, rows_max: usize, bytes_max: usize) -> Result<Vec<NamedRow>, EngineFault> {
        guarded(|| {
            let (mut page, mut bytes) = (Vec::new(), 0);
            // The least name that is greater.
            for guard in self.rows.range(format!("{after}\0")..).take(rows_max) {
                let (name, value) = guard.into_inner().map_err(content)?;
                let name =
                    std::str::from_utf8(&name).map_err(|error| EngineFault::Content(error.to_string()))?;
                bytes += name.len() + value.len();
                page.push((name.to_owned(), value.to_vec()));
                if bytes >= bytes_max {
                    break;
                }
            }
            Ok(page)
        })
    }

    fn sync(&self) -> Result<(), EngineFault> {
        guarded(|| {
            self.database.persist(PersistMode::SyncAll).map_err(|error| fault(error, EngineFault::Disk))
        })
    }
}

/// Runs one call of the engine. On damaged files it may panic where it should answer.
fn guarded<T>(call: impl FnOnce() -> Result<T, EngineFault>) -> Result<T, EngineFault> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        log::debug!("the storage engine gave up: {}", text.unwrap_or("without a word"));
        Err(EngineFault::Content("its files contradict each other".to_owned()))
    })
}

/// Sorts an error met while reading: all but a refusal by the system is about the files.
fn content(error: fjall::Error) -> EngineFault {
    fault(error, EngineFault::Content)
}

fn fault(error: fjall::Error, otherwise: fn(String) -> EngineFault) -> EngineFault {
    if matches!(error, fjall::Error::Poisoned) {
        return EngineFault::Stopped;
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        match inner.downcast_ref::<io::Error>() {
            Some(system) if is_full(system) => return EngineFault::Full(system.to_string()),
            Some(system) if is_of_the_disk(system) => return EngineFault::Disk(system.to_string()),
            Some(system) => return otherwise(system.to_string()),
            None => cause = inner.source(),
        }
    }
    log::debug!("the storage engine says: {error}");
    otherwise(in_words(&error).to_owned())
}

/// What an engine's error without a cause by the system says, for people.
fn in_words(error: &fjall::Error) -> &'static str {
    use fjall::{Error, LsmError};
    match error {
        Error::Storage(LsmError::ChecksumMismatch { .. }) => {
            "a part of it is not as it was written: its checksum differs"
        }
        Error::Storage(LsmError::Decompress(_)) | Error::Decompress(_) => "a part of it does not unpack",
        Error::Storage(LsmError::InvalidVersion(_)) | Error::InvalidVersion(_) => {
            "it is in a format that is not known here"
        }
        Error::Storage(LsmError::Unrecoverable) | Error::Unrecoverable => {
            "files of it are missing or do not read"
        }
        Error::JournalRecovery(_) => "its journal does not read",
        Error::Locked => "something else has it open",
        _ => "a part of it does not read",
    }
}

/// True when the error would be the same with perfect files. The rest (not found, exists, a short read, an offset that
/// makes no sense) is what an engine meets when its files are wrong.
fn is_of_the_disk(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(
            Errno::IO
                | Errno::ACCESS
                | Errno::PERM
                | Errno::ROFS
                | Errno::MFILE
                | Errno::NFILE
                | Errno::NOMEM
        )
    )
}
