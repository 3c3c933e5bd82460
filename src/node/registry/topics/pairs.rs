//! The topics of the key/value store: keys and beginnings of keys that somebody watches or keeps at hand.
//!
//! A topic is here while it is held. What nobody holds has no index here: readers work it out from the pairs.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::RwLock;

use crate::base::stdx::text::Text;
use crate::core::catalog::topic::Topic;
use crate::core::kv::change::PairChange;
use crate::node::registry::topics::{TopicEntry, WakeBatch};

/// Changes whose watchers are looked for under one lock, and from their keys. Of more, as when a tree of keys is
/// deleted, each prefix is moved once.
const CHANGES_UNDER_A_LOCK: usize = 256;

/// Those that are held.
#[derive(Default)]
pub struct PairTopics {
    keys: RwLock<HashMap<Text, Arc<TopicEntry>>>,
    prefixes: RwLock<BTreeMap<Text, Arc<TopicEntry>>>,
}

impl PairTopics {
    /// The index of all keys that begin with `prefix`, where that is known: while somebody holds it, all changes below
    /// it are noticed here.
    pub fn index_under(&self, prefix: &str) -> Option<u64> {
        let index = self.prefixes.read().get(prefix)?.index.load(Ordering::Acquire);
        (index > 0).then_some(index)
    }

    /// Moves what `changes` are of, and gives whoever watched it.
    ///
    /// The tables are let go in between, since who begins to watch waits for them.
    pub fn advance(&self, changes: &[PairChange]) -> WakeBatch {
        let mut crowd = WakeBatch::default();
        for some in changes.chunks(CHANGES_UNDER_A_LOCK) {
            let keys = self.keys.read();
            for PairChange { key, index, .. } in some {
                keys.get(key).into_iter().for_each(|entry| crowd.join(entry.advance(*index)));
            }
        }
        if changes.len() <= CHANGES_UNDER_A_LOCK {
            let prefixes = self.prefixes.read();
            for PairChange { key, index, .. } in changes {
                beginnings(&prefixes, key).for_each(|entry| crowd.join(entry.advance(*index)));
            }
            return crowd;
        }
        let mut changed: Vec<(&str, u64)> = changes.iter().map(|it| (&*it.key, it.index)).collect();
        changed.sort_unstable();
        // Whoever begins to watch from now on finds the changes in the pairs themselves.
        let prefixes: Vec<_> =
            self.prefixes.read().iter().map(|(prefix, entry)| (prefix.clone(), entry.clone())).collect();
        let prefixes = prefixes.iter().map(|(prefix, entry)| (&**prefix, entry));
        last_below(prefixes, &changed, |entry, index| crowd.join(entry.advance(index)));
        crowd
    }

    /// Lifts every prefix whose index is known to at least `index`.
    pub(super) fn lift_prefixes(&self, index: u64) {
        let prefixes = self.prefixes.read();
        let known = prefixes.values().filter(|entry| entry.index.load(Ordering::Acquire) > 0);
        known.for_each(|entry| {
            entry.index.fetch_max(index, Ordering::AcqRel);
        });
    }

    /// The entry of a topic, which is let go of by [`PairTopics::let_go`]; `None` if it is no topic of these.
    pub(super) fn hold(&self, topic: &Topic) -> Option<Arc<TopicEntry>> {
        if let Some(entry) = self.get(topic) {
            return Some(entry);
        }
        match topic {
            Topic::Key(key) => Some(self.keys.write().entry(key.clone()).or_default().clone()),
            Topic::Prefix(prefix) => Some(self.prefixes.write().entry(prefix.clone()).or_default().clone()),
            _ => None,
        }
    }

    /// Forgets a topic with the last who holds it: the caller and the table. Tells whether it is a topic of these.
    pub(super) fn let_go(&self, topic: &Topic, entry: &Arc<TopicEntry>) -> bool {
        // Whoever wants to hold it looks it up under the lock.
        let is_last = || Arc::strong_count(entry) == 2;
        match topic {
            Topic::Key(key) => {
                let mut keys = self.keys.write();
                is_last().then(|| keys.remove(key));
            }
            Topic::Prefix(prefix) => {
                let mut prefixes = self.prefixes.write();
                is_last().then(|| prefixes.remove(prefix));
            }
            _ => return false,
        }
        true
    }

    pub(super) fn wake_all(&self) {
        let mut held: Vec<Arc<TopicEntry>> = self.keys.read().values().cloned().collect();
        held.extend(self.prefixes.read().values().cloned());
        held.iter().for_each(|entry| entry.wake());
    }

