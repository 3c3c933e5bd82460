//! The index of every topic, and who waits for it to move.
//!
//! An index is published after the data it stands for: whoever reads the index first and the data second never holds
//! data older than its index. Watchers are entries in a table, not tasks: a parked blocking query costs its
//! connection's coroutine and one waker here.
//!
//! Topics of the catalog are remembered here, as far as there is room. Those of keys are as many as there are keys and
//! beginnings of keys, so they are here only while somebody holds them ([`pairs`]).

mod pairs;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::base::sys::park::Waker;
use crate::core::catalog::topic::Topic;
use crate::node::registry::topics::pairs::PairTopics;

/// Shards of the table: enough that two workers seldom meet in one.
const SHARDS: usize = 64;

/// Topics remembered per shard. A forgotten topic answers the floor, which costs its watchers one needless answer and
/// nobody a missed one; fewer would make that common where forty thousand services are, more is memory for names that
/// are gone: some 120 bytes a topic, so 16 MB.
const TOPICS_PER_SHARD_MAX: usize = 2_048;

type Shard = RwLock<HashMap<Topic, Arc<TopicEntry>>>;

/// Indexes and watchers by topic.
pub struct Topics {
    shards: Box<[Shard]>,
    pairs: PairTopics,
    hasher: RandomState,
    /// The index of every topic without an entry: no answer about it was ever given with a higher one.
    floor: AtomicU64,
    /// Whether data is newer than the indexes say.
    is_moving: AtomicBool,
    /// The number of the next watch.
    next_watch: AtomicU64,
    watching: AtomicUsize,
    watching_max: usize,
}

#[derive(Default)]
pub(super) struct TopicEntry {
    /// 0 until the topic moves for the first time.
    index: AtomicU64,
    /// Wakers by the number of their watch. Boxed, since few topics are watched and none of those that are gone.
    watchers: Mutex<Option<Box<Watchers>>>,
}

#[derive(Default)]
struct Watchers {
    wakers: HashMap<u64, Waker>,
}

/// A place in a topic's table of watchers, held until dropped.
pub struct Watch<'a> {
    topics: &'a Topics,
    topic: Topic,
    entry: Arc<TopicEntry>,
    id: u64,
    is_counted: bool,
}

/// A topic kept at hand, so that a look at its index costs no look-up. Held until dropped.
pub struct Pin {
    topics: Arc<Topics>,
    topic: Topic,
    entry: Arc<TopicEntry>,
}

/// All places for watchers are taken.
#[derive(Debug)]
pub struct TooManyWatchers {
    /// The bound.
    pub max: usize,
}

impl Topics {
    /// A table in which every topic stands at `floor` (the highest index of all stored changes) and at most
    /// `watching_max` watchers wait at a time.
    pub fn new(floor: u64, watching_max: usize) -> Topics {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        let (floor, watching) = (AtomicU64::new(floor.max(1)), AtomicUsize::new(0));
        let is_moving = AtomicBool::new(false);
        let next_watch = AtomicU64::new(0);
        let (pairs, hasher) = (PairTopics::default(), RandomState::new());
        Topics { shards, pairs, hasher, floor, is_moving, next_watch, watching, watching_max }
    }

    /// Topics of the key/value store.
    pub fn pairs(&self) -> &PairTopics {
        &self.pairs
    }

    /// The index of a topic of the catalog, at least 1. It never goes back.
    pub fn index(&self, topic: &Topic) -> u64 {
        let entry = self.shard(topic).read().get(topic).map(|entry| entry.index.load(Ordering::Acquire));
        self.or_floor(entry.unwrap_or_default())
    }

    /// Keeps a topic at hand.
    pub fn pin(self: &Arc<Topics>, topic: &Topic) -> Pin {
        Pin { topics: self.clone(), topic: topic.clone(), entry: self.hold(topic) }
    }

    /// Says that readers are about to see data whose topics are moved next.
    pub fn begin_move(&self) {
        self.is_moving.store(true, Ordering::SeqCst);
    }

    /// Whether what was made for the present index of a topic shows what everybody sees. It may not while a batch is
    /// shown: who reads one view sees it already, and must not be told by another that it is yet to come.
    pub fn is_settled(&self) -> bool {
        !self.is_moving.load(Ordering::Acquire)
    }

