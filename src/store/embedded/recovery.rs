//! Looking into a directory that no agent serves from, without changing it: what is there, whether that is all, and the
//! rows that can be read whatever is wrong with the rest.
//!
//! Opening an engine is no read, so this opens a second set of its files beside the directory and throws it away.

use std::fs;
use std::path::{Path, PathBuf};

use super::backend::RowEngine;
use super::engine::{EngineFault, StorageEngine};
use super::proof::missing;
use super::tail;
use super::{CHECKSUM_ROW, EmbeddedStore, EngineLimits, ROWS};
use crate::base::stdx::counted::counted;
use crate::core::model::limits::{INDEX_MAX, INDEX_RESTORED_MAX};
use crate::store::change::{Batch, RowChange, Table};
use crate::store::checksums::{ChecksumIndex, RowChecksum};
use crate::store::commit_marker::{self, CommitMarker};
use crate::store::directory;
use crate::store::error::StoreError;
use crate::store::identity::{self, Identity};
use crate::store::rows::Store;
use crate::store::startup_backup;

/// The files of the engine that say nothing of rows: its format and its list of trees; and, as long as there are no
/// tables, the list of those.
const METADATA: [&str; 3] = ["version", "keyspaces/0", TREE];

/// The folder of the one tree.
const TREE: &str = "keyspaces/1";

/// The folder of its tables.
const TABLES: &str = "keyspaces/1/tables";

/// What a directory holds.
#[derive(Debug)]
pub struct Recovery {
    /// Whose it is; `None` when the file that says so is missing or does not read.
    pub identity: Option<Identity>,
    /// The rows that can be read, as the changes that put them into an empty store.
    pub rows: Vec<RowChange>,
    /// The highest index in it.
    pub index: u64,
    /// How many rows were acknowledged, where the commit marker still shows it.
    pub rows_acknowledged: Option<u64>,
    /// What is wrong, each in a sentence; none of it when the directory is whole.
    pub problems: Vec<String>,
    /// Whether the rows are all that were acknowledged, whatever else is wrong.
    pub completeness: Completeness,
}

/// Whether rows that were read are all that were acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// They are.
    Whole,
    /// They add up to the last commit among them, and nothing shows whether there was a later one.
    Unproved,
    /// They are not, or there is nothing to tell it by.
    Partial,
}

/// Reads all that can be read of the data directory `path`.
///
/// # Errors
/// When it is no data directory, is in use, is of a later version, or there is no room beside it for a second set of
/// its journals.
pub fn read(path: &Path) -> Result<Recovery, StoreError> {
    let (identity, problem) = match Identity::read(path) {
        Ok(Some(identity)) => (Some(identity), None),
        Ok(None) if path.join(ROWS).is_dir() => (None, Some("it is missing".to_owned())),
        Ok(None) => {
            let detail = "there are neither rows nor an identity.json in it, so it is no data directory; name the one \
                          that the agent was given";
            return Err(StoreError::damaged(path, detail));
        }
        Err(StoreError::Damaged { detail, .. }) => (None, Some(detail)),
        Err(error) => return Err(error),
    };
    directory::refuse_links(path)?;
    // No agent starts meanwhile.
    let _lock = directory::lock_if_used(path)?;
    let copy = Copy(beside(path, "inspected"));
    startup_backup::remove(&copy.0).map_err(StoreError::io(&copy.0, "remove"))?;
    fs::create_dir(&copy.0).map_err(StoreError::io(&copy.0, "create"))?;
    let identity_path = path.join(identity::FILE_NAME);
    let mut recovery = Recovery {
        identity,
        rows: Vec::new(),
        index: 0,
        rows_acknowledged: None,
        problems: problem
            .map(|detail| format!("{}: {detail}", identity_path.display()))
            .into_iter()
            .collect(),
        completeness: Completeness::Partial,
    };
    let acknowledged = recovery.marker(path, &copy.0);
    let rows = path.join(ROWS);
    if !rows.is_dir() {
        recovery.problems.push(format!("{} is missing", rows.display()));
        return Ok(recovery);
    }
    startup_backup::duplicate(&rows, &copy.0.join(ROWS))?;
    match StorageEngine::open(&copy.0.join(ROWS), EngineLimits::default().memtable_bytes) {
        Ok(engine) => recovery.gather(&engine, acknowledged),
        Err(fault) => {
            recovery.problems.push(format!("{} does not open: {}", rows.display(), reason(&fault)));
            // With what is damaged in them nothing can be read; only that is reported.
            if let Ok(engine) = with_new_metadata(&rows, &copy.0) {
                recovery.gather(&engine, acknowledged);
            } else if let Some((engine, cut)) = with_cut_journal(&rows, &copy.0)? {
                recovery.problems.push(cut);
                recovery.gather(&engine, acknowledged);
            }
        }
    }
    Ok(recovery)
}

