//! What a write does to the keys and their values.

use std::sync::Arc;

use muster::base::stdx::text::Text;
use muster::core::model::{Condition, Indexes, Pair, PairWrite};

use crate::registry::oracle::Catalog;

impl Catalog {
    /// Whether a write may be carried out.
    pub(super) fn is_met(&self, write: &PairWrite) -> bool {
        match write {
            PairWrite::Put { key, condition, .. } => self.holds(key, *condition),
            PairWrite::Delete { key, condition } => {
                !self.pairs.contains_key(key) || self.holds(key, *condition)
            }
            PairWrite::DeleteTree { .. } => true,
        }
    }

    pub(super) fn write_pair(&mut self, write: &PairWrite) {
        match write {
            PairWrite::Put { key, value, flags, .. } => {
                let before = self.pairs.get(key).cloned();
                let is_same = before.as_ref().is_some_and(|it| it.value == *value && it.flags == *flags);
                if is_same {
                    return;
                }
                let create = before.map_or(self.index, |it| it.indexes.create);
                let indexes = Indexes { create, modify: self.index };
                let (value, flags) = (value.clone(), *flags);
                let pair = Pair { key: key.clone(), value, flags, indexes, ..Pair::default() };
                self.pairs.insert(key.clone(), Arc::new(pair));
            }
            PairWrite::Delete { key, .. } => drop(self.pairs.remove(key)),
            PairWrite::DeleteTree { prefix } => self.pairs.retain(|key, _| !key.starts_with(prefix.as_str())),
        }
    }

    fn holds(&self, key: &Text, condition: Condition) -> bool {
        match condition {
            Condition::Always => true,
            Condition::Index(index) => index == self.pairs.get(key).map_or(0, |it| it.indexes.modify),
        }
    }
}
