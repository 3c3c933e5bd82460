//! The start of a Redis store: who has the truth, and whether this muster may begin.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::RedisStore;
use super::connection::ConnectionSource;
use super::error::{ReplicaError, ReplicaErrorKind};
use super::fill::{Unfilled, fill, note_row};
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

/// What the start has come to with Redis.
struct Met {
    writer: RedisWriter,
    /// The position of the rows to be taken over, if Redis is ahead.
    ahead: Option<ReplicaPosition>,
}

/// Why the start has not met Redis.
enum Unmet {
    /// It is away for now.
    Away(ReplicaError),
    /// It is there, and muster must not begin.
    Refused(String),
}

impl Unmet {
    /// The outage with which muster starts all the same.
    ///
    /// # Errors
    /// [`StoreError::Unfit`] when it must not start: Redis refuses it, or the directory is new, so that Redis may hold
    /// an earlier registry.
    fn outage(self, is_new: bool, settings: &RedisSettings, path: &Path) -> Result<ReplicaError, StoreError> {
        let detail = match self {
            Unmet::Refused(sentence) => sentence,
            Unmet::Away(trouble) if !is_new => {
                log::warn!(kind = trouble.kind.word(); "{settings} is away at the start: {trouble}");
                return Ok(trouble);
            }
            Unmet::Away(trouble) if trouble.is_of_password() => format!(
                "it wants another user or password: {trouble}. Set redis_password_file or redis_password, and the \
                 user in redis_url."
            ),
            Unmet::Away(trouble) if trouble.kind == ReplicaErrorKind::TooLong => trouble.detail,
            Unmet::Away(trouble) => format!(
                "the data directory {} is new, and whether there is an earlier registry in Redis cannot be asked: \
                 {trouble}. Start Redis first, or see that it can be reached.",
                path.display()
            ),
        };
        Err(unfit(settings, detail))
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
        let lines = Arc::new(ConnectionPool::new(&settings));
        RedisStore::on(local, lines, Threads::shared(), settings, host, latency, filter_factory)
    }
}

impl<G: StorageBackend + 'static> RedisStore<G> {
    /// Looks at Redis through `lines`, and fills the local store from it if Redis is ahead. `host` names this machine
    /// in the lock; `latency` records how long each transaction takes; the filters of `filter_factory` refuse rows that
    /// Redis gives.
    ///
    /// A Redis that is away does not keep muster from starting, unless the directory is new: it could not know then
    /// whether it begins anew or forgets.
    ///
    /// # Errors
    /// Those of the local store, and [`StoreError::Unfit`] for a Redis that must not be used.
    pub fn on(
        mut local: EmbeddedStore<G>,
        lines: Arc<dyn ConnectionSource>,
        scheduler: Arc<dyn RedisScheduler>,
        settings: RedisSettings,
        host: &str,
        latency: Histogram,
        filter_factory: RowFilterFactory<'_>,
    ) -> Result<Self, StoreError> {
        let path = local.path().to_path_buf();
        let mut meta = read_note(&local)?;
        let keys = Keys::new(&settings.prefix);
        let connector = RedisConnector { lines, scheduler, keys, timeout: settings.timeout };
        // The directory's own, and not the node's: two directories may be of the same node, one filled after the other.
        let owner = local.identity().created_at.clone();
        let mut claimant = Claimant::new(owner, host.to_owned());
        let contents = local_contents(&local, meta)?;
        let is_new = contents.checksum.sequence == 0 || meta.is_filling;
        let timeout = if is_new { NEW_WAIT_MAX } else { Duration::ZERO };
        let met = meet(&connector, &settings, &mut claimant, &contents, timeout);
        let (writer, phase) = match met {
            Ok(Met { mut writer, ahead }) => {
                if let Some(position) = ahead {
                    meta =
                        fill(&mut local, &mut writer, &position, filter_factory).map_err(
                            |error| match error {
                                Unfilled::Local(error) => error,
                                Unfilled::Redis(trouble) => unfit(&settings, trouble.detail),
                            },
                        )?;
                }
                (Some(writer), RedisPhase::CatchingUp)
            }
            Err(unmet) => (None, RedisPhase::Away(unmet.outage(is_new, &settings, &path)?)),
        };
        let fate = match settings.on_outage {
            OnOutage::Spool => "kept in the spool",
            OnOutage::Reject => "refused",
        };
        let shared = ReplicatorShared::new(
            settings.to_string(),
            fate,
            local.sealed()?,
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
            looked: connector.scheduler.now(),
            connector: connector.clone(),
        };
        let replicator = Some((replicator, writer));
        Ok(Self { local, shared, connector, settings, path, node_id, replicator })
    }
}

