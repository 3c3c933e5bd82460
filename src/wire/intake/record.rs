//! The rules of intake for records as they are kept, wherever they come from.
//!
//! What a body says becomes a record, and a record may also come out of a snapshot, a server or a file. These rules are
//! the last step of the first way and the whole of the second, so nothing gets in by one door that another refuses. Who
//! may run a program is not asked here: that needs to know what stands in definition files.

use serde_json::Value;

use crate::model::limits::{DURATION_MAX, FREE_FORM_DEPTH_MAX, INDEX_MAX, SAID_BYTES_MAX, TIME_MS_MAX};
use crate::model::transition::TRANSITION_OUTPUT_BYTES_MAX;
use crate::model::{
    Cadence, Check, CheckDefinition, Drain, Indexes, Meta, Node, Origin, Probe, Proxy, Service, Transition,
    drain, hold, said,
};
use crate::stdx::text::Text;
use crate::wire::intake::{Invalid, catalog, damping, names, probe, proxy, rules};

/// Levels in what a check says beside its way of checking: headers have their values in lists.
const TOLD_DEPTH_MAX: usize = 2;

/// What a proxy's definition may say beside what muster reads.
const PROXY_KEYS: [&str; 4] = ["Config", "Expose", "MeshGateway", "Upstreams"];

/// Refuses a node that intake would not take.
///
/// # Errors
/// [`Invalid::Rejected`] with the first rule that it breaks.
pub fn node(node: &Node) -> Result<(), Invalid> {
    node_name(&node.name)?;
    names::check_held("node address", &node.address)?;
    catalog::check_uuid(&node.id)?;
    rules::check_meta_size("Invalid Node Meta", pairs(node.meta.as_ref()))?;
    rules::check_meta_size("Invalid Node TaggedAddresses", pairs(node.tagged_addresses.as_ref()))?;
    indexes(node.indexes)
}

/// As [`node`], of one that comes anew.
///
/// # Errors
/// As [`node`].
pub fn new_node(node: &Node) -> Result<(), Invalid> {
    names::check("node name", &node.name)?;
    names::check("node address", &node.address)?;
    self::node(node)
}

/// Refuses what can be the name of no node.
///
/// # Errors
/// As [`node`].
pub fn node_name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() {
        return Err(Invalid::rejected("Must provide node"));
    }
    names::check_held("node name", name)
}

/// Refuses an instance that intake would not take.
///
/// # Errors
/// As [`node`].
pub fn service(service: &Service) -> Result<(), Invalid> {
    service_names(service).into_iter().try_for_each(|(what, name)| names::check_held(what, name))?;
    later_names(service, names::check_held)?;
    named_service(service)
}

/// As [`service`], of one whose names are checked.
fn named_service(service: &Service) -> Result<(), Invalid> {
    if service.name.is_empty() || service.id.is_empty() {
        return Err(Invalid::rejected("Must provide service name with ID"));
    }
    rules::check_service_address(&service.address)?;
    rules::check_tags(&service.tags)?;
    // Clients of the agent's own service know its metadata by these very names.
    if service.origin != Origin::Server {
        rules::check_meta("Invalid Service Meta", pairs(service.meta.as_ref()))?;
    }
    rules::check_tagged_addresses(&service.tagged_addresses)?;
    if service.weights.passing < 1 {
        return Err(Invalid::rejected("Invalid Weights: Passing must be greater than 0"));
    }
    let destination = service.proxy.as_ref().map_or("", |proxy| &proxy.destination_service_name);
    let (port, has_socket) = (i64::from(service.port), !service.socket_path.is_empty());
    proxy::check_kind(&service.kind, port, has_socket, destination, service.connect.native)?;
    service.proxy.as_deref().map_or(Ok(()), proxied)?;
    service.drain.as_deref().map_or(Ok(()), drained)?;
    indexes(service.indexes)
}

