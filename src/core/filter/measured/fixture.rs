//! The records that Consul was asked about, in the shape its endpoints show them, and what may be asked of
//! each.

use std::collections::BTreeMap;

use crate::core::filter::record::{FieldValue, Record, Show};
use crate::core::filter::schema::{FieldKind, Schema};

type TextMap = BTreeMap<String, String>;

/// What a recorded row's endpoint filters.
pub fn endpoint(letter: &str) -> (&'static Schema, Vec<&'static dyn Record>) {
    // Leaked, a few hundred bytes for each row of a test: so the records need no owner.
    let data: &'static Data = Box::leak(Box::new(Data::measured()));
    match letter {
        "S" => (&CATALOG_SERVICE, vec![&data.row]),
        "N" => (&NODE, vec![&data.other_node, &data.row.node]),
        "H" => (&HEALTH_SERVICE, vec![Box::leak(Box::new(Health { service: Service(&data.row) }))]),
        "C" => (&CHECK, data.row.checks.iter().map(|check| check as &dyn Record).collect()),
        _ => panic!("no endpoint {letter}"),
    }
}

static NODE: Schema = Schema(&[
    ("ID", FieldKind::Text),
    ("Node", FieldKind::Text),
    ("Address", FieldKind::Text),
    ("Datacenter", FieldKind::Text),
    ("TaggedAddresses", FieldKind::TextMap),
    ("Meta", FieldKind::TextMap),
]);
static ADDRESS: Schema = Schema(&[("Address", FieldKind::Text), ("Port", FieldKind::Integer)]);
static WEIGHTS: Schema = Schema(&[("Passing", FieldKind::Integer), ("Warning", FieldKind::Integer)]);
static CONNECT: Schema = Schema(&[("Native", FieldKind::Boolean)]);
static UPSTREAM: Schema = Schema(&[("DestinationName", FieldKind::Text)]);
static EXPOSED_PATH: Schema = Schema(&[("ListenerPort", FieldKind::Integer)]);
static EXPOSE: Schema = Schema(&[("Paths", FieldKind::StructList(&EXPOSED_PATH))]);
static MESH_GATEWAY: Schema = Schema(&[("Mode", FieldKind::Text)]);
static PROXY: Schema = Schema(&[
    ("DestinationServiceName", FieldKind::Text),
    ("Upstreams", FieldKind::StructList(&UPSTREAM)),
    ("Expose", FieldKind::Struct(&EXPOSE)),
    ("MeshGateway", FieldKind::Struct(&MESH_GATEWAY)),
]);
static CATALOG_SERVICE: Schema = Schema(&[
    ("Address", FieldKind::Text),
    ("Datacenter", FieldKind::Text),
    ("NodeMeta", FieldKind::TextMap),
    ("ServiceID", FieldKind::Text),
    ("ServiceName", FieldKind::Text),
    ("ServiceTags", FieldKind::TextList),
    ("ServiceAddress", FieldKind::Text),
    ("ServiceTaggedAddresses", FieldKind::StructMap(&ADDRESS)),
    ("ServiceMeta", FieldKind::TextMap),
    ("ServicePort", FieldKind::Integer),
    ("ServiceWeights", FieldKind::Struct(&WEIGHTS)),
    ("ServiceEnableTagOverride", FieldKind::Boolean),
    ("ServiceProxy", FieldKind::Struct(&PROXY)),
    ("ServiceConnect", FieldKind::Struct(&CONNECT)),
]);
static SERVICE: Schema = Schema(&[
    ("Tags", FieldKind::TextList),
    ("Meta", FieldKind::TextMap),
    ("Port", FieldKind::Integer),
    ("Weights", FieldKind::Struct(&WEIGHTS)),
    ("Proxy", FieldKind::Struct(&PROXY)),
    ("Connect", FieldKind::Struct(&CONNECT)),
]);
static CHECK: Schema = Schema(&[
    ("Node", FieldKind::Text),
    ("CheckID", FieldKind::Text),
    ("Name", FieldKind::Text),
    ("Status", FieldKind::Text),
    ("Notes", FieldKind::Text),
    ("Output", FieldKind::Text),
    ("ServiceTags", FieldKind::TextList),
    ("Type", FieldKind::Text),
]);
static HEALTH_SERVICE: Schema = Schema(&[
    ("Node", FieldKind::Struct(&NODE)),
    ("Service", FieldKind::Struct(&SERVICE)),
    ("Checks", FieldKind::StructList(&CHECK)),
]);

struct Data {
    other_node: Node,
    row: Row,
}

struct Node {
    id: &'static str,
    name: &'static str,
    address: &'static str,
    tagged_addresses: TextMap,
    meta: Option<TextMap>,
}

/// A service instance with its node and checks.
struct Row {
    node: Node,
    tags: Vec<String>,
    tagged_addresses: BTreeMap<String, Address>,
    meta: TextMap,
    proxy: Proxy,
    checks: Vec<Check>,
}

