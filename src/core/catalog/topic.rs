//! Topics: the things a reader can watch, each with an index of its own.
//!
//! A blocking query names one topic and the index it has seen; it is woken when that topic moves and by nothing else.
//! That is why there are so many: a finer topic is a client left in peace.

use crate::base::stdx::text::Text;
use crate::core::model::{NodeKey, ServiceKey, Status};

/// What an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// The list of nodes.
    Nodes,
    /// The list of service names with their tags.
    Services,
    /// Every instance of every service and their nodes, whatever their health.
    Instances,
    /// One node and the instances on it.
    Node(NodeKey),
    /// The checks on one node.
    NodeChecks(NodeKey),
    /// The instances of one service and their nodes, whatever their health.
    Service(ServiceKey),
    /// The instances of one service, their nodes and every check that bears on them.
    Health(ServiceKey),
    /// The checks of one service's instances.
    ServiceChecks(ServiceKey),
    /// The checks in one status; with `None`, all checks.
    State(Option<Status>),
    /// The list of policies of access control.
    Policies,
    /// The list of roles, with the names of their policies.
    Roles,
    /// The list of tokens, with the names of their policies and roles.
    Tokens,
    /// One key of the key/value store.
    Key(Text),
    /// All keys that begin like this.
    Prefix(Text),
}

impl Topic {
    /// Whether it is of the key/value store.
    pub fn is_of_pairs(&self) -> bool {
        matches!(self, Topic::Key(_) | Topic::Prefix(_))
    }
}

/// Which topics of a service move when one of its instances is put or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AffectedTopics {
    /// The list of services with their tags.
    pub services: bool,
    /// The instances and their nodes.
    pub service: bool,
    /// The checks of the instance itself.
    pub checks: bool,
    /// Anything at all, the node's checks included.
    pub health: bool,
}