/// Opens a second set of the engine's files in which its metadata is new: in which format it writes, and which trees
/// there are. That is the same in every directory, and says nothing of rows; a small
/// registry, whose rows are all in the journal, has no other file that could be damaged.
fn with_new_metadata(rows: &Path, copy: &Path) -> Result<StorageEngine, StoreError> {
    let (set, new) = (copy.join(ROWS), copy.join("new"));
    let open = |path: &Path| {
        StorageEngine::open(path, EngineLimits::default().memtable_bytes).map_err(|fault| fault.refusal(path))
    };
    drop(open(&new)?);
    // The engine that could not open it may have changed it.
    startup_backup::remove(&set).map_err(StoreError::io(&set, "remove"))?;
    startup_backup::duplicate(rows, &set)?;
    let has_tables = fs::read_dir(set.join(TABLES)).is_ok_and(|mut tables| tables.next().is_some());
    for name in METADATA.iter().filter(|name| !has_tables || **name != TREE) {
        let (old, new) = (set.join(name), new.join(name));
        let removed = if old.is_dir() { fs::remove_dir_all(&old) } else { fs::remove_file(&old) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io(&old, "remove")(error));
            }
            _ => fs::rename(&new, &old).map_err(StoreError::io(&old, "make"))?,
        }
    }
    open(&set)
}

/// Opens a second set of the engine's files in which the journal that does not read ends before its damage, which is
/// found by halves: whatever the engine reads up to some byte it reads up to every earlier one. Gives a sentence about
/// what is left out as well; `None` when that is not all that is damaged.
fn with_cut_journal(rows: &Path, copy: &Path) -> Result<Option<(StorageEngine, String)>, StoreError> {
    let set = copy.join(ROWS);
    let open_cut = |journal: &Path, length: u64| -> Result<Option<StorageEngine>, StoreError> {
        startup_backup::remove(&set).map_err(StoreError::io(&set, "remove"))?;
        startup_backup::duplicate(rows, &set)?;
        let cut = set.join(journal.file_name().unwrap_or_default());
        let file = fs::File::options().write(true).open(&cut).map_err(StoreError::io(&cut, "open"))?;
        file.set_len(length).map_err(StoreError::io(&cut, "cut"))?;
        Ok(StorageEngine::open(&set, EngineLimits::default().memtable_bytes).ok())
    };
    for (journal, used) in tail::journals(rows).map_err(StoreError::io(rows, "list"))? {
        if open_cut(&journal, 0)?.is_none() {
            continue;
        }
        let (mut good, mut bad) = (0, used);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            match open_cut(&journal, middle)? {
                Some(_) => good = middle,
                None => bad = middle,
            }
        }
        let name = journal.display();
        let sentence =
            format!("{name} is damaged near byte {good} of {used}: what stands behind that is left out");
        return Ok(open_cut(&journal, good)?.map(|engine| (engine, sentence)));
    }
    Ok(None)
}

/// Makes `path` a data directory that holds `rows` at `index` and belongs to the same node as `identity`.
///
/// # Errors
/// When something is there already, and whatever keeps a store from being written.
pub fn write(path: &Path, identity: &Identity, index: u64, rows: Vec<RowChange>) -> Result<(), StoreError> {
    let mut making = RecoveryBuild::begin(path, identity, index)?;
    making.store.commit(&Batch { index: making.index, changes: rows })
}

/// Bytes of rows that are written at a time: a sync for each megabyte is little beside reading them.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// A data directory that is being made of rows as they come. It must not be used before [`RecoveryBuild::end`].
pub struct RecoveryBuild {
    store: EmbeddedStore,
    index: u64,
    waiting: Vec<RowChange>,
    waiting_bytes: usize,
}

