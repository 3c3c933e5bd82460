//! Model values in Consul's shapes: one file per shape, borrowing everything, ready for
//! [`json`](crate::wire::json).
//!
//! Each shape is a structure whose fields stand in Consul's order. Keys are those of 1.8.7, and of later
//! releases where clients of today read them: `Interval`, `Timeout`, `ExposedPort` of checks, `Datacenter` of
//! the agent's services.

pub mod acl;
pub mod node;
pub mod parts;
pub mod proxy;
pub mod catalog_service;
pub mod node_service;
pub mod agent_service;
pub mod check;
pub mod content_hash;
pub mod delta;
pub mod drain;
pub mod health_entry;
pub mod agent_health;
pub mod node_services;
pub mod pair;
pub mod member;
#[cfg(test)]
mod tests;

pub use acl::{AclPolicy, AclPolicyListed, AclRole, AclToken, LinkNames};
pub use agent_health::{AgentHealth, aggregated_status};
pub use agent_service::AgentService;
pub use catalog_service::CatalogService;
pub use check::HealthCheck;
pub use content_hash::content_hash;
pub use delta::{Bookmark, Delta, InstanceKey, OneEntry, Removal, Snapshot};
pub use health_entry::HealthEntry;
pub use member::Member;
pub use node::CatalogNode;
pub use node_service::NodeService;
pub use node_services::{NodeServicesList, NodeServicesMap};
pub use pair::KvPair;