/// As [`service`], of one that comes anew: its names are such as everybody sees.
///
/// # Errors
/// As [`node`].
pub fn new_service(service: &Service) -> Result<(), Invalid> {
    let roles = service.tagged_addresses.iter().flat_map(|(role, at)| [role.as_str(), at.address.as_str()]);
    let tagged = roles.map(|name| ("service tagged address", name));
    let proxy = service.proxy.as_deref().into_iter().flat_map(proxy_names);
    let address = ("service address", service.address.as_str());
    let mut all = service_names(service).into_iter().chain(proxy).chain(tagged).chain([address]);
    all.try_for_each(|(what, name)| names::check(what, name))?;
    later_names(service, names::check)?;
    service.tags.iter().try_for_each(|tag| names::check_seen("service tag", tag))?;
    named_service(service)
}

fn service_names(service: &Service) -> [(&'static str, &str); 3] {
    [("service name", &service.name), ("service ID", &service.id), ("service kind", &service.kind)]
}

/// What few instances have.
fn later_names(service: &Service, check: fn(&str, &str) -> Result<(), Invalid>) -> Result<(), Invalid> {
    if !service.socket_path.is_empty() {
        check("service SocketPath", &service.socket_path)?;
    }
    if let Some(at) = service.locality.as_deref() {
        [&at.region, &at.zone].into_iter().try_for_each(|name| check("service Locality", name))?;
    }
    Ok(())
}

fn proxy_names(proxy: &Proxy) -> [(&'static str, &str); 3] {
    [
        ("proxy destination", &proxy.destination_service_name),
        ("proxy destination", &proxy.destination_service_id),
        ("proxy LocalServiceAddress", &proxy.local_service_address),
    ]
}

fn pairs(meta: Option<&Meta>) -> impl Iterator<Item = (&Text, &Text)> + Clone {
    meta.into_iter().flat_map(|meta| meta.iter().map(|(key, value)| (key, value)))
}

fn proxied(proxy: &Proxy) -> Result<(), Invalid> {
    proxy_names(proxy).into_iter().try_for_each(|(what, name)| names::check_held(what, name))?;
    for (key, value) in &proxy.rest {
        if !PROXY_KEYS.contains(&key.as_str()) && !Proxy::LATER_KEYS.contains(&key.as_str()) {
            return Err(Invalid::rejected(format!("Invalid Proxy: there is no {:?} in it", key.as_str())));
        }
        // `Upstreams` has two levels around what is free.
        if depth(value) > FREE_FORM_DEPTH_MAX + 2 {
            return Err(Invalid::rejected(format!(
                "Invalid Proxy: {key} is nested deeper than {FREE_FORM_DEPTH_MAX} levels"
            )));
        }
    }
    Ok(())
}

/// Levels of lists and objects. Bounded by the reader of JSON, which goes no deeper than 128.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn drained(plan: &Drain) -> Result<(), Invalid> {
    let length_ms = u128::from(plan.until_ms.saturating_sub(plan.started_ms));
    let fault = if plan.until_ms > TIME_MS_MAX || plan.started_ms > plan.until_ms {
        "it ends before it begins, or never"
    } else if length_ms > drain::DEADLINE_MAX.as_millis() {
        "it is longer than a day"
    } else if plan.from_percent > 100 || plan.share_percent > 100 {
        "a share of more than 100 percent"
    } else if plan.reason.len() > drain::REASON_BYTES_MAX {
        "its reason is too long"
    } else {
        return Ok(());
    };
    Err(Invalid::rejected(format!("Invalid drain: {fault}")))
}

/// Refuses a check that intake would not take.
///
/// # Errors
/// As [`node`].
pub fn check(check: &Check) -> Result<(), Invalid> {
    check_but_run(check)?;
    match (check.origin, &check.definition.probe) {
        (Origin::Agent, Some(probe)) => run(&check.definition, probe),
        (Origin::Agent, None) if !hold::is_hold(check) => {
            Err(Invalid::rejected("Invalid check: it says no way of checking"))
        }
        _ => Ok(()),
    }
}

/// As [`check`], of one that comes anew.
///
/// # Errors
/// As [`node`].
pub fn new_check(check: &Check) -> Result<(), Invalid> {
    check_new_names(check)?;
    self::check(check)
}

/// Refuses names of a check that comes anew, unless everybody sees them.
pub(super) fn check_new_names(check: &Check) -> Result<(), Invalid> {
    check_names(check).into_iter().try_for_each(|(what, name)| names::check(what, name))
}

fn check_names(check: &Check) -> [(&'static str, &str); 4] {
    [
        ("check ID", &check.id),
        ("check name", &check.name),
        ("check type", &check.kind),
        ("service ID", &check.service_id),
    ]
}

/// Refuses a check that muster would run and that is larger than any run takes: a rule for those that come anew, and
/// not for those that were acknowledged before it was one.
///
/// # Errors
/// As [`node`].
pub fn check_size(check: &Check) -> Result<(), Invalid> {
    match (check.origin, &check.definition.probe) {
        (Origin::Agent, Some(way)) => probe::check_size(way),
        _ => Ok(()),
    }
}

/// As [`check`], of one whose way of checking was made by [`probe::definition`], which has refused what cannot be run.
///
/// # Errors
/// As [`node`].
pub(super) fn check_but_run(check: &Check) -> Result<(), Invalid> {
    if check.id.is_empty() {
        return Err(Invalid::rejected("Must provide check ID or name"));
    }
    check_names(check).into_iter().try_for_each(|(what, name)| names::check_held(what, name))?;
    if check.notes.len() > said::notes_bytes_max(check) || check.output.len() > SAID_BYTES_MAX {
        let sentence = format!("Invalid check: notes and output must each be at most {SAID_BYTES_MAX} bytes");
        return Err(Invalid::rejected(sentence));
    }
    time("Invalid check", check.status_since_ms)?;
    indexes(check.indexes)?;
    check_spans(&check.definition)?;
    check_told(check)
}

/// Refuses the definition of a check that muster runs.
fn run(definition: &CheckDefinition, way: &Probe) -> Result<(), Invalid> {
    probe::check_probe(way)?;
    probe::check_pace(definition, way)?;
    probe::check_thresholds(definition)?;
    definition.damping.as_ref().map_or(Ok(()), damping::check_damping)?;
    let keeps_connections = matches!(way, Probe::Http { .. } | Probe::Tcp { .. });
    probe::check_watch(definition.watch, keeps_connections)
}

/// What a check says beside its way of checking: only the catalog's do, by keys of Consul's that show nothing else.
fn check_told(check: &Check) -> Result<(), Invalid> {
    let told = &check.definition.told;
    let is_told = !told.is_empty() || check.definition.owner != Cadence::default();
    if is_told && check.origin != Origin::Catalog {
        return Err(Invalid::rejected(
            "Invalid check: only a check of the catalog says more than its way of checking",
        ));
    }
    for (key, value) in told {
        if !catalog::TOLD_KEYS.contains(&key.as_str()) {
            return Err(Invalid::rejected(format!("Invalid check: there is no {:?} in it", key.as_str())));
        }
        if depth(value) > TOLD_DEPTH_MAX {
            let sentence = format!("Invalid check: {key} is nested deeper than {TOLD_DEPTH_MAX} levels");
            return Err(Invalid::rejected(sentence));
        }
    }
    Ok(())
}

/// Durations of any check, whoever runs it: what moves a clock out of its range is none.
fn check_spans(definition: &CheckDefinition) -> Result<(), Invalid> {
    let ttl = match &definition.probe {
        Some(Probe::Ttl { ttl }) => *ttl,
        _ => Default::default(),
    };
    let spans = [
        ("Interval", definition.interval),
        ("Timeout", definition.timeout),
        ("Interval", definition.owner.interval),
        ("Timeout", definition.owner.timeout),
        ("DeregisterCriticalServiceAfter", definition.deregister_critical_service_after),
        ("TTL", ttl),
    ];
    match spans.into_iter().find(|(_, span)| *span > DURATION_MAX) {
        Some((name, _)) => Err(Invalid::rejected(format!("Invalid check: {name} is longer than 292 years"))),
        None => Ok(()),
    }
}

/// Refuses a transition that cannot have happened.
///
/// # Errors
/// As [`node`].
pub fn transition(transition: &Transition) -> Result<(), Invalid> {
    let subject = &*transition.subject;
    names::check_held("node name", &subject.node)?;
    names::check_held("service ID", &subject.service_id)?;
    names::check_held("check ID", &subject.check_id)?;
    names::check_held("service name", &transition.service_name)?;
    names::check_held("check name", &transition.check_name)?;
    names::check_held("name of who asked", &transition.caller.by)?;
    names::check_held("request id", &transition.caller.request_id)?;
    if transition.output.len() > TRANSITION_OUTPUT_BYTES_MAX {
        let sentence =
            format!("Invalid transition: its output is longer than {TRANSITION_OUTPUT_BYTES_MAX} bytes");
        return Err(Invalid::rejected(sentence));
    }
    time("Invalid transition", transition.time_ms)?;
    time("Invalid transition", transition.from_since_ms)?;
    indexes(Indexes { create: transition.index, modify: transition.index })
}

fn time(prefix: &str, unix_ms: u64) -> Result<(), Invalid> {
    match unix_ms {
        0..=TIME_MS_MAX => Ok(()),
        _ => Err(Invalid::rejected(format!("{prefix}: a time after the year 9999"))),
    }
}

fn indexes(indexes: Indexes) -> Result<(), Invalid> {
    let Indexes { create, modify } = indexes;
    if create > modify || modify > INDEX_MAX {
        let sentence =
            format!("Invalid indexes: {create} and {modify} must ascend and be at most {INDEX_MAX}");
        return Err(Invalid::rejected(sentence));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::intake::catalog_registration;

    /// A check of the catalog of which everything is said.
    fn told() -> Check {
        let body = br#"{"Node": "n", "Address": "a", "Check": {"Name": "c", "Definition": {
            "HTTP": "http://x/", "Header": {"A": ["b"]}, "Method": "PUT", "Body": "b", "DisableRedirects": true,
            "TLSSkipVerify": true, "TLSServerName": "s", "TCP": "x:1", "TCPUseTLS": true, "UDP": "x:1",
            "GRPC": "x:1", "H2PING": "x:1", "H2PingUseTLS": true, "OSService": "u", "ScriptArgs": ["a"],
            "DockerContainerID": "d", "Shell": "sh", "AliasNode": "n", "AliasService": "s", "TTL": "5s"}}}"#;
        catalog_registration(body, "dc1").expect("it is taken").checks.remove(0)
    }

    #[test]
    fn what_a_check_is_told_of_is_taken_back_as_it_was() {
        let told = told();
        assert_eq!(told.definition.told.len(), catalog::TOLD_KEYS.len() - 2, "gRPC is its way of checking");
        assert_eq!(check(&told), Ok(()));
    }

    #[test]
    fn nothing_else_can_be_said_of_a_check() {
        let with = |origin, key: &str, value: Value| {
            let mut check = Check { origin, ..told() };
            let definition = std::sync::Arc::make_mut(&mut check.definition);
            definition.told = [(Text::from(key), value)].into();
            check
        };
        let deep = serde_json::json!({"a": [[1]]});
        for (faulty, says) in [
            (with(Origin::Agent, "TCP", "x:1".into()), "only a check of the catalog"),
            (with(Origin::Catalog, "Interval", "1ns".into()), "there is no \"Interval\" in it"),
            (with(Origin::Catalog, "Header", deep), "nested deeper than 2 levels"),
        ] {
            let refused = check(&faulty).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
