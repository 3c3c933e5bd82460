//! Selectors of instances, flat (the catalog's) and as parts (everybody else's).

use crate::core::filter::record::{FieldValue, Record, Show};
use crate::core::filter::schema::{FieldKind, Schema};
use crate::core::model::{Connect, Locality, ServiceAddress, Weights};
use crate::wire::select::proxy::{NOTHING, PROXY};
use crate::wire::show::proxy::ShownProxy;
use crate::wire::show::{AgentService, CatalogService, NodeService};

/// Of `/v1/catalog/service`.
pub static CATALOG_SERVICE: Schema = Schema(&[
    ("ID", FieldKind::Text),
    ("Node", FieldKind::Text),
    ("Address", FieldKind::Text),
    ("Datacenter", FieldKind::Text),
    ("TaggedAddresses", FieldKind::TextMap),
    ("NodeMeta", FieldKind::TextMap),
    ("ServiceKind", FieldKind::Text),
    ("ServiceID", FieldKind::Text),
    ("ServiceName", FieldKind::Text),
    ("ServiceTags", FieldKind::TextList),
    ("ServiceAddress", FieldKind::Text),
    ("ServiceTaggedAddresses", FieldKind::StructMap(&ADDRESS)),
    ("ServiceWeights", FieldKind::Struct(&WEIGHTS)),
    ("ServiceMeta", FieldKind::TextMap),
    ("ServicePort", FieldKind::Integer),
    ("ServiceEnableTagOverride", FieldKind::Boolean),
    ("ServiceProxy", FieldKind::Struct(&PROXY)),
    ("ServiceConnect", FieldKind::Struct(&CONNECT)),
    ("ServiceSocketPath", FieldKind::Text),
    ("ServiceLocality", FieldKind::Struct(&LOCALITY)),
]);

/// Of `/v1/catalog/node`, `node-services` and `/v1/agent/services`.
pub static SERVICE: Schema = Schema(&[
    ("Kind", FieldKind::Text),
    ("ID", FieldKind::Text),
    ("Service", FieldKind::Text),
    ("Tags", FieldKind::TextList),
    ("Address", FieldKind::Text),
    ("TaggedAddresses", FieldKind::StructMap(&ADDRESS)),
    ("Meta", FieldKind::TextMap),
    ("Port", FieldKind::Integer),
    ("Weights", FieldKind::Struct(&WEIGHTS)),
    ("EnableTagOverride", FieldKind::Boolean),
    ("Proxy", FieldKind::Struct(&PROXY)),
    ("Connect", FieldKind::Struct(&CONNECT)),
    ("SocketPath", FieldKind::Text),
    ("Locality", FieldKind::Struct(&LOCALITY)),
]);

static ADDRESS: Schema = Schema(&[("Address", FieldKind::Text), ("Port", FieldKind::Integer)]);
static WEIGHTS: Schema = Schema(&[("Passing", FieldKind::Integer), ("Warning", FieldKind::Integer)]);
static CONNECT: Schema = Schema(&[("Native", FieldKind::Boolean)]);
static LOCALITY: Schema = Schema(&[("Region", FieldKind::Text), ("Zone", FieldKind::Text)]);

