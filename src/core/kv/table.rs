//! What readers see: every pair by its key, and the index of every key and of every beginning of keys.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::base::stdx::shared_map::{HeldPart, SharedMap};
use crate::base::stdx::text::Text;
use crate::core::kv::change::PairChange;
use crate::core::kv::state::{PairState, under};
use crate::core::kv::stretches::Stretches;
use crate::core::model::Pair;

/// Bytes that deletions take which are remembered, each with the index that what it was below has had since. At the
/// bound the older half is forgotten: what lists keys then stands at the last of those at least, and its watchers have
/// one needless answer. Some sixty thousand of usual keys.
const DELETIONS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a deletion takes apart from its key.
const DELETION_BYTES: usize = 96;

/// The pairs below a prefix as they were at one moment.
pub struct PairsUnder {
    prefix: Text,
    held: HeldPart<Text, Arc<Pair>>,
}

impl PairsUnder {
    /// The pairs, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pair>> {
        let from = self.held.iter().take_while(|(key, _)| key.starts_with(&*self.prefix));
        from.map(|(_, pair)| pair)
    }
}

/// The pairs, filed for reading.
#[derive(Clone, Debug)]
pub struct PairTable {
    pairs: SharedMap<Text, Arc<Pair>>,
    /// Bytes of all keys and values.
    bytes: usize,
    /// The index of the last deletion of each key that is not there.
    deletions: BTreeMap<Text, u64>,
    /// Bytes that they take.
    deletions_bytes: usize,
    stretches: Stretches,
    /// No deletion above it is forgotten.
    forgotten: u64,
    /// The index of the last change of all.
    last: u64,
}

impl PairTable {
    /// What is in `pairs`, at `index`: which keys were deleted before is not known.
    pub fn of_all(pairs: &PairState, index: u64) -> PairTable {
        let pairs: SharedMap<Text, Arc<Pair>> = pairs.iter().map(|it| (it.key.clone(), it.clone())).collect();
        let bytes = pairs.iter().map(|(_, pair)| size(pair)).sum();
        let changes: Vec<_> = pairs.iter().map(|(key, it)| (key.clone(), it.indexes.modify)).collect();
        let stretches = Stretches::of_all(&changes);
        PairTable {
            pairs,
            bytes,
            deletions: BTreeMap::new(),
            deletions_bytes: 0,
            stretches,
            forgotten: index,
            last: index,
        }
    }

    /// Takes over a change.
    pub fn absorb(&mut self, change: &PairChange) {
        let PairChange { key, index, after, .. } = change;
        self.last = self.last.max(*index);
        let (before, deleted_before) = match after {
            Some(pair) => {
                self.bytes += size(pair);
                (self.pairs.insert(key.clone(), pair.clone()), self.deletions.remove(key))
            }
            None => (self.pairs.remove(key), self.deletions.insert(key.clone(), *index)),
        };
        self.bytes -= before.as_deref().map_or(0, size);
        match (after.is_some(), deleted_before.is_some()) {
            (true, true) => self.deletions_bytes -= weight(key),
            (false, false) => self.deletions_bytes += weight(key),
            (true, false) | (false, true) => {}
        }
        let is_new = before.is_none() && deleted_before.is_none();
        if let Some((start, end)) = self.stretches.note(key, *index, is_new) {
            let changes = self.changes(&start, end.as_deref(), "");
            let mut changes: Vec<_> = changes.map(|(key, index)| (key.clone(), index)).collect();
            changes.sort_unstable();
            self.stretches.cut(&start, &changes);
        }
        if self.deletions_bytes > DELETIONS_BYTES_MAX {
            self.forget();
        }
    }

    /// Forgets when anything was deleted up to `index`, at which a start forgets it.
    pub fn forget_until(&mut self, index: u64) {
        (self.forgotten, self.last) = (self.forgotten.max(index), self.last.max(index));
        self.deletions.clear();
        self.deletions_bytes = 0;
    }

    /// The pair under `key`.
    pub fn get(&self, key: &str) -> Option<&Arc<Pair>> {
        self.pairs.get(key)
    }

