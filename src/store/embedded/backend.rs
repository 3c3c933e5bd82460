//! What the embedded store is built on: an engine that holds rows, and the few things beside it that show whether the
//! engine gives back what was written.
//!
//! In production there is one, [`DirectoryBackend`]. It is a trait because an engine's own files cannot be made to
//! fail in every way at every moment: the simulation puts a disk of its own under the very same store. Owns no
//! decision: what a fault means is decided by the store.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::engine::{EngineFault, StorageEngine};
use super::{EngineLimits, ROWS, disk_space, tail};
use crate::store::checksums::RowChecksum;
use crate::store::commit_marker::CommitMarker;
use crate::store::directory::DataDirectory;
use crate::store::error::StoreError;
use crate::store::identity::Identity;
use crate::store::startup_backup::StartupBackup;

/// A row's name with its new value, or with `None` for its end.
pub type NewRow<'a> = (&'a str, Option<&'a [u8]>);

/// A row's name, which is `TABLE/KEY`, and its value.
pub type NamedRow = (String, Vec<u8>);

/// Receives rows while an engine is read: name and value. An `Err` stops it and comes back as content.
pub type RowReceiver<'a> = dyn FnMut(&str, &[u8]) -> Result<(), String> + 'a;

/// Holds rows by name, and writes many in one step.
pub trait RowEngine: Send {
    /// Writes all rows in one atomic step and syncs. No name may occur twice.
    ///
    /// # Errors
    /// Why not. How much of it a later start finds is then open.
    fn write(&self, rows: &[NewRow<'_>]) -> Result<(), EngineFault>;

    /// Hands over every row whose name starts with `prefix`, in order.
    ///
    /// # Errors
    /// What the engine finds wrong with its files, or what `row` does.
    fn each(&self, prefix: &str, row: &mut RowReceiver<'_>) -> Result<(), EngineFault>;

    /// One row.
    ///
    /// # Errors
    /// What the engine finds wrong with its files.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, EngineFault>;

    /// The rows after the name `after` in order, until there are `rows_max` or they hold `bytes_max`; at least one, if
    /// any is left.
    ///
    /// # Errors
    /// As [`RowEngine::get`].
    fn page(&self, after: &str, rows_max: usize, bytes_max: usize) -> Result<Vec<NamedRow>, EngineFault>;

    /// Makes everything that was read durable: a process that was killed may have left what it had not synced yet.
    ///
    /// # Errors
    /// What the disk refused.
    fn sync(&self) -> Result<(), EngineFault>;
}

/// An engine's files and what stands beside them.
pub trait StorageBackend: Send {
    /// The engine that opens here.
    type Engine: RowEngine;
    /// The engine's files as they were before it opened.
    type Backup: Send;

    /// Where this is, for messages.
    fn path(&self) -> &Path;

    /// Whose rows these are, and since when.
    fn identity(&self) -> &Identity;

    /// Takes on the id of the node whose rows are about to be put here.
    ///
    /// # Errors
    /// When it cannot be written.
    fn adopt_node(&mut self, node_id: uuid::Uuid) -> Result<(), StoreError>;

    /// Sets the engine's files aside and opens them. If that fails they are as they were.
    ///
    /// # Errors
    /// What is wrong with the files, or with the disk.
    fn open_engine(&mut self) -> Result<(Self::Engine, Self::Backup), StoreError>;

    /// The engine's files have proved good: forgets how they were.
    ///
    /// # Errors
    /// What the disk refused.
    fn release(&mut self, backup: Self::Backup) -> Result<(), StoreError>;

    /// Puts the files back as they were. The engine must be closed.
    fn restore(&mut self, backup: Self::Backup);

    /// Takes the last batch out of the files, though it was written whole. The engine must be closed.
    ///
    /// # Errors
    /// What the disk refused.
    fn drop_last_batch(&mut self) -> Result<(), StoreError>;

    /// Refuses when less than `needed` bytes may still be written, as far as the disk says.
    ///
    /// # Errors
    /// [`StoreError::Full`], or what the disk refused.
    fn require_room(&self, needed: u64) -> Result<(), StoreError>;

    /// Finds out by writing a little whether there is room at all.
    ///
    /// # Errors
    /// As [`StorageBackend::require_room`].
    fn try_out_room(&self) -> Result<(), StoreError>;

    /// Records `checksum`, whose rows are durable, in the commit marker.
    ///
    /// # Errors
    /// What the disk refused.
    fn remember(&mut self, checksum: RowChecksum) -> Result<(), StoreError>;

    /// Bytes in use on the disk, as far as can be told.
    fn allocated_bytes(&self) -> u64;
}

/// A data directory with the engine in it.
pub struct DirectoryBackend {
    pub(super) directory: DataDirectory,
    pub(super) marker: CommitMarker,
    pub(super) limits: EngineLimits,
}

impl DirectoryBackend {
    fn rows_path(&self) -> PathBuf {
        self.directory.path.join(ROWS)
    }

    /// Opens an engine whose journal may end in a batch that a power cut has torn. `None`, with the files as they were,
    /// when it does not open without that batch either. If it was acknowledged after all, the store will miss it.
    fn open_without_last_batch(&self) -> Result<Option<(StorageEngine, StartupBackup)>, StoreError> {
        let path = self.rows_path();
        let backup = StartupBackup::prepare(&path)?;
        let is_cut = tail::drop_last_batch(&path).map_err(StoreError::io(&path, "cut the journal in"));
        if let Ok(true) = is_cut
            && let Ok(engine) = StorageEngine::open(&path, self.limits.memtable_bytes)
        {
            log::warn!(
                "the journal in {} ended in a batch that does not read; it was left out",
                path.display()
            );
            return Ok(Some((engine, backup)));
        }
        backup.restore();
        is_cut.map(|_| None)
    }
}

impl StorageBackend for DirectoryBackend {
    type Engine = StorageEngine;
    type Backup = StartupBackup;

    fn path(&self) -> &Path {
        &self.directory.path
    }

    fn identity(&self) -> &Identity {
        &self.directory.identity
    }

    fn adopt_node(&mut self, node_id: uuid::Uuid) -> Result<(), StoreError> {
        self.directory.identity.node_id = node_id;
        self.directory.identity.write(&self.directory.path)
    }

    fn open_engine(&mut self) -> Result<(StorageEngine, StartupBackup), StoreError> {
        let path = self.rows_path();
        if !path.is_dir() {
            return Err(StoreError::damaged(&path, "it is missing"));
        }
        let backup = StartupBackup::prepare(&path)?;
        let fault = match StorageEngine::open(&path, self.limits.memtable_bytes) {
            Ok(engine) => return Ok((engine, backup)),
            Err(fault) => fault,
        };
        backup.restore();
        if matches!(fault, EngineFault::Content(_))
            && let Some(opened) = self.open_without_last_batch()?
        {
            return Ok(opened);
        }
        Err(fault.refusal(&path))
    }

    fn release(&mut self, backup: StartupBackup) -> Result<(), StoreError> {
        backup.release()
    }

    fn restore(&mut self, backup: StartupBackup) {
        backup.restore();
    }

    fn drop_last_batch(&mut self) -> Result<(), StoreError> {
        let path = self.rows_path();
        tail::drop_last_batch(&path).map_err(StoreError::io(&path, "take back a batch in")).map(drop)
    }

    fn require_room(&self, needed: u64) -> Result<(), StoreError> {
        disk_space::require(&self.directory.path, needed)
    }

    fn try_out_room(&self) -> Result<(), StoreError> {
        disk_space::try_out(&self.directory.path)
    }

    fn remember(&mut self, checksum: RowChecksum) -> Result<(), StoreError> {
        self.marker.remember(checksum)
    }

    fn allocated_bytes(&self) -> u64 {
        disk_bytes(&self.directory.path).unwrap_or(0)
    }
}

/// Bytes allocated to a file, or to everything in a folder. Depth: the engine's own three levels.
fn disk_bytes(path: &Path) -> io::Result<u64> {
    let allocated = |metadata: Metadata| metadata.blocks() * 512;
    let mut total = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { disk_bytes(&entry.path())? } else { allocated(metadata) };
    }
    Ok(total)
}
