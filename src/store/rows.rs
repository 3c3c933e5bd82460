//! The promise every store makes. Knows no engine and no file.

use std::path::PathBuf;

use super::change::{Batch, Table};
use super::error::StoreError;

/// Receives the rows during [`Store::load`]: table, key, value. An `Err` says in a sentence why the row makes no sense
/// to the receiver; it stops the load.
pub type RowSink<'a> = dyn FnMut(Table, &str, &[u8]) -> Result<(), String> + 'a;

/// Checks rows of a registry at some index that others may have written, table by table in the order of
/// [`Table::ALL`]. A row that is refused, with a sentence, counts as not there.
pub type RowFilter = Box<dyn FnMut(Table, &str, &[u8]) -> Result<(), String>>;

/// Gives a [`RowFilter`] for the rows of a registry at an index.
pub type RowFilterFactory<'c> = &'c dyn Fn(u64) -> RowFilter;

/// Keeps rows over restarts.
///
/// State lives in the registry's memory; a store is never asked for a single row. It loads everything once, then
/// commits batch after batch. Its calls block the thread, for as long as a disk takes.
pub trait Store: Send {
    /// Hands every row to `row`, table by table in the order of [`Table::ALL`], and checks that what came back is all
    /// that was ever acknowledged. Rows already handed out mean nothing when this returns an error.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a row is missing, altered or resurrected, or when `row` refused one.
    fn load(&mut self, row: &mut RowSink) -> Result<Loaded, StoreError>;

    /// Makes the whole batch durable, or none of it. `Ok` means it survives `kill -9` and power loss.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] applied nothing and may be tried again. After any other error the store refuses every
    /// later commit. Whether the refused batch survives a restart is open after [`StoreError::InDoubt`], and after no
    /// other.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// Whether the next commit would find room, as far as that can be told without writing.
    ///
    /// # Errors
    /// [`StoreError::Full`], or what keeps it from telling.
    fn look_for_room(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What this store is, for people: `/v1/agent/self`, metrics, the log.
    fn describe(&self) -> Description;
}

/// What a load found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The highest index ever committed; 0 in a store that never saw a commit.
    pub index: u64,
    /// How many rows were handed out.
    pub rows: u64,
}

/// A store in words and figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The word the configuration uses for it: `embedded` or `memory`.
    pub kind: &'static str,
    /// Where it lives, if anywhere.
    pub path: Option<PathBuf>,
    /// What an acknowledged write survives, in one sentence.
    pub guarantee: &'static str,
    /// Rows held.
    pub rows: u64,
    /// Bytes allocated on disk, measured now; 0 without a disk.
    pub disk_bytes: u64,
}