    /// The index of a key, for a client that has seen it at `seen`.
    ///
    /// A key that is there has its own. One that is not has that of the last change of all, as in Consul; but a client
    /// that has seen that since the key was deleted sees the same still, so that it does not ask again with each change
    /// of another key.
    pub fn index(&self, key: &str, seen: u64) -> u64 {
        match self.pairs.get(key) {
            Some(pair) => pair.indexes.modify,
            None => self.index_of_nothing(self.deletions.get(key).copied(), seen),
        }
    }

    /// Holds the pairs whose keys begin with `prefix`, so that they can be looked at when the table is let go.
    pub fn under(&self, prefix: &Text) -> PairsUnder {
        let held = self.pairs.hold::<str>(prefix, |key| key.starts_with(&**prefix));
        PairsUnder { prefix: prefix.clone(), held }
    }

    /// The index of all keys that begin with `prefix`, for a client that has seen it at `seen`: that of the last change
    /// of any, deletions included. Where nothing is known of any it is as for a key that is not there. `known` is where
    /// it stands if that is known already.
    ///
    /// Cost: O(log n) and a look at some hundred keys, and one for each further five hundred below it.
    pub fn index_under(&self, prefix: &str, seen: u64, known: Option<u64>) -> u64 {
        let is_known_of =
            self.pairs.range_from(prefix).next().is_some_and(|(key, _)| key.starts_with(prefix))
                || under(&self.deletions, prefix).next().is_some();
        let last_between =
            |start: &str, end: Option<&str>| self.changes(start, end, prefix).map(|(_, index)| index).max();
        let last = || known.or_else(|| self.stretches.last_under(prefix, last_between));
        match is_known_of.then(last).flatten() {
            Some(last) => last.max(self.forgotten),
            None => self.index_of_nothing(None, seen),
        }
    }

    /// Every key from `start` on, below `end`, that begins with `prefix`, with the index of its last change: those of
    /// the pairs by key, then those of the deletions.
    fn changes<'t>(
        &'t self,
        start: &'t str,
        end: Option<&'t str>,
        prefix: &'t str,
    ) -> impl Iterator<Item = (&'t Text, u64)> {
        let range = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
        let pairs = self.pairs.range_from(start).map(|(key, pair)| (key, pair.indexes.modify));
        let pairs = pairs.take_while(move |(key, _)| end.is_none_or(|end| key.as_str() < end));
        let deletions = self.deletions.range::<str, _>(range).map(|(key, index)| (key, *index));
        let is_under = move |(key, _): &(&Text, u64)| key.starts_with(prefix);
        pairs.take_while(is_under).chain(deletions.take_while(is_under))
    }

    fn index_of_nothing(&self, deleted: Option<u64>, seen: u64) -> u64 {
        let is_same = (deleted.unwrap_or(self.forgotten)..=self.last).contains(&seen);
        if is_same { seen } else { self.last }
    }

    /// Bytes that remembered deletions take.
    #[cfg(test)]
    pub(super) fn deletions_bytes(&self) -> usize {
        let bytes = self.deletions.keys().map(weight).sum();
        assert_eq!(self.deletions_bytes, bytes);
        bytes
    }

    /// How many entries a copy of the table copies: chunks of pairs, stretches, and what is remembered of deletions.
    pub fn copied(&self) -> usize {
        self.pairs.chunks() + self.stretches.len() + self.deletions.len()
    }

    /// How many pairs there are, and the bytes of their keys and values.
    pub fn size(&self) -> (usize, usize) {
        (self.pairs.len(), self.bytes)
    }

    fn forget(&mut self) {
        let mut indexes: Vec<u64> = self.deletions.values().copied().collect();
        let middle = indexes.len() / 2;
        let (_, middle, _) = indexes.select_nth_unstable(middle);
        self.forgotten = self.forgotten.max(*middle);
        let forgotten = self.forgotten;
        self.deletions.retain(|_, index| *index > forgotten);
        self.deletions_bytes = self.deletions.keys().map(weight).sum();
    }
}

fn weight(deleted: &Text) -> usize {
    DELETION_BYTES + deleted.len()
}

fn size(pair: &Pair) -> usize {
    pair.key.len() + pair.value.len()
}
