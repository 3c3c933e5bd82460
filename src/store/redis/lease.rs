//! The lock on a prefix: one muster writes under it at a time, and one that has lost it cannot (see
//! [`RedisWriter`](super::session::RedisWriter)).

use std::time::Duration;

use redis::{Value, cmd};
use serde::{Deserialize, Serialize};

use super::error::{ReplicaError, ReplicaErrorKind};
use super::session::{RedisSession, get, one, typed};

/// How long the lock holds after each transaction. A muster that dies leaves it for so long to a successor on another
/// directory; one that is cut off for longer has to take it anew before it writes.
pub const LEASE_TERM: Duration = Duration::from_secs(10);

/// How often it is renewed when there is nothing to write: a third of the term, so that two may be missed.
pub const RENEWAL: Duration = Duration::from_secs(3);

/// Attempts to take a free lock before another muster is taken to be quicker.
const ATTEMPTS: usize = 3;

/// Bytes shown of a lock that no muster wrote.
const SHOWN_BYTES_MAX: usize = 80;

/// What stands in the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The data directory that holds it.
    owner: String,
    /// Rises with every change of hands.
    fence: u64,
    host: String,
    process: u32,
}

/// Who asks for the lock.
#[derive(Clone, Debug)]
pub struct Claimant {
    /// Names the data directory, which one process uses at a time.
    owner: String,
    /// The machine, for people.
    host: String,
    /// The fence of the lock held last; 0 before the first.
    fence: u64,
    /// What was put into the lock by a transaction that was not answered: it may be in hand.
    tried: Option<String>,
}

impl Claimant {
    /// One who has held no lock yet.
    pub fn new(owner: String, host: String) -> Self {
        Self { owner, host, fence: 0, tried: None }
    }
}

/// A lock that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What stands in it.
    pub text: String,
    /// Its number.
    pub fence: u64,
}

/// Takes the lock, or finds it in hand. One of the same directory is inherited: its process is dead, or this one could
/// not use the directory. Only if it has a higher fence than the one held last has another muster gone on with a copy.
///
/// # Errors
/// [`ReplicaErrorKind::Fenced`] while another muster holds it; the connection's otherwise.
pub fn acquire(session: &mut RedisSession, claimant: &mut Claimant) -> Result<Lease, ReplicaError> {
    let keys = session.keys().clone();
    for _ in 0..ATTEMPTS {
        let mut watch = one("WATCH", &keys.lock);
        watch.arg(&keys.fence);
        let mut answers = session
            .pipeline(&[watch, get(&keys.lock), get(&keys.fence), one("PTTL", &keys.lock)])?
            .into_iter()
            .skip(1);
        let mut next = || answers.next().unwrap_or_default();
        let (lock, fence, left_ms): (Option<Vec<u8>>, Option<u64>, i64) =
            (typed(next())?, typed(next())?, typed(next())?);
        if let Some(text) = lock {
            let record: Option<Record> = serde_json::from_slice(&text).ok();
            let is_own = record.as_ref().is_some_and(|it| it.owner == claimant.owner);
            let is_tried = claimant.tried.as_ref().is_some_and(|tried| tried.as_bytes() == text);
            match record {
                Some(held) if is_tried || is_own && held.fence == claimant.fence => {
                    session.pipeline(&[cmd("UNWATCH")])?;
                    let text = String::from_utf8_lossy(&text).into_owned();
                    (claimant.fence, claimant.tried) = (held.fence, None);
                    return Ok(Lease { text, fence: held.fence });
                }
                Some(held) if is_own && (claimant.fence == 0 || held.fence < claimant.fence) => {}
                _ => return Err(held_by(&text, Some(left_ms))),
            }
        }
        let fence = fence.unwrap_or(0).max(claimant.fence) + 1;
        let (owner, host) = (claimant.owner.clone(), claimant.host.clone());
        let record = Record { owner, fence, host, process: std::process::id() };
        let text = serde_json::to_string(&record).expect("a struct of texts and numbers always encodes");
        let (mut set_fence, mut set_lock) = (one("SET", &keys.fence), one("SET", &keys.lock));
        set_fence.arg(fence);
        set_lock.arg(&text).arg("PX").arg(LEASE_TERM.as_millis() as u64);
        claimant.tried = Some(text.clone());
        let answers = session.pipeline(&[cmd("MULTI"), set_fence, set_lock, cmd("EXEC")])?;
        claimant.tried = None;
        if let Some(Value::ServerError(error)) = answers.iter().find(|it| matches!(it, Value::ServerError(_)))
        {
            return Err(ReplicaError::refused(error));
        }
        if matches!(answers.last(), Some(Value::Array(_))) {
            claimant.fence = fence;
            return Ok(Lease { text, fence });
        }
    }
    Err(ReplicaError::new(ReplicaErrorKind::Fenced, "others are quicker to take its lock"))
}

/// How long the lock still holds, in milliseconds; negative when it is free or never ends.
///
/// # Errors
/// The connection's.
pub fn left_ms(session: &mut RedisSession) -> Result<i64, ReplicaError> {
    let lock = session.keys().lock.clone();
    session.query(one("PTTL", &lock))
}

/// The error for a lock that holds `text`.
pub fn held_by(text: &[u8], left_ms: Option<i64>) -> ReplicaError {
    let holder = match serde_json::from_slice::<Record>(text) {
        Ok(record) => format!("the muster on {} (process {})", record.host, record.process),
        Err(_) => format!("{:?}", String::from_utf8_lossy(&text[..text.len().min(SHOWN_BYTES_MAX)])),
    };
    let left = match left_ms {
        Some(-1) => " and never ends: delete its key if nobody uses it".to_owned(),
        Some(left_ms) if left_ms >= 0 => format!(" for another {left_ms} ms, unless it is renewed"),
        _ => String::new(),
    };
    ReplicaError::new(ReplicaErrorKind::Fenced, format!("its lock is held by {holder}{left}"))
}
