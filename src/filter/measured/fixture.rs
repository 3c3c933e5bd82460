//! The records that Consul was asked about, in the shape its endpoints show them, and what may be asked of
//! each.

use std::collections::BTreeMap;

use crate::filter::record::{Record, Show, Value};
use crate::filter::schema::{Kind, Schema};

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
    ("ID", Kind::Text),
    ("Node", Kind::Text),
    ("Address", Kind::Text),
    ("Datacenter", Kind::Text),
    ("TaggedAddresses", Kind::TextMap),
    ("Meta", Kind::TextMap),
]);
static ADDRESS: Schema = Schema(&[("Address", Kind::Text), ("Port", Kind::Integer)]);
static WEIGHTS: Schema = Schema(&[("Passing", Kind::Integer), ("Warning", Kind::Integer)]);
static CONNECT: Schema = Schema(&[("Native", Kind::Boolean)]);
static UPSTREAM: Schema = Schema(&[("DestinationName", Kind::Text)]);
static EXPOSED_PATH: Schema = Schema(&[("ListenerPort", Kind::Integer)]);
static EXPOSE: Schema = Schema(&[("Paths", Kind::StructList(&EXPOSED_PATH))]);
static MESH_GATEWAY: Schema = Schema(&[("Mode", Kind::Text)]);
static PROXY: Schema = Schema(&[
    ("DestinationServiceName", Kind::Text),
    ("Upstreams", Kind::StructList(&UPSTREAM)),
    ("Expose", Kind::Struct(&EXPOSE)),
    ("MeshGateway", Kind::Struct(&MESH_GATEWAY)),
]);
static CATALOG_SERVICE: Schema = Schema(&[
    ("Address", Kind::Text),
    ("Datacenter", Kind::Text),
    ("NodeMeta", Kind::TextMap),
    ("ServiceID", Kind::Text),
    ("ServiceName", Kind::Text),
    ("ServiceTags", Kind::TextList),
    ("ServiceAddress", Kind::Text),
    ("ServiceTaggedAddresses", Kind::StructMap(&ADDRESS)),
    ("ServiceMeta", Kind::TextMap),
    ("ServicePort", Kind::Integer),
    ("ServiceWeights", Kind::Struct(&WEIGHTS)),
    ("ServiceEnableTagOverride", Kind::Boolean),
    ("ServiceProxy", Kind::Struct(&PROXY)),
    ("ServiceConnect", Kind::Struct(&CONNECT)),
]);
static SERVICE: Schema = Schema(&[
    ("Tags", Kind::TextList),
    ("Meta", Kind::TextMap),
    ("Port", Kind::Integer),
    ("Weights", Kind::Struct(&WEIGHTS)),
    ("Proxy", Kind::Struct(&PROXY)),
    ("Connect", Kind::Struct(&CONNECT)),
]);
static CHECK: Schema = Schema(&[
    ("Node", Kind::Text),
    ("CheckID", Kind::Text),
    ("Name", Kind::Text),
    ("Status", Kind::Text),
    ("Notes", Kind::Text),
    ("Output", Kind::Text),
    ("ServiceTags", Kind::TextList),
    ("Type", Kind::Text),
]);
static HEALTH_SERVICE: Schema = Schema(&[
    ("Node", Kind::Struct(&NODE)),
    ("Service", Kind::Struct(&SERVICE)),
    ("Checks", Kind::StructList(&CHECK)),
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
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "ID" => Value::Text(self.id),
            "Node" => Value::Text(self.name),
            "Address" => Value::Text(self.address),
            "Datacenter" => Value::Text("dc1"),
            "TaggedAddresses" => Value::Map(&self.tagged_addresses),
            "Meta" => Value::Map(&self.meta),
            _ => Value::Absent,
        }
    }
}

/// The row as catalog/service shows it: flat.
impl Record for Row {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Address" | "Datacenter" => self.node.field(name),
            "NodeMeta" => self.node.field("Meta"),
            "ServiceID" => Value::Text("web-1"),
            "ServiceName" => Value::Text("web"),
            "ServiceTags" => Value::TextList(&self.tags),
            "ServiceAddress" => Value::Text("10.1.1.1"),
            "ServiceTaggedAddresses" => Value::Map(&self.tagged_addresses),
            "ServiceMeta" => Value::Map(&self.meta),
            "ServicePort" => Value::Integer(8080),
            "ServiceWeights" => Value::Struct(&Weights),
            "ServiceEnableTagOverride" => Value::Boolean(false),
            "ServiceProxy" => Value::Struct(&self.proxy),
            "ServiceConnect" => Value::Struct(&Connect),
            _ => Value::Absent,
        }
    }
}

/// The row as health/service shows it: in three parts.
struct Health {
    service: Service,
}

impl Record for Health {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Node" => Value::Struct(&self.service.0.node),
            "Service" => Value::Struct(&self.service),
            "Checks" => Value::StructList(&self.service.0.checks),
            _ => Value::Absent,
        }
    }
}

/// A view of the row: its instance under the names that it has there.
struct Service(&'static Row);

impl Record for Service {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Tags" => Value::TextList(&self.0.tags),
            "Meta" => Value::Map(&self.0.meta),
            "Port" => Value::Integer(8080),
            "Weights" => Value::Struct(&Weights),
            "Proxy" => Value::Struct(&self.0.proxy),
            "Connect" => Value::Struct(&Connect),
            _ => Value::Absent,
        }
    }
}

impl Show for Address {
    fn show(&self) -> Value<'_> {
        Value::Struct(self)
    }
}

impl Record for Address {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Address" => Value::Text(self.0),
            "Port" => Value::Integer(self.1),
            _ => Value::Absent,
        }
    }
}

impl Record for Check {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Node" => Value::Text("n2"),
            "CheckID" => Value::Text(self.id),
            "Name" => Value::Text(self.name),
            "Status" => Value::Text(self.status),
            "Notes" | "Output" | "Type" => Value::Text(""),
            "ServiceTags" => Value::TextList(&self.service_tags),
            _ => Value::Absent,
        }
    }
}

struct Weights;

impl Record for Weights {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Passing" => Value::Integer(10),
            "Warning" => Value::Integer(1),
            _ => Value::Absent,
        }
    }
}

struct Connect;

impl Record for Connect {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Native" => Value::Boolean(false),
            _ => Value::Absent,
        }
    }
}

/// An instance that is no proxy: all of it empty. Stands for its own parts too.
struct Proxy {
    upstreams: Vec<Connect>,
    exposed_paths: Vec<Connect>,
}

impl Record for Proxy {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "DestinationServiceName" | "Mode" => Value::Text(""),
            "Upstreams" => Value::StructList(&self.upstreams),
            "Expose" | "MeshGateway" => Value::Struct(self),
            "Paths" => Value::StructList(&self.exposed_paths),
            _ => Value::Absent,
        }
    }
}
