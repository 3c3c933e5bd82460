//! Answers that are ready to be sent, by the target of the request exactly as it was sent and what its caller may do.
//!
//! Nearly every read repeats an earlier one to the letter. For such a read nothing is parsed but the request itself:
//! one look-up gives the finished head and body, and one load says whether they are still valid. It is a short cut to
//! the [`cache`](crate::surface::answers::cache), never another truth: it holds no body, only where one is.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use lru::LruCache;
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use crate::base::stdx::prehashed::BuildPrehashed;
use crate::core::catalog::topic::Topic;
use crate::net::http::{Body, HeaderBlock, Method, Request, Response, SharedBody};
use crate::node::registry::Registry;
use crate::node::registry::topics::Pin;
use crate::surface::context::rights::RightsKey;

/// Shards: enough that two workers seldom want the same lock.
const SHARDS: usize = 16;

/// Every so many answers one goes the long way, so that the cache sees that the body is still asked for and keeps it.
const LONG_WAY_EVERY: u64 = 64;

/// By the hash of target and rights. Two that have the same one take each other's place, and each is asked who it is.
type Shard = Mutex<LruCache<u64, Arc<FastAnswer>, BuildPrehashed>>;

/// The answers.
pub struct FastPath {
    shards: Box<[Shard]>,
}

/// An answer, valid while its topic stands where it stood.
pub struct FastAnswer {
    target: Box<str>,
    rights: RightsKey,
    topic: Pin,
    index: u64,
    headers: HeaderBlock,
    body: Weak<SharedBody>,
    asked: Arc<AtomicU64>,
    /// The row of the table of routes that it came from.
    pub row: usize,
}

/// What is known of an answer that would be the same for the same target.
pub struct FastPathEntry {
    /// The row of the table of routes that gave it.
    pub row: usize,
    /// What it depends on.
    pub topic: Topic,
    /// Where that stood.
    pub index: u64,
    /// Its body, which the cache keeps.
    pub body: Arc<SharedBody>,
    /// How often it was asked for.
    pub asked: Arc<AtomicU64>,
}

impl FastPath {
    /// Room for about `entries_max` answers.
    pub fn new(entries_max: usize) -> FastPath {
        let of_shard = NonZeroUsize::new(entries_max.div_ceil(SHARDS)).unwrap_or(NonZeroUsize::MIN);
        let shard = || Mutex::new(LruCache::with_hasher(of_shard, BuildPrehashed::default()));
        FastPath { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// The answer to `request` by a caller with such rights, unless it must go the long way.
    pub fn find(&self, rights: RightsKey, request: &Request) -> Option<Arc<FastAnswer>> {
        if !is_the_same_for_all(request) {
            return None;
        }
        let target = request.raw_target();
        let hash = hash(rights, target);
        let mut shard = self.shard(hash).lock();
        shard.get(&hash).filter(|it| *it.target == *target && it.rights == rights).cloned()
    }

    /// Keeps the answer to `request` as `response` gives it.
    pub fn put(
        &self,
        registry: &Registry,
        rights: RightsKey,
        request: &Request,
        response: &Response,
        entry: FastPathEntry,
    ) {
        if !is_the_same_for_all(request) {
            return;
        }
        let FastPathEntry { row, topic, index, body, asked } = entry;
        let (target, headers) = (request.raw_target().into(), response.headers.clone());
        let (pin, body) = (registry.topics().pin(&topic), Arc::downgrade(&body));
        pin.stands(registry.index(&topic, 0));
        let hash = hash(rights, request.raw_target());
        let answer = FastAnswer { target, rights, topic: pin, index, headers, body, asked, row };
        let before = self.shard(hash).lock().push(hash, Arc::new(answer));
        // Outside the lock: what is dropped lets go of its topic.
        drop(before);
    }

    /// Where an answer belongs, by bits of the hash that the shard itself does not look at first.
    fn shard(&self, hash: u64) -> &Shard {
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl FastAnswer {
    /// Answers into `response`, if the answer still holds; tells whether it does.
    pub fn answer(&self, response: &mut Response) -> bool {
        // The index first: the body belongs to it or to a later one.
        if !self.topic.stands_at(self.index) {
            return false;
        }
        let Some(body) = self.body.upgrade() else { return false };
        if self.asked.load(Ordering::Relaxed) % LONG_WAY_EVERY == LONG_WAY_EVERY - 1 {
            return false;
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        response.status = 200;
        response.headers.clone_from(&self.headers);
        response.body = Body::Shared(body);
        true
    }
}

/// Whether the answer to `request` is that of every request for the same target by callers with the same rights: no
/// header decides about it.
fn is_the_same_for_all(request: &Request) -> bool {
    request.method() == Method::Get && !request.is_particular()
}

fn hash(rights: RightsKey, target: &str) -> u64 {
    xxh3_64(target.as_bytes()) ^ rights.fingerprint()
}
