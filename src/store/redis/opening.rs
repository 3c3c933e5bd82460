//! The start of a Redis store: whether the local disk or Redis is newer, and whether this muster may begin.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::RedisStore;
use super::connection::ConnectionSource;
use super::error::{ReplicaError, ReplicaErrorKind};
use super::fill::{FillError, fill, meta_row};
use super::keys::Keys;
use super::lease::{self, Claimant, LEASE_TERM};
use super::pool::ConnectionPool;
use super::position::{self, ReplicaMeta, ReplicaPosition, StartSource, choose_start};
use super::replicator::Replicator;
use super::scheduler::{RedisScheduler, Threads};
use super::session::{RedisConnector, RedisSession, RedisWriter};
use super::settings::{OnOutage, RedisSettings};
use super::shared::{RedisPhase, ReplicatorShared};
use crate::base::telemetry::histogram::Histogram;
use crate::core::model::limits::INDEX_MAX;
use crate::store::embedded::backend::StorageBackend;
use crate::store::embedded::{EmbeddedStore, EngineLimits};
use crate::store::error::StoreError;
use crate::store::rows::RowFilterFactory;

/// How long a new directory waits for Redis, which may hold an earlier registry: composed services start together, and
/// a Redis with a big file takes its time to load it.
const NEW_WAIT_MAX: Duration = Duration::from_secs(30);

/// Pause between two attempts at a start.
const PAUSE: Duration = Duration::from_millis(250);

/// What the first exchange with Redis came to.
struct Handshake {
    writer: RedisWriter,
    /// The position of the rows to be taken over, if Redis is ahead.
    ahead: Option<ReplicaPosition>,
}

/// Why there was no handshake.
enum HandshakeError {
    /// It is away for now.
    Away(ReplicaError),
    /// It is there, and muster must not begin.
    Refused(String),
}

impl HandshakeError {
    /// The outage with which muster starts all the same.
    ///
    /// # Errors
    /// [`StoreError::Unfit`] when it must not start: Redis refuses it, or the directory is new, so that Redis may hold
    /// an earlier registry.
    fn outage(self, is_new: bool, settings: &RedisSettings, path: &Path) -> Result<ReplicaError, StoreError> {
        let detail = match self {
            HandshakeError::Refused(sentence) => sentence,
            HandshakeError::Away(error) if !is_new => {
                log::warn!(kind = error.kind.word(); "{settings} is away at the start: {error}");
                return Ok(error);
            }
            HandshakeError::Away(error) if error.is_authentication_failure() => format!(
                "it wants another user or password: {error}. Set redis_password_file or redis_password, and the \
                 user in redis_url."
            ),
            HandshakeError::Away(error) if error.kind == ReplicaErrorKind::TooLong => error.detail,
            HandshakeError::Away(error) => format!(
                "the data directory {} is new, and whether there is an earlier registry in Redis cannot be asked: \
                 {error}. Start Redis first, or see that it can be reached.",
                path.display()
            ),
        };
        Err(unfit(settings, detail))
    }
}

impl From<ReplicaError> for HandshakeError {
    fn from(error: ReplicaError) -> HandshakeError {
        match error.kind {
            ReplicaErrorKind::Fenced | ReplicaErrorKind::Foreign | ReplicaErrorKind::Unfit => {
                HandshakeError::Refused(error.detail)
            }
            _ => HandshakeError::Away(error),
        }
    }
}

fn unfit(settings: &RedisSettings, detail: String) -> StoreError {
    StoreError::Unfit { place: settings.to_string(), detail }
}

impl RedisStore {
    /// Opens the local store in `path` and goes on as [`RedisStore::on`] does, with real connections and threads.
    ///
    /// # Errors
    /// Those of the embedded store and of [`RedisStore::on`].
    pub fn open(
        path: &Path,
        now: jiff::Timestamp,
        limits: EngineLimits,
        settings: RedisSettings,
        host: &str,
        latency: Histogram,
        filter_factory: RowFilterFactory<'_>,
    ) -> Result<Self, StoreError> {
        let local = EmbeddedStore::open(path, now, limits)?;
        let connections = Arc::new(ConnectionPool::new(&settings));
        RedisStore::on(local, connections, Threads::shared(), settings, host, latency, filter_factory)
    }
}

