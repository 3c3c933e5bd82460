//! A node's row.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{IndexesRow, is_default};
use crate::base::stdx::text::Text;
use crate::core::model::{Meta, Node};

#[derive(Serialize, Deserialize)]
pub(super) struct NodeRow<'a> {
    name: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    id: Cow<'a, Text>,
    address: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    tagged_addresses: Cow<'a, Option<Meta>>,
    #[serde(default, skip_serializing_if = "is_default")]
    meta: Cow<'a, Option<Meta>>,
    indexes: IndexesRow,
}

impl<'a> From<&'a Node> for NodeRow<'a> {
    fn from(node: &'a Node) -> Self {
        let Node { name, id, address, tagged_addresses, meta, indexes } = node;
        NodeRow {
            name: Cow::Borrowed(name),
            id: Cow::Borrowed(id),
            address: Cow::Borrowed(address),
            tagged_addresses: Cow::Borrowed(tagged_addresses),
            meta: Cow::Borrowed(meta),
            indexes: (*indexes).into(),
        }
    }
}

impl From<NodeRow<'_>> for Node {
    fn from(row: NodeRow<'_>) -> Self {
        Node {
            name: row.name.into_owned(),
            id: row.id.into_owned(),
            address: row.address.into_owned(),
            tagged_addresses: row.tagged_addresses.into_owned(),
            meta: row.meta.into_owned(),
            indexes: row.indexes.into(),
        }
    }
}
