//! Looking into a directory that nobody serves from, without touching it: what is there, whether that is all, and the
//! rows that can be read whatever is wrong with the rest.
//!
//! Opening an engine is no read, so this opens a second set of its files beside the directory and throws it away.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::engine::{Engine, Fault};
use super::ground::RowEngine;
use super::{EmbeddedStore, Limits, ROWS, SEAL_ROW};
use crate::persist::change::{Batch, Change, Table};
use crate::persist::directory::LOCK;
use crate::persist::error::StoreError;
use crate::persist::identity::Identity;
use crate::persist::ledger::{Ledger, Seal};
use crate::persist::rescue;
use crate::persist::store::Store;
use crate::persist::witness::{self, Witness};

/// What a directory holds.
#[derive(Debug)]
pub struct Salvage {
    /// Whose it is.
    pub identity: Identity,
    /// The rows that can be read, as the changes that put them into an empty store.
    pub rows: Vec<Change>,
    /// The highest index that anything in it speaks of.
    pub index: u64,
    /// How many rows were acknowledged, where that can still be told.
    pub rows_acknowledged: Option<u64>,
    /// What is wrong, each in a sentence; none of it when the directory is whole.
    pub problems: Vec<String>,
}

/// Reads all that can be read of the data directory `path`.
///
/// # Errors
/// When it is no data directory, is in use, is of a later version, or there is no room beside it for a second set of
/// its journals.
pub fn read(path: &Path) -> Result<Salvage, StoreError> {
    let identity = Identity::read(path)?.ok_or_else(|| {
        StoreError::damaged(path, "there is no identity.json in it, so it is no data directory")
    })?;
    let _lock = hold(&path.join(LOCK))?;
    let copy = Copy(beside(path, "inspected"));
    rescue::remove(&copy.0).map_err(StoreError::io(&copy.0, "remove"))?;
    fs::create_dir(&copy.0).map_err(StoreError::io(&copy.0, "create"))?;
    let mut salvage =
        Salvage { identity, rows: Vec::new(), index: 0, rows_acknowledged: None, problems: Vec::new() };
    let witnessed = salvage.witness(path, &copy.0);
    let rows = path.join(ROWS);
    if !rows.is_dir() {
        salvage.problems.push(format!("{} is missing", rows.display()));
        return Ok(salvage);
    }
    rescue::duplicate(&rows, &copy.0.join(ROWS)).map_err(StoreError::io(&copy.0, "copy the rows to"))?;
    match Engine::open(&copy.0.join(ROWS), Limits::default().memtable_bytes) {
        Ok(engine) => salvage.gather(&engine, witnessed),
        Err(fault) => salvage.problems.push(format!("{} does not open: {}", rows.display(), told(&fault))),
    }
    Ok(salvage)
}

/// Makes `path` a data directory that holds `rows` at `index` and belongs to the same node as `identity`.
///
/// # Errors
/// When something is there already, and whatever keeps a store from being written.
pub fn write(path: &Path, identity: &Identity, index: u64, rows: Vec<Change>) -> Result<(), StoreError> {
    fs::create_dir(path).map_err(StoreError::io(path, "create"))?;
    Identity { complete: false, ..identity.clone() }.write(path)?;
    let mut store = EmbeddedStore::open(path, jiff::Timestamp::UNIX_EPOCH, Limits::default())?;
    store.commit(&Batch { index, changes: rows })
}

impl Salvage {
    /// The last batch that was acknowledged, by the witness.
    fn witness(&mut self, path: &Path, copy: &Path) -> Seal {
        let seen = fs::copy(path.join(witness::FILE_NAME), copy.join(witness::FILE_NAME))
            .map_err(|error| format!("{}: {error}", path.join(witness::FILE_NAME).display()))
            .and_then(|_| Witness::open(copy).map_err(|_| "the witness does not read".to_owned()));
        match seen {
            Ok((_, seal)) => {
                (self.index, self.rows_acknowledged) = (seal.index, Some(seal.rows));
                seal
            }
            Err(problem) => {
                self.problems.push(problem);
                Seal::default()
            }
        }
    }

    fn gather(&mut self, engine: &Engine, witnessed: Seal) {
        let mut ledger = Ledger::default();
        for table in Table::ALL {
            let prefix = format!("{}/", table.name());
            let read = engine.each(&prefix, &mut |name, value| {
                ledger.record(name, Some(value));
                self.rows.push(Change::put(table, &name[prefix.len()..], value));
                Ok(())
            });
            if let Err(fault) = read {
                self.problems.push(format!("not all {} can be read: {}", table.name(), told(&fault)));
            }
        }
        let mut sealed = None;
        let read = engine.each(SEAL_ROW, &mut |_, text| {
            sealed = serde_json::from_slice::<Seal>(text).ok();
            Ok(())
        });
        let Some(sealed) = sealed.filter(|_| read.is_ok()) else {
            self.problems.push("the record of what was committed is missing or does not read".to_owned());
            return;
        };
        let found = ledger.seal();
        if (found.rows, found.digest) != (sealed.rows, sealed.digest) {
            self.problems.push(format!(
                "{} rows can be read, and they do not add up to the {} that were committed",
                found.rows, sealed.rows
            ));
        }
        if sealed.sequence < witnessed.sequence {
            self.problems.push(format!(
                "it ends at index {}, but index {} was acknowledged; {} batches are missing",
                sealed.index,
                witnessed.index,
                witnessed.sequence - sealed.sequence
            ));
        } else {
            self.rows_acknowledged = Some(sealed.rows);
        }
        self.index = self.index.max(sealed.index);
    }
}

/// The second set, gone when dropped.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = rescue::remove(&self.0) {
            log::warn!("{} cannot be removed: {error}; remove it by hand", self.0.display());
        }
    }
}

/// A name beside `path`.
fn beside(path: &Path, word: &str) -> PathBuf {
    let mut name = path.canonicalize().unwrap_or_else(|_| path.to_path_buf()).into_os_string();
    name.push(format!(".{word}"));
    name.into()
}

/// Keeps an agent from starting meanwhile, without writing to the directory.
fn hold(path: &Path) -> Result<Option<File>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(path, "open")(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
            Err(StoreError::Locked { path: path.to_path_buf(), holder })
        }
        Err(TryLockError::Error(error)) => Err(StoreError::io(path, "lock")(error)),
    }
}

fn told(fault: &Fault) -> &str {
    match fault {
        Fault::Room(detail) | Fault::Disk(detail) | Fault::Content(detail) => detail,
        Fault::Stopped => "the engine's background thread stopped",
    }
}
