//! The default store: rows in an embedded engine in the data directory, no server needed.
//!
//! Owns the order of things: what is checked before a directory is trusted, what is written before a batch is
//! acknowledged, and what happens when the disk is full or fails. The engine is behind [`engine`]; that what it gives
//! back is complete is proved here, with the [`ChecksumIndex`] and the [`CommitMarker`], and not taken on trust.

pub mod engine;
pub mod backend;
pub mod mirror;
mod proof;
mod disk_space;
pub mod recovery;
mod tail;
mod engine_checksums;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use self::backend::{DirectoryBackend, NewRow, RowEngine, StorageBackend};
use self::engine::{EngineFault, StorageEngine};
use self::proof::{prove, prove_beside};
use super::change::Batch;
use super::checksums::{ChecksumIndex, RowChecksum};
use super::commit_marker::CommitMarker;
use super::directory::DataDirectory;
use super::error::StoreError;
use super::identity::Identity;
use super::memory::refuse_oversize;
use super::rows::{Description, Loaded, RowSink, Store};

pub use self::disk_space::TRIAL;

/// Name of the engine's folder in the data directory.
pub const ROWS: &str = "rows";

/// Name of the row that holds the [`RowChecksum`]. No table has this name.
const CHECKSUM_ROW: &str = "store/seal";

/// What is wrong without it.
const CHECKSUM_MISSING: &str = "the record of what was committed is missing";

/// What the embedded store may use.
#[derive(Clone, Copy, Debug)]
pub struct EngineLimits {
    /// A commit is refused as [`StoreError::Full`] when less than this would be left on the disk. The engine writes a
    /// journal of 64 MiB and flushes in the background; below this a flush could meet a full disk half-way, which
    /// costs a reopening of the engine.
    pub room_bytes_min: u64,
    /// Rows wait in memory until there are so many bytes of them. More means fewer files and a longer start after a
    /// crash; less means more merging.
    pub memtable_bytes: u64,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self { room_bytes_min: 96 << 20, memtable_bytes: 16 << 20 }
    }
}

/// A durable store in a directory of its own. One process at a time.
///
/// A commit costs one `fdatasync`; see `bench/store.rs` for what that comes to.
pub struct EmbeddedStore<G: StorageBackend = DirectoryBackend> {
    backend: G,
    /// See [`EngineLimits::room_bytes_min`].
    room_bytes_min: u64,
    checksums: ChecksumIndex,
    state: State<G>,
}

enum State<G: StorageBackend> {
    /// Opened, with what the engine holds still to be proved.
    Unproved(G::Engine, G::Backup),
    /// Proved complete; commits are taken.
    Serving(G::Engine),
    /// The disk was full, or the engine stopped. The next commit opens the engine again and proves it complete.
    Closed,
    /// Poisoned, for the reason given.
    Failed(String),
}

impl EmbeddedStore {
    /// Opens the store in `path`, or makes it there. `now` dates a new directory.
    ///
    /// # Errors
    ///
    /// Those of [`DataDirectory::claim`], and [`StoreError::Damaged`] when a part is missing or does not read. The
    /// rows themselves are proved by [`load`](Store::load).
    pub fn open(path: &Path, now: jiff::Timestamp, limits: EngineLimits) -> Result<Self, StoreError> {
        let mut directory = DataDirectory::claim(path, now)?;
        if !directory.identity.complete {
            lay_out(&mut directory, limits)?;
        }
        let (marker, seen) = CommitMarker::open(path)?;
        Self::on(DirectoryBackend { directory, marker, limits }, seen, limits)
    }
}

impl<G: StorageBackend> EmbeddedStore<G> {
    /// Opens the store on a backend that was laid out before, where `seen` is the last checksum in its commit marker.
    ///
    /// # Errors
    ///
    /// What [`StorageBackend::open_engine`] finds.
    pub fn on(mut backend: G, seen: RowChecksum, limits: EngineLimits) -> Result<Self, StoreError> {
        let (engine, backup) = backend.open_engine()?;
        let mut checksums = ChecksumIndex::default();
        checksums.commit(seen);
        let room_bytes_min = limits.room_bytes_min;
        Ok(Self { backend, room_bytes_min, checksums, state: State::Unproved(engine, backup) })
    }

    /// Whose directory this is, and since when.
    pub fn identity(&self) -> &Identity {
        self.backend.identity()
    }

    /// Where it is, for messages.
    pub fn path(&self) -> &Path {
        self.backend.path()
    }

    fn rows_path(&self) -> PathBuf {
        self.backend.path().join(ROWS)
    }

