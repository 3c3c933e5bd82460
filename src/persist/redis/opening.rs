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
use super::position::{self, ReplicaMeta, ReplicaPosition, StartSource, judge};
use super::replicator::Replicator;
use super::scheduler::{RedisScheduler, Threads};
use super::session::{RedisConnector, RedisSession, RedisWriter};
use super::settings::{OnOutage, RedisSettings};
use super::shared::{RedisPhase, ReplicatorShared};
use crate::model::limits::INDEX_MAX;
use crate::persist::embedded::backend::StorageBackend;
use crate::persist::embedded::{EmbeddedStore, EngineLimits};
use crate::persist::error::StoreError;
use crate::persist::store::RowFilterFactory;
use crate::telemetry::histogram::Histogram;

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
        court: RowFilterFactory<'_>,
    ) -> Result<Self, StoreError> {
        let local = EmbeddedStore::open(path, now, limits)?;
        let lines = Arc::new(ConnectionPool::new(&settings));
        RedisStore::on(local, lines, Threads::shared(), settings, host, latency, court)
    }
}

impl<G: StorageBackend + 'static> RedisStore<G> {
    /// Looks at Redis through `lines`, and fills the local store from it if Redis is ahead. `host` names this machine
    /// in the lock; `latency` is told how long each transaction takes; `court` judges the rows that Redis gives.
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
        court: RowFilterFactory<'_>,
    ) -> Result<Self, StoreError> {
        let path = local.path().to_path_buf();
        let mut meta = read_note(&local)?;
        let keys = Keys::new(&settings.prefix);
        let connector = RedisConnector { lines, scheduler, keys, patience: settings.timeout };
        // The directory's own, and not the node's: two directories may be of the same node, one filled after the other.
        let owner = local.identity().created_at.clone();
        let mut claimant = Claimant::new(owner, host.to_owned());
        let unfit = |detail: String| StoreError::Unfit { place: settings.to_string(), detail };
        let standing = standing(&local, meta)?;
        let is_new = standing.checksum.sequence == 0 || meta.is_filling;
        let patience = if is_new { NEW_WAIT_MAX } else { Duration::ZERO };
        let met = meet(&connector, &settings, &mut claimant, &standing, patience);
        let (writer, phase) = match met {
            Ok(Met { mut writer, ahead }) => {
                if let Some(position) = ahead {
                    meta = fill(&mut local, &mut writer, &position, court).map_err(
                        |unfilled| match unfilled {
                            Unfilled::Local(error) => error,
                            Unfilled::Redis(trouble) => unfit(trouble.detail),
                        },
                    )?;
                }
                (Some(writer), RedisPhase::CatchingUp)
            }
            Err(Unmet::Refused(sentence)) => return Err(unfit(sentence)),
            Err(Unmet::Away(trouble)) if is_new && trouble.is_of_password() => {
                return Err(unfit(format!(
                    "it wants another user or password: {trouble}. Set redis_password_file or redis_password, and the \
                     user in redis_url."
                )));
            }
            Err(Unmet::Away(trouble)) if is_new && trouble.kind == ReplicaErrorKind::TooLong => {
                return Err(unfit(trouble.detail));
            }
            Err(Unmet::Away(trouble)) if is_new => {
                return Err(unfit(format!(
                    "the data directory {} is new, and whether there is an earlier registry in Redis cannot be asked: \
                     {trouble}. Start Redis first, or see that it can be reached.",
                    path.display()
                )));
            }
            Err(Unmet::Away(trouble)) => {
                log::warn!(kind = trouble.kind.word(); "{settings} is away at the start: {trouble}");
                (None, RedisPhase::Away(trouble))
            }
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

fn standing<G: StorageBackend>(
    local: &EmbeddedStore<G>,
    meta: ReplicaMeta,
) -> Result<position::LocalContents, StoreError> {
    Ok(position::LocalContents { node_id: local.identity().node_id, meta, checksum: local.sealed()? })
}

/// Tries until Redis is met, or is not for `patience`. A lock that runs out is waited for.
fn meet(
    connector: &RedisConnector,
    settings: &RedisSettings,
    claimant: &mut Claimant,
    local: &position::LocalContents,
    patience: Duration,
) -> Result<Met, Unmet> {
    let deadline = connector.scheduler.now() + patience;
    let mut is_told = false;
    loop {
        let met = RedisSession::open(connector)
            .map_err(|trouble| match trouble.kind {
                ReplicaErrorKind::Unfit => Unmet::Refused(trouble.detail),
                _ => Unmet::Away(trouble),
            })
            .and_then(|session| meet_once(session, claimant, local));
        match met {
            Err(Unmet::Away(trouble)) if connector.scheduler.now() < deadline && !trouble.is_to_stay() => {
                if !is_told {
                    log::warn!(kind = trouble.kind.word(); "waiting for {settings}, up to {patience:?}: {trouble}");
                    is_told = true;
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
    match judge(local, &found) {
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
        let trouble = match lease::take(session, claimant) {
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
