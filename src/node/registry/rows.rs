//! Records as stored rows, and back: JSON that a person can read.
//!
//! A node's row is filed under the node's key; an instance's and a check's under that, a tab and
//! their id. Names and ids hold no control characters, so the tab is unambiguous. A transition's row is filed under
//! node, instance, check and its slot, with tabs between them.
//!
//! Whatever reads rows reads them here, be they of a data directory, a snapshot or a Redis. What a
//! check's row says at greater length than a record may is cut: it may be older than the bound.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::kernel::changes::Changes;
use crate::core::kv::change::PairChange;
use crate::core::kv::row;
use crate::core::model::{Caller, Cause, Node, NodeKey, Pair, Service, Status, Subject, Transition, said};
use crate::node::registry::history::History;
use crate::node::registry::history::entry::{HistoryEntry, PER_CHECK_MAX};
use crate::store::change::{RowChange, Table};

const SEPARATOR: char = '\t';

/// Bytes that most rows fit into, so that they are written without being moved.
const VALUE_BYTES: usize = 512;

/// The rows that changes of the registry leave behind.
pub fn of(changes: &Changes) -> impl Iterator<Item = RowChange> {
    let Changes { catalog, kv } = changes;
    catalog.iter().map(row).chain(kv.iter().map(pair_change))
}

/// The row that a change of a pair leaves behind.
fn pair_change(change: &PairChange) -> RowChange {
    let value = change.after.as_deref().map(row::encode);
    RowChange { table: Table::Kv, key: change.key.as_str().to_owned(), value }
}

/// The row of a pair.
pub fn pair_row(pair: &Pair) -> RowChange {
    RowChange::put(Table::Kv, pair.key.as_str(), row::encode(pair))
}

/// The pair in a stored row.
///
/// # Errors
/// A sentence when the row is not as [`pair_row`] writes it.
pub fn pair(key: &str, value: &[u8]) -> Result<Arc<Pair>, String> {
    row::decode(key, value).map(Arc::new)
}

/// The row that a change of the catalog leaves behind.
pub fn row(change: &CatalogChange) -> RowChange {
    match change {
        CatalogChange::Node { key, after, .. } => put(Table::Nodes, key.as_str().to_owned(), after),
        CatalogChange::Service { node, id, after, .. } => put(Table::Services, join(node, id), after),
        CatalogChange::Check { node, id, after, .. } => put(Table::Checks, join(node, id), after),
    }
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
            Table::Meta | Table::Kv | Table::History | Table::Deliveries | Table::DeadLetters => {
                return Ok(None);
            }
            Table::Nodes => {
                let node: Arc<Node> = read(key, value)?;
                self.node = NodeKey::filed(shared(&node.name, key));
                CatalogChange::Node { key: self.node.clone(), before: None, after: Some(node) }
            }
            Table::Services => {
                let (node, id) = self.split(key)?;
                let service: Arc<Service> = read(key, value)?;
                CatalogChange::Service {
                    node,
                    id: shared(&service.id, id),
                    before: None,
                    after: Some(service),
                }
            }
            Table::Checks => {
                let (node, id) = self.split(key)?;
                let check = said::check(read(key, value)?);
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

/// A transition as its row's value.
#[derive(Serialize, Deserialize)]
struct TransitionRow {
    index: u64,
    #[serde(default)]
    position: u32,
    time_ms: u64,
    service_name: Text,
    check_name: Text,
    from: Option<Status>,
    #[serde(default)]
    from_since_ms: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_first: bool,
    to: Option<Status>,
    cause: Cause,
    #[serde(default, skip_serializing_if = "is_empty")]
    by: Text,
    #[serde(default, skip_serializing_if = "is_empty")]
    request_id: Text,
    output: Text,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    restored: bool,
}

fn is_empty(text: &Text) -> bool {
    text.is_empty()
}

/// The row of a transition.
pub fn transition_row(entry: &HistoryEntry) -> RowChange {
    let transition = &*entry.transition;
    let row = TransitionRow {
        index: transition.index,
        position: transition.position,
        time_ms: transition.time_ms,
        service_name: transition.service_name.clone(),
        check_name: transition.check_name.clone(),
        from: transition.from,
        from_since_ms: transition.from_since_ms,
        is_first: transition.is_first,
        to: transition.to,
        cause: transition.cause,
        by: transition.caller.by.clone(),
        request_id: transition.caller.request_id.clone(),
        output: transition.output.clone(),
        restored: entry.is_restored,
    };
    RowChange::put(Table::History, transition_key(entry), encode(&row))
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
    let row: TransitionRow =
        serde_json::from_slice(value).map_err(|error| format!("row {key:?}: {error}"))?;
    let transition = Transition {
        index: row.index,
        position: row.position,
        time_ms: row.time_ms,
        subject: Arc::new(Subject { node, service_id, check_id }),
        service_name: row.service_name,
        check_name: row.check_name,
        from: row.from,
        from_since_ms: row.from_since_ms,
        is_first: row.is_first,
        to: row.to,
        cause: row.cause,
        caller: Caller { by: row.by, request_id: row.request_id },
        output: row.output,
    };
    Ok(HistoryEntry { transition: Arc::new(transition), slot, is_restored: row.restored })
}

/// What a transition is filed under.
pub fn transition_key(entry: &HistoryEntry) -> String {
    let Subject { node, service_id, check_id } = &*entry.transition.subject;
    format!("{node}{SEPARATOR}{service_id}{SEPARATOR}{check_id}{SEPARATOR}{}", entry.slot)
}

fn put<T: Serialize>(table: Table, key: String, record: &Option<Arc<T>>) -> RowChange {
    RowChange { table, key, value: record.as_deref().map(encode) }
}

fn encode(record: &impl Serialize) -> Vec<u8> {
    let mut value = Vec::with_capacity(VALUE_BYTES);
    serde_json::to_writer(&mut value, record).expect("records have text keys only");
    value
}

fn read<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<Arc<T>, String> {
    // Looking through the whole once is quicker than through each of its strings.
    let text = std::str::from_utf8(value).map_err(|error| format!("row {key:?}: {error}"))?;
    serde_json::from_str(text).map(Arc::new).map_err(|error| format!("row {key:?}: {error}"))
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
    use crate::core::model::Check;
    use crate::core::model::limits::SAID_BYTES_MAX;

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
        let value = encode(&check);
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
