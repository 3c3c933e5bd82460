//! Proxies and gateways.

use serde_json::{Map, Value};

use crate::base::stdx::text::Text;
use crate::core::model::Proxy;
use crate::core::model::validate::{bounds, names};
use crate::wire::body::proxy::{ExposeBody, MeshGatewayBody, ProxyBody, UpstreamBody};
use crate::wire::decode::free_form::FreeForm;
use crate::wire::decode::scope;
use crate::wire::intake::Invalid;

/// Name of the service that a body's proxy is for; empty when it says of none.
pub fn destination(body: Option<&ProxyBody>) -> &str {
    body.map_or("", |proxy| &proxy.destination_service_name)
}

/// The proxy as it is kept; `None` when the body says nothing of it.
///
/// `upstream_type` is what an upstream is that does not say: the agent's are services, the catalog's are left
/// open.
pub fn proxy(body: Option<ProxyBody>, upstream_type: &str) -> Result<Option<Box<Proxy>>, Invalid> {
    let Some(body) = body.filter(|body| *body != ProxyBody::default()) else { return Ok(None) };
    let mut rest = Map::new();
    if let Some(config) = body.config {
        rest.insert("Config".into(), Value::Object(config.0));
    }
    if !body.upstreams.is_empty() {
        let upstreams: Result<_, _> =
            body.upstreams.into_iter().map(|body| upstream(body, upstream_type)).collect();
        rest.insert("Upstreams".into(), Value::Array(upstreams?));
    }
    put_object(&mut rest, "MeshGateway", mesh_gateway(body.mesh_gateway));
    put_object(&mut rest, "Expose", expose(body.expose)?);
    put_text(&mut rest, "LocalServiceSocketPath", &body.local_service_socket_path);
    put_text(&mut rest, "Mode", &body.mode);
    put_object(&mut rest, "TransparentProxy", body.transparent_proxy.unwrap_or_default().0);
    put_text(&mut rest, "MutualTLSMode", &body.mutual_tls_mode);
    put_object(&mut rest, "AccessLogs", body.access_logs.unwrap_or_default().0);
    if !body.envoy_extensions.is_empty() {
        let extensions = body.envoy_extensions.into_iter().map(|FreeForm(it)| Value::Object(it)).collect();
        rest.insert("EnvoyExtensions".into(), Value::Array(extensions));
    }
    names::check("proxy destination", &body.destination_service_name)?;
    names::check("proxy destination", &body.destination_service_id)?;
    names::check("proxy LocalServiceAddress", &body.local_service_address)?;
    Ok(Some(Box::new(Proxy {
        destination_service_name: body.destination_service_name,
        destination_service_id: body.destination_service_id,
        local_service_address: body.local_service_address,
        local_service_port: bounds::port("Proxy.LocalServicePort", body.local_service_port)?,
        rest: rest.into_iter().map(|(key, value)| (key.into(), value)).collect(),
    })))
}

fn upstream(body: UpstreamBody, type_default: &str) -> Result<Value, Invalid> {
    let mut kept = Map::new();
    let kind = if body.destination_type.is_empty() { type_default.into() } else { body.destination_type };
    put_text(&mut kept, "DestinationType", &kind);
    if !scope::is_own(&body.destination_namespace) {
        let namespace = body.destination_namespace.as_str();
        let sentence = format!("DestinationNamespace {namespace:?}: muster has none but the default one");
        return Err(Invalid::rejected(sentence));
    }
    put_text(&mut kept, "DestinationNamespace", &body.destination_namespace);
    put_text(&mut kept, "DestinationName", &body.destination_name);
    put_text(&mut kept, "Datacenter", &body.datacenter);
    put_text(&mut kept, "LocalBindAddress", &body.local_bind_address);
    let port = bounds::port("Upstreams.LocalBindPort", body.local_bind_port)?;
    kept.insert("LocalBindPort".into(), port.into());
    put_text(&mut kept, "LocalBindSocketPath", &body.local_bind_socket_path);
    put_text(&mut kept, "LocalBindSocketMode", &body.local_bind_socket_mode);
    if body.centrally_configured {
        kept.insert("CentrallyConfigured".into(), true.into());
    }
    if let Some(config) = body.config {
        kept.insert("Config".into(), Value::Object(config.0));
    }
    put_object(&mut kept, "MeshGateway", mesh_gateway(body.mesh_gateway));
    Ok(Value::Object(kept))
}

fn mesh_gateway(body: MeshGatewayBody) -> Map<String, Value> {
    let mut kept = Map::new();
    put_text(&mut kept, "Mode", &body.mode);
    kept
}

fn expose(body: ExposeBody) -> Result<Map<String, Value>, Invalid> {
    let mut kept = Map::new();
    if body.checks {
        kept.insert("Checks".into(), true.into());
    }
    if !body.paths.is_empty() {
        let mut paths = Vec::with_capacity(body.paths.len());
        for path in body.paths {
            let mut entry = Map::new();
            let listener_port = bounds::port("Expose.Paths.ListenerPort", path.listener_port)?;
            let local_path_port = bounds::port("Expose.Paths.LocalPathPort", path.local_path_port)?;
            entry.insert("ListenerPort".into(), listener_port.into());
            entry.insert("Path".into(), path.path.as_str().into());
            entry.insert("LocalPathPort".into(), local_path_port.into());
            entry.insert("Protocol".into(), path.protocol.as_str().into());
            paths.push(Value::Object(entry));
        }
        kept.insert("Paths".into(), Value::Array(paths));
    }
    Ok(kept)
}

fn put_text(into: &mut Map<String, Value>, key: &str, text: &Text) {
    if !text.is_empty() {
        into.insert(key.into(), text.as_str().into());
    }
}

fn put_object(into: &mut Map<String, Value>, key: &str, object: Map<String, Value>) {
    if !object.is_empty() {
        into.insert(key.into(), Value::Object(object));
    }
}
