//! Makes Redis hold exactly the local rows, whatever it holds: after a restart that lost its tail, a flush, a failover,
//! an outage longer than what is kept in memory, or when it is simply new.
//!
//! Commits go on meanwhile. What is read here is at least as new as the moment the comparison began, and every batch
//! after that moment waits in the backlog, to be written over it in order. Until the last of those that may show in
//! what was read is written, the position in Redis says that its rows are not whole.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::{ReplicaError, ReplicaErrorKind};
use super::position::{ReplicaMeta, ReplicaPosition};
use super::session::{RedisWriter, row_commands};
use super::shared::ReplicatorShared;
use crate::store::change::{RowChange, Table};
use crate::store::checksums::RowChecksum;
use crate::store::embedded::EmbeddedStore;
use crate::store::embedded::backend::{NamedRow, StorageBackend};
use crate::store::error::StoreError;

/// Rows compared at a time. The writer waits for the local store while a page of them is read, so it is kept short.
const PAGE_ROWS: usize = 500;

/// Bytes of rows compared at a time.
const PAGE_BYTES: usize = 512 << 10;

/// How often the log says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// The local store, shared with the writer.
pub type LocalStore<G> = Arc<Mutex<EmbeddedStore<G>>>;

/// Compares and repairs. Gives the batch from which on Redis is whole again: the next one, or one that waits.
///
/// # Errors
/// The connection's, or [`ReplicaErrorKind::Local`]. It has to be done again then.
pub fn reconcile<G: StorageBackend>(
    writer: &mut RedisWriter,
    local: &LocalStore<G>,
    shared: &ReplicatorShared,
    ours: (uuid::Uuid, ReplicaMeta),
) -> Result<RowChecksum, ReplicaError> {
    let begun = local.lock().checksum();
    shared.begin_anew(begun);
    let partly = ReplicaPosition::partly(ours.0, ours.1, begun);
    let is_empty = writer.session().found()?.rows == 0;
    writer.write(Vec::new(), Some(&partly))?;
    let mut progress = ReconcileProgress::begin(begun.rows);
    let put = put_missing(writer, local, is_empty, &mut progress)?;
    let removed = if is_empty { 0 } else { remove_unknown(writer, local)? };
    shared.mended(put + removed);
    log::debug!(put = put, removed = removed; "held {} rows against Redis", progress.seen);
    let ended = local.lock().checksum();
    if ended == begun {
        writer.write(Vec::new(), Some(&ReplicaPosition::whole(ours.0, ours.1, begun)))?;
    }
    Ok(ended)
}

/// Puts every local row that Redis lacks or has otherwise.
fn put_missing<G: StorageBackend>(
    writer: &mut RedisWriter,
    local: &LocalStore<G>,
    is_empty: bool,
    progress: &mut ReconcileProgress,
) -> Result<u64, ReplicaError> {
    let (mut put, mut after) = (0, String::new());
    loop {
        writer.keep_lock()?;
        let page = local.lock().page(&after, PAGE_ROWS, PAGE_BYTES).map_err(unreadable)?;
        let Some((last, _)) = page.last() else { return Ok(put) };
        after.clone_from(last);
        progress.advance(page.len());
        let missing = if is_empty {
            page.into_iter().filter_map(to_change).collect()
        } else {
            differing(writer, page)?
        };
        if !missing.is_empty() {
            put += missing.len() as u64;
            let commands = row_commands(writer.session().keys(), &missing);
            writer.write(commands, None)?;
        }
    }
}

/// The rows of a page that Redis lacks or has otherwise.
fn differing(writer: &mut RedisWriter, page: Vec<NamedRow>) -> Result<Vec<RowChange>, ReplicaError> {
    let mut missing = Vec::new();
    for table in Table::ALL {
        let of_table = |(name, value): &NamedRow| {
            let (its_table, key) = Table::of_name(name)?;
            (its_table == table).then(|| (key.to_owned(), value.clone()))
        };
        let rows: Vec<(String, Vec<u8>)> = page.iter().filter_map(of_table).collect();
        if rows.is_empty() {
            continue;
        }
        let keys: Vec<&str> = rows.iter().map(|(key, _)| key.as_str()).collect();
        let held = writer.session().values(table, &keys)?;
        let pairs = rows.into_iter().zip(held);
        let differs = pairs.filter(|((_, value), held)| held.as_ref() != Some(value));
        missing.extend(differs.map(|((key, value), _)| RowChange::put(table, key, value)));
    }
    Ok(missing)
}

fn to_change((name, value): NamedRow) -> Option<RowChange> {
    Table::of_name(&name).map(|(table, key)| RowChange::put(table, key, value))
}

/// Removes the rows in Redis that are not here.
fn remove_unknown<G: StorageBackend>(
    writer: &mut RedisWriter,
    local: &LocalStore<G>,
) -> Result<u64, ReplicaError> {
    let mut removed = 0;
    for table in Table::ALL {
        let mut cursor = 0;
        loop {
            writer.keep_lock()?;
            let step = writer.session().scan(table, cursor)?;
            let mut unknown = Vec::new();
            for (key, _) in step.rows {
                let change = RowChange::delete(table, key);
                if local.lock().row(&change.name()).map_err(unreadable)?.is_none() {
                    unknown.push(change);
                }
            }
            if !unknown.is_empty() {
                removed += unknown.len() as u64;
                let commands = row_commands(writer.session().keys(), &unknown);
                writer.write(commands, None)?;
            }
            cursor = step.cursor;
            if cursor == 0 {
                break;
            }
        }
    }
    Ok(removed)
}

fn unreadable(error: StoreError) -> ReplicaError {
    ReplicaError::new(ReplicaErrorKind::Local, error.to_string())
}

/// Tells the log now and then how far a long run over the rows is.
pub struct ReconcileProgress {
    total: u64,
    /// Rows so far.
    pub seen: u64,
    logged_at: Instant,
}

impl ReconcileProgress {
    /// Of so many rows.
    pub fn begin(total: u64) -> Self {
        Self { total, seen: 0, logged_at: Instant::now() }
    }

    /// So many more.
    pub fn advance(&mut self, rows: usize) {
        self.seen += rows as u64;
        if self.logged_at.elapsed() >= PROGRESS_EVERY {
            self.logged_at = Instant::now();
            log::info!("{} of about {} rows held against Redis", self.seen, self.total);
        }
    }
}