impl RecoveryBuild {
    /// Begins one at `path` that belongs to the same node as `identity`, whose rows are of `index`.
    ///
    /// # Errors
    /// When something is there already, and whatever keeps a store from being opened.
    pub fn begin(path: &Path, identity: &Identity, index: u64) -> Result<RecoveryBuild, StoreError> {
        fs::create_dir(path).map_err(StoreError::io(path, "create"))?;
        Identity { complete: false, ..identity.clone() }.write(path)?;
        let store = EmbeddedStore::open(path, jiff::Timestamp::UNIX_EPOCH, EngineLimits::default())?;
        // One that leaves no room for changes is a made-up one; no client can have seen a change at it.
        let index = if index >= INDEX_MAX { INDEX_RESTORED_MAX } else { index };
        Ok(RecoveryBuild { store, index, waiting: Vec::new(), waiting_bytes: 0 })
    }

    /// Puts one more row into it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn put(&mut self, row: RowChange) -> Result<(), StoreError> {
        self.waiting_bytes += row.key.len() + row.value.as_ref().map_or(0, Vec::len);
        self.waiting.push(row);
        if self.waiting_bytes >= WAITING_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Those of the store.
    pub fn end(mut self) -> Result<(), StoreError> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.waiting_bytes = 0;
        self.store.commit(&Batch { index: self.index, changes: std::mem::take(&mut self.waiting) })
    }
}

impl Recovery {
    /// The last batch that was acknowledged, by the commit marker.
    fn marker(&mut self, path: &Path, copy: &Path) -> RowChecksum {
        let seen =
            startup_backup::copy(&path.join(commit_marker::FILE_NAME), &copy.join(commit_marker::FILE_NAME))
                .map_err(|error| format!("{}: {error}", path.join(commit_marker::FILE_NAME).display()))
                .and_then(|_| CommitMarker::open(copy).map_err(|_| "the witness does not read".to_owned()));
        match seen {
            Ok((_, checksum)) => {
                (self.index, self.rows_acknowledged) = (checksum.index, Some(checksum.rows));
                checksum
            }
            Err(problem) => {
                self.problems.push(problem);
                RowChecksum::default()
            }
        }
    }

    fn gather(&mut self, engine: &StorageEngine, acknowledged: RowChecksum) {
        let mut checksums = ChecksumIndex::default();
        for table in Table::ALL {
            let prefix = format!("{}/", table.name());
            let mut found = Vec::new();
            let mut keep = |name: &str, value: &[u8]| {
                found.push((name.to_owned(), value.to_vec()));
                Ok(())
            };
            let read = engine.each(&prefix, &mut keep);
            if read.is_err() {
                // What stands behind the damage can be read from the other end, as far as the damage, which is reported
                // already.
                let last = found.last().map(|(name, _)| name.clone());
                let mut keep = |name: &str, value: &[u8]| {
                    found.push((name.to_owned(), value.to_vec()));
                    Ok(())
                };
                let _ = engine.each_backwards(&prefix, last.as_deref(), &mut keep);
            }
            for (name, value) in found {
                checksums.record(&name, Some(&value));
                self.rows.push(RowChange::put(table, &name[prefix.len()..], value));
            }
            if let Err(fault) = read {
                self.problems.push(format!("not all {} can be read: {}", table.name(), reason(&fault)));
            }
        }
        let mut committed = None;
        let read = engine.each(CHECKSUM_ROW, &mut |_, text| {
            committed = serde_json::from_slice::<RowChecksum>(text).ok();
            Ok(())
        });
        let Some(committed) = committed.filter(|_| read.is_ok()) else {
            self.problems.push("the record of what was committed is missing or does not read".to_owned());
            return;
        };
        let found = checksums.checksum();
        let adds_up = (found.rows, found.digest) == (committed.rows, committed.digest);
        self.completeness = match self.rows_acknowledged {
            None if adds_up => Completeness::Unproved,
            Some(_) if adds_up && committed.sequence >= acknowledged.sequence => Completeness::Whole,
            _ => Completeness::Partial,
        };
        if !adds_up {
            self.problems.push(format!(
                "{} can be read, which do not add up to the {} that were committed",
                counted(found.rows, "row"),
                committed.rows
            ));
        }
        if committed.sequence < acknowledged.sequence {
            self.problems.push(missing(committed, acknowledged));
        } else if self.rows_acknowledged.is_some() {
            self.rows_acknowledged = Some(committed.rows);
        }
        self.index = self.index.max(committed.index);
    }
}

/// The second set, gone when dropped.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = startup_backup::remove(&self.0) {
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

