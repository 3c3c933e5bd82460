//! A service instance as the agent's API and definition files give it.

use std::collections::BTreeMap;

use crate::base::stdx::text::Text;
use crate::wire::body::check::CheckBody;
use crate::wire::body::proxy::ProxyBody;
use crate::wire::decode::free_form::FreeForm;
use crate::wire::decode::object;

object! {
    /// An instance to be kept by the agent (`/v1/agent/service/register`).
    pub struct ServiceBody as "" of "struct" {
        /// The service's name.
        "Name" => name: Text,
        /// The datacenter meant.
        "Datacenter" => datacenter: Text,
        /// The instance's id.
        "ID" => id: Text,
        /// Labels.
        "Tags" => tags: Vec<Text>,
        /// Where it listens.
        "Address" => address: Text,
        /// Its port.
        "Port" => port: i64,
        /// Users' metadata.
        "Meta" => meta: Option<BTreeMap<Text, Text>>,
        /// Whether others may change its tags.
        "EnableTagOverride" => enable_tag_override: bool,
        /// Addresses by role.
        "TaggedAddresses" => tagged_addresses: BTreeMap<Text, AddressBody>,
        /// Share of traffic.
        "Weights" => weights: Option<WeightsBody>,
        /// A check of it.
        "Check" => check: Option<CheckBody>,
        /// More checks of it.
        "Checks" => checks: Vec<CheckBody>,
        /// What kind of proxy it is, if any.
        "Kind" => kind: Text,
        /// What it is a proxy for.
        "Proxy" => proxy: Option<ProxyBody>,
        /// Mesh properties.
        "Connect" => connect: ConnectBody,
        /// The Unix socket that it listens on.
        "SocketPath" => socket_path: Text,
        /// Where the machine stands.
        "Locality" => locality: Option<LocalityBody>,
        /// Further ports by name.
        "Ports" => ports: Vec<FreeForm>,
    }
}

object! {
    /// An address for one role.
    pub struct AddressBody as "ServiceAddress" of "structs.ServiceAddress" {
        /// IP address or host name.
        "Address" => address: Text,
        /// Its port.
        "Port" => port: i64,
    }
}

object! {
    /// Shares of traffic.
    pub struct WeightsBody as "Weights" of "structs.Weights" {
        /// While all checks pass.
        "Passing" => passing: i64,
        /// While a check warns.
        "Warning" => warning: i64,
    }
}

object! {
    /// Where a machine stands.
    pub struct LocalityBody as "Locality" of "structs.Locality" {
        /// Its region.
        "Region" => region: Text,
        /// Its zone.
        "Zone" => zone: Text,
    }
}

object! {
    /// Mesh properties.
    pub struct ConnectBody as "" of "struct" {
        /// It speaks the mesh protocol itself.
        "Native" => native: bool,
        /// A sidecar proxy to register along with it.
        "SidecarService" => sidecar_service: Option<FreeForm>,
    }
}
