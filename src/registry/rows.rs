//! Records as stored rows, and back: JSON that a person can read.
//!
//! A node's row is filed under its name in lower case; an instance's and a check's under that, a tab and
//! their id. Names and ids hold no control characters, so the tab is unambiguous.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::catalog::change::Change;
use crate::persist::change::{Change as RowChange, Table};
use crate::stdx::text::Text;

const SEPARATOR: char = '\t';

/// The row that a change of the registry leaves behind.
pub fn row(change: &Change) -> RowChange {
    match change {
        Change::Node { key, after, .. } => put(Table::Nodes, key.to_string(), after),
        Change::Service { node, id, after, .. } => put(Table::Services, join(node, id), after),
        Change::Check { node, id, after, .. } => put(Table::Checks, join(node, id), after),
    }
}

/// The change that puts a stored row's record into an empty registry; `None` for rows that are no record.
///
/// # Errors
/// A sentence when the row is not as [`row`] writes it.
pub fn change(table: Table, key: &str, value: &[u8]) -> Result<Option<Change>, String> {
    let before = || None;
    Ok(Some(match table {
        Table::Meta => return Ok(None),
        Table::Nodes => Change::Node { key: key.into(), before: before(), after: Some(read(key, value)?) },
        Table::Services => {
            let (node, id) = split(key)?;
            Change::Service { node, id, before: None, after: Some(read(key, value)?) }
        }
        Table::Checks => {
            let (node, id) = split(key)?;
            Change::Check { node, id, before: None, after: Some(read(key, value)?) }
        }
    }))
}

fn put<T: Serialize>(table: Table, key: String, record: &Option<Arc<T>>) -> RowChange {
    let encode = |record: &Arc<T>| serde_json::to_vec(&**record).expect("records have text keys only");
    RowChange { table, key, value: record.as_ref().map(encode) }
}

fn read<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<Arc<T>, String> {
    serde_json::from_slice(value).map(Arc::new).map_err(|error| format!("row {key:?}: {error}"))
}

fn join(node: &Text, id: &Text) -> String {
    format!("{node}{SEPARATOR}{id}")
}

fn split(key: &str) -> Result<(Text, Text), String> {
    let (node, id) = key.split_once(SEPARATOR).ok_or_else(|| format!("row {key:?}: no tab in its key"))?;
    Ok((node.into(), id.into()))
}
