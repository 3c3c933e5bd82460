//! A restoration: the records that a catalog shall hold from now on, instead of those it holds.

use std::sync::Arc;

use crate::core::model::acl::AclRecord;
use crate::core::model::{Check, Node, NodeKey, Pair, Service};

/// The records of another moment, or of another registry, to take the place of what there is. Each is filed under the
/// key of its node, and every node that is named is among the nodes.
///
/// The records that the agent keeps of itself are neither in it nor touched by it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restoration {
    /// The index that the records are from. The restored registry goes on from the higher of this and its own.
    pub index: u64,
    /// The nodes, without the agent's own, which stays as it is.
    pub nodes: Vec<Arc<Node>>,
    /// The instances.
    pub services: Vec<(NodeKey, Arc<Service>)>,
    /// The checks.
    pub checks: Vec<(NodeKey, Arc<Check>)>,
    /// The pairs of the key/value store.
    pub pairs: Vec<Arc<Pair>>,
    /// Policies, roles and tokens; `None` where it says nothing of them, and those there are stay.
    pub acl: Option<Vec<AclRecord>>,
}