    /// Says that the indexes are those of what readers see.
    pub fn end_move(&self) {
        self.is_moving.store(false, Ordering::Release);
    }

    /// Moves topics of the catalog to `index` and gives whoever watched them, to be woken by the caller: that takes a
    /// microsecond or so for each, and the caller knows what must not wait for it.
    pub fn advance<'t>(&self, topics: impl IntoIterator<Item = &'t Topic>, index: u64) -> WakeBatch {
        let mut crowd = WakeBatch::default();
        for topic in topics {
            let known = self.shard(topic).read().get(topic).cloned();
            let entry = known.unwrap_or_else(|| self.entry(topic));
            crowd.join(entry.advance(index));
        }
        crowd
    }

    fn or_floor(&self, index: u64) -> u64 {
        if index > 0 { index } else { self.floor.load(Ordering::Acquire) }
    }

    /// Lifts every topic that has not moved since the start to at least `index`, and wakes nobody: nothing changed.
    pub fn raise_floor(&self, index: u64) {
        self.floor.fetch_max(index, Ordering::AcqRel);
    }

    /// Lifts every topic to where it stands after a start at `index`, and wakes nobody: nothing changed.
    pub fn stand_as_after_start(&self, index: u64) {
        self.raise_floor(index);
        self.pairs.lift_prefixes(index);
        for shard in &self.shards {
            shard.read().values().for_each(|entry| {
                entry.index.fetch_max(index, Ordering::AcqRel);
            });
        }
    }

    /// Has `waker` woken once when the topic moves. Look at [`Topics::index`] after this and before waiting: the topic
    /// may have moved in between. As long as it stands where the caller saw it, the watch is good, whoever else wakes
    /// the caller.
    ///
    /// # Errors
    /// When as many watchers wait as may.
    pub fn watch(&self, topic: Topic, waker: Waker) -> Result<Watch<'_>, TooManyWatchers> {
        if self.watching.fetch_add(1, Ordering::AcqRel) >= self.watching_max {
            self.watching.fetch_sub(1, Ordering::AcqRel);
            return Err(TooManyWatchers { max: self.watching_max });
        }
        let mut watch = self.listen(topic, waker);
        watch.is_counted = true;
        Ok(watch)
    }

    /// As [`Topics::watch`], for those whose number is bounded elsewhere.
    pub fn listen(&self, topic: Topic, waker: Waker) -> Watch<'_> {
        let entry = self.hold(&topic);
        let id = self.next_watch.fetch_add(1, Ordering::Relaxed);
        entry.watchers.lock().get_or_insert_default().wakers.insert(id, waker);
        Watch { topics: self, topic, entry, id, is_counted: false }
    }

    /// How many watchers wait now.
    pub fn watching(&self) -> usize {
        self.watching.load(Ordering::Relaxed)
    }

    /// Wakes every watcher without moving anything, so that each looks again (at shutdown).
    pub fn wake_all(&self) {
        self.pairs.wake_all();
        for shard in &self.shards {
            let entries: Vec<_> = shard.read().values().cloned().collect();
            entries.iter().for_each(|entry| entry.wake());
        }
    }

    fn shard(&self, topic: &Topic) -> &Shard {
        &self.shards[self.hasher.hash_one(topic) as usize % SHARDS]
    }

    /// The entry of a topic for somebody who gives it back by [`Topics::let_go`].
    fn hold(&self, topic: &Topic) -> Arc<TopicEntry> {
        self.pairs.hold(topic).unwrap_or_else(|| self.entry(topic))
    }

    fn entry(&self, topic: &Topic) -> Arc<TopicEntry> {
        let mut shard = self.shard(topic).write();
        if shard.len() >= TOPICS_PER_SHARD_MAX && !shard.contains_key(topic) {
            self.forget_oldest(&mut shard);
        }
        shard.entry(topic.clone()).or_default().clone()
    }

    /// Forgets the half of the unwatched topics that moved longest ago, raising the floor to where they stood.
    fn forget_oldest(&self, shard: &mut HashMap<Topic, Arc<TopicEntry>>) {
        let is_unwatched = |entry: &Arc<TopicEntry>| Arc::strong_count(entry) == 1;
        let mut indexes: Vec<u64> = shard
            .values()
            .filter(|entry| is_unwatched(entry))
            .map(|e| e.index.load(Ordering::Acquire))
            .collect();
        indexes.sort_unstable();
        let Some(&middle) = indexes.get(indexes.len() / 2) else { return };
        self.floor.fetch_max(middle, Ordering::AcqRel);
        shard.retain(|_, entry| !is_unwatched(entry) || entry.index.load(Ordering::Acquire) > middle);
    }

    /// Forgets a topic that never moved (a name nobody has ever registered) with the last who holds it: the caller and
    /// the table.
    fn let_go(&self, topic: &Topic, entry: &Arc<TopicEntry>) {
        if self.pairs.let_go(topic, entry) || entry.index.load(Ordering::Acquire) > 0 {
            return;
        }
        let mut shard = self.shard(topic).write();
        if Arc::strong_count(entry) == 2 && entry.index.load(Ordering::Acquire) == 0 {
            shard.remove(topic);
        }
    }
}

