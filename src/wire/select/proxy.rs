//! Selectors of proxies. What a proxy does not say has Go's zero value, also where an instance is no proxy at
//! all.

use serde_json::Value as Json;

use crate::core::filter::record::{FieldValue, Record};
use crate::core::filter::schema::{FieldKind, Schema};
use crate::wire::show::proxy::ShownProxy;

/// Of `ShownProxy` and `ServiceProxy`.
pub static PROXY: Schema = Schema(&[
    ("DestinationServiceName", FieldKind::Text),
    ("DestinationServiceID", FieldKind::Text),
    ("LocalServiceAddress", FieldKind::Text),
    ("LocalServicePort", FieldKind::Integer),
    ("Upstreams", FieldKind::StructList(&UPSTREAM)),
    ("MeshGateway", FieldKind::Struct(&MESH_GATEWAY)),
    ("Expose", FieldKind::Struct(&EXPOSE)),
    ("LocalServiceSocketPath", FieldKind::Text),
    ("Mode", FieldKind::Text),
    ("TransparentProxy", FieldKind::Struct(&TRANSPARENT)),
    ("MutualTLSMode", FieldKind::Text),
]);

static UPSTREAM: Schema = Schema(&[
    ("DestinationType", FieldKind::Text),
    ("DestinationNamespace", FieldKind::Text),
    ("DestinationName", FieldKind::Text),
    ("Datacenter", FieldKind::Text),
    ("LocalBindAddress", FieldKind::Text),
    ("LocalBindPort", FieldKind::Integer),
    ("LocalBindSocketPath", FieldKind::Text),
    ("LocalBindSocketMode", FieldKind::Text),
    ("MeshGateway", FieldKind::Struct(&MESH_GATEWAY)),
]);

static TRANSPARENT: Schema =
    Schema(&[("OutboundListenerPort", FieldKind::Integer), ("DialedDirectly", FieldKind::Boolean)]);

static MESH_GATEWAY: Schema = Schema(&[("Mode", FieldKind::Text)]);

static EXPOSE: Schema =
    Schema(&[("Checks", FieldKind::Boolean), ("Paths", FieldKind::StructList(&EXPOSE_PATH))]);

static EXPOSE_PATH: Schema = Schema(&[
    ("ListenerPort", FieldKind::Integer),
    ("Path", FieldKind::Text),
    ("LocalPathPort", FieldKind::Integer),
    ("Protocol", FieldKind::Text),
    ("ParsedFromCheck", FieldKind::Boolean),
]);

/// A part that says nothing.
pub(super) static NOTHING: Json = Json::Null;

impl Record for ShownProxy<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        let Some(proxy) = self.proxy else { return NOTHING.field(name) };
        match name {
            "DestinationServiceName" => FieldValue::Text(&proxy.destination_service_name),
            "DestinationServiceID" => FieldValue::Text(&proxy.destination_service_id),
            "LocalServiceAddress" => FieldValue::Text(&proxy.local_service_address),
            "LocalServicePort" => FieldValue::Integer(proxy.local_service_port.into()),
            _ => proxy.rest.get(name).map_or_else(|| NOTHING.field(name), value_of),
        }
    }
}

/// A part of a proxy that is kept as JSON, with the keys Consul gives it.
impl Record for Json {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match (self.get(name), name) {
            (Some(value), _) => value_of(value),
            (
                None,
                "LocalServicePort"
                | "LocalBindPort"
                | "ListenerPort"
                | "LocalPathPort"
                | "OutboundListenerPort",
            ) => FieldValue::Integer(0),
            (None, "Checks" | "ParsedFromCheck" | "DialedDirectly") => FieldValue::Boolean(false),
            (None, "MeshGateway" | "Expose" | "TransparentProxy") => FieldValue::Struct(&NOTHING),
            (None, "Upstreams" | "Paths") => FieldValue::Absent,
            (None, _) => FieldValue::Text(""),
        }
    }
}

fn value_of(json: &Json) -> FieldValue<'_> {
    match json {
        Json::Null => FieldValue::Absent,
        Json::Bool(boolean) => FieldValue::Boolean(*boolean),
        Json::Number(number) => number.as_i64().map_or(FieldValue::Absent, FieldValue::Integer),
        Json::String(text) => FieldValue::Text(text),
        Json::Array(entries) => FieldValue::StructList(entries),
        Json::Object(_) => FieldValue::Struct(json),
    }
}
