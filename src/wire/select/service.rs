//! Selectors of instances, flat (the catalog's) and as parts (everybody else's).

use crate::filter::record::{Record, Show, Value};
use crate::filter::schema::{Kind, Schema};
use crate::model::{Connect, Locality, ServiceAddress, Weights};
use crate::wire::select::proxy::{NOTHING, PROXY};
use crate::wire::show::proxy::Proxy;
use crate::wire::show::{AgentService, CatalogService, NodeService};

/// Of `/v1/catalog/service`.
pub static CATALOG_SERVICE: Schema = Schema(&[
    ("ID", Kind::Text),
    ("Node", Kind::Text),
    ("Address", Kind::Text),
    ("Datacenter", Kind::Text),
    ("TaggedAddresses", Kind::TextMap),
    ("NodeMeta", Kind::TextMap),
    ("ServiceKind", Kind::Text),
    ("ServiceID", Kind::Text),
    ("ServiceName", Kind::Text),
    ("ServiceTags", Kind::TextList),
    ("ServiceAddress", Kind::Text),
    ("ServiceTaggedAddresses", Kind::StructMap(&ADDRESS)),
    ("ServiceWeights", Kind::Struct(&WEIGHTS)),
    ("ServiceMeta", Kind::TextMap),
    ("ServicePort", Kind::Integer),
    ("ServiceEnableTagOverride", Kind::Boolean),
    ("ServiceProxy", Kind::Struct(&PROXY)),
    ("ServiceConnect", Kind::Struct(&CONNECT)),
    ("ServiceSocketPath", Kind::Text),
    ("ServiceLocality", Kind::Struct(&LOCALITY)),
]);

/// Of `/v1/catalog/node`, `node-services` and `/v1/agent/services`.
pub static SERVICE: Schema = Schema(&[
    ("Kind", Kind::Text),
    ("ID", Kind::Text),
    ("Service", Kind::Text),
    ("Tags", Kind::TextList),
    ("Address", Kind::Text),
    ("TaggedAddresses", Kind::StructMap(&ADDRESS)),
    ("Meta", Kind::TextMap),
    ("Port", Kind::Integer),
    ("Weights", Kind::Struct(&WEIGHTS)),
    ("EnableTagOverride", Kind::Boolean),
    ("Proxy", Kind::Struct(&PROXY)),
    ("Connect", Kind::Struct(&CONNECT)),
    ("SocketPath", Kind::Text),
    ("Locality", Kind::Struct(&LOCALITY)),
]);

static ADDRESS: Schema = Schema(&[("Address", Kind::Text), ("Port", Kind::Integer)]);
static WEIGHTS: Schema = Schema(&[("Passing", Kind::Integer), ("Warning", Kind::Integer)]);
static CONNECT: Schema = Schema(&[("Native", Kind::Boolean)]);
static LOCALITY: Schema = Schema(&[("Region", Kind::Text), ("Zone", Kind::Text)]);

impl Record for CatalogService<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "ID" => Value::Text(self.id),
            "Node" => Value::Text(self.node),
            "Address" => Value::Text(self.address),
            "Datacenter" => Value::Text(self.datacenter),
            "TaggedAddresses" => Value::Map(self.tagged_addresses),
            "NodeMeta" => Value::Map(self.node_meta),
            "ServiceKind" => Value::Text(self.service_kind),
            "ServiceID" => Value::Text(self.service_id),
            "ServiceName" => Value::Text(self.service_name),
            "ServiceTags" => Value::TextList(self.service_tags),
            "ServiceAddress" => Value::Text(self.service_address),
            "ServiceTaggedAddresses" => Value::Map(self.service_tagged_addresses),
            "ServiceWeights" => Value::Struct(&self.service_weights),
            "ServiceMeta" => Value::Map(self.service_meta),
            "ServicePort" => Value::Integer(self.service_port.into()),
            "ServiceEnableTagOverride" => Value::Boolean(self.service_enable_tag_override),
            "ServiceProxy" => Value::Struct(&self.service_proxy),
            "ServiceConnect" => Value::Struct(self.service_connect),
            "ServiceSocketPath" => Value::Text(self.service_socket_path),
            "ServiceLocality" => located(self.service_locality),
            _ => Value::Absent,
        }
    }
}

impl Record for NodeService<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Kind" => Value::Text(self.kind),
            "ID" => Value::Text(self.id),
            "Service" => Value::Text(self.service),
            "Tags" => Value::TextList(self.tags),
            "Address" => Value::Text(self.address),
            "TaggedAddresses" => Value::Map(self.tagged_addresses),
            "Meta" => Value::Map(self.meta),
            "Port" => Value::Integer(self.port.into()),
            "Weights" => Value::Struct(&self.weights),
            "EnableTagOverride" => Value::Boolean(self.enable_tag_override),
            "Proxy" => Value::Struct(&self.proxy),
            "Connect" => Value::Struct(self.connect),
            "SocketPath" => Value::Text(self.socket_path),
            "Locality" => located(self.locality),
            _ => Value::Absent,
        }
    }
}

impl Record for AgentService<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Kind" => Value::Text(self.kind),
            "ID" => Value::Text(self.id),
            "Service" => Value::Text(self.service),
            "Tags" => Value::TextList(self.tags),
            "Address" => Value::Text(self.address),
            "TaggedAddresses" => Value::Map(self.tagged_addresses),
            "Meta" => Value::Map(self.meta),
            "Port" => Value::Integer(self.port.into()),
            "Weights" => Value::Struct(&self.weights),
            "EnableTagOverride" => Value::Boolean(self.enable_tag_override),
            "Proxy" => Value::Struct(self.proxy.as_ref().unwrap_or(&NO_PROXY)),
            "Connect" => Value::Struct(self.connect),
            "SocketPath" => Value::Text(self.socket_path),
            "Locality" => located(self.locality),
            _ => Value::Absent,
        }
    }
}

/// The proxy of an instance that is none.
static NO_PROXY: Proxy<'static> = Proxy::of_catalog(None);

/// Where an instance stands; one that does not say has empty texts.
fn located(locality: Option<&Locality>) -> Value<'_> {
    locality.map_or(Value::Struct(&NOTHING), |at| Value::Struct(at))
}

impl Record for Locality {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Region" => Value::Text(&self.region),
            "Zone" => Value::Text(&self.zone),
            _ => Value::Absent,
        }
    }
}

impl Record for ServiceAddress {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Address" => Value::Text(&self.address),
            "Port" => Value::Integer(self.port.into()),
            _ => Value::Absent,
        }
    }
}

impl Show for ServiceAddress {
    fn show(&self) -> Value<'_> {
        Value::Struct(self)
    }
}

impl Record for Weights {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Passing" => Value::Integer(self.passing.into()),
            "Warning" => Value::Integer(self.warning.into()),
            _ => Value::Absent,
        }
    }
}

impl Record for Connect {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Native" => Value::Boolean(self.native),
            _ => Value::Absent,
        }
    }
}