struct Address(&'static str, i64);

struct Check {
    id: &'static str,
    name: &'static str,
    status: &'static str,
    service_tags: Vec<String>,
}

fn text_map(pairs: &[(&str, &str)]) -> TextMap {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

impl Data {
    fn measured() -> Data {
        let tags = vec!["prod".to_owned(), "v1".to_owned()];
        let loopback = "127.0.0.1";
        let own_addresses = ["lan", "lan_ipv4", "wan", "wan_ipv4"].map(|role| (role, loopback));
        let check = |id, name, status| Check { id, name, status, service_tags: tags.clone() };
        Data {
            other_node: Node {
                id: "75dd0f4f-d8f7-4529-5e1f-be35d95cb29b",
                name: "filter1",
                address: loopback,
                tagged_addresses: text_map(&own_addresses),
                meta: Some(text_map(&[("consul-network-segment", "")])),
            },
            row: Row {
                node: Node {
                    id: "",
                    name: "n2",
                    address: "10.0.0.2",
                    tagged_addresses: text_map(&[("lan", "10.0.0.2")]),
                    meta: Some(text_map(&[("rack", "r1"), ("k-ey", "v")])),
                },
                checks: vec![check("c1", "one", "passing"), check("c2", "two", "warning")],
                tagged_addresses: BTreeMap::from([("lan".to_owned(), Address("1.2.3.4", 80))]),
                meta: text_map(&[
                    ("version", "2"),
                    ("k-ey", "v"),
                    ("dotted", "a.b"),
                    ("quote", "we\"b"),
                    ("cr", "a\rb"),
                ]),
                proxy: Proxy { upstreams: Vec::new(), exposed_paths: Vec::new() },
                tags,
            },
        }
    }
}

impl Record for Node {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "ID" => FieldValue::Text(self.id),
            "Node" => FieldValue::Text(self.name),
            "Address" => FieldValue::Text(self.address),
            "Datacenter" => FieldValue::Text("dc1"),
            "TaggedAddresses" => FieldValue::Map(&self.tagged_addresses),
            "Meta" => FieldValue::Map(&self.meta),
            _ => FieldValue::Absent,
        }
    }
}

/// The row as catalog/service shows it: flat.
impl Record for Row {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Address" | "Datacenter" => self.node.field(name),
            "NodeMeta" => self.node.field("Meta"),
            "ServiceID" => FieldValue::Text("web-1"),
            "ServiceName" => FieldValue::Text("web"),
            "ServiceTags" => FieldValue::TextList(&self.tags),
            "ServiceAddress" => FieldValue::Text("10.1.1.1"),
            "ServiceTaggedAddresses" => FieldValue::Map(&self.tagged_addresses),
            "ServiceMeta" => FieldValue::Map(&self.meta),
            "ServicePort" => FieldValue::Integer(8080),
            "ServiceWeights" => FieldValue::Struct(&Weights),
            "ServiceEnableTagOverride" => FieldValue::Boolean(false),
            "ServiceProxy" => FieldValue::Struct(&self.proxy),
            "ServiceConnect" => FieldValue::Struct(&Connect),
            _ => FieldValue::Absent,
        }
    }
}

/// The row as health/service shows it: in three parts.
struct Health {
    service: Service,
}

impl Record for Health {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Node" => FieldValue::Struct(&self.service.0.node),
            "Service" => FieldValue::Struct(&self.service),
            "Checks" => FieldValue::StructList(&self.service.0.checks),
            _ => FieldValue::Absent,
        }
    }
}

/// A view of the row: its instance under the names that it has there.
struct Service(&'static Row);

impl Record for Service {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Tags" => FieldValue::TextList(&self.0.tags),
            "Meta" => FieldValue::Map(&self.0.meta),
            "Port" => FieldValue::Integer(8080),
            "Weights" => FieldValue::Struct(&Weights),
            "Proxy" => FieldValue::Struct(&self.0.proxy),
            "Connect" => FieldValue::Struct(&Connect),
            _ => FieldValue::Absent,
        }
    }
}

impl Show for Address {
    fn show(&self) -> FieldValue<'_> {
        FieldValue::Struct(self)
    }
}

impl Record for Address {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Address" => FieldValue::Text(self.0),
            "Port" => FieldValue::Integer(self.1),
            _ => FieldValue::Absent,
        }
    }
}

impl Record for Check {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Node" => FieldValue::Text("n2"),
            "CheckID" => FieldValue::Text(self.id),
            "Name" => FieldValue::Text(self.name),
            "Status" => FieldValue::Text(self.status),
            "Notes" | "Output" | "Type" => FieldValue::Text(""),
            "ServiceTags" => FieldValue::TextList(&self.service_tags),
            _ => FieldValue::Absent,
        }
    }
}

struct Weights;

impl Record for Weights {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Passing" => FieldValue::Integer(10),
            "Warning" => FieldValue::Integer(1),
            _ => FieldValue::Absent,
        }
    }
}

struct Connect;

impl Record for Connect {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Native" => FieldValue::Boolean(false),
            _ => FieldValue::Absent,
        }
    }
}

/// An instance that is no proxy: all of it empty. Stands for its own parts too.
struct Proxy {
    upstreams: Vec<Connect>,
    exposed_paths: Vec<Connect>,
}

impl Record for Proxy {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "DestinationServiceName" | "Mode" => FieldValue::Text(""),
            "Upstreams" => FieldValue::StructList(&self.upstreams),
            "Expose" | "MeshGateway" => FieldValue::Struct(self),
            "Paths" => FieldValue::StructList(&self.exposed_paths),
            _ => FieldValue::Absent,
        }
    }
}
