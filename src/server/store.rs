//! Opens the store that the configuration asks for, and keeps what the process shows and ends of it.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::stdx::text::Text;
use crate::base::sys::clock::Clock;
use crate::base::sys::disk;
use crate::base::sys::host::HostFacts;
use crate::base::sys::limits;
use crate::base::telemetry::families;
use crate::base::telemetry::metrics::Metrics;
use crate::config::redis_url::{RedisPlace, Secret};
use crate::config::validated::{Config, Redis, StoreKind};
use crate::node::notify::storage::QueueStorage as QueuePlace;
use crate::node::registry::snapshot::row_validator::{self, RowRules};
use crate::node::registry::snapshot::schedule::Reserve;
use crate::store::directory;
use crate::store::embedded::{EmbeddedStore, EngineLimits};
use crate::store::error::StoreError;
use crate::store::memory::MemoryStore;
use crate::store::redis::settings::{OnOutage, RedisAddress, RedisSettings};
use crate::store::redis::shared::RedisPhase;
use crate::store::redis::{RedisHandle, RedisStore};
use crate::store::rows::Store;
use crate::surface::context::host::{RedisFacts, Spooling, StoreFacts};

/// The directory within `data_dir` that holds the queues of webhooks.
const WEBHOOKS_DIRECTORY: &str = "webhooks";

/// The part of the memory that long bodies may take where their files are in memory, as one over this.
const SPOOLED_PART: u64 = 8;

/// A store that is open, and the node's UUID, which is kept with it.
pub(super) struct Opened {
    pub store: Box<dyn Store>,
    pub node_id: Text,
    pub view: Arc<View>,
}

/// What the process sees of its store once the registry owns it.
pub(super) struct View {
    kind: &'static str,
    /// What an acknowledged write survives, where that never changes.
    guarantee: &'static str,
    redis: Mutex<Option<RedisHandle>>,
}

impl View {
    /// How the store is, for people.
    pub fn facts(&self) -> StoreFacts {
        let handle = self.redis.lock().clone();
        let redis = handle.as_ref().map(|handle| {
            let status = handle.status();
            RedisFacts {
                place: handle.place().to_owned(),
                is_well: status.phase == RedisPhase::Well,
                refuses_writes: handle.refuses_writes(),
                standing: status.to_string(),
                version: status.version,
            }
        });
        let guarantee = handle.as_ref().map_or(self.guarantee, RedisHandle::guarantee);
        StoreFacts { kind: self.kind, guarantee, redis }
    }

    /// The process ends, and nothing is written any more.
    pub fn end(&self) {
        let handle = self.redis.lock().clone();
        handle.iter().for_each(RedisHandle::end);
    }

    /// The same store was opened anew, and `opened` sees it.
    pub fn become_that_of(&self, opened: &View) {
        *self.redis.lock() = opened.redis.lock().clone();
    }
}

/// Opens the store. Blocks on disks and, for Redis, on the network. Rows that come from Redis are held against `terms`.
///
/// # Errors
/// Why the store cannot be used.
pub(super) fn open(config: &Config, metrics: &Metrics, terms: &RowRules) -> Result<Opened, StoreError> {
    let now = jiff::Timestamp::now();
    let (store, node_id, redis): (Box<dyn Store>, _, _) = match config.store {
        StoreKind::Memory => {
            // A process makes fewer changes than microseconds pass, so the next one begins above this one's last index.
            let store = MemoryStore::standing_at(Clock.unix_ms() * 1_000);
            (Box::new(store), uuid::Uuid::new_v4(), None)
        }
        StoreKind::Embedded => {
            let store = EmbeddedStore::open(&config.data_dir, now, EngineLimits::default())?;
            let node_id = store.identity().node_id;
            (Box::new(store), node_id, None)
        }
        StoreKind::Redis => {
            let latency = metrics.histogram(families::REDIS_TRANSACTION_DURATION, &[]);
            let host = HostFacts::read().host_name;
            let settings = settings(&config.redis);
            let (terms, limits) = (terms.clone(), EngineLimits::default());
            let court = move |index| row_validator::judge(terms.clone(), index);
            let store = RedisStore::open(&config.data_dir, now, limits, settings, &host, latency, &court)?;
            let (node_id, handle) = (store.node_id(), store.handle());
            handle.expose(metrics);
            (Box::new(store), node_id, Some(handle))
        }
    };
    if config.store != StoreKind::Memory
        && let Err(error) = disk::sweep(&config.data_dir)
    {
        log::warn!("what a crash may have left of snapshots that came in was not removed: {error}");
    }
    let description = store.describe();
    let view = View { kind: description.kind, guarantee: description.guarantee, redis: Mutex::new(redis) };
    Ok(Opened { store, node_id: node_id.to_string().into(), view: Arc::new(view) })
}

