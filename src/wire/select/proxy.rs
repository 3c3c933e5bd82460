//! Selectors of proxies. What a proxy does not say has Go's zero value, also where an instance is no proxy at
//! all.

use serde_json::Value as Json;

use crate::filter::record::{Record, Value};
use crate::filter::schema::{Kind, Schema};
use crate::wire::show::proxy::Proxy;

/// Of `Proxy` and `ServiceProxy`.
pub static PROXY: Schema = Schema(&[
    ("DestinationServiceName", Kind::Text),
    ("DestinationServiceID", Kind::Text),
    ("LocalServiceAddress", Kind::Text),
    ("LocalServicePort", Kind::Integer),
    ("Upstreams", Kind::StructList(&UPSTREAM)),
    ("MeshGateway", Kind::Struct(&MESH_GATEWAY)),
    ("Expose", Kind::Struct(&EXPOSE)),
    ("LocalServiceSocketPath", Kind::Text),
    ("Mode", Kind::Text),
    ("TransparentProxy", Kind::Struct(&TRANSPARENT)),
    ("MutualTLSMode", Kind::Text),
]);

static UPSTREAM: Schema = Schema(&[
    ("DestinationType", Kind::Text),
    ("DestinationNamespace", Kind::Text),
    ("DestinationName", Kind::Text),
    ("Datacenter", Kind::Text),
    ("LocalBindAddress", Kind::Text),
    ("LocalBindPort", Kind::Integer),
    ("LocalBindSocketPath", Kind::Text),
    ("LocalBindSocketMode", Kind::Text),
    ("MeshGateway", Kind::Struct(&MESH_GATEWAY)),
]);

static TRANSPARENT: Schema =
    Schema(&[("OutboundListenerPort", Kind::Integer), ("DialedDirectly", Kind::Boolean)]);

static MESH_GATEWAY: Schema = Schema(&[("Mode", Kind::Text)]);

static EXPOSE: Schema = Schema(&[("Checks", Kind::Boolean), ("Paths", Kind::StructList(&EXPOSE_PATH))]);

static EXPOSE_PATH: Schema = Schema(&[
    ("ListenerPort", Kind::Integer),
    ("Path", Kind::Text),
    ("LocalPathPort", Kind::Integer),
    ("Protocol", Kind::Text),
    ("ParsedFromCheck", Kind::Boolean),
]);

/// A part that says nothing.
pub(super) static NOTHING: Json = Json::Null;

impl Record for Proxy<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        let Some(proxy) = self.proxy else { return NOTHING.field(name) };
        match name {
            "DestinationServiceName" => Value::Text(&proxy.destination_service_name),
            "DestinationServiceID" => Value::Text(&proxy.destination_service_id),
            "LocalServiceAddress" => Value::Text(&proxy.local_service_address),
            "LocalServicePort" => Value::Integer(proxy.local_service_port.into()),
            _ => proxy.rest.get(name).map_or_else(|| NOTHING.field(name), value_of),
        }
    }
}

/// A part of a proxy that is kept as JSON, with the keys Consul gives it.
impl Record for Json {
    fn field(&self, name: &str) -> Value<'_> {
        match (self.get(name), name) {
            (Some(value), _) => value_of(value),
            (
                None,
                "LocalServicePort"
                | "LocalBindPort"
                | "ListenerPort"
                | "LocalPathPort"
                | "OutboundListenerPort",
            ) => Value::Integer(0),
            (None, "Checks" | "ParsedFromCheck" | "DialedDirectly") => Value::Boolean(false),
            (None, "MeshGateway" | "Expose" | "TransparentProxy") => Value::Struct(&NOTHING),
            (None, "Upstreams" | "Paths") => Value::Absent,
            (None, _) => Value::Text(""),
        }
    }
}

fn value_of(json: &Json) -> Value<'_> {
    match json {
        Json::Null => Value::Absent,
        Json::Bool(boolean) => Value::Boolean(*boolean),
        Json::Number(number) => number.as_i64().map_or(Value::Absent, Value::Integer),
        Json::String(text) => Value::Text(text),
        Json::Array(entries) => Value::StructList(entries),
        Json::Object(_) => Value::Struct(json),
    }
}
