//! A service instance: one place where a named service can be reached.

use std::collections::BTreeMap;

use crate::base::stdx::pairs::Pairs;
use crate::base::stdx::text::Text;
use crate::core::model::{Drain, Indexes, Meta, Origin};

/// One instance of a service on a node. Its id is unique on that node; its name is shared by all instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Empty for an ordinary service, else what kind of proxy or gateway it is (`connect-proxy`, `mesh-gateway`, …).
    pub kind: Text,
    /// Unique on the node; the name, unless the registration gave one.
    pub id: Text,
    /// The name under which instances are looked up, without regard to case.
    pub name: Text,
    /// Labels in the order given, duplicates kept: some clients read configuration from them.
    pub tags: Vec<Text>,
    /// Where the instance listens; empty means the node's address.
    pub address: Text,
    /// TCP or UDP port; 0 when the instance has none.
    pub port: u16,
    /// Path of the Unix socket that it listens on instead; empty for none.
    pub socket_path: Text,
    /// Further addresses by role (`lan_ipv4`, `wan`, a scheme, …).
    pub tagged_addresses: Pairs<ServiceAddress>,
    /// How much traffic the instance should get.
    pub weights: Weights,
    /// Users' metadata; `None` when registered without, which some answers show as `null`.
    pub meta: Option<Meta>,
    /// Whether others may change the tags of this instance in the catalog.
    pub enable_tag_override: bool,
    /// What a proxy of kind `connect-proxy` stands for.
    pub proxy: Option<Box<Proxy>>,
    /// Whether the instance speaks the mesh protocol itself.
    pub connect: Connect,
    /// Where the machine stands, for those who choose by it.
    pub locality: Option<Box<Locality>>,
    /// The drain that is under way or over. A registration does not touch it.
    pub drain: Option<Box<Drain>>,
    /// Who keeps this record: the local agent's API, or the catalog's.
    pub origin: Origin,
    /// Position of the record in the order of changes.
    pub indexes: Indexes,
}

impl Service {
    /// Whether both say the same of the instance, whenever they were written.
    pub fn same_content(&self, other: &Service) -> bool {
        let Service { kind, id, name, tags, address, port, tagged_addresses, weights, meta, .. } = self;
        let Service { enable_tag_override, proxy, connect, drain, origin, indexes: _, .. } = self;
        let Service { socket_path, locality, .. } = self;
        // What differs most often first.
        *port == other.port
            && *tags == other.tags
            && *meta == other.meta
            && *address == other.address
            && *name == other.name
            && *id == other.id
            && *kind == other.kind
            && *tagged_addresses == other.tagged_addresses
            && *weights == other.weights
            && *enable_tag_override == other.enable_tag_override
            && *proxy == other.proxy
            && *connect == other.connect
            && *drain == other.drain
            && *socket_path == other.socket_path
            && *locality == other.locality
            && *origin == other.origin
    }

    /// The weights that answers show: as registered, scaled down by a drain.
    pub fn shown_weights(&self) -> Weights {
        self.drain.as_ref().map_or(self.weights, |drain| drain.scaled(self.weights))
    }
}

/// An address of an instance for one role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAddress {
    /// IP address or host name.
    pub address: Text,
    /// Port, 0 to 65535.
    pub port: u16,
}

/// Relative share of traffic by status, 0 to 65535, as DNS SRV weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// While all checks pass; at least 1.
    pub passing: u16,
    /// While a check warns; 0 takes the instance out.
    pub warning: u16,
}

impl Weights {
    /// A share of the weights, in percent. Rounded up, so that a weight falls to 0 with its share and not before.
    pub fn scaled(self, percent: u8) -> Weights {
        let scale = |weight: u16| (u32::from(weight) * u32::from(percent.min(100))).div_ceil(100) as u16;
        Weights { passing: scale(self.passing), warning: scale(self.warning) }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Weights { passing: 1, warning: 1 }
    }
}

/// What a sidecar or gateway proxies for. Kept and answered, not acted upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Name of the service behind the proxy.
    pub destination_service_name: Text,
    /// Id of the instance behind the proxy, when it is a sidecar.
    pub destination_service_id: Text,
    /// Where that instance listens.
    pub local_service_address: Text,
    /// Its port.
    pub local_service_port: u16,
    /// Everything else of the proxy definition (`Config`, `Upstreams`, `MeshGateway`, `Expose`), as written, by key.
    pub rest: BTreeMap<Text, serde_json::Value>,
}

impl Proxy {
    /// What later Consul versions say of a proxy, by their keys: kept in `rest` and told on.
    pub const LATER_KEYS: [&str; 6] = [
        "LocalServiceSocketPath",
        "Mode",
        "TransparentProxy",
        "MutualTLSMode",
        "AccessLogs",
        "EnvoyExtensions",
    ];
}

/// Where a machine stands. Kept and answered, not acted upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locality {
    /// The region, in the words of the machine's operator.
    pub region: Text,
    /// The zone of the region.
    pub zone: Text,
}

/// Mesh properties of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// The instance speaks the mesh protocol without a sidecar.
    pub native: bool,
}
