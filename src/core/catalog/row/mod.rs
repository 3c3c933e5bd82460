//! Records as the values of stored rows, and back: JSON that a person can read.
//!
//! What stands on disk, in snapshots and in a Redis is what these structures say, and not what the records are called
//! in memory: each names its fields by itself, and is made of a record, or made one, field by field. Encoding borrows
//! everything from the record. What earlier versions wrote loads for ever, so fields may be added here with a default,
//! and never be renamed or taken out.
//!
//! Under which keys the rows are filed is `registry`'s business.

mod check;
mod node;
pub(super) mod probe;
mod service;
#[cfg(test)]
mod tests;
mod transition;
mod words;

use serde::{Deserialize, Serialize};

use crate::core::model::stored::read;
use crate::core::model::{Check, Indexes, Node, Service, Subject, Transition};
use check::CheckRow;
use node::NodeRow;
use service::ServiceRow;
use transition::TransitionRow;

/// Bytes that most rows fit into, so that they are written without being moved.
const VALUE_BYTES: usize = 512;

/// The row's value of a node.
pub fn encode_node(node: &Node) -> Vec<u8> {
    write(&NodeRow::from(node))
}

/// The node in the row that is filed under `key`.
///
/// # Errors
/// A sentence when it is not as [`encode_node`] writes it.
pub fn decode_node(key: &str, value: &[u8]) -> Result<Node, String> {
    read::<NodeRow<'_>>(key, value).map(Node::from)
}

/// The row's value of an instance.
pub fn encode_service(service: &Service) -> Vec<u8> {
    write(&ServiceRow::from(service))
}

/// The instance in the row that is filed under `key`.
///
/// # Errors
/// A sentence when it is not as [`encode_service`] writes it.
pub fn decode_service(key: &str, value: &[u8]) -> Result<Service, String> {
    read::<ServiceRow<'_>>(key, value).map(Service::from)
}

/// The row's value of a check.
pub fn encode_check(check: &Check) -> Vec<u8> {
    write(&CheckRow::from(check))
}

/// The check in the row that is filed under `key`.
///
/// # Errors
/// A sentence when it is not as [`encode_check`] writes it.
pub fn decode_check(key: &str, value: &[u8]) -> Result<Check, String> {
    read::<CheckRow<'_>>(key, value).map(Check::from)
}

/// The row's value of a transition, and whether a restoration brought it.
pub fn encode_transition(transition: &Transition, is_restored: bool) -> Vec<u8> {
    write(&TransitionRow::new(transition, is_restored))
}

/// The transition of `subject` in the row that is filed under `key`, and whether a restoration brought it.
///
/// # Errors
/// A sentence when it is not as [`encode_transition`] writes it.
pub fn decode_transition(key: &str, subject: Subject, value: &[u8]) -> Result<(Transition, bool), String> {
    read::<TransitionRow<'_>>(key, value).map(|row| row.of(subject))
}

fn write(row: &impl Serialize) -> Vec<u8> {
    let mut value = Vec::with_capacity(VALUE_BYTES);
    serde_json::to_writer(&mut value, row).expect("rows have text keys only");
    value
}

/// Whether a field says nothing. Such fields are left out, which makes most rows much shorter.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Positions in the order of changes, as every row has them.
#[derive(Serialize, Deserialize)]
struct IndexesRow {
    create: u64,
    modify: u64,
}

impl From<Indexes> for IndexesRow {
    fn from(Indexes { create, modify }: Indexes) -> Self {
        IndexesRow { create, modify }
    }
}

impl From<IndexesRow> for Indexes {
    fn from(IndexesRow { create, modify }: IndexesRow) -> Self {
        Indexes { create, modify }
    }
}
