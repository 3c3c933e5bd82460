//! The Redis store: every row on the local disk, and in Redis as well.
//!
//! The embedded store in `data_dir` is the spool and the mirror: it holds all rows, and a write is acknowledged only
//! once it is synced there. With Redis well, it is in Redis too by then. With Redis away, it waits here and is put
//! there later; or it is refused, if the operator wants that. Reads are answered from the registry's memory and notice
//! nothing of it.
//!
//! Whatever Redis loses (a tail, everything, a failover to a replica that lags) is noticed by its seal, by its run id,
//! or by the guard that every transaction stands under, and one mechanism repairs it: [`reconcile`]. The other way, a
//! directory that is new is filled from Redis: [`fill`]. Start reading at [`replicator`], the thread that does all of
//! it; [`session`] draws the transaction, [`keys`] the layout, [`position`] who has the truth at a start. What lies
//! beneath are three borders: the local rows ([`StorageBackend`]), the servers ([`connection`]), and time
//! ([`scheduler`]).

pub mod backlog;
pub mod pool;
pub mod dial;
pub mod expose;
pub mod fill;
pub mod replicator;
pub mod keys;
pub mod lease;
pub mod connection;
pub mod session;
pub mod position;
pub mod opening;
pub mod reconcile;
pub mod reply;
pub mod settings;
pub mod shared;
pub mod server_info;
pub mod error;
pub mod scheduler;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::connection::ConnectionSource;
use self::error::ReplicaError;
use self::position::META_KEY;
use self::reconcile::LocalStore;
use self::replicator::Replicator;
use self::session::{RedisConnector, RedisWriter};
use self::settings::{OnOutage, RedisSettings};
use self::shared::{RedisPhase, RedisStatus, ReplicatorShared};
use crate::store::change::{Batch, Table};
use crate::store::embedded::backend::{DirectoryBackend, StorageBackend};
use crate::store::error::StoreError;
use crate::store::rows::{Description, Loaded, RowSink, Store};

/// Longest time the end of the process waits for Redis: for the last batches and for giving back the lock. Both are
/// safe without: the rows are on disk, and the lock runs out.
const END_WAIT_MAX: Duration = Duration::from_secs(2);

/// Every row on the local disk and in Redis.
pub struct RedisStore<G: StorageBackend = DirectoryBackend> {
    local: LocalStore<G>,
    shared: Arc<ReplicatorShared>,
    connector: RedisConnector,
    settings: RedisSettings,
    path: PathBuf,
    node_id: uuid::Uuid,
    /// The thread to be, until the first load has proved the local rows.
    replicator: Option<(Replicator<G>, Option<RedisWriter>)>,
}

impl<G: StorageBackend + 'static> RedisStore<G> {
    /// The id of the node whose rows these are.
    pub fn node_id(&self) -> uuid::Uuid {
        self.node_id
    }

    /// What shows how Redis is, and ends it.
    pub fn handle(&self) -> RedisHandle {
        let on_outage = self.settings.on_outage;
        RedisHandle {
            shared: self.shared.clone(),
            connections: self.connector.connections.clone(),
            on_outage,
        }
    }

    /// Acknowledges from the local disk; waits for Redis as well while that is well.
    fn spool(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let checksum = {
            let mut local = self.local.lock();
            local.commit(batch)?;
            local.checksum()
        };
        self.shared.push(checksum, batch.changes.clone());
        // Whether Redis has it or not, it is safe: a Redis that fails now is given it when it is back.
        self.shared.wait_for(checksum.sequence, self.settings.timeout);
        Ok(())
    }

    /// Acknowledges only what both have. Redis comes first: what it does not take must not be on the local disk.
    fn both(&mut self, batch: &Batch) -> Result<(), StoreError> {
        match self.shared.phase() {
            RedisPhase::Well => {}
            RedisPhase::CatchingUp => return Err(self.unavailable("it is being given what it lacks")),
            RedisPhase::Away(error) => return Err(self.unavailable(&error.detail)),
        }
        let checksum = self.local.lock().checksum_after(batch);
        self.shared.push(checksum, batch.changes.clone());
        let in_doubt = |detail: &str| ReplicaError::new(error::ReplicaErrorKind::Altered, detail);
        if !self.shared.wait_for(checksum.sequence, self.settings.timeout) {
            self.shared.withdraw(checksum.sequence, in_doubt("it may hold a write that was refused"));
            return Err(self.unavailable("it did not take the write"));
        }
        let committed = self.local.lock().commit(batch);
        committed.inspect_err(|_| {
            self.shared.withdraw(checksum.sequence, in_doubt("it holds a write that the local disk refused"));
        })
    }

    fn unavailable(&self, detail: &str) -> StoreError {
        StoreError::Unavailable { place: self.shared.place.clone(), detail: detail.to_owned() }
    }
}