fn reason(fault: &EngineFault) -> &str {
    match fault {
        EngineFault::Full(detail) | EngineFault::Disk(detail) | EngineFault::Content(detail) => detail,
        EngineFault::Stopped => "the engine's background thread stopped",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::store::change::Table;

    /// Rows of the store, of half a kilobyte each: they fill many blocks of a table.
    const ROWS_COUNT: usize = 2_000;

    fn largest_table(directory: &Path) -> PathBuf {
        let mut files = vec![(0, PathBuf::new())];
        let mut open = vec![directory.to_path_buf()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                let (path, facts) = (entry.path(), entry.metadata().unwrap());
                let is_table = path.parent().is_some_and(|it| it.ends_with("tables"));
                match facts.is_dir() {
                    true => open.push(path),
                    false if is_table => files.push((facts.len(), path)),
                    false => {}
                }
            }
        }
        files.into_iter().max().unwrap().1
    }

    /// One flipped bit in the journal of a small registry costs what stands behind it, and not all.
    #[test]
    fn rows_before_a_damage_of_the_journal_are_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("data");
        let limits = EngineLimits { room_bytes_min: 0, ..EngineLimits::default() };
        let mut store = EmbeddedStore::open(&path, jiff::Timestamp::UNIX_EPOCH, limits).unwrap();
        store.load(&mut |_, _, _| Ok(())).unwrap();
        for at in 0..100 {
            let row = RowChange::put(Table::Services, format!("n\t{at:05}"), vec![b'x'; 500]);
            store.commit(&Batch { index: at + 1, changes: vec![row] }).unwrap();
        }
        drop(store);
        let journals = tail::journals(&path.join(ROWS)).unwrap();
        let (journal, used) = journals.last().unwrap();
        let (file, at) = (fs::File::options().read(true).write(true).open(journal).unwrap(), used * 3 / 4);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 4], at).unwrap();

        let Recovery { rows, problems, rows_acknowledged, completeness, .. } = read(&path).unwrap();
        let said = problems.join("; ");
        assert!((70..76).contains(&rows.len()), "{} rows: {said}", rows.len());
        assert_eq!((rows_acknowledged, completeness), (Some(100), Completeness::Partial), "{said}");
        assert!(said.contains("does not read") && said.contains("is left out"), "{said}");
    }

    #[test]
    fn rows_before_and_behind_a_damage_are_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("data");
        let limits = EngineLimits { room_bytes_min: 0, memtable_bytes: 64 << 10 };
        let mut store = EmbeddedStore::open(&path, jiff::Timestamp::UNIX_EPOCH, limits).unwrap();
        store.load(&mut |_, _, _| Ok(())).unwrap();
        let row = |at: usize| RowChange::put(Table::Services, format!("n\t{at:05}"), vec![b'x'; 500]);
        store.commit(&Batch { index: 1, changes: (0..ROWS_COUNT).map(row).collect() }).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        // The engine has a small table of its own from the start.
        while fs::metadata(largest_table(&path)).unwrap().len() < (ROWS_COUNT * 500) as u64 {
            assert!(std::time::Instant::now() < deadline, "the rows go into a table");
            // Each commit looks whether the memory is full.
            store.commit(&Batch { index: 2, changes: vec![row(0)] }).unwrap();
        }
        drop(store);
        // What was under way at its end is settled by the next start.
        let mut store = EmbeddedStore::open(&path, jiff::Timestamp::UNIX_EPOCH, limits).unwrap();
        store.load(&mut |_, _, _| Ok(())).unwrap();
        drop(store);
        let table = largest_table(&path);
        let middle = fs::metadata(&table).unwrap().len() / 2;
        let file = fs::File::options().read(true).write(true).open(&table).unwrap();
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, middle).unwrap();
        file.write_all_at(&bytes.map(|byte| !byte), middle).unwrap();

        let Recovery { rows, problems, .. } = read(&path).unwrap();
        let said = problems.join("; ");
        assert!(!rows.is_empty(), "{said}");
        let (first, last) = (rows.first().unwrap(), rows.iter().map(|row| &row.key).max().unwrap());
        assert_eq!((first.key.as_str(), last.as_str()), ("n\t00000", &*format!("n\t{:05}", ROWS_COUNT - 1)));
        assert!((ROWS_COUNT / 2..ROWS_COUNT).contains(&rows.len()), "{} of {ROWS_COUNT}", rows.len());
        let names: std::collections::HashSet<_> = rows.iter().map(|row| &row.key).collect();
        assert_eq!(names.len(), rows.len(), "no row is there twice");
        assert!(said.contains("not all services can be read") && said.contains("checksum differs"), "{said}");
        assert!(!said.contains("Error"), "no word of the engine's: {said}");
    }
}
