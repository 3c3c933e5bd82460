//! What the agent says of itself.
//!
//! <https://developer.hashicorp.com/consul/api-docs/agent>

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::base::stdx::calendar;
use crate::base::stdx::text::Text;
use crate::base::sys::host::{HostFacts, cores};
use crate::base::sys::runtime;
use crate::base::telemetry::metrics::Sample;
use crate::core::discovery::query::passes;
use crate::core::model::{Caller, Meta, Origin};
use crate::node::registry::own_node::{
    CONSUL_API_VERSION, OwnNode, SERF_LAN_PORT, SERF_WAN_PORT, SERVER_PORT,
};
use crate::node::registry::store_state::StoreState;
use crate::surface::answers::answer::{self, empty};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::context::host::StoreFacts;
use crate::surface::context::params::check_scope;
use crate::surface::context::sight::VisibleNode;
use crate::surface::muster::operations;
use crate::surface::selection;
use crate::wire::select;
use crate::wire::show::Member;

/// The word for all network segments.
const ALL_SEGMENTS: &str = "_all";

/// Why the process does not end on request.
const LEAVE_NOT_ALLOWED: &str = "The agent may not be ended over HTTP: set enable_leave to allow it, or stop the \
     service (systemctl stop muster, or SIGTERM).";

/// `GET /v1/agent/self`. Every value is an object: Consul's own client decodes it as a map of maps.
pub fn own(call: &mut Call<'_, '_>) -> HandlerResult {
    let own = call.api.registry.own_node();
    let debug_config = call.api.host.debug_config();
    let answer = Own {
        config: json!({
            "Datacenter": own.datacenter,
            "NodeName": own.name,
            "NodeID": own.id,
            "Revision": "",
            "Server": true,
            "Version": CONSUL_API_VERSION,
        }),
        debug_config: &debug_config,
        coord: json!({ "Vec": [0, 0, 0, 0, 0, 0, 0, 0], "Error": 1.5, "Adjustment": 0, "Height": 0.00001 }),
        member: member(call, false, |member| json!(member)),
        stats: stats(call),
        meta: json!(own.shown_meta()),
        xds: json!({}),
        muster: muster(call),
    };
    answer::json(call, &answer)
}

/// What the agent says of itself. The configuration is large and ready.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Own<'a> {
    config: Value,
    debug_config: &'a Map<String, Value>,
    coord: Value,
    member: Value,
    stats: Value,
    meta: Value,
    #[serde(rename = "xDS")]
    xds: Value,
    muster: Value,
}

/// What Consul does not have: the versions, and how the store stands.
fn muster(call: &Call<'_, '_>) -> Value {
    let standing = call.api.registry.queue().stats().store_state.now();
    json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "ConsulApiVersion": CONSUL_API_VERSION,
        "Store": store(&call.api.host.store()),
        "Writes": standing.word(),
        "WritesRefused": standing.reason().unwrap_or_default(),
    })
}

/// Where the registry is kept, and what that promises.
fn store(facts: &StoreFacts) -> Value {
    let mut shown = json!({ "Kind": facts.kind, "Guarantee": facts.guarantee });
    if let Some(redis) = &facts.redis {
        shown["Redis"] = json!({
            "Place": redis.place, "Well": redis.is_well, "Standing": redis.standing, "Version": redis.version,
        });
    }
    shown
}

/// `GET /v1/agent/members[?wan=1][&segment=…][&filter=…]`
pub fn members(call: &mut Call<'_, '_>) -> HandlerResult {
    let query = call.query()?;
    let wan = query.first("wan").is_some_and(|wan| !wan.is_empty());
    // `_all` stands for every segment, and so for the one there is.
    let is_of_segment = query.first("segment").is_some_and(|segment| !matches!(segment, "" | ALL_SEGMENTS));
    if is_of_segment {
        return Err(ApiError::bad_request(match wan {
            true => "Cannot provide a segment with wan=true",
            false => "Network segments are not supported in this version of Consul",
        }));
    }
    check_scope(call.request())?;
    let filter = selection::compiled(call, query.first("filter").unwrap_or_default(), &select::MEMBER)?;
    member(call, wan, |member| {
        let is_seen = call.sight().node(&call.api.registry.own_node().name);
        let wanted = Some(member).filter(|member| is_seen && passes(filter.as_deref(), member, call.meter));
        answer::json(call, &wanted.as_slice())
    })
}