impl<G: StorageBackend + 'static> RedisStore<G> {
    /// Looks at Redis through `connections`, and fills the local store from it if Redis is ahead. `host` names this
    /// machine in the lock; `latency` records how long each transaction takes; the filters of `filter_factory` refuse
    /// rows that Redis gives.
    ///
    /// A Redis that is away does not keep muster from starting, unless the directory is new: it could not know then
    /// whether it begins anew or forgets.
    ///
    /// # Errors
    /// Those of the local store, and [`StoreError::Unfit`] for a Redis that must not be used.
    pub fn on(
        mut local: EmbeddedStore<G>,
        connections: Arc<dyn ConnectionSource>,
        scheduler: Arc<dyn RedisScheduler>,
        settings: RedisSettings,
        host: &str,
        latency: Histogram,
        filter_factory: RowFilterFactory<'_>,
    ) -> Result<Self, StoreError> {
        let path = local.path().to_path_buf();
        let mut meta = read_meta(&local)?;
        let keys = Keys::new(&settings.prefix);
        let connector = RedisConnector { connections, scheduler, keys, timeout: settings.timeout };
        // The directory's own, and not the node's: two directories may be of the same node, one filled after the other.
        let owner = local.identity().created_at.clone();
        let mut claimant = Claimant::new(owner, host.to_owned());
        let contents = local_contents(&local, meta)?;
        let is_new = contents.checksum.sequence == 0 || meta.is_filling;
        let timeout = if is_new { NEW_WAIT_MAX } else { Duration::ZERO };
        let handshake = shake_hands(&connector, &settings, &mut claimant, &contents, timeout);
        let (writer, phase) = match handshake {
            Ok(Handshake { mut writer, ahead }) => {
                if let Some(position) = ahead {
                    meta =
                        fill(&mut local, &mut writer, &position, filter_factory).map_err(
                            |error| match error {
                                FillError::Local(error) => error,
                                FillError::Redis(error) => unfit(&settings, error.detail),
                            },
                        )?;
                }
                (Some(writer), RedisPhase::CatchingUp)
            }
            Err(error) => (None, RedisPhase::Away(error.outage(is_new, &settings, &path)?)),
        };
        let fate = match settings.on_outage {
            OnOutage::Spool => "kept in the spool",
            OnOutage::Reject => "refused",
        };
        let shared = ReplicatorShared::new(
            settings.to_string(),
            fate,
            local.checksum_on_disk()?,
            phase,
            connector.scheduler.clone(),
        );
        let shared = Arc::new(shared);
        let node_id = local.identity().node_id;
        let local = Arc::new(Mutex::new(local));
        let replicator = Replicator {
            claimant,
            local: local.clone(),
            shared: shared.clone(),
            node_id,
            meta,
            run_id: None,
            latency,
            whole_from: 0,
            server_asked_at: connector.scheduler.now(),
            connector: connector.clone(),
        };
        let replicator = Some((replicator, writer));
        Ok(Self { local, shared, connector, settings, path, node_id, replicator })
    }
}

fn read_meta<G: StorageBackend>(local: &EmbeddedStore<G>) -> Result<ReplicaMeta, StoreError> {
    let Some(text) = local.row(&meta_row(ReplicaMeta::default()).name())? else {
        return Ok(ReplicaMeta::default());
    };
    let broken = |error: serde_json::Error| {
        StoreError::damaged("the note of the Redis store".as_ref(), error.to_string())
    };
    let meta: ReplicaMeta = serde_json::from_slice(&text).map_err(broken)?;
    if meta.epoch.max(meta.after) > INDEX_MAX {
        let detail = format!("it counts above {INDEX_MAX}, which no muster comes to");
        return Err(StoreError::damaged("the note of the Redis store".as_ref(), detail));
    }
    Ok(meta)
}

fn local_contents<G: StorageBackend>(
    local: &EmbeddedStore<G>,
    meta: ReplicaMeta,
) -> Result<position::LocalContents, StoreError> {
    Ok(position::LocalContents {
        node_id: local.identity().node_id,
        meta,
        checksum: local.checksum_on_disk()?,
    })
}

/// Tries until there is a handshake, or for `timeout`. A lock that runs out is waited for.
fn shake_hands(
    connector: &RedisConnector,
    settings: &RedisSettings,
    claimant: &mut Claimant,
    local: &position::LocalContents,
    timeout: Duration,
) -> Result<Handshake, HandshakeError> {
    let deadline = connector.scheduler.now() + timeout;
    let mut is_logged = false;
    loop {
        match try_handshake(connector, claimant, local) {
            Err(HandshakeError::Away(error))
                if connector.scheduler.now() < deadline && !error.is_permanent() =>
            {
                if !is_logged {
                    log::warn!(kind = error.kind.word(); "waiting for {settings}, up to {timeout:?}: {error}");
                    is_logged = true;
                }
                connector.scheduler.sleep(PAUSE);
            }
            handshake => return handshake,
        }
    }
}

fn try_handshake(
    connector: &RedisConnector,
    claimant: &mut Claimant,
    local: &position::LocalContents,
) -> Result<Handshake, HandshakeError> {
    let mut session = RedisSession::open(connector)?;
    let lease = take_lock(&mut session, claimant)?;
    let found = session.found()?;
    let writer = RedisWriter::new(session, lease)?;
    match choose_start(local, &found) {
        StartSource::Local => Ok(Handshake { writer, ahead: None }),
        StartSource::Redis(position) => Ok(Handshake { writer, ahead: Some(position) }),
        StartSource::Neither(sentence) => {
            // The next start need not wait for it to run out.
            let _ = writer.release();
            Err(HandshakeError::Refused(sentence))
        }
    }
}

/// Takes the lock. One that is not renewed any more is waited for, which takes a term; one that is renewed refuses the
/// start.
fn take_lock(session: &mut RedisSession, claimant: &mut Claimant) -> Result<lease::Lease, HandshakeError> {
    let scheduler = session.connector().scheduler.clone();
    let deadline = scheduler.now() + LEASE_TERM + RETAKE_MARGIN;
    let mut left_ms = None;
    loop {
        let error = match lease::acquire(session, claimant) {
            Ok(lease) => return Ok(lease),
            Err(error) if error.kind != ReplicaErrorKind::Fenced => return Err(error.into()),
            Err(error) => error,
        };
        let left = lease::left_ms(session)?;
        let is_renewed = left_ms.is_some_and(|before| left > before);
        if left == -1 || is_renewed || scheduler.now() > deadline {
            return Err(HandshakeError::Refused(format!(
                "{}. Stop the other muster, or give this one its own redis_prefix.",
                error.detail
            )));
        }
        if left_ms.is_none() {
            log::warn!("{}; waiting for it to run out", error.detail);
        }
        left_ms = Some(left);
        scheduler.sleep(PAUSE);
    }
}

/// Beyond the term of a lock, until its end is seen.
const RETAKE_MARGIN: Duration = Duration::from_secs(2);
