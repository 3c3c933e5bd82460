//! Fills the local directory from Redis: a new machine that takes over, or a directory restored from an older backup.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::error::{ReplicaError, ReplicaErrorKind};
use super::position::{INDEX_LEAP, META_KEY, ReplicaMeta, ReplicaPosition};
use super::reconcile::ReconcileProgress;
use super::session::RedisWriter;
use crate::store::change::{Batch, RowChange, Table};
use crate::store::checksums::{ChecksumIndex, RowChecksum};
use crate::store::embedded::EmbeddedStore;
use crate::store::embedded::backend::StorageBackend;
use crate::store::error::StoreError;
use crate::store::rows::{RowFilterFactory, Store};

/// Rows in one local batch, and bytes of them.
const BATCH_ROWS: usize = 2_000;
const BATCH_BYTES: usize = 4 << 20;

/// Rows read at a time when rows that Redis does not have are looked for.
const PAGE_ROWS: usize = 2_000;

/// Rows that are refused and named one by one.
const NAMED_MAX: u64 = 20;

/// Bytes read at a time, likewise.
const PAGE_BYTES: usize = 1 << 20;

/// Why a directory was not filled.
pub enum FillError {
    /// Redis did not give everything.
    Redis(ReplicaError),
    /// The local store did not take it.
    Local(StoreError),
}

impl From<ReplicaError> for FillError {
    fn from(error: ReplicaError) -> Self {
        FillError::Redis(error)
    }
}

impl From<StoreError> for FillError {
    fn from(error: StoreError) -> Self {
        FillError::Local(error)
    }
}

/// Proves that the rows in Redis are those of `position`, then makes the local rows the same, without those that the
/// filters of `filter_factory` refuse: others may have written them, and they are removed from Redis when it is
/// compared with the local rows. A process that dies half-way leaves a directory that says so and is filled again. The
/// lock is held all the while, so no other muster writes to Redis.
///
/// # Errors
/// When rows are missing or altered in Redis: the local ones are as they were then.
pub fn fill<G: StorageBackend>(
    local: &mut EmbeddedStore<G>,
    writer: &mut RedisWriter,
    position: &ReplicaPosition,
    filter_factory: RowFilterFactory<'_>,
) -> Result<ReplicaMeta, FillError> {
    let (node_id, old) = (position.node_id, position.meta);
    let RowChecksum { rows, index, .. } = position.checksum;
    log::info!(rows = rows, index = index; "Redis is ahead: its rows are taken over");
    prove(writer, position)?;
    // A directory that is damaged is found out before anything is written to Redis.
    local.load(&mut |_, _, _| Ok(()))?;
    // Before anything can be shown: another directory that is filled later begins above that, even if nothing of what
    // this one is going to show comes to Redis.
    let index = position.checksum.index + INDEX_LEAP;
    let leapt = ReplicaPosition::whole(node_id, old, RowChecksum { index, ..position.checksum });
    writer.write(Vec::new(), Some(&leapt))?;
    if local.identity().node_id != node_id {
        local.adopt_node(node_id)?;
    }
    let filling = ReplicaMeta { is_filling: true, ..old };
    put(local, position, vec![meta_row(filling)])?;
    let mut taken = RowNames::default();
    let refused = take_over(local, writer, position, filter_factory, &mut taken)?;
    remove_unknown(local, position, |name| taken.contains(name))?;
    let meta = ReplicaMeta { epoch: old.epoch + 1, after: position.checksum.sequence, is_filling: false };
    local.commit(&Batch { index, changes: vec![meta_row(meta)] })?;
    log::info!(rows = taken.hashes.len(), refused = refused; "the local directory holds what Redis does");
    Ok(meta)
}

/// Names of rows, as hashes: there may be millions.
#[derive(Default)]
struct RowNames {
    seeds: [RandomState; 2],
    hashes: HashSet<[u64; 2]>,
}

impl RowNames {
    fn hash(&self, name: &str) -> [u64; 2] {
        self.seeds.each_ref().map(|seed| seed.hash_one(name))
    }

    fn contains(&self, name: &str) -> bool {
        self.hashes.contains(&self.hash(name))
    }

    fn insert(&mut self, name: &str) {
        self.hashes.insert(self.hash(name));
    }
}

