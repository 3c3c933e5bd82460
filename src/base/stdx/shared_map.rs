//! An ordered map of which a reader can hold a part while it goes on changing.
//!
//! Entries stand in chunks, each behind a shared pointer. Who holds a part holds its chunks, some hundred times fewer
//! than its entries; a change copies a chunk that is held, and no other. Keys are looked up as in a tree.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Entries of a chunk. At the bound it is cut in two; more would make each change dearer, fewer each look at all.
pub const CHUNK_MAX: usize = 128;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// The map.
#[derive(Clone, Debug)]
pub struct SharedMap<K, V> {
    /// By a key that is none of those behind, and above all of the chunk before; no chunk is empty.
    chunks: BTreeMap<K, Chunk<K, V>>,
    len: usize,
}

/// The entries of a map from some key on, as they were when they were taken.
#[derive(Clone, Debug)]
pub struct HeldPart<K, V> {
    chunks: Vec<Chunk<K, V>>,
    /// Entries of the first chunk that stand before the part.
    skipped: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> SharedMap<K, V> {
        SharedMap { chunks: BTreeMap::new(), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many chunks there are, which is what a copy of the map copies.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What stands under `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (_, chunk) = self.chunks.range::<Q, _>((Bound::Unbounded, Bound::Included(key))).next_back()?;
        let at = chunk.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
        Some(&chunk[at].1)
    }

    /// Puts `value` in the place of what stands under `key`, which it gives; `None` and unchanged when nothing does.
    pub fn replace(&mut self, key: &K, value: V) -> Option<V> {
        let (_, chunk) = self.chunks.range_mut(..=key).next_back()?;
        let at = chunk.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
        Some(std::mem::replace(&mut Arc::make_mut(chunk)[at].1, value))
    }

    /// Puts an entry; gives what stood there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.chunks.range(..=&key).next_back().is_none() {
            // Before all others: with the first of them, if there is one.
            let first = self.chunks.pop_first().map(|(_, chunk)| chunk).unwrap_or_default();
            self.chunks.insert(key.clone(), first);
        }
        let (_, chunk) = self.chunks.range_mut(..=&key).next_back()?;
        let chunk = Arc::make_mut(chunk);
        match chunk.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(at) => return Some(std::mem::replace(&mut chunk[at].1, value)),
            Err(at) => chunk.insert(at, (key, value)),
        }
        self.len += 1;
        if chunk.len() > CHUNK_MAX {
            let behind = chunk.split_off(CHUNK_MAX / 2);
            self.chunks.insert(behind[0].0.clone(), Arc::new(behind));
        }
        None
    }

    /// Removes an entry; gives what stood there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let until = (Bound::Unbounded, Bound::Included(key));
        let (start, chunk) = self.chunks.range_mut::<Q, _>(until).next_back()?;
        let at = chunk.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
        let (_, value) = Arc::make_mut(chunk).remove(at);
        self.len -= 1;
        if chunk.len() < CHUNK_MAX / 4 {
            let start = start.clone();
            self.join_to_the_one_before(&start);
        }
        Some(value)
    }

    /// A small chunk goes to the one before it, where there is room; an empty one goes.
    fn join_to_the_one_before(&mut self, start: &K) {
        let small = self.chunks.get(start).map_or(0, |chunk| chunk.len());
        let before = self.chunks.range(..start).next_back().map(|(_, before)| before.len());
        let has_room = before.is_some_and(|before| before + small <= CHUNK_MAX * 3 / 4);
        if !has_room && small > 0 {
            return;
        }
        let entries = self.chunks.remove(start).filter(|chunk| !chunk.is_empty());
        if let (Some(entries), Some((_, before))) = (entries, self.chunks.range_mut(..start).next_back()) {
            Arc::make_mut(before).extend(entries.iter().cloned());
        }
    }

    /// All entries, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.values().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value))
    }

    /// The entries from `start` on, by key.
    pub fn range_from<'m, Q: Ord + ?Sized>(&'m self, start: &'m Q) -> impl Iterator<Item = (&'m K, &'m V)>
    where
        K: Borrow<Q>,
    {
        let chunks = self.chunks_from(start, |_| true);
        let entries = chunks.flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value));
        entries.skip_while(move |(key, _)| (*key).borrow() < start)
    }

    /// Holds the entries from `start` on, as far as `is_in` holds of their keys, which must hold of one after the
    /// other and then of none; at the end there may be some of which it does not.
    ///
    /// Cost: a pointer for each [`CHUNK_MAX`] entries or fewer.
    pub fn hold<Q: Ord + ?Sized>(&self, start: &Q, is_in: impl Fn(&K) -> bool) -> HeldPart<K, V>
    where
        K: Borrow<Q>,
    {
        let chunks: Vec<_> = self.chunks_from(start, is_in).cloned().collect();
        let skipped =
            chunks.first().map_or(0, |first| first.partition_point(|(key, _)| key.borrow() < start));
        HeldPart { chunks, skipped }
    }

    /// Holds everything.
    pub fn hold_all(&self) -> HeldPart<K, V> {
        HeldPart { chunks: self.chunks.values().cloned().collect(), skipped: 0 }
    }

    fn chunks_from<'m, Q: Ord + ?Sized>(
        &'m self,
        start: &Q,
        is_in: impl Fn(&K) -> bool + 'm,
    ) -> impl Iterator<Item = &'m Chunk<K, V>>
    where
        K: Borrow<Q>,
    {
        let until = (Bound::Unbounded, Bound::Included(start));
        let first = self.chunks.range::<Q, _>(until).next_back().map(|(_, chunk)| chunk);
        let behind = self.chunks.range::<Q, _>((Bound::Excluded(start), Bound::Unbounded));
        let others = behind.take_while(move |(key, _)| is_in(key));
        first.into_iter().chain(others.map(|(_, chunk)| chunk))
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    /// As of a tree: in whatever order the entries come, and the last of those with one key. In order they cost least.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> SharedMap<K, V> {
        let mut entries: Vec<(K, V)> = entries.into_iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (mut chunks, mut chunk, mut len) = (Vec::new(), Vec::<(K, V)>::new(), 0);
        for (key, value) in entries {
            if let Some(last) = chunk.last_mut().filter(|last| last.0 == key) {
                last.1 = value;
                continue;
            }
            if chunk.len() == CHUNK_MAX * 3 / 4 {
                chunks.push(std::mem::take(&mut chunk));
            }
            chunk.push((key, value));
            len += 1;
        }
        chunks.extend((!chunk.is_empty()).then_some(chunk));
        let chunks = chunks.into_iter().map(|chunk| (chunk[0].0.clone(), Arc::new(chunk))).collect();
        SharedMap { chunks, len }
    }
}

impl<K, V> HeldPart<K, V> {
    /// The entries, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.chunks.iter().flat_map(|chunk| chunk.iter());
        entries.skip(self.skipped).map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries<'m>(it: impl Iterator<Item = (&'m u16, &'m usize)>) -> Vec<(u16, usize)> {
        it.map(|(key, value)| (*key, *value)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// It is a tree to the letter, and what is held stays as it was.
        #[test]
        fn it_is_a_tree_and_what_is_held_stays(
            at_first in proptest::collection::vec((0_u16..2_000, 0_usize..9), 0..600),
            steps in proptest::collection::vec((0_u16..2_000, any::<bool>()), 0..2_000),
            start in 0_u16..2_000,
            width in 0_u16..2_000,
        ) {
            let mut tree: BTreeMap<u16, usize> = at_first.iter().copied().collect();
            let mut map: SharedMap<u16, usize> = at_first.into_iter().collect();
            let end = start.saturating_add(width);
            let held = map.hold(&start, |key| *key < end);
            let before = entries(tree.range(start..end));
            for (at, (key, is_put)) in steps.into_iter().enumerate() {
                let (one, other) = match is_put {
                    true => (map.insert(key, at), tree.insert(key, at)),
                    false => (map.remove(&key), tree.remove(&key)),
                };
                prop_assert_eq!(one, other);
                prop_assert_eq!(map.get(&key), tree.get(&key));
                prop_assert_eq!(map.len(), tree.len());
            }
            prop_assert_eq!(entries(map.iter()), entries(tree.iter()));
            prop_assert_eq!(entries(map.hold_all().iter()), entries(tree.iter()));
            prop_assert_eq!(entries(map.range_from(&start)), entries(tree.range(start..)));
            prop_assert_eq!(entries(held.iter().take_while(|(key, _)| **key < end)), before);
            prop_assert_eq!(map.replace(&start, 7), tree.get(&start).copied());
            prop_assert!(map.chunks.values().all(|chunk| (1..=CHUNK_MAX).contains(&chunk.len())));
        }
    }

    /// Many steps on few keys leave no trail of small chunks.
    #[test]
    fn chunks_do_not_pile_up() {
        let mut map = SharedMap::default();
        for key in 0..100_000_u32 {
            map.insert(key, ());
            if key >= 200 {
                map.remove(&(key - 200));
            }
        }
        assert_eq!(map.len(), 200);
        assert!(map.chunks.len() <= 8, "{} chunks", map.chunks.len());
    }
}
