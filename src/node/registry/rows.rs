//! Which rows a store keeps of what is in the registry, and back: under which keys, and of which table. What stands in
//! a row is its domain's: see [`catalog::row`], [`kv::row`] and [`acl::row`].
//!
//! A node's row is filed under the node's key; an instance's and a check's under that, a tab and
//! their id. Names and ids hold no control characters, so the tab is unambiguous. A transition's row is filed under
//! node, instance, check and its slot, with tabs between them.
//!
//! Whatever reads rows reads them here, be they of a data directory, a snapshot or a Redis. What a
//! check's row says at greater length than a record may is cut: it may be older than the bound.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::acl;
use crate::core::acl::row::Seal;
use crate::core::catalog;
use crate::core::catalog::change::CatalogChange;
use crate::core::kernel::changes::Changes;
use crate::core::kv;
use crate::core::kv::change::PairChange;
use crate::core::model::acl::AclRecord;
use crate::core::model::{NodeKey, Pair, Subject, said};
use crate::node::registry::history::History;
use crate::node::registry::history::entry::{HistoryEntry, PER_CHECK_MAX};
use crate::store::change::{RowChange, Table};

const SEPARATOR: char = '\t';

/// The rows that changes of the registry leave behind, secrets under `seal`.
pub fn of<'c>(changes: &'c Changes, seal: &'c dyn Seal) -> impl Iterator<Item = RowChange> + 'c {
    let Changes { catalog, kv, acl } = changes;
    let acl = acl.iter().map(move |change| RowChange {
        table: Table::Acl,
        key: acl::row::key(change.kind, &change.id),
        value: change.after.as_ref().map(|record| acl::row::encode(record, seal)),
    });
    catalog.iter().map(row).chain(kv.iter().map(pair_change)).chain(acl)
}

/// The row of a record of access control.
pub fn acl_row(record: &AclRecord, seal: &dyn Seal) -> RowChange {
    let key = acl::row::key(record.kind(), &record.id());
    RowChange::put(Table::Acl, key, acl::row::encode(record, seal))
}

/// The row that a change of a pair leaves behind.
fn pair_change(change: &PairChange) -> RowChange {
    let value = change.after.as_deref().map(kv::row::encode);
    RowChange { table: Table::Kv, key: change.key.as_str().to_owned(), value }
}

/// The row of a pair.
pub fn pair_row(pair: &Pair) -> RowChange {
    RowChange::put(Table::Kv, pair.key.as_str(), kv::row::encode(pair))
}

/// The pair in a stored row.
///
/// # Errors
/// A sentence when the row is not as [`pair_row`] writes it.
pub fn pair(key: &str, value: &[u8]) -> Result<Arc<Pair>, String> {
    kv::row::decode(key, value).map(Arc::new)
}

/// The row that a change of the catalog leaves behind.
pub fn row(change: &CatalogChange) -> RowChange {
    use catalog::row;
    let (table, key, value) = match change {
        CatalogChange::Node { key, after, .. } => {
            (Table::Nodes, key.as_str().to_owned(), after.as_deref().map(row::encode_node))
        }
        CatalogChange::Service { node, id, after, .. } => {
            (Table::Services, join(node, id), after.as_deref().map(row::encode_service))
        }
        CatalogChange::Check { node, id, after, .. } => {
            (Table::Checks, join(node, id), after.as_deref().map(row::encode_check))
        }
    };
    RowChange { table, key, value }
}

/// What removes the row that [`row()`] wrote for a record.
pub fn removal(change: &CatalogChange) -> RowChange {
    RowChange { value: None, ..row(change) }
}

/// The change that puts a stored row's record into an empty catalog; `None` for rows that are no record of it.
///
/// # Errors
/// A sentence when the row is not as [`row()`] writes it.
pub fn change(table: Table, key: &str, value: &[u8]) -> Result<Option<CatalogChange>, String> {
    RowReader::default().change(table, key, value)
}

/// Reads rows in their order. What a key says once more, after the row before or the record itself, becomes the same
/// text as there: three allocations fewer for each record.
#[derive(Debug, Default)]
pub struct RowReader {
    /// The key of the node that the row before is of, or is on.
    node: NodeKey,
}

impl RowReader {
    /// As [`change`].
    ///
    /// # Errors
    /// Those of [`change`].
    pub fn change(&mut self, table: Table, key: &str, value: &[u8]) -> Result<Option<CatalogChange>, String> {
        Ok(Some(match table {
            Table::Meta
            | Table::Kv
            | Table::Acl
            | Table::History
            | Table::Deliveries
            | Table::DeadLetters => {
                return Ok(None);
            }
            Table::Nodes => {
                let node = catalog::row::decode_node(key, value)?;
                self.node = NodeKey::filed(shared(&node.name, key));
                CatalogChange::Node { key: self.node.clone(), before: None, after: Some(Arc::new(node)) }
            }
            Table::Services => {
                let (node, id) = self.split(key)?;
                let service = catalog::row::decode_service(key, value)?;
                CatalogChange::Service {
                    node,
                    id: shared(&service.id, id),
                    before: None,
                    after: Some(Arc::new(service)),
                }
            }
            Table::Checks => {
                let (node, id) = self.split(key)?;
                let check = said::check(Arc::new(catalog::row::decode_check(key, value)?));
                CatalogChange::Check { node, id: shared(&check.id, id), before: None, after: Some(check) }
            }
        }))
    }

