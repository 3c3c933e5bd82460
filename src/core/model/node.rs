//! A node: a machine, or whatever stands in for one, that service instances live on.

use crate::base::stdx::text::Text;
use crate::core::model::{Indexes, Meta};

/// One node of the catalog.
///
/// Nodes are filed under their name in lower case; the name is answered as it was first written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Unique name, compared without regard to case.
    pub name: Text,
    /// UUID of the node, or empty. Two names never share one: a registration with another's UUID renames that node.
    pub id: Text,
    /// IP address or host name, opaque to muster.
    pub address: Text,
    /// Further addresses by role (`lan`, `wan_ipv4`, …); `None` when registered without, which clients see as `null`.
    pub tagged_addresses: Option<Meta>,
    /// Users' metadata; `None` when registered without, which clients see as `null`.
    pub meta: Option<Meta>,
    /// Position of the record in the order of changes.
    pub indexes: Indexes,
}

impl Node {
    /// Whether both say the same of the node, whenever they were written.
    pub fn same_content(&self, other: &Node) -> bool {
        self.name == other.name
            && self.id == other.id
            && self.address == other.address
            && self.tagged_addresses == other.tagged_addresses
            && self.meta == other.meta
    }
}
