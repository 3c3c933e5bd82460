//! The store without a disk: for `-dev` and for tests of the layers above. Knows no file.

use std::collections::BTreeMap;

use super::change::{Batch, KEY_BYTES_MAX, RowChange, Table};
use super::error::StoreError;
use super::rows::{Description, Loaded, RowSink, Store};

/// Keeps rows in memory for as long as the process lives, with the same refusals as a durable store.
#[derive(Debug, Default)]
pub struct MemoryStore {
    index: u64,
    rows: BTreeMap<(Table, String), Vec<u8>>,
}

impl MemoryStore {
    /// An empty store that stands at `index`: above everything that a store before it has given, so that
    /// no client takes an index of that one for one of this.
    pub fn standing_at(index: u64) -> MemoryStore {
        MemoryStore { index, rows: BTreeMap::new() }
    }
}

impl Store for MemoryStore {
    fn load(&mut self, row: &mut RowSink) -> Result<Loaded, StoreError> {
        for ((table, key), value) in &self.rows {
            row(*table, key, value).map_err(|reason| StoreError::damaged("memory".as_ref(), reason))?;
        }
        Ok(Loaded { index: self.index, rows: self.rows.len() as u64 })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        refuse_oversize(&batch.changes)?;
        for RowChange { table, key, value } in &batch.changes {
            let name = (*table, key.clone());
            match value {
                Some(value) => self.rows.insert(name, value.clone()),
                None => self.rows.remove(&name),
            };
        }
        self.index = self.index.max(batch.index);
        Ok(())
    }

    fn describe(&self) -> Description {
        Description {
            kind: "memory",
            path: None,
            guarantee: "Acknowledged writes are lost when the process ends.",
            rows: self.rows.len() as u64,
            disk_bytes: 0,
        }
    }
}

/// The check every store makes before it touches anything.
pub(super) fn refuse_oversize(changes: &[RowChange]) -> Result<(), StoreError> {
    match changes.iter().map(|change| change.key.len()).max() {
        Some(key_bytes) if key_bytes > KEY_BYTES_MAX => {
            Err(StoreError::Oversize { key_bytes, key_bytes_max: KEY_BYTES_MAX })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_table_by_table() {
        let mut store = MemoryStore::default();
        let changes = vec![
            RowChange::put(Table::Checks, "c", "1"),
            RowChange::put(Table::Meta, "m", "2"),
            RowChange::put(Table::Nodes, "gone", "3"),
            RowChange::delete(Table::Nodes, "gone"),
        ];
        store.commit(&Batch { index: 7, changes }).unwrap();
        let mut seen = Vec::new();
        let loaded = store.load(&mut |table, key, _| {
            seen.push((table, key.to_string()));
            Ok(())
        });
        assert_eq!(loaded.unwrap(), Loaded { index: 7, rows: 2 });
        assert_eq!(seen, [(Table::Meta, "m".into()), (Table::Checks, "c".into())]);
    }

    #[test]
    fn the_key_limit_is_inclusive() {
        for (key_bytes, accepted) in [(0, true), (KEY_BYTES_MAX, true), (KEY_BYTES_MAX + 1, false)] {
            let changes = vec![RowChange::put(Table::Nodes, "k".repeat(key_bytes), "v")];
            let outcome = MemoryStore::default().commit(&Batch { index: 1, changes });
            assert_eq!(outcome.is_ok(), accepted, "{key_bytes}");
        }
    }
}
