//! Finished response bodies, kept for as long as nothing they show has changed.
//!
//! An entry is valid exactly while its topic stands at the index it was made for, so the cache cannot serve a stale
//! answer; what is evicted only costs time. A body that has become stale stays until it is replaced: most of the next
//! one can be taken over from it ([`pieces`](crate::surface::answers::list_fragments)).

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use lru::LruCache;
use parking_lot::Mutex;

use crate::surface::answers::cached_answer::CachedAnswer;
use crate::surface::answers::key::AnswerKey;
use crate::surface::answers::large_bodies::LargeBodies;
use crate::surface::answers::list_fragments::ListFragment;

/// Shards: enough that two workers seldom want the same lock.
const SHARDS: usize = 16;

/// A body larger than this part of all bytes is not kept: it would drive out too much else.
const BODY_FRACTION_MAX: usize = 4;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheBounds {
    /// Bodies.
    pub entries_max: usize,
    /// Bytes of bodies, compressed twins included.
    pub bytes_max: usize,
}

type Shard = Mutex<LruCache<AnswerKey, CacheSlot>>;

/// The cache.
pub struct BodyCache {
    shards: Box<[Shard]>,
    hasher: RandomState,
    bounds: CacheBounds,
    large: Mutex<LargeBodies>,
    entries: AtomicUsize,
    bytes: AtomicUsize,
    evictions: AtomicU64,
}

/// What there is for a key.
pub enum CacheLookup {
    /// The body of now.
    Valid(CachedAnswer),
    /// The body of an earlier index.
    Stale(CachedAnswer),
    /// None.
    Nothing,
}

struct CacheSlot {
    index: u64,
    kept: CachedAnswer,
    /// What the entry was counted with; the body grows when its compressed twin is made.
    bytes: usize,
}

