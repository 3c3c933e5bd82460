//! What an orderly end leaves for the next start: the part of the checks' lives that no record of the catalog shows.
//!
//! It stands in rows of its own, beside the registry's records and without an index, and is good for one start: that
//! start removes it. After a crash there is none, and the checks begin as `health` says.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::base::stdx::text::Text;
use crate::core::health::{CheckKey, Saved};
use crate::core::model::{NodeKey, stored};
use crate::store::change::{RowChange, Table};

/// What the keys of these rows begin with; a number follows.
const KEY_PREFIX: &str = "health/";

/// Checks in one row. A row is read and written whole, so a million checks are a thousand rows of some 100 KB.
const CHECKS_PER_ROW: usize = 1_000;

/// What was carried over by check, and the rows that it stood in.
#[derive(Debug, Default)]
pub struct HealthCheckpoint {
    saved: HashMap<CheckKey, Saved>,
    keys: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    node: Text,
    check: Text,
    #[serde(flatten)]
    saved: Saved,
}

impl HealthCheckpoint {
    /// Takes over a row of [`Table::Meta`], if it is one of these.
    ///
    /// # Errors
    /// A sentence when it is not as [`rows`] writes it.
    pub fn absorb(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        if !key.starts_with(KEY_PREFIX) {
            return Ok(());
        }
        let entries: Vec<Entry> = stored::read(key, value)?;
        let entries = entries
            .into_iter()
            .map(|it| (CheckKey::new(NodeKey::filed(it.node), it.check), it.saved.bounded()));
        self.saved.extend(entries);
        self.keys.push(key.to_owned());
        Ok(())
    }

    /// Whether the end was an orderly one, as far as it left anything.
    pub fn is_there(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The keys of the rows that it stood in.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        self.keys.iter().cloned()
    }

    /// What was carried over of one check.
    pub fn of(&self, key: &CheckKey) -> Option<Saved> {
        self.saved.get(key).copied()
    }

    /// What removes the rows that it stood in.
    pub fn removals(&self) -> Vec<RowChange> {
        self.keys.iter().map(|key| RowChange::delete(Table::Meta, key.as_str())).collect()
    }
}

/// The rows that carry `saved` over.
pub fn rows(saved: Vec<(CheckKey, Saved)>) -> Vec<RowChange> {
    let entry = |(key, saved): &(CheckKey, Saved)| {
        let (node, check) = (key.node.text().clone(), key.check_id.clone());
        Entry { node, check, saved: *saved }
    };
    let row = |(number, chunk): (usize, &[(CheckKey, Saved)])| {
        let entries: Vec<Entry> = chunk.iter().map(entry).collect();
        let value = serde_json::to_vec(&entries).expect("entries have text keys only");
        RowChange::put(Table::Meta, format!("{KEY_PREFIX}{number:06}"), value)
    };
    saved.chunks(CHECKS_PER_ROW).enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::health::ResultCounters;

    #[test]
    fn what_is_carried_over_comes_back_and_is_removed() {
        let saved = |number: u64| Saved {
            counters: Some(ResultCounters { failures: number as u32, successes: 0 }),
            ttl_left: Some(Duration::from_millis(number)),
            ..Saved::default()
        };
        let key = |number: u64| CheckKey::new("n", format!("check-{number}"));
        let rows = rows((0..2_001).map(|number| (key(number), saved(number))).collect());
        assert_eq!(rows.len(), 3);
        let mut checkpoint = HealthCheckpoint::default();
        checkpoint.absorb("other", b"no JSON").unwrap();
        for row in &rows {
            checkpoint.absorb(&row.key, row.value.as_deref().unwrap()).unwrap();
        }
        for number in [0, 999, 1_000, 2_000] {
            assert_eq!(checkpoint.of(&key(number)), Some(saved(number)), "{number}");
        }
        assert_eq!(checkpoint.of(&key(2_001)), None);
        let removed: Vec<String> = checkpoint.removals().into_iter().map(|row| row.key).collect();
        assert_eq!(removed, rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>());
        assert!(checkpoint.absorb("health/000000", b"{}").unwrap_err().contains("health/000000"));
    }
}
