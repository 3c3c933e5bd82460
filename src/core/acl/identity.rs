//! The rules that a service and a node have by being who they are.

use crate::core::acl::resource::{Disposition, Matching, Resource};
use crate::core::acl::rules::{AccessRule, Rules};

/// What is added to the name of a service for that of its sidecar.
const SIDECAR_SUFFIX: &str = "-sidecar-proxy";

/// Those of a service: to register itself and its sidecar, and to see all services and nodes, so that it finds others.
pub fn service(name: &str) -> Rules {
    let sidecar = format!("{name}{SIDECAR_SUFFIX}");
    Rules::from(vec![
        AccessRule::of(Resource::Service, Matching::Exact, name, Disposition::Write),
        AccessRule::of(Resource::Service, Matching::Exact, &sidecar, Disposition::Write),
        AccessRule::of(Resource::Service, Matching::Prefix, "", Disposition::Read),
        AccessRule::of(Resource::Node, Matching::Prefix, "", Disposition::Read),
    ])
}

/// Those of a node's agent: to register the node, and to see all services. They hold in its own datacenter only.
pub fn node(name: &str) -> Rules {
    Rules::from(vec![
        AccessRule::of(Resource::Node, Matching::Exact, name, Disposition::Write),
        AccessRule::of(Resource::Service, Matching::Prefix, "", Disposition::Read),
    ])
}