impl Record for CatalogService<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "ID" => FieldValue::Text(self.id),
            "Node" => FieldValue::Text(self.node),
            "Address" => FieldValue::Text(self.address),
            "Datacenter" => FieldValue::Text(self.datacenter),
            "TaggedAddresses" => FieldValue::Map(self.tagged_addresses),
            "NodeMeta" => FieldValue::Map(self.node_meta),
            "ServiceKind" => FieldValue::Text(self.service_kind),
            "ServiceID" => FieldValue::Text(self.service_id),
            "ServiceName" => FieldValue::Text(self.service_name),
            "ServiceTags" => FieldValue::TextList(self.service_tags),
            "ServiceAddress" => FieldValue::Text(self.service_address),
            "ServiceTaggedAddresses" => FieldValue::Map(self.service_tagged_addresses),
            "ServiceWeights" => FieldValue::Struct(&self.service_weights),
            "ServiceMeta" => FieldValue::Map(self.service_meta),
            "ServicePort" => FieldValue::Integer(self.service_port.into()),
            "ServiceEnableTagOverride" => FieldValue::Boolean(self.service_enable_tag_override),
            "ServiceProxy" => FieldValue::Struct(&self.service_proxy),
            "ServiceConnect" => FieldValue::Struct(self.service_connect),
            "ServiceSocketPath" => FieldValue::Text(self.service_socket_path),
            "ServiceLocality" => located(self.service_locality),
            _ => FieldValue::Absent,
        }
    }
}

impl Record for NodeService<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Kind" => FieldValue::Text(self.kind),
            "ID" => FieldValue::Text(self.id),
            "Service" => FieldValue::Text(self.service),
            "Tags" => FieldValue::TextList(self.tags),
            "Address" => FieldValue::Text(self.address),
            "TaggedAddresses" => FieldValue::Map(self.tagged_addresses),
            "Meta" => FieldValue::Map(self.meta),
            "Port" => FieldValue::Integer(self.port.into()),
            "Weights" => FieldValue::Struct(&self.weights),
            "EnableTagOverride" => FieldValue::Boolean(self.enable_tag_override),
            "Proxy" => FieldValue::Struct(&self.proxy),
            "Connect" => FieldValue::Struct(self.connect),
            "SocketPath" => FieldValue::Text(self.socket_path),
            "Locality" => located(self.locality),
            _ => FieldValue::Absent,
        }
    }
}

impl Record for AgentService<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Kind" => FieldValue::Text(self.kind),
            "ID" => FieldValue::Text(self.id),
            "Service" => FieldValue::Text(self.service),
            "Tags" => FieldValue::TextList(self.tags),
            "Address" => FieldValue::Text(self.address),
            "TaggedAddresses" => FieldValue::Map(self.tagged_addresses),
            "Meta" => FieldValue::Map(self.meta),
            "Port" => FieldValue::Integer(self.port.into()),
            "Weights" => FieldValue::Struct(&self.weights),
            "EnableTagOverride" => FieldValue::Boolean(self.enable_tag_override),
            "Proxy" => FieldValue::Struct(self.proxy.as_ref().unwrap_or(&NO_PROXY)),
            "Connect" => FieldValue::Struct(self.connect),
            "SocketPath" => FieldValue::Text(self.socket_path),
            "Locality" => located(self.locality),
            _ => FieldValue::Absent,
        }
    }
}

/// The proxy of an instance that is none.
static NO_PROXY: ShownProxy<'static> = ShownProxy::of_catalog(None);

/// Where an instance stands; one that does not say has empty texts.
fn located(locality: Option<&Locality>) -> FieldValue<'_> {
    locality.map_or(FieldValue::Struct(&NOTHING), |at| FieldValue::Struct(at))
}

impl Record for Locality {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Region" => FieldValue::Text(&self.region),
            "Zone" => FieldValue::Text(&self.zone),
            _ => FieldValue::Absent,
        }
    }
}

impl Record for ServiceAddress {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Address" => FieldValue::Text(&self.address),
            "Port" => FieldValue::Integer(self.port.into()),
            _ => FieldValue::Absent,
        }
    }
}

impl Show for ServiceAddress {
    fn show(&self) -> FieldValue<'_> {
        FieldValue::Struct(self)
    }
}

impl Record for Weights {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Passing" => FieldValue::Integer(self.passing.into()),
            "Warning" => FieldValue::Integer(self.warning.into()),
            _ => FieldValue::Absent,
        }
    }
}

impl Record for Connect {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Native" => FieldValue::Boolean(self.native),
            _ => FieldValue::Absent,
        }
    }
}
