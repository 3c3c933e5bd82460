//! Commands: every way in which the registry's state can change.
//!
//! A client's call, a probe's verdict, an expired TTL, an administrator's maintenance switch: all become one
//! of these, are ordered in one queue, made durable, applied, and only then answered.

use std::fmt;
use std::time::Duration;

use crate::base::stdx::text::Text;
use crate::core::model::acl::{AclRefusal, AclWrite};
use crate::core::model::{
    Cause, Check, Definitions, Meta, Node, NodeKey, PairWrite, Restoration, Service, Status,
};

/// Who keeps a record. Ordered by who prevails: what the agent keeps stays the agent's when the catalog's API
/// writes to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// muster itself: its own node, the `consul` service and the `serfHealth` check that clients look for.
    Server,
    /// Registered through the agent's API (`/v1/agent/*`) or a definition file: lives on the agent's own
    /// node, and its checks are run by muster.
    Agent,
    /// Registered through the catalog's API (`/v1/catalog/register`) by somebody who also keeps it up to
    /// date.
    #[default]
    Catalog,
}

/// One change of state, as asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Create or update a node, an instance on it and checks, all at once or not at all.
    Register(Box<Registration>),
    /// Hold what definition files say, and no longer what they said before: all of it or nothing.
    Define(Box<Definitions>),
    /// Remove a node with everything on it.
    DeregisterNode {
        /// Key of the node.
        node: NodeKey,
    },
    /// Remove an instance and its checks.
    DeregisterService {
        /// Key of the node it is on.
        node: NodeKey,
        /// Its id there.
        service_id: Text,
        /// Refuse when there is none, or when it is not the agent's; otherwise that is no error.
        must_exist: bool,
    },
    /// Remove an instance and its checks because one of them has been critical for too long. If the check is no longer
    /// critical when its turn comes, the instance has recovered and stays.
    Reap {
        /// Key of the node it is on.
        node: NodeKey,
        /// Its id there.
        service_id: Text,
        /// The check that has been critical.
        check_id: Text,
    },
    /// Remove a check.
    DeregisterCheck {
        /// Key of the node it is on.
        node: NodeKey,
        /// Its id there.
        check_id: Text,
        /// Refuse when there is none, or when it is not the agent's; otherwise that is no error.
        must_exist: bool,
    },
    /// Record a new verdict of a check that exists. A check that is gone by now is left gone, without error.
    UpdateCheck {
        /// Key of the node it is on.
        node: NodeKey,
        /// Its id there.
        check_id: Text,
        /// The verdict.
        status: Status,
        /// What there is to say about it.
        output: Text,
        /// What brought it about.
        cause: Cause,
    },
    /// Drain an instance, or change or end its drain.
    Drain {
        /// Key of the node it is on.
        node: NodeKey,
        /// Its id there.
        service_id: Text,
        /// What is to be done.
        order: DrainOrder,
    },
    /// Change the key/value store.
    WritePair(PairWrite),
    /// Change access control.
    WriteAcl(Box<AclWrite>),
    /// Hold these records from now on instead of those there are.
    Restore(Box<Restoration>),
}

/// What becomes of the drain of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainOrder {
    /// Begin it. If one is under way with the same deadline it goes on as it is; with another deadline it is planned
    /// anew from the share it has come to.
    Begin {
        /// Time from now to the end, within the bounds of [`drain`](crate::core::model::drain).
        deadline: Duration,
        /// Whether the instance is deregistered in the end.
        deregister: bool,
        /// Why, for people.
        reason: Text,
    },
    /// Bring it to where it ought to be by now. An instance that is gone or does not drain is left alone.
    Advance,
    /// End it without leaving: the weights are back, and the check is gone.
    Cancel,
}

/// The id of the service by which muster shows itself on the agent's node.
pub const OWN_SERVICE: &str = "consul";

/// The id of the check that says whether an agent's node is alive.
pub const OWN_CHECK: &str = "serfHealth";

/// What a registration brings. Every part is complete: defaults are filled in and bounds checked before it is
/// made.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The node that everything is on.
    pub node: NodePart,
    /// The instance, if one is registered.
    pub service: Option<Service>,
    /// Checks of the node or of its instances.
    pub checks: Vec<Check>,
    /// What becomes of checks the instance already has.
    pub existing_checks: ExistingChecks,
}

impl Registration {
    /// Whether it leaves muster what it shows itself by on the agent's node, for whoever has no catalog that says so.
    ///
    /// # Errors
    /// [`CommandRefusal::Reserved`].
    pub fn check_own_ids(&self) -> Result<(), CommandRefusal> {
        let service = self.service.as_ref().filter(|it| it.id == OWN_SERVICE);
        let reserved = service.map(|it| ("service", &it.id));
        let check = || self.checks.iter().find(|it| it.id == OWN_CHECK).map(|it| ("check", &it.id));
        match reserved.or_else(check) {
            Some((what, id)) => Err(CommandRefusal::Reserved { what, id: id.clone() }),
            None => Ok(()),
        }
    }
}

/// What a registration says of the node it is for.
#[derive(Clone, Debug, PartialEq)]
pub enum NodePart {
    /// The node as it shall be from now on.
    Set {
        /// Its name.
        name: Text,
        /// Its UUID; empty to keep the one it has.
        id: Text,
        /// Its address.
        address: Text,
        /// Further addresses by role.
        tagged_addresses: Option<Meta>,
        /// Users' metadata.
        meta: Option<Meta>,
        /// Leave the node as it is when it exists (`SkipNodeUpdate`).
        keep_existing: bool,
    },
    /// The node must exist and stays as it is.
    Existing {
        /// Its name.
        name: Text,
    },
}

