//! Opens the store that the configuration asks for, and keeps what the process shows and ends of it.

use std::sync::Arc;

use crate::api::{RedisFacts, StoreFacts};
use crate::config::redis_url::{RedisPlace, Secret};
use crate::config::validated::{Config, Redis, StoreKind};
use crate::notify::keeping::Place as QueuePlace;
use crate::persist::embedded::{EmbeddedStore, Limits};
use crate::persist::error::StoreError;
use crate::persist::memory::MemoryStore;
use crate::persist::redis::settings::{OnOutage, Place, Settings};
use crate::persist::redis::shared::Phase;
use crate::persist::redis::{Handle, RedisStore};
use crate::persist::store::Store;
use crate::stdx::text::Text;
use crate::sys::clock::Clock;
use crate::sys::host::HostFacts;
use crate::telemetry::families;
use crate::telemetry::metrics::Metrics;

/// The directory within `data_dir` that holds the queues of webhooks.
const WEBHOOKS_DIRECTORY: &str = "webhooks";

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
    redis: Option<Handle>,
}

impl View {
    /// How the store is, for people.
    pub fn facts(&self) -> StoreFacts {
        let redis = self.redis.as_ref().map(|handle| {
            let standing = handle.standing();
            RedisFacts {
                place: handle.place().to_owned(),
                is_well: standing.phase == Phase::Well,
                standing: standing.to_string(),
                version: standing.version,
            }
        });
        let guarantee = self.redis.as_ref().map_or(self.guarantee, Handle::guarantee);
        StoreFacts { kind: self.kind, guarantee, redis }
    }

    /// The process ends, and nothing is written any more.
    pub fn end(&self) {
        self.redis.iter().for_each(Handle::end);
    }
}

/// Opens the store. Blocks on disks and, for Redis, on the network.
///
/// # Errors
/// Why the store cannot be used.
pub(super) fn open(config: &Config, metrics: &Metrics) -> Result<Opened, StoreError> {
    let now = jiff::Timestamp::now();
    let (store, node_id, redis): (Box<dyn Store>, _, _) = match config.store {
        StoreKind::Memory => {
            // A process makes fewer changes than microseconds pass, so the next one begins above this one's last index.
            let store = MemoryStore::standing_at(Clock.unix_ms() * 1_000);
            (Box::new(store), uuid::Uuid::new_v4(), None)
        }
        StoreKind::Embedded => {
            let store = EmbeddedStore::open(&config.data_dir, now, Limits::default())?;
            let node_id = store.identity().node_id;
            (Box::new(store), node_id, None)
        }
        StoreKind::Redis => {
            let latency = metrics.histogram(families::REDIS_TRANSACTION_DURATION, &[]);
            let host = HostFacts::read().host_name;
            let settings = settings(&config.redis);
            let store = RedisStore::open(&config.data_dir, now, Limits::default(), settings, &host, latency)?;
            let (node_id, handle) = (store.node_id(), store.handle());
            handle.expose(metrics);
            (Box::new(store), node_id, Some(handle))
        }
    };
    let description = store.describe();
    let view = View { kind: description.kind, guarantee: description.guarantee, redis };
    Ok(Opened { store, node_id: node_id.to_string().into(), view: Arc::new(view) })
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

fn settings(redis: &Redis) -> Settings {
    let (place, tls) = match redis.url.place.clone() {
        RedisPlace::Server { host, port, tls } => (Place::Server(host, port), tls),
        RedisPlace::Socket(path) => (Place::Socket(path), false),
        RedisPlace::Sentinels { sentinels, master, tls } => (Place::Sentinels(sentinels, master), tls),
    };
    let password = redis.password.clone().or_else(|| redis.url.password.clone());
    Settings {
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
