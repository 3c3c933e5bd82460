//! The vocabulary: nodes, service instances, checks, and the commands that change them.
//!
//! Values only. Nothing here does I/O, reads a clock, takes a lock or knows the wire: how a record looks as Consul's
//! JSON is `wire`'s business, what a command does to the catalog is `catalog`'s. Start at [`command::Command`].

pub mod acl;
pub mod caller;
pub mod check;
pub mod command;
pub mod criticality;
pub mod definitions;
pub mod drain;
pub mod excess;
pub mod hold;
pub mod key;
pub mod limits;
pub mod node;
pub mod pair;
pub mod restoration;
pub mod said;
pub mod secrets;
pub mod service;
pub mod stored;
pub mod target;
pub mod transition;
pub mod validate;

pub use caller::Caller;
pub use check::{Cadence, Cause, Check, CheckDefinition, Damping, Observation, Probe, ProbeTls, Status};
pub use command::{
    Command, CommandRefusal, DrainOrder, ExistingChecks, NodePart, Origin, RecordKind, Registration,
};
pub use criticality::Criticality;
pub use definitions::{Defined, Definitions};
pub use drain::Drain;
pub use key::{NodeKey, ServiceKey};
pub use node::Node;
pub use pair::{Condition, Pair, PairWrite};
pub use restoration::Restoration;
pub use service::{Connect, Locality, Proxy, Service, ServiceAddress, Weights};
pub use transition::{Subject, Transition};

use crate::base::stdx::pairs::Pairs;
use crate::base::stdx::text::Text;

/// Key-value pairs that users attach to nodes and services. Ordered, because Consul's JSON lists map keys sorted.
pub type Meta = Pairs<Text>;

/// When a record came to be and when it last changed, as positions in the one order of all changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    /// The index of the change that created the record.
    pub create: u64,
    /// The index of the last change that altered it; never below `create`.
    pub modify: u64,
}
