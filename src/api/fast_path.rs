//! Answers that are ready to be sent, by the target of the request exactly as it was sent.
//!
//! Nearly every read repeats an earlier one to the letter. For such a read nothing is parsed but the request itself:
//! one look-up gives the finished head and body, and one load says whether they are still valid. It is a short cut to
//! the [`cache`](crate::api::cache), never another truth: it holds no body, only where one is.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use lru::LruCache;
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use crate::catalog::topic::Topic;
use crate::http::{Body, HeaderBlock, Method, Request, Response, SharedBody};
use crate::registry::Registry;
use crate::registry::topics::Pin;

/// Shards: enough that two workers seldom want the same lock.
const SHARDS: usize = 16;

/// Every so many answers one goes the long way, so that the cache sees that the body is still asked for and keeps it.
const LONG_WAY_EVERY: u64 = 64;

type Shard = Mutex<LruCache<Box<str>, Arc<FastAnswer>>>;

/// The answers.
pub struct FastPath {
    shards: Box<[Shard]>,
}

/// An answer, valid while its topic stands where it stood.
pub struct FastAnswer {
    topic: Pin,
    index: u64,
    headers: HeaderBlock,
    body: Weak<SharedBody>,
    asked: Arc<AtomicU64>,
    /// The row of the table of routes that it came from.
    pub row: usize,
}

/// What a handler says of an answer that would be the same for the same target.
pub struct FastPathEntry {
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
        FastPath { shards: (0..SHARDS).map(|_| Mutex::new(LruCache::new(of_shard))).collect() }
    }

    /// The answer to `request`, unless it must go the long way.
    pub fn find(&self, request: &Request) -> Option<Arc<FastAnswer>> {
        let target = request.raw_target();
        if !is_the_same_for_all(request) {
            return None;
        }
        self.shard(target).lock().get(target).cloned()
    }

    /// Keeps the answer to `request` as `response` gives it.
    pub fn put(
        &self,
        registry: &Registry,
        request: &Request,
        response: &Response,
        row: usize,
        offer: FastPathEntry,
    ) {
        if !is_the_same_for_all(request) {
            return;
        }
        let FastPathEntry { topic, index, body, asked } = offer;
        let headers = response.headers.clone();
        let pin = registry.topics().pin(&topic);
        pin.stands(registry.index(&topic, 0));
        let ready = FastAnswer { topic: pin, index, headers, body: Arc::downgrade(&body), asked, row };
        let target = request.raw_target();
        let before = self.shard(target).lock().push(target.into(), Arc::new(ready));
        // Outside the lock: what is dropped lets go of its topic.
        drop(before);
    }

    fn shard(&self, target: &str) -> &Shard {
        &self.shards[xxh3_64(target.as_bytes()) as usize % SHARDS]
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

/// Whether the answer to `request` is that of every request for the same target: no header decides about it.
fn is_the_same_for_all(request: &Request) -> bool {
    request.method() == Method::Get && !request.is_conditional()
}