impl TopicEntry {
    /// Moves the index and takes whoever watched it move. Both under the lock: a watcher that has seen the new index
    /// already waits for the next one, and must not be taken for this one.
    fn advance(&self, index: u64) -> HashMap<u64, Waker> {
        let mut watchers = self.watchers.lock();
        self.index.fetch_max(index, Ordering::AcqRel);
        watchers.take().map(|watchers| watchers.wakers).unwrap_or_default()
    }

    /// Notes where the topic stands, unless it is one whose index only moves.
    fn stands(&self, topic: &Topic, index: u64) {
        topic.is_of_pairs().then(|| self.index.fetch_max(index, Ordering::AcqRel));
    }

    fn wake(&self) {
        self.watchers.lock().iter().flat_map(|it| it.wakers.values()).for_each(Waker::wake);
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut watchers = self.entry.watchers.lock();
        if let Some(watchers) = &mut *watchers {
            watchers.wakers.remove(&self.id);
        }
        watchers.take_if(|watchers| watchers.wakers.is_empty());
        drop(watchers);
        self.topics.watching.fetch_sub(usize::from(self.is_counted), Ordering::AcqRel);
        self.topics.let_go(&self.topic, &self.entry);
    }
}

impl Watch<'_> {
    /// Says where the topic stands, worked out since the watch began. A change since then counts for more.
    pub fn stands(&self, index: u64) {
        self.entry.stands(&self.topic, index);
    }
}

impl Pin {
    /// As [`Watch::stands`].
    pub fn stands(&self, index: u64) {
        self.entry.stands(&self.topic, index);
    }

    /// Whether what was made when the topic stood at `index` is still what everybody sees.
    pub fn stands_at(&self, index: u64) -> bool {
        let now = self.topics.or_floor(self.entry.index.load(Ordering::Acquire));
        now == index && self.topics.is_settled()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.topics.let_go(&self.topic, &self.entry);
    }
}

/// Watchers whose topics have moved and who are not woken yet.
#[derive(Default)]
pub struct WakeBatch {
    parts: Vec<HashMap<u64, Waker>>,
}

impl WakeBatch {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(HashMap::len).sum()
    }

    /// Whether there is nobody to wake.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Wakes everybody.
    pub fn wake(self) {
        self.parts.iter().flat_map(HashMap::values).for_each(Waker::wake);
    }

    /// Adds another crowd.
    pub fn join_all(&mut self, other: WakeBatch) {
        self.parts.extend(other.parts);
    }

    fn join(&mut self, wakers: HashMap<u64, Waker>) {
        if !wakers.is_empty() {
            self.parts.push(wakers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVES: u64 = 300_000;

    #[test]
    fn a_watch_is_good_until_the_topic_moves() {
        let (topics, topic) = (Topics::new(1, 1), Topic::Services);
        topics.advance([&topic], 2);
        std::thread::scope(|scope| {
            scope.spawn(|| (3..=MOVES).for_each(|index| drop(topics.advance([&topic], index))));
            let mut seen = 0;
            while seen < MOVES {
                seen = topics.index(&topic);
                let watch = topics.watch(topic.clone(), Waker::without_socket()).unwrap();
                let is_held =
                    watch.entry.watchers.lock().as_ref().is_some_and(|it| it.wakers.contains_key(&watch.id));
                assert!(
                    is_held || topics.index(&topic) > seen,
                    "taken by the move to {seen}, which it had seen"
                );
            }
        });
    }
}
