//! The agent's own node: how muster itself appears in its catalog.

use crate::base::stdx::network::{self, AddressFamily};
use crate::base::stdx::text::Text;
use crate::core::model::command::{OWN_CHECK, OWN_SERVICE};
use crate::core::model::{
    Check, Command, ExistingChecks, Meta, NodeKey, NodePart, Origin, Registration, Service, Status,
};

/// The version of Consul's API that muster answers as.
pub const CONSUL_API_VERSION: &str = "1.8.7";

/// Port that the `consul` service shows: that of Consul servers' own protocol, which muster does not speak.
pub const SERVER_PORT: u16 = 8300;

/// Ports of Consul's gossip, within a datacenter and among several, which muster does not speak either.
pub const SERF_LAN_PORT: u16 = 8301;
/// See [`SERF_LAN_PORT`].
pub const SERF_WAN_PORT: u16 = 8302;

/// Who this agent is.
#[derive(Clone, Debug)]
pub struct OwnNode {
    /// Name of the node.
    pub name: Text,
    /// Its UUID, kept with the data.
    pub id: Text,
    /// Where others reach it.
    pub address: Text,
    /// What its operator says of it.
    pub meta: Meta,
    /// The one datacenter of the catalog.
    pub datacenter: Text,
}

impl OwnNode {
    /// What the node is filed under.
    pub fn key(&self) -> NodeKey {
        NodeKey::of(&self.name)
    }

    /// Its metadata as answers show it: the operator's, and what Consul adds.
    pub fn shown_meta(&self) -> Meta {
        self.meta.iter().cloned().chain([("consul-network-segment".into(), Text::default())]).collect()
    }

    /// Puts the node into the catalog with what clients look for there: the `serfHealth` check, by which they tell a
    /// living node, and the `consul` service.
    pub fn registration(&self) -> Command {
        let roles = match network::family(&self.address) {
            Some(AddressFamily::V4) => ["lan", "lan_ipv4", "wan", "wan_ipv4"].as_slice(),
            Some(AddressFamily::V6) => ["lan", "lan_ipv6", "wan", "wan_ipv6"].as_slice(),
            None => ["lan", "wan"].as_slice(),
        };
        let tagged_addresses = roles.iter().map(|role| (Text::from(*role), self.address.clone()));
        let node = NodePart::Set {
            name: self.name.clone(),
            id: self.id.clone(),
            address: self.address.clone(),
            tagged_addresses: Some(tagged_addresses.collect()),
            meta: Some(self.shown_meta()),
            keep_existing: false,
        };
        let service = Service {
            id: OWN_SERVICE.into(),
            name: "consul".into(),
            port: SERVER_PORT,
            meta: Some(pairs(&[
                ("non_voter", "false"),
                ("raft_version", "3"),
                ("serf_protocol_current", "2"),
                ("serf_protocol_max", "5"),
                ("serf_protocol_min", "1"),
                ("version", CONSUL_API_VERSION),
            ])),
            origin: Origin::Server,
            ..Service::default()
        };
        let check = Check {
            id: OWN_CHECK.into(),
            name: "Serf Health Status".into(),
            status: Status::Passing,
            output: "Agent alive and reachable".into(),
            origin: Origin::Server,
            ..Check::default()
        };
        let existing_checks = ExistingChecks::Overwrite;
        let registration =
            Registration { node, service: Some(service), checks: vec![check], existing_checks };
        Command::Register(Box::new(registration))
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Meta {
    pairs.iter().map(|(key, value)| (Text::from(*key), Text::from(*value))).collect()
}
