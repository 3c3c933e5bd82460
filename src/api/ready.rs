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
use crate::registry::topics::{Pin, Topics};

/// Shards: enough that two workers seldom want the same lock.
const SHARDS: usize = 16;

/// Every so many answers one goes the long way, so that the cache sees that the body is still asked for and keeps it.
const LONG_WAY_EVERY: u64 = 64;

/// Headers of a request that may make its answer another one than the same target had before.
const DECISIVE_HEADERS: [&str; 2] = ["cache-control", "if-none-match"];

type Shard = Mutex<LruCache<Box<str>, Arc<Ready>>>;

/// The answers.
pub struct ReadyAnswers {
    shards: Box<[Shard]>,
}

/// An answer, valid while its topic stands where it stood.
pub struct Ready {
    topic: Pin,
    index: u64,
    headers: HeaderBlock,
    body: Weak<SharedBody>,
    asked: Arc<AtomicU64>,
    /// The row of the table of routes that it came from.
    pub row: usize,
}

/// What a handler says of an answer that would be the same for the same target.
pub struct Offer {
    /// What it depends on.
    pub topic: Topic,
    /// Where that stood.
    pub index: u64,
    /// Its body, which the cache keeps.
    pub body: Arc<SharedBody>,
    /// How often it was asked for.
    pub asked: Arc<AtomicU64>,
}

impl ReadyAnswers {
    /// Room for about `entries_max` answers.
    pub fn new(entries_max: usize) -> ReadyAnswers {
        let of_shard = NonZeroUsize::new(entries_max.div_ceil(SHARDS)).unwrap_or(NonZeroUsize::MIN);
        ReadyAnswers { shards: (0..SHARDS).map(|_| Mutex::new(LruCache::new(of_shard))).collect() }
    }

    /// The answer to `request`, unless it must go the long way.
    pub fn find(&self, request: &Request) -> Option<Arc<Ready>> {
        let target = request.raw_target();
        if request.method() != Method::Get || is_decided_by_a_header(request) {
            return None;
        }
        self.shard(target).lock().get(target).cloned()
    }

    /// Keeps the answer to `request` as `response` gives it.
    pub fn put(
        &self,
        topics: &Arc<Topics>,
        request: &Request,
        response: &Response,
        row: usize,
        offer: Offer,
    ) {
        if request.method() != Method::Get || is_decided_by_a_header(request) {
            return;
        }
        let Offer { topic, index, body, asked } = offer;
        let headers = response.headers.clone();
        let ready =
            Ready { topic: topics.pin(&topic), index, headers, body: Arc::downgrade(&body), asked, row };
        let target = request.raw_target();
        let before = self.shard(target).lock().push(target.into(), Arc::new(ready));
        // Outside the lock: what is dropped lets go of its topic.
        drop(before);
    }

    fn shard(&self, target: &str) -> &Shard {
        &self.shards[xxh3_64(target.as_bytes()) as usize % SHARDS]
    }
}

impl Ready {
    /// The response, if it still holds.
    pub fn response(&self) -> Option<Response> {
        // The index first: the body belongs to it or to a later one.
        if !self.topic.stands_at(self.index) {
            return None;
        }
        let body = self.body.upgrade()?;
        if self.asked.load(Ordering::Relaxed) % LONG_WAY_EVERY == LONG_WAY_EVERY - 1 {
            return None;
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        Some(Response { status: 200, headers: self.headers.clone(), body: Body::Shared(body) })
    }
}

fn is_decided_by_a_header(request: &Request) -> bool {
    let is_decisive = |name: &str| DECISIVE_HEADERS.iter().any(|it| it.eq_ignore_ascii_case(name));
    request.headers().any(|(name, _)| is_decisive(name))
}