impl<G: StorageBackend + 'static> Store for RedisStore<G> {
    fn load(&mut self, row: &mut RowSink) -> Result<Loaded, StoreError> {
        let loaded = self.local.lock().load(&mut |table, key, value| {
            let is_meta = (table, key) == (Table::Meta, META_KEY);
            if is_meta { Ok(()) } else { row(table, key, value) }
        })?;
        if let Some((replicator, writer)) = self.replicator.take() {
            let started = self.connector.scheduler.start(Box::new(move || replicator.run(writer)));
            started.map_err(StoreError::io(&self.path, "start a thread for"))?;
            if self.settings.on_outage == OnOutage::Reject {
                self.shared.wait_until_settled();
            }
        }
        Ok(loaded)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if let RedisPhase::Away(error) = self.shared.phase()
            && error.kind.is_rivalry()
        {
            return Err(self.unavailable(&error.detail));
        }
        // Of muster's own facts no client was promised anything, so no outage of Redis may hold them up.
        let is_only_meta = batch.changes.iter().all(|change| change.table == Table::Meta);
        match self.settings.on_outage {
            OnOutage::Reject if !is_only_meta => self.both(batch),
            _ => self.spool(batch),
        }
    }

    fn look_for_room(&self) -> Result<(), StoreError> {
        self.local.lock().look_for_room()
    }

    fn describe(&self) -> Description {
        let local = self.local.lock().describe();
        Description {
            kind: "redis",
            guarantee: guarantee(&self.shared.status(), self.settings.on_outage),
            ..local
        }
    }
}

/// What an acknowledged write survives, as things stand.
fn guarantee(status: &RedisStatus, on_outage: OnOutage) -> &'static str {
    match (&status.phase, on_outage, status.durability) {
        (RedisPhase::Well, _, Some(durability)) => durability.sentence(),
        (_, OnOutage::Reject, _) => {
            "Writes are refused until Redis has everything (on_outage is reject). What was acknowledged is synced to \
             the local disk."
        }
        (_, OnOutage::Spool, Some(_)) => {
            "Acknowledged writes are synced to the local disk. Redis lacks some of them or may, and gets them later."
        }
        (_, OnOutage::Spool, None) => {
            "Acknowledged writes are synced to the local disk. Redis has not been reached yet and gets them later."
        }
    }
}

/// A Redis store as seen from outside the writer.
#[derive(Clone)]
pub struct RedisHandle {
    shared: Arc<ReplicatorShared>,
    connections: Arc<dyn ConnectionSource>,
    on_outage: OnOutage,
}

impl RedisHandle {
    /// The place, for people.
    pub fn place(&self) -> &str {
        &self.shared.place
    }

    /// How things stand.
    pub fn status(&self) -> RedisStatus {
        self.shared.status()
    }

    /// What an acknowledged write survives, as things stand.
    pub fn guarantee(&self) -> &'static str {
        guarantee(&self.shared.status(), self.on_outage)
    }

    /// Whether writes are refused, as Redis does not have everything or another muster holds its lock.
    pub fn refuses_writes(&self) -> bool {
        match self.shared.phase() {
            RedisPhase::Well => false,
            RedisPhase::Away(error) if error.kind.is_rivalry() => true,
            _ => self.on_outage == OnOutage::Reject,
        }
    }

    /// The process ends: gives Redis what waits, if it is well, and gives back the lock.
    pub fn end(&self) {
        self.shared.end();
        if !self.shared.wait_for_the_end(END_WAIT_MAX) {
            log::warn!(
                "{} was left without giving back its lock, which runs out by itself",
                self.shared.place
            );
        }
    }
}