    /// Takes no more commits; says why, now and at every later call.
    fn fail(&mut self, detail: String) -> StoreError {
        let path = self.rows_path();
        self.state = State::Failed(detail.clone());
        StoreError::Failed { path, detail }
    }

    /// The same while a batch is under way that may have reached the disk.
    fn fail_in_doubt(&mut self, detail: String) -> StoreError {
        let error = self.fail(detail);
        self.in_doubt(&error)
    }

    /// What `error`, which kept the store from taking a batch back, means to the batch's callers.
    fn in_doubt(&self, error: &StoreError) -> StoreError {
        let (path, is_full) = (self.backend.path().to_path_buf(), matches!(error, StoreError::Full { .. }));
        let detail = match error {
            StoreError::Full { detail, .. } | StoreError::Failed { detail, .. } => detail.clone(),
            other => other.to_string(),
        };
        StoreError::InDoubt { path, detail, is_full }
    }

    /// An engine that takes writes, opened and proved first if need be.
    fn serve(&mut self) -> Result<(), StoreError> {
        match &self.state {
            State::Serving(_) => Ok(()),
            State::Unproved(..) => self.load(&mut |_, _, _| Ok(())).map(|_| ()),
            State::Closed => self.reopen(),
            State::Failed(detail) => Err(StoreError::failed(&self.rows_path(), detail)),
        }
    }

    /// Opens the engine again after it met a full disk, and goes on only from exactly the acknowledged state.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let acknowledged = self.checksums.checksum();
        self.require_room(0)?;
        self.backend.try_out_room()?;
        for is_last_try in [false, true] {
            let (engine, backup) = match self.backend.open_engine() {
                Ok(opened) => opened,
                Err(full @ StoreError::Full { .. }) => return Err(full),
                Err(error) => return Err(self.fail(format!("it does not open again: {error}"))),
            };
            match prove(&engine, acknowledged, &mut |_, _, _| Ok(())) {
                Ok(checksums) if checksums.checksum() == acknowledged => {
                    self.backend.release(backup)?;
                    self.checksums = checksums;
                    self.state = State::Serving(engine);
                    return Ok(());
                }
                // The refused batch got to the disk after all: it is removed, as its callers were told that it failed.
                Ok(_) if !is_last_try => {
                    drop(engine);
                    self.backend.restore(backup);
                    self.backend.drop_last_batch()?;
                }
                Ok(_) => {
                    let detail = "a batch that was refused for want of room has reached the disk after all";
                    return Err(self.fail(detail.into()));
                }
                Err(fault) => {
                    drop(engine);
                    self.backend.restore(backup);
                    return Err(self.fail(fault.refusal(&self.rows_path()).to_string()));
                }
            }
        }
        unreachable!("the last try returns")
    }

    /// Refuses what would leave too little room; see [`EngineLimits::room_bytes_min`].
    fn require_room(&self, batch_bytes: u64) -> Result<(), StoreError> {
        self.backend.require_room(self.room_bytes_min.saturating_add(batch_bytes))
    }

    /// Makes what was just proved as good as acknowledged, since readers are going to see it: it survives a power cut,
    /// and the commit marker, which may be older, demands it from now on.
    fn make_durable(
        &mut self,
        engine: &G::Engine,
        checksums: ChecksumIndex,
        seen: RowChecksum,
    ) -> Result<ChecksumIndex, EngineFault> {
        engine.sync()?;
        if checksums.checksum() != seen {
            self.remember(checksums.checksum())?;
        }
        Ok(checksums)
    }

    /// Records `checksum`, whose rows are durable, in the commit marker. A full disk may prevent that: an older marker
    /// only demands less at the next start.
    fn remember(&mut self, checksum: RowChecksum) -> Result<(), EngineFault> {
        match self.backend.remember(checksum) {
            Ok(()) | Err(StoreError::Full { .. }) => Ok(()),
            Err(error) => Err(EngineFault::Disk(error.to_string())),
        }
    }

    /// One attempt at making `rows` durable, with the checksum that `index` completes.
    fn attempt(&mut self, rows: &BTreeMap<String, Option<&[u8]>>, index: u64) -> Result<(), EngineFault> {
        let State::Serving(engine) = &self.state else { return Err(EngineFault::Stopped) };
        for (name, value) in rows {
            self.checksums.record(name, *value);
        }
        let checksum = self.checksums.close(index);
        let text = encode(checksum);
        let mut changes: Vec<NewRow<'_>> = rows.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        changes.push((CHECKSUM_ROW, Some(text.as_bytes())));
        match engine.write(&changes) {
            Ok(()) => {
                self.checksums.commit(checksum);
                self.remember(checksum)
            }
            Err(fault) => {
                self.checksums.revert();
                Err(fault)
            }
        }
    }
}