impl BodyCache {
    /// An empty cache.
    pub fn new(bounds: CacheBounds) -> BodyCache {
        BodyCache {
            shards: (0..SHARDS).map(|_| Mutex::new(LruCache::unbounded())).collect(),
            hasher: RandomState::new(),
            bounds,
            large: Mutex::default(),
            entries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    /// What was made for `key`; valid when it was made while its topic stood at `index`.
    pub fn get(&self, key: &AnswerKey, index: u64) -> CacheLookup {
        let mut shard = self.shards[self.shard_of(key)].lock();
        match shard.get(key) {
            Some(entry) if entry.index == index => return CacheLookup::Valid(entry.kept.clone()),
            Some(entry) => return CacheLookup::Stale(entry.kept.clone()),
            None => drop(shard),
        }
        self.large.lock().get(key, index).map_or(CacheLookup::Nothing, CacheLookup::Valid)
    }

    /// Keeps what was made for `key` while its topic stood at `index`.
    pub fn put(&self, key: &AnswerKey, index: u64, kept: CachedAnswer) {
        // The compressed twin is made later and is a fraction of the body; it is counted as if it were there.
        let body_bytes = kept.body.plain().len();
        let bytes = key.bytes() + body_bytes + body_bytes / 4 + kept.pieces.len() * size_of::<ListFragment>();
        if bytes > self.bounds.bytes_max / BODY_FRACTION_MAX {
            self.large.lock().put(key, index, &kept);
            return;
        }
        let at = self.shard_of(key);
        let before = self.shards[at].lock().push(key.clone(), CacheSlot { index, kept, bytes });
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        match before {
            Some((_, before)) => drop(self.bytes.fetch_sub(before.bytes, Ordering::Relaxed)),
            None => drop(self.entries.fetch_add(1, Ordering::Relaxed)),
        }
        self.make_room(at);
    }

    /// Evicts what was asked for longest ago until the bounds hold: from the shard that has grown, its newest apart,
    /// and then from the others.
    fn make_room(&self, grown: usize) {
        for (shard, left) in
            (0..SHARDS).map(|step| (grown + step) % SHARDS).zip([1].into_iter().chain([0; SHARDS]))
        {
            while self.len() > self.bounds.entries_max || self.bytes() > self.bounds.bytes_max {
                let mut shard = self.shards[shard].lock();
                let Some((_, old)) = (shard.len() > left).then(|| shard.pop_lru()).flatten() else { break };
                drop(shard);
                self.entries.fetch_sub(1, Ordering::Relaxed);
                self.bytes.fetch_sub(old.bytes, Ordering::Relaxed);
                self.evictions.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How much may be kept.
    pub fn bounds(&self) -> CacheBounds {
        self.bounds
    }

    /// Bodies kept, the stale ones included.
    pub fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes kept.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bodies dropped to stay within the bounds.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// Counts a key as asked for so often more.
    pub fn credit(&self, key: &AnswerKey, asked: u64) {
        let shard = self.shards[self.shard_of(key)].lock();
        if let Some(entry) = shard.peek(key) {
            entry.kept.asked.fetch_add(asked, Ordering::Relaxed);
        }
    }

    /// The keys asked for most, with how often, at most `count` of them, the first ones first. Looks at every entry.
    pub fn most_asked(&self, count: usize) -> Vec<(AnswerKey, u64)> {
        let mut asked = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            asked.extend(
                shard.iter().map(|(key, entry)| (key.clone(), entry.kept.asked.load(Ordering::Relaxed))),
            );
        }
        asked.sort_unstable_by(|(left_key, left), (right_key, right)| {
            right.cmp(left).then_with(|| left_key.cmp(right_key))
        });
        asked.truncate(count);
        asked
    }

    fn shard_of(&self, key: &AnswerKey) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::net::http::SharedBody;

    const BOUNDS: CacheBounds = CacheBounds { entries_max: 100, bytes_max: 100_000 };

    fn key(name: impl Into<String>) -> AnswerKey {
        AnswerKey::of_target(&name.into())
    }

    fn body(bytes: usize) -> CachedAnswer {
        let body = SharedBody::new(vec![b'x'; bytes]);
        CachedAnswer { body, header: None, hides: false, pieces: Arc::new([]), asked: Arc::default() }
    }

    fn length(found: CacheLookup) -> Option<usize> {
        match found {
            CacheLookup::Valid(kept) => Some(kept.body.plain().len()),
            CacheLookup::Stale(_) | CacheLookup::Nothing => None,
        }
    }

    #[test]
    fn a_body_is_valid_at_its_index_only() {
        let cache = BodyCache::new(BOUNDS);
        assert!(matches!(cache.get(&key("key"), 7), CacheLookup::Nothing));
        cache.put(&key("key"), 7, body(1));
        assert_eq!(length(cache.get(&key("key"), 7)), Some(1));
        assert!(matches!(
            (cache.get(&key("key"), 8), cache.get(&key("key"), 6)),
            (CacheLookup::Stale(_), CacheLookup::Stale(_))
        ));
        cache.put(&key("key"), 8, body(2));
        assert_eq!((length(cache.get(&key("key"), 8)), cache.len()), (Some(2), 1));
    }

    #[test]
    fn entries_and_bytes_are_bounded_and_the_newest_stays() {
        let cache = BodyCache::new(BOUNDS);
        let held = |cache: &BodyCache| {
            let mut held = (0, 0);
            for shard in &cache.shards {
                shard.lock().iter().for_each(|(_, entry)| held = (held.0 + 1, held.1 + entry.bytes));
            }
            held
        };
        for number in 0..1_000 {
            let key = key(format!("key {number}"));
            cache.put(&key, 1, body(1));
            assert!(length(cache.get(&key, 1)).is_some(), "{key:?}");
        }
        assert_eq!((cache.len(), cache.evictions()), (BOUNDS.entries_max, 900));
        for number in 0..50 {
            let key = key(format!("big {number}"));
            cache.put(&key, 1, body(15_000));
            assert!(length(cache.get(&key, 1)).is_some(), "{key:?}");
            assert!(cache.bytes() <= BOUNDS.bytes_max);
        }
        cache.put(&key("too big"), 1, body(BOUNDS.bytes_max / BODY_FRACTION_MAX));
        assert!(matches!(cache.get(&key("too big"), 1), CacheLookup::Nothing));
        assert_eq!(held(&cache), (cache.len(), cache.bytes()));
    }

    #[test]
    fn what_was_asked_most_comes_first() {
        let cache = BodyCache::new(BOUNDS);
        for (name, asked) in [("a", 1), ("b", 3), ("c", 2), ("d", 3)] {
            let kept = body(1);
            kept.asked.store(asked, Ordering::Relaxed);
            cache.put(&key(name), 1, kept);
        }
        let most: Vec<(String, u64)> =
            cache.most_asked(3).into_iter().map(|(key, asked)| (key.target().to_owned(), asked)).collect();
        assert_eq!(most, [("b".to_owned(), 3), ("d".to_owned(), 3), ("c".to_owned(), 2)]);
    }
}
