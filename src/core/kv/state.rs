//! The truth: every pair by its key, and what each write does to them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::kv::change::PairChange;
use crate::core::model::{CommandRefusal, Condition, Indexes, Pair, PairWrite};

/// What a pair takes in memory apart from its bytes: its own fields, and its places in the state and the table.
const PAIR_BYTES: usize = 320;

/// All pairs, owned by the one writer.
#[derive(Debug)]
pub struct PairState {
    pairs: BTreeMap<Text, Arc<Pair>>,
    /// Bytes that all of them take.
    bytes: usize,
    /// Bytes that they may take.
    bytes_max: usize,
}

impl PairState {
    /// None yet, and at most so many bytes of them.
    pub fn new(bytes_max: usize) -> PairState {
        PairState { pairs: BTreeMap::new(), bytes: 0, bytes_max }
    }

    /// These and no others, even if they take more than they may.
    pub fn restored(bytes_max: usize, pairs: impl IntoIterator<Item = Arc<Pair>>) -> PairState {
        let pairs: BTreeMap<Text, Arc<Pair>> = pairs.into_iter().map(|it| (it.key.clone(), it)).collect();
        let bytes = pairs.values().map(|pair| weight(pair)).sum();
        PairState { pairs, bytes, bytes_max }
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pair>> {
        self.pairs.values()
    }

    /// How much they take beyond their bound, in a sentence. They were written under a larger one then.
    pub fn excess(&self) -> Option<String> {
        let PairState { pairs, bytes, bytes_max } = self;
        let refusal = CommandRefusal::PairsTooLarge { bytes_max: *bytes_max };
        (bytes > bytes_max).then(|| format!("{} keys of {bytes} bytes: {refusal}", pairs.len()))
    }

    /// Carries out a write at `index`: what is different now, and whether its condition held. What says nothing new
    /// changes nothing.
    ///
    /// # Errors
    /// [`CommandRefusal::PairsTooLarge`]; nothing has changed then.
    pub fn apply(
        &mut self,
        index: u64,
        write: &PairWrite,
    ) -> Result<(Vec<PairChange>, bool), CommandRefusal> {
        match write {
            PairWrite::Put { key, value, flags, condition } => {
                if !self.allows(key, *condition) {
                    return Ok((Vec::new(), false));
                }
                let before = self.pairs.get(key);
                // Whoever writes past a lock leaves it in place, and its count begins anew: as Consul does.
                let session = before.map(|pair| pair.session.clone()).unwrap_or_default();
                let counted = before.map_or(0, |pair| pair.lock_index);
                let lock_index = if session.is_empty() { counted } else { 0 };
                let (value, indexes) = (value.clone(), Indexes::default());
                let pair = Pair { key: key.clone(), value, flags: *flags, lock_index, session, indexes };
                self.put((index, index), pair).map(|change| (change.into_iter().collect(), true))
            }
            PairWrite::Delete { key, condition } => {
                let is_allowed = !self.pairs.contains_key(key) || self.allows(key, *condition);
                let change = is_allowed.then(|| self.remove(index, key)).flatten();
                Ok((change.into_iter().collect(), is_allowed))
            }
            PairWrite::DeleteTree { prefix } => {
                let keys: Vec<Text> = under(&self.pairs, prefix).map(|(key, _)| key.clone()).collect();
                Ok((keys.iter().filter_map(|key| self.remove(index, key)).collect(), true))
            }
        }
    }

    /// Holds these pairs at `index` and no others. What is the same stays untouched. What is new has changed now: its
    /// older index may be one that somebody has seen under this key before.
    ///
    /// # Errors
    /// As [`PairState::apply`].
    pub fn restore(&mut self, index: u64, wanted: &[Arc<Pair>]) -> Result<Vec<PairChange>, CommandRefusal> {
        let wanted: BTreeMap<&Text, &Arc<Pair>> = wanted.iter().map(|pair| (&pair.key, pair)).collect();
        let gone: Vec<Text> = self.pairs.keys().filter(|key| !wanted.contains_key(key)).cloned().collect();
        let mut changes: Vec<PairChange> = gone.iter().filter_map(|key| self.remove(index, key)).collect();
        for pair in wanted.into_values() {
            let create = pair.indexes.create.min(index);
            match self.put((create, index), Pair::clone(pair)) {
                Ok(change) => changes.extend(change),
                Err(refusal) => {
                    self.undo(&changes);
                    return Err(refusal);
                }
            }
        }
        Ok(changes)
    }

    /// Takes back changes, the last ones first.
    pub fn undo(&mut self, changes: &[PairChange]) {
        for PairChange { key, before, .. } in changes.iter().rev() {
            self.set(key, before.clone());
        }
    }

    fn allows(&self, key: &Text, condition: Condition) -> bool {
        match condition {
            Condition::Always => true,
            Condition::Index(index) => index == self.pairs.get(key).map_or(0, |pair| pair.indexes.modify),
        }
    }

    /// Puts a pair at an index, unless it says nothing new; one that is new came to be at `created`.
    fn put(
        &mut self,
        (created, index): (u64, u64),
        mut pair: Pair,
    ) -> Result<Option<PairChange>, CommandRefusal> {
        let before = self.pairs.get(&pair.key).cloned();
        if before.as_deref().is_some_and(|before| before.same_content(&pair)) {
            return Ok(None);
        }
        let create = before.as_deref().map_or(created, |before| before.indexes.create);
        pair.indexes = Indexes { create, modify: index };
        let (bytes_before, bytes) = (before.as_deref().map_or(0, weight), weight(&pair));
        if bytes > bytes_before && self.bytes - bytes_before + bytes > self.bytes_max {
            return Err(CommandRefusal::PairsTooLarge { bytes_max: self.bytes_max });
        }
        let (key, pair) = (pair.key.clone(), Arc::new(pair));
        self.set(&key, Some(pair.clone()));
        Ok(Some(PairChange { key, index, before, after: Some(pair) }))
    }

    fn remove(&mut self, index: u64, key: &Text) -> Option<PairChange> {
        let before = Some(self.pairs.get(key)?.clone());
        self.set(key, None);
        Some(PairChange { key: key.clone(), index, before, after: None })
    }

    fn set(&mut self, key: &Text, pair: Option<Arc<Pair>>) {
        self.bytes += pair.as_deref().map_or(0, weight);
        let before = match pair {
            Some(pair) => self.pairs.insert(key.clone(), pair),
            None => self.pairs.remove(key),
        };
        self.bytes -= before.as_deref().map_or(0, weight);
    }
}

/// What stands under keys that begin with `prefix`, by key.
pub(super) fn under<'m, V>(
    of: &'m BTreeMap<Text, V>,
    prefix: &'m str,
) -> impl Iterator<Item = (&'m Text, &'m V)> {
    let from: (Bound<&str>, Bound<&str>) = (Bound::Included(prefix), Bound::Unbounded);
    of.range::<str, _>(from).take_while(move |(key, _)| key.starts_with(prefix))
}

/// Bytes that a pair takes in memory, near enough to bound them.
pub fn weight(pair: &Pair) -> usize {
    PAIR_BYTES + pair.key.len() + pair.value.len() + pair.session.len()
}
