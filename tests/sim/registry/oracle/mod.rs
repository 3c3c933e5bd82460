//! What the registry should hold and show, reckoned a second time and as plainly as possible: flat tables, whole copies,
//! no undo. It shares no code with the catalog but the records themselves.

mod access;
mod edits;
mod pairs;
mod shown;
mod topics;
mod transitions;

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::Arc;

use muster::base::stdx::text::Text;
use muster::core::model::acl::{AclKind, AclRecord};
use muster::core::model::{
    Check, Command, CommandRefusal, Node, NodeKey, Pair, Service, ServiceKey, Transition,
};

pub use self::access::STARTS_MS;
pub use self::shown::compare;
pub use self::topics::universe;

/// What is on a node: its key, and an id.
pub type Place = (NodeKey, Text);

/// Everything the registry knows.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Key of the agent's own node.
    pub own: NodeKey,
    /// Nodes that there may be.
    pub nodes_max: usize,
    /// The index of the last change.
    pub index: u64,
    pub nodes: BTreeMap<NodeKey, Arc<Node>>,
    pub services: BTreeMap<Place, Arc<Service>>,
    pub checks: BTreeMap<Place, Arc<Check>>,
    pub pairs: BTreeMap<Text, Arc<Pair>>,
    pub acl: BTreeMap<(AclKind, Text), AclRecord>,
    /// The newest transitions of each check, in the order in which they happened.
    pub history: Vec<Arc<Transition>>,
    /// Keys of rows beside the records.
    pub beside: Vec<String>,
}

/// What should become of a command.
#[derive(Clone, Debug)]
pub enum Expected {
    /// It changes something and gets this index.
    Changed(u64),
    /// It says nothing new; the index stays this.
    Unchanged(u64),
    /// Its condition does not hold; the index stays this.
    Unmet(u64),
    /// It makes no sense.
    Refused(CommandRefusal),
}

impl Catalog {
    /// Carries out a command at `now_ms`.
    pub fn apply(&mut self, now_ms: u64, command: &Command) -> Expected {
        if let Command::WritePair(write) = command
            && !self.is_met(write)
        {
            return Expected::Unmet(self.index);
        }
        let mut next = self.clone();
        next.index += 1;
        match next.carry_out(now_ms, command) {
            Err(refusal) => Expected::Refused(refusal),
            Ok(()) if next.same_records(self) => Expected::Unchanged(self.index),
            Ok(()) => {
                let told = transitions::between(self, &next, now_ms, command);
                next.history.extend(told.into_iter().map(Arc::new));
                transitions::forget_old(&mut next.history);
                *self = next;
                Expected::Changed(self.index)
            }
        }
    }

    /// The instances of a service, each with its place.
    pub fn instances_of(&self, key: &ServiceKey) -> impl Iterator<Item = (&Place, &Arc<Service>)> {
        self.services.iter().filter(move |(_, it)| ServiceKey::of(&it.name) == *key)
    }

    /// Rows that a store should hold.
    pub fn rows(&self) -> usize {
        let records = self.nodes.len() + self.services.len() + self.checks.len() + self.pairs.len();
        records + self.acl.len() + self.history.len() + self.beside.len()
    }

    /// Whether every record is the same, its indexes included.
    pub fn same_records(&self, other: &Catalog) -> bool {
        self.nodes == other.nodes
            && self.services == other.services
            && self.checks == other.checks
            && self.pairs == other.pairs
            && self.acl == other.acl
    }
}

impl Expected {
    /// Whether a refusal is of the kind that was expected.
    pub fn is_refusal_like(&self, refusal: &CommandRefusal) -> bool {
        matches!(self, Expected::Refused(expected) if discriminant(expected) == discriminant(refusal))
    }
}