/// Whether another process has the data directory.
pub(super) fn is_in_use(config: &Config) -> bool {
    config.store != StoreKind::Memory
        && matches!(directory::lock_if_used(&config.data_dir), Err(StoreError::Locked { .. }))
}

/// What of the disk is kept for the rows; nothing where they are in memory.
pub(super) fn reserve(config: &Config) -> Reserve {
    let bytes = if config.store == StoreKind::Memory { 0 } else { EngineLimits::default().room_bytes_min };
    Reserve { directory: config.data_dir.clone(), bytes }
}

/// Where bodies wait that are long: beside the rows.
pub(super) fn spooling(config: &Config) -> Spooling {
    let directory = match config.store {
        StoreKind::Memory => std::env::temp_dir(),
        StoreKind::Embedded | StoreKind::Redis => config.data_dir.clone(),
    };
    Spooling { directory, room_bytes_min: EngineLimits::default().room_bytes_min }
}

/// Bytes that all of them may have together: twice the longest snapshot, of which one client has half; and no more than
/// an eighth of the memory where their files take that and no disk.
pub(super) fn spooled_bytes_max(config: &Config) -> u64 {
    let of_longest = (config.limits.snapshot_bytes_max as u64).saturating_mul(2);
    let is_in_memory = disk::is_in_memory(&spooling(config).directory);
    let of_memory = is_in_memory.then(|| limits::memory_bytes_max() / SPOOLED_PART);
    of_memory.map_or(of_longest, |bytes| bytes.min(of_longest))
}

/// Where the queues of webhooks are kept: beside the rows, on this machine's disk.
pub(super) fn queue_place(config: &Config) -> QueuePlace {
    match config.store {
        StoreKind::Memory => QueuePlace::Memory,
        StoreKind::Embedded | StoreKind::Redis => {
            QueuePlace::Directory(config.data_dir.join(WEBHOOKS_DIRECTORY))
        }
    }
}

/// The store in a few words, for whoever starts muster by hand.
pub(super) fn shown(config: &Config) -> String {
    match config.store {
        StoreKind::Memory => "memory only".to_owned(),
        StoreKind::Embedded => config.data_dir.display().to_string(),
        StoreKind::Redis => format!("{} and {}", config.data_dir.display(), config.redis.url),
    }
}

fn settings(redis: &Redis) -> RedisSettings {
    let (place, tls) = match redis.url.place.clone() {
        RedisPlace::Server { host, port, tls } => (RedisAddress::Server(host, port), tls),
        RedisPlace::Socket(path) => (RedisAddress::Socket(path), false),
        RedisPlace::Sentinels { sentinels, master, tls } => (RedisAddress::Sentinels(sentinels, master), tls),
    };
    let password = redis.password.clone().or_else(|| redis.url.password.clone());
    RedisSettings {
        place,
        tls,
        ca_file: redis.ca_file.clone(),
        user: redis.url.user.clone(),
        password: password.map(|Secret(text)| text),
        password_file: redis.password_file.clone(),
        database: redis.url.database,
        prefix: redis.prefix.clone(),
        timeout: redis.timeout,
        on_outage: if redis.rejects_on_outage { OnOutage::Reject } else { OnOutage::Spool },
    }
}
