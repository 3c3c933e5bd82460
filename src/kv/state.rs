//! The truth: every pair by its key, and what each write does to them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::kv::change::PairChange;
use crate::model::{Condition, Indexes, Pair, PairWrite, Refusal};
use crate::stdx::text::Text;

/// What a pair takes in memory apart from its bytes: its own fields, and its places in the state and the table.
const PAIR_BYTES: usize = 320;

/// All pairs, owned by the one writer.
#[derive(Debug)]
pub struct Pairs {
    pairs: BTreeMap<Text, Arc<Pair>>,
    /// Bytes that all of them take.
    bytes: usize,
    /// Bytes that they may take.
    bytes_max: usize,
}

impl Pairs {
    /// None yet, and at most so many bytes of them.
    pub fn new(bytes_max: usize) -> Pairs {
        Pairs { pairs: BTreeMap::new(), bytes: 0, bytes_max }
    }

    /// These and no others, even if they take more than they may.
    pub fn restored(bytes_max: usize, pairs: impl IntoIterator<Item = Arc<Pair>>) -> Pairs {
        let pairs: BTreeMap<Text, Arc<Pair>> = pairs.into_iter().map(|it| (it.key.clone(), it)).collect();
        let bytes = pairs.values().map(|pair| weight(pair)).sum();
        Pairs { pairs, bytes, bytes_max }
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pair>> {
        self.pairs.values()
    }

    /// How much they take beyond their bound, in a sentence. They were written under a larger one then.
    pub fn excess(&self) -> Option<String> {
        let Pairs { pairs, bytes, bytes_max } = self;
        let told = Refusal::PairsTooLarge { bytes_max: *bytes_max };
        (bytes > bytes_max).then(|| format!("{} keys of {bytes} bytes: {told}", pairs.len()))
    }

    /// Carries out a write at `index`: what is different now, and whether its condition held. What says nothing new
    /// changes nothing.
    ///
    /// # Errors
    /// [`Refusal::PairsTooLarge`]; nothing has changed then.
    pub fn apply(&mut self, index: u64, write: &PairWrite) -> Result<(Vec<PairChange>, bool), Refusal> {
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
                self.put(index, pair).map(|change| (change.into_iter().collect(), true))
            }
            PairWrite::Delete { key, condition } => {
                let is_allowed = !self.pairs.contains_key(key) || self.allows(key, *condition);
                let change = is_allowed.then(|| self.remove(index, key)).flatten();
                Ok((change.into_iter().collect(), is_allowed))
            }
            PairWrite::DeleteTree { prefix } => {
                let keys: Vec<Text> = under(&self.pairs, prefix).map(|pair| pair.key.clone()).collect();
                Ok((keys.iter().filter_map(|key| self.remove(index, key)).collect(), true))
            }
        }
    }

    /// Holds these pairs at `index` and no others. What is the same stays untouched. What is new has changed now: its
    /// older index may be one that somebody has seen under this key before.
    ///
    /// # Errors
    /// As [`Pairs::apply`].
    pub fn restore(&mut self, index: u64, wanted: &[Arc<Pair>]) -> Result<Vec<PairChange>, Refusal> {
        let wanted: BTreeMap<&Text, &Arc<Pair>> = wanted.iter().map(|pair| (&pair.key, pair)).collect();
        let gone: Vec<Text> = self.pairs.keys().filter(|key| !wanted.contains_key(key)).cloned().collect();
        let mut changes: Vec<PairChange> = gone.iter().filter_map(|key| self.remove(index, key)).collect();
        for (key, pair) in wanted {
            let is_there = self.pairs.contains_key(key);
            let change = match is_there {
                true => self.put(index, Pair::clone(pair)),
                false => {
                    let create = pair.indexes.create.min(index);
                    let indexes = Indexes { create, modify: index };
                    self.place(index, Arc::new(Pair { indexes, ..Pair::clone(pair) })).map(Some)
                }
            };
            match change {
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

    /// Puts a pair, unless it says nothing new.
    fn put(&mut self, index: u64, mut pair: Pair) -> Result<Option<PairChange>, Refusal> {
        let before = self.pairs.get(&pair.key);
        if before.is_some_and(|before| before.same_content(&pair)) {
            return Ok(None);
        }
        let create = before.map_or(index, |before| before.indexes.create);
        pair.indexes = Indexes { create, modify: index };
        self.place(index, Arc::new(pair)).map(Some)
    }

    /// Puts a pair as it is.
    fn place(&mut self, index: u64, pair: Arc<Pair>) -> Result<PairChange, Refusal> {
        let before = self.pairs.get(&pair.key).cloned();
        let before_bytes = before.as_deref().map_or(0, weight);
        let bytes = weight(&pair);
        if bytes > before_bytes && self.bytes - before_bytes + bytes > self.bytes_max {
            return Err(Refusal::PairsTooLarge { bytes_max: self.bytes_max });
        }
        let key = pair.key.clone();
        self.set(&key, Some(pair.clone()));
        Ok(PairChange { key, index, before, after: Some(pair) })
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

/// The pairs whose keys begin with `prefix`, by key.
pub(super) fn under<'p>(
    pairs: &'p BTreeMap<Text, Arc<Pair>>,
    prefix: &'p str,
) -> impl Iterator<Item = &'p Arc<Pair>> {
    let from: (Bound<&str>, Bound<&str>) = (Bound::Included(prefix), Bound::Unbounded);
    pairs.range::<str, _>(from).map(|(_, pair)| pair).take_while(move |pair| pair.key.starts_with(prefix))
}

/// Bytes that a pair takes in memory, near enough to bound them.
pub fn weight(pair: &Pair) -> usize {
    PAIR_BYTES + pair.key.len() + pair.value.len() + pair.session.len()
}