/// Puts the rows in Redis into the local store, where they differ, and their names into `taken`. Gives how many were
/// refused.
fn take_over<G: StorageBackend>(
    local: &mut EmbeddedStore<G>,
    writer: &mut RedisWriter,
    position: &ReplicaPosition,
    filter_factory: RowFilterFactory<'_>,
    taken: &mut RowNames,
) -> Result<u64, FillError> {
    let mut progress = ReconcileProgress::begin(position.checksum.rows);
    let (mut waiting, mut waiting_bytes) = (Vec::new(), 0);
    let (mut filter, mut refused) = (filter_factory(position.checksum.index), 0);
    each_row(writer, |table, key, value| {
        progress.advance(1);
        let name = RowChange::delete(table, &*key).name();
        // A row that a scan meets twice counts once.
        if taken.contains(&name) {
            return Ok(());
        }
        if let Err(fault) = filter(table, &key, &value) {
            refused += 1;
            if refused <= NAMED_MAX {
                log::error!(row = format!("{} {key:?}", table.name()); "a row in Redis is not taken over: {fault}");
            }
            return Ok(());
        }
        let change = RowChange::put(table, key, value);
        taken.insert(&name);
        if (table, change.key.as_str()) != (Table::Meta, META_KEY) && local.row(&name)? != change.value {
            waiting_bytes += change.value.as_ref().map_or(0, Vec::len);
            waiting.push(change);
        }
        if waiting.len() >= BATCH_ROWS || waiting_bytes >= BATCH_BYTES {
            waiting_bytes = 0;
            put(local, position, std::mem::take(&mut waiting))?;
        }
        Ok(())
    })?;
    put(local, position, waiting)?;
    Ok(refused)
}

/// The row that says how the local rows are related to those in Redis.
pub fn meta_row(meta: ReplicaMeta) -> RowChange {
    let text = serde_json::to_vec(&meta).expect("a struct of numbers always encodes");
    RowChange::put(Table::Meta, META_KEY, text)
}

fn put<G: StorageBackend>(
    local: &mut EmbeddedStore<G>,
    position: &ReplicaPosition,
    changes: Vec<RowChange>,
) -> Result<(), StoreError> {
    if changes.is_empty() { Ok(()) } else { local.commit(&Batch { index: position.checksum.index, changes }) }
}

/// Compares all rows in Redis with the checksum of `position`, before anything is made of them.
fn prove(writer: &mut RedisWriter, position: &ReplicaPosition) -> Result<(), FillError> {
    let mut checksums = ChecksumIndex::default();
    each_row(writer, |table, key, value| {
        checksums.record(&RowChange::delete(table, key).name(), Some(&value));
        // What was recorded stays; the list of how to take it back would only grow.
        checksums.commit(checksums.checksum());
        Ok(())
    })?;
    let found = checksums.checksum();
    if (found.rows, found.digest) == (position.checksum.rows, position.checksum.digest) {
        return Ok(());
    }
    let detail = format!(
        "its {} rows do not add up to the {} of its seal: some were altered. Start with the data directory they came \
         from, or restore a backup.",
        found.rows, position.checksum.rows
    );
    Err(FillError::Redis(ReplicaError::new(ReplicaErrorKind::Foreign, detail)))
}

fn each_row(
    writer: &mut RedisWriter,
    mut row: impl FnMut(Table, String, Vec<u8>) -> Result<(), StoreError>,
) -> Result<(), FillError> {
    for table in Table::ALL {
        let mut cursor = 0;
        loop {
            writer.keep_lock()?;
            let step = writer.session().scan(table, cursor)?;
            for (key, value) in step.rows {
                row(table, key, value)?;
            }
            cursor = step.cursor;
            if cursor == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Deletes the local rows that Redis does not have.
fn remove_unknown<G: StorageBackend>(
    local: &mut EmbeddedStore<G>,
    position: &ReplicaPosition,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), StoreError> {
    let meta = meta_row(ReplicaMeta::default()).name();
    let mut after = String::new();
    loop {
        let page = local.page(&after, PAGE_ROWS, PAGE_BYTES)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after.clone_from(last);
        let unknown = page.iter().filter(|(name, _)| !is_known(name) && *name != meta);
        let deleted = unknown.filter_map(|(name, _)| Table::of_name(name));
        let deletions = deleted.map(|(table, key)| RowChange::delete(table, key)).collect();
        put(local, position, deletions)?;
    }
}
