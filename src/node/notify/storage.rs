//! The disk of the queues: opened when first needed, written in batches, and done without when it fails.
//!
//! A registry serves on without its webhooks' disk, so nothing here is fatal: what could not be written is tried again
//! when the disk was full, and reported in the log and in answers otherwise. What is lost with the process then is
//! found again in the history.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::sys::supervision;
use crate::node::notify::rows::{self, QueueRows};
use crate::store::change::{Batch, RowChange};
use crate::store::embedded::{EmbeddedStore, EngineLimits};
use crate::store::error::StoreError;
use crate::store::rows::Store;

/// Where the queues are kept.
#[derive(Clone, Debug)]
pub enum QueueStorage {
    /// In this directory, which is made when first needed.
    Directory(PathBuf),
    /// Nowhere: they end with the process, as the registry does.
    Memory,
}

/// Wait before a full disk is tried again.
const RETRY_MS: u64 = 1_000;

/// Unwritten changes from which on only the last of each row is kept.
const COMPACTED_AFTER: usize = 20_000;

/// Writes rows, or remembers that it cannot.
pub struct Keeping {
    place: QueueStorage,
    store: Option<Box<dyn Store>>,
    /// The number of the next batch.
    next: u64,
    unwritten: Vec<RowChange>,
    /// When to try again what did not fit.
    retry_at_ms: Option<u64>,
    /// What went wrong last and has not been mended.
    fault: Option<String>,
}

impl Keeping {
    /// Nothing is opened yet.
    pub fn new(place: QueueStorage) -> Keeping {
        Keeping { place, store: None, next: 1, unwritten: Vec::new(), retry_at_ms: None, fault: None }
    }

    /// Whether something was kept before, so that it must be opened also when there is no webhook.
    pub fn is_there(&self) -> bool {
        matches!(&self.place, QueueStorage::Directory(path) if path.exists())
    }

    /// Opens the store, if it is not open, and gives what is in it.
    pub fn open(&mut self) -> QueueRows {
        let QueueStorage::Directory(path) = &self.place else { return QueueRows::default() };
        if self.store.is_some() || self.fault.is_some() {
            return QueueRows::default();
        }
        match open(path) {
            Ok((store, rows, index)) => {
                (self.store, self.next) = (Some(store), index + 1);
                rows
            }
            Err(error) => {
                log::error!("webhooks work without a queue on disk: {error}");
                self.fault = Some(error.to_string());
                QueueRows::default()
            }
        }
    }

    /// Closes the store, so that another process can have it. [`Keeping::open`] takes it up again.
    pub fn close(&mut self) {
        self.store = None;
    }

    /// Adds rows to what is to be written.
    pub fn add(&mut self, rows: impl IntoIterator<Item = RowChange>) {
        if self.store.is_some() {
            self.unwritten.extend(rows);
        }
    }

    /// Whether there is anything to write.
    pub fn is_dirty(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// When to call [`Keeping::write`] again although nothing is added.
    pub fn retry_at_ms(&self) -> Option<u64> {
        self.retry_at_ms
    }

    /// What is wrong with the disk, for people.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Makes everything added durable. Blocks on the disk.
    pub fn write(&mut self, now_ms: u64) {
        let Some(store) = &mut self.store else { return };
        if self.unwritten.is_empty() || self.retry_at_ms.is_some_and(|at_ms| now_ms < at_ms) {
            return;
        }
        let batch = Batch { index: self.next, changes: std::mem::take(&mut self.unwritten) };
        match supervision::patiently(|| store.commit(&batch)) {
            Ok(()) => {
                self.next += 1;
                self.retry_at_ms = None;
                if self.fault.take().is_some() {
                    log::info!("the queues of webhooks are written to disk again");
                }
            }
            Err(error) => {
                if self.fault.is_none() {
                    log::error!("the queues of webhooks are not written to disk: {error}");
                }
                self.fault = Some(error.to_string());
                if error.is_retryable() {
                    self.unwritten = compacted(batch.changes);
                    self.retry_at_ms = Some(now_ms + RETRY_MS);
                } else {
                    self.store = None;
                }
            }
        }
    }
}

/// The last change of each row, where there are many: a disk may be full for days.
fn compacted(changes: Vec<RowChange>) -> Vec<RowChange> {
    if changes.len() <= COMPACTED_AFTER {
        return changes;
    }
    let last: BTreeMap<_, _> =
        changes.into_iter().map(|change| ((change.table, change.key.clone()), change)).collect();
    last.into_values().collect()
}

fn open(path: &Path) -> Result<(Box<dyn Store>, QueueRows, u64), StoreError> {
    let mut store = EmbeddedStore::open(path, jiff::Timestamp::now(), EngineLimits::default())?;
    let (rows, index) = rows::load(&mut store)?;
    Ok((Box::new(store), rows, index))
}
