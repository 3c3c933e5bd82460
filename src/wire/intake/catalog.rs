//! The catalog's API: nodes, instances and checks that somebody else keeps up to date.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::stdx::text::Text;
use crate::core::model::validate::{bounds, checks, metadata, names, nodes, proxies, services};
use crate::core::model::{
    Cadence, Cause, Check, CheckDefinition, Command, Connect, ExistingChecks, Indexes, NodeKey, NodePart,
    Origin, Probe, ProbeTls, Registration, Service, Status,
};
use crate::wire::body::catalog::{
    CatalogCheckBody, CatalogServiceBody, DefinitionBody, DeregisterBody, RegisterBody,
};
use crate::wire::decode::from_bytes;
use crate::wire::intake::{Invalid, proxy, rules};

/// The body of `/v1/catalog/register`, in the datacenter of that name.
///
/// # Errors
/// When the body cannot be read, is for another datacenter, or describes what muster cannot keep.
pub fn catalog_registration(body: &[u8], datacenter: &str) -> Result<Registration, Invalid> {
    let body: RegisterBody = from_bytes(body)?;
    rules::check_datacenter(&body.datacenter, datacenter)?;
    let node = NodePart::Set {
        name: body.node.clone(),
        id: body.id,
        address: body.address,
        tagged_addresses: rules::meta(body.tagged_addresses),
        meta: rules::meta(body.node_meta),
        keep_existing: body.skip_node_update,
    };
    nodes::check_part(&node)?;
    let bodies: Vec<_> = body.check.into_iter().chain(body.checks).collect();
    checks::check_count(bodies.len())?;
    let checked: Result<Vec<Check>, _> =
        bodies.into_iter().map(|check| catalog_check(check, &body.node)).collect();
    let service = body.service.map(|service| catalog_service(service, &body.node)).transpose()?;
    Ok(Registration { node, service, checks: checked?, existing_checks: ExistingChecks::Overwrite })
}

/// The body of `/v1/catalog/deregister`, in the datacenter of that name. An instance prevails over a check.
///
/// # Errors
/// When the body cannot be read, is for another datacenter, or names no node.
pub fn catalog_deregistration(body: &[u8], datacenter: &str) -> Result<Command, Invalid> {
    let DeregisterBody { datacenter: asked, node, service_id, check_id } = from_bytes(body)?;
    rules::check_datacenter(&asked, datacenter)?;
    nodes::check_given(&node)?;
    let (node, must_exist) = (NodeKey::of(&node), false);
    Ok(match (service_id.is_empty(), check_id.is_empty()) {
        (false, _) => Command::DeregisterService { node, service_id, must_exist },
        (true, false) => Command::DeregisterCheck { node, check_id, must_exist },
        (true, true) => Command::DeregisterNode { node },
    })
}

fn catalog_service(mut body: CatalogServiceBody, node: &Text) -> Result<Service, Invalid> {
    if body.service.is_empty() {
        return Err(Invalid::rejected("Must provide service name with ID"));
    }
    if body.id.is_empty() {
        body.id = body.service.clone();
    }
    names::check("service name", &body.service)?;
    names::check("service ID", &body.id)?;
    names::check("service kind", &body.kind)?;
    services::check_address(&body.address)?;
    services::check_tags(&body.tags)?;
    let destination = proxy::destination(body.proxy.as_ref());
    let has_socket = !body.socket_path.is_empty();
    proxies::check_kind(&body.kind, body.port, has_socket, destination, body.connect.native)?;
    let meta_prefix =
        format!("failed inserting service: Invalid Service Meta for node {node} and serviceID {}", body.id);
    let meta = rules::meta(body.meta);
    metadata::check(&meta_prefix, meta.as_ref())?;
    rules::one_port(&body.ports)?;
    let service = Service {
        kind: body.kind,
        id: body.id,
        name: body.service,
        tags: body.tags,
        address: body.address,
        port: bounds::port("service port", body.port)?,
        tagged_addresses: rules::tagged_addresses(body.tagged_addresses)?,
        // Weights that would take the instance out altogether count as not given here, unlike with the agent.
        weights: rules::weights(body.weights.filter(|weights| weights.passing != 0))?,
        meta,
        enable_tag_override: body.enable_tag_override,
        proxy: proxy::proxy(body.proxy, "")?,
        connect: Connect { native: body.connect.native },
        socket_path: body.socket_path,
        locality: rules::locality(body.locality),
        drain: None,
        origin: Origin::Catalog,
        indexes: Indexes::default(),
    };
    services::check_new(&service)?;
    Ok(service)
}

