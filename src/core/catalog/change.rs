//! A change: one record that is different now, with both its faces.
//!
//! Both faces are kept because everybody downstream asks for one of them: the store writes the new one, undoing brings
//! back the old one, and the views compare the two to find out who needs to know.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::model::{Check, Indexes, Node, NodeKey, Service};

/// One record before and after a command. `None` before means created, `None` after means removed.
#[derive(Clone, Debug)]
pub enum CatalogChange {
    /// A node.
    Node {
        /// What it is filed under.
        key: NodeKey,
        /// Before the command.
        before: Option<Arc<Node>>,
        /// After it.
        after: Option<Arc<Node>>,
    },
    /// A service instance.
    Service {
        /// Key of its node.
        node: NodeKey,
        /// Its id.
        id: Text,
        /// Before the command.
        before: Option<Arc<Service>>,
        /// After it.
        after: Option<Arc<Service>>,
    },
    /// A check.
    Check {
        /// Key of its node.
        node: NodeKey,
        /// Its id.
        id: Text,
        /// Before the command.
        before: Option<Arc<Check>>,
        /// After it.
        after: Option<Arc<Check>>,
    },
}

impl CatalogChange {
    /// Key of the node that the record is, or is on.
    pub fn node(&self) -> &NodeKey {
        match self {
            CatalogChange::Node { key, .. } => key,
            CatalogChange::Service { node, .. } | CatalogChange::Check { node, .. } => node,
        }
    }

    /// Whether every instance of its node looks different after it.
    pub fn is_of_whole_node(&self) -> bool {
        match self {
            CatalogChange::Node { .. } => true,
            CatalogChange::Service { .. } => false,
            CatalogChange::Check { before, after, .. } => {
                before.iter().chain(after).any(|check| check.is_node_level())
            }
        }
    }

    /// The same with other indexes of what is after it.
    pub fn reindexed(self, to: impl Fn(Indexes) -> Indexes) -> CatalogChange {
        match self {
            CatalogChange::Node { key, before, after } => {
                let after = after.map(|it| Arc::new(Node { indexes: to(it.indexes), ..Node::clone(&it) }));
                CatalogChange::Node { key, before, after }
            }
            CatalogChange::Service { node, id, before, after } => {
                let after =
                    after.map(|it| Arc::new(Service { indexes: to(it.indexes), ..Service::clone(&it) }));
                CatalogChange::Service { node, id, before, after }
            }
            CatalogChange::Check { node, id, before, after } => {
                let after = after.map(|it| Arc::new(Check { indexes: to(it.indexes), ..Check::clone(&it) }));
                CatalogChange::Check { node, id, before, after }
            }
        }
    }

    /// The change that takes this one back.
    pub fn reversed(self) -> CatalogChange {
        match self {
            CatalogChange::Node { key, before, after } => {
                CatalogChange::Node { key, before: after, after: before }
            }
            CatalogChange::Service { node, id, before, after } => {
                CatalogChange::Service { node, id, before: after, after: before }
            }
            CatalogChange::Check { node, id, before, after } => {
                CatalogChange::Check { node, id, before: after, after: before }
            }
        }
    }
}