/// A store that is given up before its rows were proved leaves the files as it found them, since opening the engine may
/// have changed them.
impl<G: StorageBackend> Drop for EmbeddedStore<G> {
    fn drop(&mut self) {
        if let State::Unproved(engine, backup) = std::mem::replace(&mut self.state, State::Closed) {
            drop(engine);
            self.backend.restore(backup);
        }
    }
}

impl<G: StorageBackend> Store for EmbeddedStore<G> {
    fn load(&mut self, row: &mut RowSink) -> Result<Loaded, StoreError> {
        let path = self.rows_path();
        let (mut engine, backup) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Unproved(engine, backup) => (engine, Some(backup)),
            State::Serving(engine) => (engine, None),
            State::Closed => {
                self.reopen()?;
                return self.load(row);
            }
            State::Failed(detail) => return Err(self.fail(detail)),
        };
        let seen = self.checksums.checksum();
        match prove_beside(&mut engine, seen, row)
            .and_then(|checksums| self.make_durable(&engine, checksums, seen))
        {
            Ok(checksums) => {
                backup.map_or(Ok(()), |backup| self.backend.release(backup))?;
                self.checksums = checksums;
                self.state = State::Serving(engine);
                let RowChecksum { index, rows, .. } = self.checksums.checksum();
                Ok(Loaded { index, rows })
            }
            Err(fault) => {
                drop(engine);
                if let Some(backup) = backup {
                    self.backend.restore(backup);
                }
                let error = fault.refusal(&path);
                self.state = State::Failed(error.to_string());
                Err(error)
            }
        }
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        refuse_oversize(&batch.changes)?;
        self.serve()?;
        let mut batch_bytes = 0;
        let mut rows = BTreeMap::new();
        for change in &batch.changes {
            let name = change.name();
            batch_bytes += name.len() + change.value.as_ref().map_or(0, Vec::len);
            rows.insert(name, change.value.as_deref());
        }
        self.require_room(batch_bytes as u64)?;
        let mut outcome = self.attempt(&rows, batch.index);
        if let Err(EngineFault::Stopped) = outcome {
            log::warn!("the storage engine stopped; opening it again");
            self.state = State::Closed;
            self.reopen().map_err(|error| self.in_doubt(&error))?;
            outcome = self.attempt(&rows, batch.index);
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(EngineFault::Full(detail)) => {
                self.state = State::Closed;
                // What has reached the disk after all is taken back at once, if there is room for that.
                self.reopen().map_err(|error| self.in_doubt(&error))?;
                Err(StoreError::Full { path: self.backend.path().to_path_buf(), detail })
            }
            Err(EngineFault::Disk(detail) | EngineFault::Content(detail)) => Err(self.fail_in_doubt(detail)),
            Err(EngineFault::Stopped) => Err(self.fail_in_doubt("the engine stops again and again".into())),
        }
    }

    fn look_for_room(&self) -> Result<(), StoreError> {
        self.require_room(0)
    }

    fn describe(&self) -> Description {
        Description {
            kind: "embedded",
            path: Some(self.backend.path().to_path_buf()),
            guarantee: "Acknowledged writes survive kill -9 and power loss.",
            rows: self.checksums.checksum().rows,
            disk_bytes: self.backend.allocated_bytes(),
        }
    }
}

/// Makes an empty store. Until the identity says `complete`, every start comes here and begins anew.
fn lay_out(directory: &mut DataDirectory, limits: EngineLimits) -> Result<(), StoreError> {
    let path = directory.path.join(ROWS);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io(&path, "remove")(error));
        }
        _ => {}
    }
    let engine = StorageEngine::open(&path, limits.memtable_bytes).map_err(|fault| fault.refusal(&path))?;
    begin(&engine).map_err(|fault| fault.refusal(&path))?;
    drop(engine);
    // The engine syncs what it writes, but not every name that leads there.
    sync_names(&path).map_err(StoreError::io(&path, "sync"))?;
    CommitMarker::create(&directory.path)?;
    directory.mark_complete()
}

/// Syncs a folder and every folder in it. Depth: the engine's own three levels.
fn sync_names(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_names(&entry.path())?;
        }
    }
    File::open(path)?.sync_all()
}

/// Writes what an empty store holds.
///
/// # Errors
/// Those of the engine.
pub fn begin(engine: &impl RowEngine) -> Result<(), EngineFault> {
    engine.write(&[(CHECKSUM_ROW, Some(encode(RowChecksum::default()).as_bytes()))])
}

fn encode(checksum: RowChecksum) -> String {
    serde_json::to_string(&checksum).expect("a struct of four integers always encodes")
}