fn catalog_check(mut body: CatalogCheckBody, node: &Text) -> Result<Check, Invalid> {
    if !body.node.is_empty() && body.node != *node {
        let sentence = format!("check node \"{}\" does not match node \"{node}\"", body.node);
        return Err(Invalid::rejected(sentence));
    }
    if body.id.is_empty() {
        body.id = body.name.clone();
    }
    if body.id.is_empty() {
        return Err(Invalid::rejected("Must provide check ID or name"));
    }
    let status = if body.status.is_empty() { Some(Status::Critical) } else { Status::parse(&body.status) };
    let status = status.ok_or_else(|| Invalid::rejected("Bad check status"))?;
    names::check("check ID", &body.id)?;
    names::check("check name", &body.name)?;
    names::check("check type", &body.kind)?;
    names::check("service ID", &body.service_id)?;
    let owner = Cadence {
        interval: rules::duration("Interval", body.interval)?,
        timeout: rules::duration("Timeout", body.timeout)?,
        exposed_port: bounds::port("check ExposedPort", body.exposed_port)?,
    };
    let definition = CheckDefinition { owner, ..definition(body.definition)? };
    let check = Check {
        id: body.id,
        name: body.name,
        status,
        notes: checks::cut_output(body.notes),
        output: checks::cut_output(body.output),
        service_id: body.service_id,
        kind: if body.kind.is_empty() { kind_of(&definition).into() } else { body.kind },
        definition: definition.into(),
        origin: Origin::Catalog,
        status_since_ms: 0,
        status_cause: Cause::Registration,
        indexes: Indexes::default(),
    };
    checks::check_new(&check)?;
    Ok(check)
}

/// The word for a definition's type. One that needs an interval and has none is of no type, as with Consul.
fn kind_of(definition: &CheckDefinition) -> &'static str {
    let is_told = |key: &str| definition.told.contains_key(key);
    match &definition.probe {
        Some(Probe::Script { .. }) if is_told(CONTAINER) && !definition.interval.is_zero() => "docker",
        Some(probe @ (Probe::Ttl { .. } | Probe::Alias { .. })) => probe.kind(),
        Some(_) if definition.interval.is_zero() => "",
        Some(probe) => probe.kind(),
        None => "",
    }
}

fn definition(body: DefinitionBody) -> Result<CheckDefinition, Invalid> {
    let output_max_size = u32::try_from(body.output_max_size)
        .map_err(|_| Invalid::rejected("Invalid check: MaxOutputMaxSize must be positive"))?;
    let reap_after = body.deregister_critical_service_after;
    let ttl = rules::duration("TTL", body.ttl)?;
    Ok(CheckDefinition {
        interval: rules::duration("Interval", body.interval)?,
        timeout: rules::duration("Timeout", body.timeout)?,
        deregister_critical_service_after: rules::duration("DeregisterCriticalServiceAfter", reap_after)?,
        output_max_size,
        told: told(&body, ttl),
        probe: probe(body, ttl),
        ..CheckDefinition::default()
    })
}

/// The key of the container that a program is run in.
const CONTAINER: &str = "DockerContainerID";

