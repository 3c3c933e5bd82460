//! A node as `/v1/catalog/nodes` lists it.

use serde::Serialize;

use crate::core::model::{Meta, Node};

/// One node. `TaggedAddresses` and `Meta` are `null` when it was registered without.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CatalogNode<'a> {
    #[serde(rename = "ID")]
    pub(in crate::wire) id: &'a str,
    pub(in crate::wire) node: &'a str,
    pub(in crate::wire) address: &'a str,
    pub(in crate::wire) datacenter: &'a str,
    pub(in crate::wire) tagged_addresses: &'a Option<Meta>,
    pub(in crate::wire) meta: &'a Option<Meta>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> CatalogNode<'a> {
    /// The node, in the datacenter of that name.
    pub fn new(node: &'a Node, datacenter: &'a str) -> Self {
        CatalogNode {
            id: &node.id,
            node: &node.name,
            address: &node.address,
            datacenter,
            tagged_addresses: &node.tagged_addresses,
            meta: &node.meta,
            create_index: node.indexes.create,
            modify_index: node.indexes.modify,
        }
    }
}