    fn split<'k>(&mut self, key: &'k str) -> Result<(NodeKey, &'k str), String> {
        let parts = key.split_once(SEPARATOR);
        let (node, id) = parts.ok_or_else(|| format!("row {key:?}: no tab in its key"))?;
        self.node = NodeKey::filed(shared(self.node.text(), node));
        Ok((self.node.clone(), id))
    }
}

/// `text` as a text of its own, or as `known` where that says the same.
fn shared(known: &Text, text: &str) -> Text {
    if *known == *text { known.clone() } else { text.into() }
}

/// The row of a transition.
pub fn transition_row(entry: &HistoryEntry) -> RowChange {
    let value = catalog::row::encode_transition(&entry.transition, entry.is_restored);
    RowChange::put(Table::History, transition_key(entry), value)
}

/// The rows that make `entries` durable in `history`. To be written before anything that uses their slots.
pub fn of_history(history: &History, entries: &[HistoryEntry]) -> Vec<RowChange> {
    if entries.is_empty() {
        return Vec::new();
    }
    // A slot that was given up may be in use again: what is put comes after what is removed.
    history.stale().iter().map(transition_removal).chain(entries.iter().map(transition_row)).collect()
}

/// What removes the row that [`transition_row`] wrote.
pub fn transition_removal(entry: &HistoryEntry) -> RowChange {
    RowChange::delete(Table::History, transition_key(entry))
}

/// The transition in a stored row.
///
/// # Errors
/// A sentence when the row is not as [`transition_row`] writes it.
pub fn transition(key: &str, value: &[u8]) -> Result<HistoryEntry, String> {
    let mut parts = key.split(SEPARATOR);
    let mut part = || parts.next().ok_or_else(|| format!("row {key:?}: its key has fewer than four parts"));
    let (node, service_id, check_id, slot) =
        (NodeKey::filed(part()?), part()?.into(), part()?.into(), part()?);
    let slot = slot.parse().ok().filter(|slot| *slot < PER_CHECK_MAX);
    let slot = slot.ok_or_else(|| format!("row {key:?}: its slot is no number below {PER_CHECK_MAX}"))?;
    let subject = Subject { node, service_id, check_id };
    let (transition, is_restored) = catalog::row::decode_transition(key, subject, value)?;
    Ok(HistoryEntry { transition: Arc::new(transition), slot, is_restored })
}

/// What a transition is filed under.
pub fn transition_key(entry: &HistoryEntry) -> String {
    let Subject { node, service_id, check_id } = &*entry.transition.subject;
    format!("{node}{SEPARATOR}{service_id}{SEPARATOR}{check_id}{SEPARATOR}{}", entry.slot)
}

fn join(node: &NodeKey, id: &Text) -> String {
    let node = node.as_str();
    let mut key = String::with_capacity(node.len() + SEPARATOR.len_utf8() + id.len());
    key.push_str(node);
    key.push(SEPARATOR);
    key.push_str(id);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::limits::SAID_BYTES_MAX;
    use crate::core::model::{Check, Node, Service};

    fn stored(name: &str, ids: &[&str]) -> Vec<RowChange> {
        let node = Node { name: name.into(), ..Node::default() };
        let services = ids.iter().map(|id| Service { id: (*id).into(), ..Service::default() });
        let service = |service: Service| CatalogChange::Service {
            node: NodeKey::of(&node.name),
            id: service.id.clone(),
            before: None,
            after: Some(Arc::new(service)),
        };
        let first = CatalogChange::Node {
            key: NodeKey::of(&node.name),
            before: None,
            after: Some(Arc::new(node.clone())),
        };
        std::iter::once(row(&first)).chain(services.map(|it| row(&service(it)))).collect()
    }

    #[test]
    fn rows_read_in_their_order_are_the_same_rows_and_share_their_texts() {
        let mut reader = RowReader::default();
        let stored = [stored("n1", &["a", "b"]), stored("N2", &["a"]), stored("n1", &["A"])].concat();
        let mut last: Option<CatalogChange> = None;
        for RowChange { table, key, value } in stored {
            let value = value.expect("it is put");
            let read = reader.change(table, &key, &value).unwrap().expect("it is a record");
            let alone = change(table, &key, &value).unwrap().expect("it is a record");
            assert_eq!(format!("{read:?}"), format!("{alone:?}"));
            let is_same = |one: &Text, other: &Text| std::ptr::eq(one.as_str(), other.as_str());
            if let CatalogChange::Service { node, id, after: Some(service), .. } = &read {
                assert!(is_same(id, &service.id));
                let before = last.as_ref().expect("its node comes before").node();
                assert_eq!(is_same(node.text(), before.text()), node == before);
            }
            last = Some(read);
        }
    }

    #[test]
    fn what_a_row_says_at_too_great_length_is_cut() {
        let long = Text::from("x".repeat(SAID_BYTES_MAX + 1).as_str());
        let check = Check { id: "c".into(), output: long.clone(), notes: long.clone(), ..Check::default() };
        let value = catalog::row::encode_check(&check);
        let Some(CatalogChange::Check { after: Some(read), .. }) =
            change(Table::Checks, "n\tc", &value).unwrap()
        else {
            panic!("it is a check");
        };
        assert_eq!((read.output.len(), read.notes.len()), (SAID_BYTES_MAX, SAID_BYTES_MAX));
    }

    #[test]
    fn a_row_that_does_not_read_is_named() {
        for (table, key) in [(Table::Services, "no tab"), (Table::Checks, "n\tc"), (Table::Nodes, "n")] {
            let error = RowReader::default().change(table, key, b"{").unwrap_err();
            assert!(error.starts_with(&format!("row {key:?}: ")), "{error}");
        }
    }
}