/// What is said besides the way of checking that [`probe`] takes: Consul keeps and tells all of it.
fn told(body: &DefinitionBody, ttl: Duration) -> BTreeMap<Text, Value> {
    let probe = probe(body.clone(), ttl);
    let kind = probe.as_ref().map_or("", Probe::kind);
    let is_through_tls = matches!(
        &probe,
        Some(
            Probe::Http { .. }
                | Probe::Tcp { tls: Some(_), .. }
                | Probe::Grpc { tls: Some(_), .. }
                | Probe::H2Ping { tls: Some(_), .. }
        )
    );
    let is = |wanted: &str| kind == wanted;
    let nanoseconds = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
    let said = [
        ("HTTP", json!(body.http), is("http")),
        ("Header", json!(body.header), is("http")),
        ("Method", json!(body.method), is("http")),
        ("Body", json!(body.body), is("http")),
        ("DisableRedirects", json!(body.disable_redirects), is("http")),
        ("TLSSkipVerify", json!(body.tls_skip_verify), is_through_tls),
        ("TLSServerName", json!(body.tls_server_name), is_through_tls),
        ("TCP", json!(body.tcp), is("tcp")),
        ("TCPUseTLS", json!(body.tcp_use_tls), is("tcp")),
        ("UDP", json!(body.udp), is("udp")),
        ("GRPC", json!(body.grpc), is("grpc")),
        ("GRPCUseTLS", json!(body.grpc_use_tls), is("grpc")),
        ("H2PING", json!(body.h2ping), is("h2ping")),
        ("H2PingUseTLS", json!(body.h2ping_use_tls), is("h2ping")),
        ("OSService", json!(body.os_service), is("os_service")),
        ("ScriptArgs", json!(body.script_args), is("script")),
        (CONTAINER, json!(body.docker_container_id), false),
        ("Shell", json!(body.shell), false),
        ("AliasNode", json!(body.alias_node), is("alias")),
        ("AliasService", json!(body.alias_service), is("alias")),
        ("TTL", json!(nanoseconds), is("ttl")),
    ];
    let besides = said.into_iter().filter(|(_, value, is_shown)| !is_shown && says_something(value));
    besides.map(|(key, value, _)| (key.into(), value)).collect()
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(boolean) => *boolean,
        Value::Number(number) => number.as_u64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// The way in which somebody else checks. Where several are given, Consul's order decides.
fn probe(body: DefinitionBody, ttl: Duration) -> Option<Probe> {
    let security = |use_tls: bool| {
        let (skip_verify, server_name) = (body.tls_skip_verify, body.tls_server_name.clone());
        use_tls.then_some(ProbeTls { skip_verify, server_name })
    };
    Some(if !body.grpc.is_empty() {
        let (address, service) = body.grpc.split_once('/').unwrap_or((&body.grpc, ""));
        let (address, service) = (address.into(), service.into());
        Probe::Grpc { address, service, tls: security(body.grpc_use_tls) }
    } else if !body.http.is_empty() {
        Probe::Http {
            url: body.http,
            method: body.method,
            header: body.header,
            body: body.body,
            tls_skip_verify: body.tls_skip_verify,
            tls_server_name: body.tls_server_name,
            disable_redirects: body.disable_redirects,
        }
    } else if !ttl.is_zero() {
        Probe::Ttl { ttl }
    } else if !body.tcp.is_empty() {
        Probe::Tcp { tls: security(body.tcp_use_tls), address: body.tcp }
    } else if !body.udp.is_empty() {
        Probe::Udp { address: body.udp }
    } else if !body.alias_node.is_empty() || !body.alias_service.is_empty() {
        Probe::Alias { node: body.alias_node, service_id: body.alias_service }
    } else if !body.script_args.is_empty() {
        Probe::Script { args: body.script_args }
    } else if !body.h2ping.is_empty() {
        Probe::H2Ping { tls: security(body.h2ping_use_tls), address: body.h2ping }
    } else if !body.os_service.is_empty() {
        Probe::OsService { name: body.os_service }
    } else {
        return None;
    })
}
