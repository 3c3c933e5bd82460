//! Records as readers see them: joined with what they belong to, immutable, cheap to share.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::model::{Check, Node, NodeKey, Service, Status};

/// An instance with its node and every check that bears on it. One moment's truth: it never changes, it is replaced.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The node it is on.
    pub node: Arc<Node>,
    /// The instance itself.
    pub service: Arc<Service>,
    /// The node's checks, then the instance's own, each by id.
    pub checks: Box<[Arc<Check>]>,
}

impl Instance {
    /// The worst status among its checks; passing when it has none.
    pub fn status(&self) -> Status {
        self.checks.iter().map(|check| check.status).max().unwrap_or(Status::Passing)
    }

    /// Its checks as readers of checks see them.
    pub fn check_views(&self) -> impl Iterator<Item = CheckView> + '_ {
        self.checks.iter().map(|check| CheckView {
            node: self.node.clone(),
            service: (!check.is_node_level()).then(|| self.service.clone()),
            check: check.clone(),
        })
    }

    /// Where it stands in a list of instances: by node, then by id, both without regard to case.
    pub fn position(&self) -> Position {
        Position::new(NodeKey::of(&self.node.name), self.service.id.clone())
    }
}

/// The order of instances, and of checks, in every list: by node, then by id, both without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    node: NodeKey,
    id_folded: Text,
    /// Ids are compared to the letter, so two that differ in case alone are two instances, side by side.
    id: Text,
}

impl Position {
    /// The position of what is called `id` on the node filed under `node`.
    pub fn new(node: NodeKey, id: Text) -> Position {
        Position { node, id_folded: id.folded(), id }
    }
}

/// A check with its node and the instance it is of.
#[derive(Clone, Debug)]
pub struct CheckView {
    /// The node it is on.
    pub node: Arc<Node>,
    /// The instance it is of; `None` for a check of the node.
    pub service: Option<Arc<Service>>,
    /// The check itself.
    pub check: Arc<Check>,
}

impl CheckView {
    /// Where it stands in a list of checks.
    pub fn position(&self) -> Position {
        Position::new(NodeKey::of(&self.node.name), self.check.id.clone())
    }
}