fn read_note<G: StorageBackend>(local: &EmbeddedStore<G>) -> Result<ReplicaMeta, StoreError> {
    let Some(text) = local.row(&note_row(ReplicaMeta::default()).name())? else {
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
    Ok(position::LocalContents { node_id: local.identity().node_id, meta, checksum: local.sealed()? })
}

/// Tries until Redis is met, or is not for `timeout`. A lock that runs out is waited for.
fn meet(
    connector: &RedisConnector,
    settings: &RedisSettings,
    claimant: &mut Claimant,
    local: &position::LocalContents,
    timeout: Duration,
) -> Result<Met, Unmet> {
    let deadline = connector.scheduler.now() + timeout;
    let mut is_logged = false;
    loop {
        let met = RedisSession::open(connector)
            .map_err(|trouble| match trouble.kind {
                ReplicaErrorKind::Unfit => Unmet::Refused(trouble.detail),
                _ => Unmet::Away(trouble),
            })
            .and_then(|session| meet_once(session, claimant, local));
        match met {
            Err(Unmet::Away(trouble)) if connector.scheduler.now() < deadline && !trouble.is_to_stay() => {
                if !is_logged {
                    log::warn!(kind = trouble.kind.word(); "waiting for {settings}, up to {timeout:?}: {trouble}");
                    is_logged = true;
                }
                connector.scheduler.sleep(PAUSE);
            }
            met => return met,
        }
    }
}

fn meet_once(
    mut session: RedisSession,
    claimant: &mut Claimant,
    local: &position::LocalContents,
) -> Result<Met, Unmet> {
    let lease = take_lock(&mut session, claimant)?;
    let found = session.found().map_err(sorted)?;
    let writer = RedisWriter::new(session, lease).map_err(sorted)?;
    match choose_start(local, &found) {
        StartSource::Local => Ok(Met { writer, ahead: None }),
        StartSource::Redis(position) => Ok(Met { writer, ahead: Some(position) }),
        StartSource::Neither(sentence) => {
            // Whoever comes next need not wait for it to run out.
            let _ = writer.release();
            Err(Unmet::Refused(sentence))
        }
    }
}

/// Takes the lock. One that nobody renews any more is waited for, which takes a term; one that is renewed refuses the
/// start.
fn take_lock(session: &mut RedisSession, claimant: &mut Claimant) -> Result<lease::Lease, Unmet> {
    let scheduler = session.connector().scheduler.clone();
    let deadline = scheduler.now() + LEASE_TERM + RETAKE_MARGIN;
    let mut left_ms = None;
    loop {
        let trouble = match lease::acquire(session, claimant) {
            Ok(lease) => return Ok(lease),
            Err(trouble) if trouble.kind != ReplicaErrorKind::Fenced => return Err(sorted(trouble)),
            Err(trouble) => trouble,
        };
        let left = lease::left_ms(session).map_err(sorted)?;
        let is_renewed = left_ms.is_some_and(|before| left > before);
        if left == -1 || is_renewed || scheduler.now() > deadline {
            return Err(Unmet::Refused(format!(
                "{}. Stop the other muster, or give this one its own redis_prefix.",
                trouble.detail
            )));
        }
        if left_ms.is_none() {
            log::warn!("{}; waiting for it to run out", trouble.detail);
        }
        left_ms = Some(left);
        scheduler.sleep(PAUSE);
    }
}

/// Beyond the term of a lock, until its end is seen.
const RETAKE_MARGIN: Duration = Duration::from_secs(2);

fn sorted(trouble: ReplicaError) -> Unmet {
    match trouble.kind {
        ReplicaErrorKind::Fenced | ReplicaErrorKind::Foreign | ReplicaErrorKind::Unfit => {
            Unmet::Refused(trouble.detail)
        }
        _ => Unmet::Away(trouble),
    }
}
