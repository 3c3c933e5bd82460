//! Finished response bodies, kept for as long as nothing they show has changed.
//!
//! An entry is valid exactly while its topic stands at the index it was made for, so the cache cannot serve a stale
//! answer; what is evicted only costs time.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::Mutex;

use crate::http::SharedBody;

/// Shards: enough that two workers seldom want the same lock.
const SHARDS: usize = 16;

/// Entries kept in all. A thousand services asked in one way each; more is memory for questions nobody repeats.
const ENTRIES_MAX: usize = 1_024;

/// Bytes of bodies kept in one shard, compressed twins included: 64 MiB in all. A body larger than this is not kept.
const SHARD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The cache.
pub struct BodyCache {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    /// How often a valid body was there.
    pub hits: AtomicU64,
    /// How often a body had to be made.
    pub misses: AtomicU64,
    /// Bodies dropped to stay within the bounds.
    pub evictions: AtomicU64,
}

struct Shard {
    entries: LruCache<String, Entry>,
    bytes: usize,
}

/// What is kept of an answer.
#[derive(Clone)]
pub struct Kept {
    /// The body.
    pub body: Arc<SharedBody>,
    /// A header that belongs to it.
    pub header: Option<(&'static str, Arc<str>)>,
}

struct Entry {
    index: u64,
    kept: Kept,
    /// What the entry was counted with; the body grows when its compressed twin is made.
    bytes: usize,
}

impl BodyCache {
    /// An empty cache.
    pub fn new() -> BodyCache {
        let entries = NonZeroUsize::new(ENTRIES_MAX / SHARDS).unwrap_or(NonZeroUsize::MIN);
        let shard = || Mutex::new(Shard { entries: LruCache::new(entries), bytes: 0 });
        BodyCache {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    /// What was made for `key` while its topic stood at `index`.
    pub fn get(&self, key: &str, index: u64) -> Option<Kept> {
        let mut shard = self.shard(key).lock();
        let kept =
            shard.entries.get(key).filter(|entry| entry.index == index).map(|entry| entry.kept.clone());
        drop(shard);
        let counter = if kept.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        kept
    }

    /// Keeps what was made for `key` while its topic stood at `index`.
    pub fn put(&self, key: String, index: u64, kept: Kept) {
        // The compressed twin is made later and is a fraction of the body; it is counted as if it were there.
        let body_bytes = kept.body.plain().len();
        let bytes = key.len() + body_bytes + body_bytes / 4;
        if bytes > SHARD_BYTES_MAX {
            return;
        }
        let mut shard = self.shard(&key).lock();
        shard.bytes += bytes;
        if let Some((old_key, old)) = shard.entries.push(key.clone(), Entry { index, kept, bytes }) {
            shard.bytes -= old.bytes;
            self.evictions.fetch_add(u64::from(old_key != key), Ordering::Relaxed);
        }
        while shard.bytes > SHARD_BYTES_MAX
            && let Some((_, old)) = shard.entries.pop_lru()
        {
            shard.bytes -= old.bytes;
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn shard(&self, key: &str) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

impl Default for BodyCache {
    fn default() -> Self {
        BodyCache::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> Kept {
        Kept { body: SharedBody::new(vec![b'x'; bytes]), header: None }
    }

    #[test]
    fn a_body_is_valid_at_its_index_only() {
        let cache = BodyCache::new();
        cache.put("key".into(), 7, body(1));
        assert!(cache.get("key", 7).is_some());
        assert!(cache.get("key", 8).is_none() && cache.get("key", 6).is_none());
        cache.put("key".into(), 8, body(2));
        assert_eq!(cache.get("key", 8).map(|kept| kept.body.plain().len()), Some(2));
        assert_eq!((cache.hits.load(Ordering::Relaxed), cache.misses.load(Ordering::Relaxed)), (2, 2));
    }

    #[test]
    fn entries_and_bytes_are_bounded() {
        let cache = BodyCache::new();
        (0..4 * ENTRIES_MAX).for_each(|n| cache.put(format!("key {n}"), 1, body(1)));
        let entries =
            |cache: &BodyCache| cache.shards.iter().map(|shard| shard.lock().entries.len()).sum::<usize>();
        assert!(entries(&cache) <= ENTRIES_MAX);
        (0..200).for_each(|n| cache.put(format!("big {n}"), 1, body(SHARD_BYTES_MAX / 2)));
        cache.put("too big".into(), 1, body(SHARD_BYTES_MAX));
        assert!(cache.get("too big", 1).is_none());
        for shard in &cache.shards {
            let shard = shard.lock();
            assert!(shard.bytes <= SHARD_BYTES_MAX);
            assert_eq!(shard.bytes, shard.entries.iter().map(|(_, entry)| entry.bytes).sum::<usize>());
        }
    }
}
