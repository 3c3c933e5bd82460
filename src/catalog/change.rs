//! A change: one record that is different now, with both its faces.
//!
//! Both faces are kept because everybody downstream asks for one of them: the store writes the new one, undoing brings
//! back the old one, and the views compare the two to find out who needs to know.

use std::sync::Arc;

use crate::model::{Check, Node, Service};
use crate::stdx::text::Text;

/// One record before and after a command. `None` before means created, `None` after means removed.
#[derive(Clone, Debug)]
pub enum Change {
    /// A node.
    Node {
        /// Its name in lower case: the key it is filed under.
        key: Text,
        /// Before the command.
        before: Option<Arc<Node>>,
        /// After it.
        after: Option<Arc<Node>>,
    },
    /// A service instance.
    Service {
        /// Key of its node.
        node: Text,
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
        node: Text,
        /// Its id.
        id: Text,
        /// Before the command.
        before: Option<Arc<Check>>,
        /// After it.
        after: Option<Arc<Check>>,
    },
}

impl Change {
    /// Key of the node that the record is, or is on.
    pub fn node(&self) -> &Text {
        match self {
            Change::Node { key, .. } => key,
            Change::Service { node, .. } | Change::Check { node, .. } => node,
        }
    }
}