/// `GET /v1/agent/host`
pub fn host(call: &mut Call<'_, '_>) -> HandlerResult {
    let facts = call
        .api
        .resources
        .files
        .run(HostFacts::read)
        .map_err(|error| ApiError::new(503, error.to_string()))?;
    let used_kib = facts.memory_total_kib.saturating_sub(facts.memory_available_kib);
    let disk_used = facts.disk_total_bytes.saturating_sub(facts.disk_free_bytes);
    let answer = json!({
        "Memory": {
            "total": facts.memory_total_kib * 1024,
            "available": facts.memory_available_kib * 1024,
            "used": used_kib * 1024,
            "usedPercent": percent(used_kib, facts.memory_total_kib),
            "free": facts.memory_free_kib * 1024,
        },
        "CPU": facts.processors.iter().enumerate().map(|(number, model)| json!({
            "cpu": number, "modelName": model, "cores": 1,
        })).collect::<Vec<_>>(),
        "Host": {
            "hostname": facts.host_name,
            "uptime": facts.uptime_seconds,
            "os": std::env::consts::OS,
            "kernelVersion": facts.kernel_version,
            "kernelArch": std::env::consts::ARCH,
        },
        "Disk": {
            "path": facts.disk_path,
            "total": facts.disk_total_bytes,
            "free": facts.disk_free_bytes,
            "used": disk_used,
            "usedPercent": percent(disk_used, facts.disk_total_bytes),
        },
        "CollectionTime": call.api.clock.unix_ms() * 1_000_000,
        "Errors": null,
    });
    answer::json(call, &answer)
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// `GET /v1/agent/version`, as Consul has it since 1.13.
pub fn version(call: &mut Call<'_, '_>) -> HandlerResult {
    let answer = json!({
        "SHA": "", "BuildDate": "1970-01-01T00:00:00Z", "HumanVersion": CONSUL_API_VERSION, "FIPS": "",
        "MusterVersion": env!("CARGO_PKG_VERSION"),
    });
    answer::json(call, &answer)
}

/// `GET /v1/agent/metrics[?format=prometheus]`
pub fn metrics(call: &mut Call<'_, '_>) -> HandlerResult {
    let wants_text = call.query()?.first("format") == Some("prometheus")
        || call.request().header("accept").is_some_and(|accept| accept.contains("openmetrics"));
    if wants_text {
        return operations::metrics(call);
    }
    let mut samples = call.api.metrics.samples();
    samples.extend(runtime_gauges(&samples));
    let shown = |(name, labels, value): &Sample, key: &str| {
        let mut sample = Map::new();
        sample.insert("Name".into(), json!(name));
        sample.insert(key.into(), json!(value));
        sample.insert("Labels".into(), json!(labels));
        Value::Object(sample)
    };
    let (counters, gauges): (Vec<_>, Vec<_>) =
        samples.iter().partition(|(name, ..)| name.ends_with("_total"));
    let answer = json!({
        "Timestamp": timestamp(call.api.clock.unix_ms()),
        "Gauges": gauges.iter().map(|sample| shown(sample, "Value")).collect::<Vec<_>>(),
        "Points": [],
        "Counters": counters.iter().map(|sample| shown(sample, "Count")).collect::<Vec<_>>(),
        "Samples": [],
    });
    answer::json(call, &answer)
}

/// What tools read of a Consul's Go runtime, as far as there is such a thing here: the memory it has, the memory it has
/// asked for, what runs, and a garbage collector that never ran.
fn runtime_gauges(samples: &[Sample]) -> Vec<Sample> {
    let of_process = |wanted: &str| {
        let found = samples.iter().find(|(name, ..)| name == wanted);
        found.map_or(0.0, |(_, _, value)| *value)
    };
    let gauges = [
        ("alloc_bytes", of_process("process_resident_memory_bytes")),
        ("sys_bytes", of_process("process_virtual_memory_bytes")),
        ("num_goroutines", runtime::coroutines_live() as f64),
        ("total_gc_pause_ns", 0.0),
        ("total_gc_runs", 0.0),
    ];
    gauges.map(|(name, value)| (format!("consul.runtime.{name}"), BTreeMap::new(), value)).into()
}

/// A time as Consul writes it here: `2026-01-02 15:04:05 +0000 UTC`.
fn timestamp(unix_ms: u64) -> String {
    calendar::at(unix_ms).strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

/// `PUT /v1/agent/reload`
pub fn reload(call: &mut Call<'_, '_>) -> HandlerResult {
    let Caller { by, request_id } = call.caller();
    log::info!(peer = by.as_str(), request_id = request_id.as_str(); "reloading on request");
    call.api.host.reload().map_err(|sentence| ApiError::new(500, sentence))?;
    empty()
}

/// `PUT /v1/agent/leave`: ends the process, where that is allowed.
///
/// # Errors
/// 403 where it is not.
pub fn leave(call: &mut Call<'_, '_>) -> HandlerResult {
    let Caller { by, request_id } = call.caller();
    let (by, request_id) = (by.as_str(), request_id.as_str());
    if !call.api.host.may_leave() {
        log::warn!(peer = by, request_id = request_id; "asked to end by /v1/agent/leave, which is not allowed");
        return Err(ApiError::new(403, LEAVE_NOT_ALLOWED));
    }
    log::warn!(peer = by, request_id = request_id; "ending on request by /v1/agent/leave");
    call.api.host.leave();
    empty()
}

/// `GET /v1/status/leader`: this server, which is its own leader. Nobody is once the store has failed: of Consul, too,
/// an empty answer means that no write will be taken.
pub fn leader(call: &mut Call<'_, '_>) -> HandlerResult {
    call.read_params()?;
    let leader = leader_address(call);
    answer::json(call, &leader)
}

fn leader_address(call: &Call<'_, '_>) -> String {
    match call.api.registry.queue().stats().store_state.now() {
        StoreState::Writable | StoreState::Full { .. } => server_address(call.api.registry.own_node()),
        StoreState::ReadOnly { .. } => String::new(),
    }
}

/// `GET /v1/status/peers`
pub fn peers(call: &mut Call<'_, '_>) -> HandlerResult {
    call.read_params()?;
    answer::json(call, &[server_address(call.api.registry.own_node())])
}

/// `GET /v1/operator/raft/configuration`: this server alone votes. Test tools of clients ask for their leader here.
pub fn raft_configuration(call: &mut Call<'_, '_>) -> HandlerResult {
    call.read_params()?;
    let own = call.api.registry.own_node();
    let server = json!({
        "ID": own.id,
        "Node": own.name,
        "Address": server_address(own),
        "Leader": !leader_address(call).is_empty(),
        "ProtocolVersion": "3",
        "Voter": true,
    });
    answer::json(call, &json!({ "Servers": [server], "Index": 0 }))
}

fn server_address(own: &OwnNode) -> String {
    let is_v6 = own.address.contains(':');
    if is_v6 { format!("[{}]:{SERVER_PORT}", own.address) } else { format!("{}:{SERVER_PORT}", own.address) }
}

/// The tags of a member that is a server.
fn member_tags(own: &OwnNode, (wan, has_acls): (bool, bool)) -> Meta {
    let tags = [
        ("acls", if has_acls { "1" } else { "0" }),
        ("bootstrap", "1"),
        ("build", "1.8.7:"),
        ("dc", &own.datacenter),
        ("ft_fs", "1"),
        ("id", &own.id),
        ("port", "8300"),
        ("raft_vsn", "3"),
        ("role", "consul"),
        ("segment", ""),
        ("vsn", "2"),
        ("vsn_max", "3"),
        ("vsn_min", "2"),
        ("wan_join_port", "8302"),
    ];
    let tags = tags.into_iter().filter(|(key, _)| !(wan && *key == "wan_join_port"));
    tags.map(|(key, value)| (Text::from(key), Text::from(value))).collect()
}

/// The agent as a member of the cluster; among datacenters, its name carries its own.
fn member<T>(call: &Call<'_, '_>, wan: bool, show: impl FnOnce(Member<'_>) -> T) -> T {
    let (own, has_acls) = (call.api.registry.own_node(), call.api.registry.access().is_enabled());
    let name = if wan { format!("{}.{}", own.name, own.datacenter) } else { own.name.to_string() };
    show(Member::new(
        &name,
        &own.address,
        if wan { SERF_WAN_PORT } else { SERF_LAN_PORT },
        &member_tags(own, (wan, has_acls)),
    ))
}

/// Figures by subsystem; Consul writes all of them as text.
fn stats(call: &Call<'_, '_>) -> Value {
    let own = call.api.registry.own_node();
    // Checks are gone through three times.
    let looks = |node: VisibleNode<'_>| 3 * node.records();
    let (services, checks, monitors, ttls) = call
        .views()
        .of_agent()
        .node(&own.key(), looks, |node| {
            let services = node.services().filter(|service| service.origin == Origin::Agent).count();
            let checks = || node.checks().filter(|check| check.origin == Origin::Agent);
            let ttls = checks().filter(|check| check.kind == "ttl").count();
            let monitors = checks().filter(|check| check.definition.probe.is_some()).count() - ttls;
            (services, checks().count(), monitors, ttls)
        })
        .unwrap_or_default();
    let leader = leader_address(call);
    json!({
        "agent": {
            "check_monitors": monitors.to_string(),
            "check_ttls": ttls.to_string(),
            "checks": checks.to_string(),
            "services": services.to_string(),
        },
        "build": { "prerelease": "", "revision": "", "version": CONSUL_API_VERSION },
        "consul": {
            "acl": if call.api.registry.access().is_enabled() { "enabled" } else { "disabled" },
            "bootstrap": "true",
            "known_datacenters": "1",
            "leader": (!leader.is_empty()).to_string(),
            "leader_addr": leader,
            "server": "true",
        },
        "runtime": {
            "arch": std::env::consts::ARCH,
            "cpu_count": cores().to_string(),
            "goroutines": runtime::coroutines_live().to_string(),
            "max_procs": cores().to_string(),
            "os": std::env::consts::OS,
            "version": concat!("muster ", env!("CARGO_PKG_VERSION")),
        },
    })
}