    fn get(&self, topic: &Topic) -> Option<Arc<TopicEntry>> {
        match topic {
            Topic::Key(key) => self.keys.read().get(key).cloned(),
            Topic::Prefix(prefix) => self.prefixes.read().get(prefix).cloned(),
            _ => None,
        }
    }
}

/// Those of `prefixes` that `key` begins with, the longest first.
///
/// Looks at the greatest that is not behind the key. If the key does not begin with it, neither does it with any
/// between it and what the two have in common, so that is where to look next: each step either finds one or shortens
/// what is left of the key.
fn beginnings<'p, T>(prefixes: &'p BTreeMap<Text, T>, key: &'p str) -> impl Iterator<Item = &'p T> {
    let mut rest = Some(Bound::Included(key));
    std::iter::from_fn(move || {
        loop {
            let (prefix, found) = prefixes.range::<str, _>((Bound::Unbounded, rest?)).next_back()?;
            let common = common(prefix, key);
            if common == prefix.len() {
                rest = Some(Bound::Excluded(&key[..common]));
                return Some(found);
            }
            rest = Some(Bound::Included(&key[..common]));
        }
    })
}

/// Gives each of `prefixes` below which something has `changed` with the last index there. Both come in order.
///
/// One walk along the two: what is open at a key are the prefixes that it begins with, each inside the one before.
fn last_below<'p, T>(
    prefixes: impl Iterator<Item = (&'p str, T)>,
    changed: &[(&str, u64)],
    mut found: impl FnMut(T, u64),
) {
    let (mut prefixes, mut open) = (prefixes.peekable(), Vec::<(&str, T, u64)>::new());
    let mut close = |open: &mut Vec<(&str, T, u64)>| {
        let Some((_, entry, last)) = open.pop() else { return };
        if let Some((.., of_outer)) = open.last_mut() {
            *of_outer = last.max(*of_outer);
        }
        if last > 0 {
            found(entry, last);
        }
    };
    for (key, index) in changed {
        while open.last().is_some_and(|(prefix, ..)| !key.starts_with(prefix)) {
            close(&mut open);
        }
        while let Some((prefix, entry)) = prefixes.next_if(|(prefix, _)| prefix <= key) {
            // Of one that the key does not begin with, all that is below it stands before the key.
            if key.starts_with(prefix) {
                open.push((prefix, entry, 0));
            }
        }
        if let Some((.., last)) = open.last_mut() {
            *last = (*index).max(*last);
        }
    }
    while !open.is_empty() {
        close(&mut open);
    }
}

/// Bytes that two texts have in common from their beginning, to the end of a character.
fn common(left: &str, right: &str) -> usize {
    let same = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    (0..=same).rev().find(|at| right.is_char_boundary(*at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a look at each.
        #[test]
        fn every_beginning_is_found(
            prefixes in proptest::collection::btree_map("[ab/é]{0,6}", 0_usize..9, 0..40),
            key in "[ab/é]{0,8}",
        ) {
            let prefixes: BTreeMap<Text, usize> =
                prefixes.into_iter().map(|(prefix, it)| (Text::from(prefix.as_str()), it)).collect();
            let found: Vec<&usize> = beginnings(&prefixes, &key).collect();
            let expected = prefixes.iter().filter(|(prefix, _)| key.starts_with(prefix.as_str()));
            prop_assert_eq!(found, expected.map(|(_, it)| it).rev().collect::<Vec<_>>());
        }

        /// As from each key.
        #[test]
        fn the_last_change_below_each_is_found(
            prefixes in proptest::collection::btree_set("[ab/é]{0,6}", 0..40),
            changed in proptest::collection::vec(("[ab/é]{0,8}", 1_u64..9), 0..40),
        ) {
            let mut changed: Vec<(&str, u64)> = changed.iter().map(|(key, index)| (&**key, *index)).collect();
            changed.sort_unstable();
            let mut found = BTreeMap::new();
            last_below(prefixes.iter().map(|it| (&**it, it)), &changed, |prefix, index| {
                assert!(found.insert(prefix.clone(), index).is_none(), "once each");
            });
            let last = |prefix: &String| {
                let below = changed.iter().filter(|(key, _)| key.starts_with(prefix.as_str()));
                Some((prefix.clone(), below.map(|(_, index)| *index).max()?))
            };
            prop_assert_eq!(found, prefixes.iter().filter_map(last).collect::<BTreeMap<_, _>>());
        }
    }
}