impl NodePart {
    /// Name of the node, as the registration writes it.
    pub fn name(&self) -> &Text {
        match self {
            NodePart::Set { name, .. } | NodePart::Existing { name } => name,
        }
    }
}

/// What becomes of an instance's existing checks when it is registered again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingChecks {
    /// They are overwritten where the registration names them, status included, and stay otherwise (catalog).
    #[default]
    Overwrite,
    /// They stay, and where the registration names them they keep their status and output (agent).
    KeepStatus,
    /// As `KeepStatus`, but those the registration does not name are removed (agent,
    /// `replace-existing-checks`).
    Replace,
}

/// Why a command was not carried out. The state is then exactly as before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandRefusal {
    /// No such node.
    UnknownNode {
        /// The name asked for.
        node: Text,
    },
    /// No such instance on that node (or it is not the agent's, where that is asked for).
    UnknownService {
        /// The id asked for.
        service_id: Text,
    },
    /// A check names an instance that is not on its node.
    CheckWithoutService {
        /// Node of the check.
        node: Text,
        /// The id that is missing there.
        service_id: Text,
    },
    /// No such check on that node (or it is not the agent's, where that is asked for).
    UnknownCheck {
        /// The id asked for.
        check_id: Text,
    },
    /// A bound of `limits` would be passed.
    TooMany {
        /// Of what, in the plural.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// The registry holds as much as it may.
    Full {
        /// Of what.
        of: RecordKind,
        /// The bound.
        max: usize,
    },
    /// The id is that of a record by which muster shows itself.
    Reserved {
        /// Of what, in the singular.
        what: &'static str,
        /// The id.
        id: Text,
    },
    /// The records of the registry would take more memory than they may.
    TooLarge {
        /// The bound, in bytes.
        bytes_max: usize,
    },
    /// The keys and values would take more memory than they may.
    PairsTooLarge {
        /// The bound, in bytes.
        bytes_max: usize,
    },
    /// A change of access control makes no sense.
    Acl(AclRefusal),
    /// Another node, alive, holds the UUID or the name.
    NodeConflict {
        /// What to tell the client.
        message: String,
    },
}

/// Kinds of records of which there may be so many in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Nodes.
    Nodes,
    /// Service instances.
    Instances,
    /// Checks.
    Checks,
}

impl RecordKind {
    /// What they are called.
    pub fn word(self) -> &'static str {
        match self {
            RecordKind::Nodes => "nodes",
            RecordKind::Instances => "service instances",
            RecordKind::Checks => "checks",
        }
    }

    /// The setting that bounds them.
    pub fn setting(self) -> &'static str {
        match self {
            RecordKind::Nodes => "limits.nodes_max",
            RecordKind::Instances => "limits.services_max",
            RecordKind::Checks => "limits.checks_max",
        }
    }
}

impl CommandRefusal {
    /// Somebody claims `name` for the node of this `id` while `held` has it. The sentence is Consul's.
    pub fn reserved(name: &Text, id: &Text, held: &Node) -> CommandRefusal {
        let (id, other_id, address) = (id.as_str(), &held.id, &held.address);
        let message = format!(
            "failed inserting node: Error while renaming Node ID: {id:?}: Node name {name} is reserved by node \
             {other_id} with name {name} ({address})"
        );
        CommandRefusal::NodeConflict { message }
    }
}

impl fmt::Display for CommandRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandRefusal::UnknownNode { node } => {
                write!(formatter, "No node registered with name {:?}", node.as_str())
            }
            CommandRefusal::UnknownService { service_id } => write!(
                formatter,
                "Unknown service ID {:?}. Ensure that the service ID is passed, not the service name.",
                service_id.as_str()
            ),
            CommandRefusal::CheckWithoutService { node, .. } => {
                write!(
                    formatter,
                    "failed inserting check: Missing service registration on node {:?}",
                    node.as_str()
                )
            }
            CommandRefusal::UnknownCheck { check_id } => write!(
                formatter,
                "Unknown check ID {:?}. Ensure that the check ID is passed, not the check name.",
                check_id.as_str()
            ),
            CommandRefusal::TooMany { what, max } => {
                write!(formatter, "too many {what}: at most {max} are kept")
            }
            CommandRefusal::Full { of, max } => write!(
                formatter,
                "the registry is full: it holds {max} {} ({}); deregister some or raise the limit",
                of.word(),
                of.setting()
            ),
            CommandRefusal::Reserved { what, id } => write!(
                formatter,
                "the {what} {:?} is muster's own, by which it shows itself: register yours under another id",
                id.as_str()
            ),
            CommandRefusal::TooLarge { bytes_max } => write!(
                formatter,
                "the registry is full: its records take {bytes_max} bytes (limits.catalog_bytes_max); deregister some, \
                 register smaller ones, or raise the limit"
            ),
            CommandRefusal::PairsTooLarge { bytes_max } => write!(
                formatter,
                "the key/value store is full: its keys and values take {bytes_max} bytes (limits.kv_bytes_max); delete \
                 some, or raise the limit"
            ),
            CommandRefusal::Acl(refusal) => refusal.fmt(formatter),
            CommandRefusal::NodeConflict { message } => formatter.write_str(message),
        }
    }
}

impl std::error::Error for CommandRefusal {}
