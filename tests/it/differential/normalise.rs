//! Everything two honest servers must differ in, and how each such place is made comparable: the one list. A value not
//! named here is compared as it stands.

use serde_json::{Map, Value, json};

use super::compare::join;

/// Headers that say nothing about the registry: the framing is the HTTP server's own affair.
const HEADERS_IGNORED: &[&str] = &["Date", "Content-Length", "Connection", "Keep-Alive", "Transfer-Encoding"];

/// Headers whose value is a server's own number or digest; that they are there is compared, and zero is told from more.
const HEADERS_OPAQUE: &[&str] = &["X-Consul-Index", "Age"];

/// What becomes of a value that may differ.
#[derive(Clone, Copy)]
enum Treatment {
    /// Only its JSON type stays.
    Type,
    /// It goes, with everything below.
    Drop,
    /// An array without an order of its own is sorted.
    Sorted,
    /// An array of objects that is sorted by something made at random is sorted by `Name`.
    SortedByName,
}
use Treatment::{Drop, Sorted, SortedByName, Type};

/// (start of the target, place in the answer with `*` for any one key, treatment, in order.) Reasons at the side.
const PLACES: &[(&str, &str, Treatment)] = &[
    // Versions and the identity of the build.
    ("/v1/agent/self", "body/Config/Version", Type),
    ("/v1/agent/self", "body/Config/Revision", Type),
    // Runtime statistics: the sections are compared, not what a Raft or a Go runtime counts.
    ("/v1/agent/self", "body/Stats/raft", Drop),
    ("/v1/agent/self", "body/Stats/serf_lan", Drop),
    ("/v1/agent/self", "body/Stats/serf_wan", Drop),
    ("/v1/agent/self", "body/Stats/*/*", Type),
    ("/v1/agent/self", "body/DebugConfig", Type),
    ("/v1/agent/self", "body/Coord/*", Type),
    ("/v1/agent/host", "body/*", Type),
    ("/v1/agent/metrics", "body/*", Type),
    // Ports and build tags of the gossip member, and the port of the servers' own protocol.
    ("/v1/agent/self", "body/Member/Port", Type),
    ("/v1/agent/self", "body/Member/Tags/*", Type),
    ("/v1/agent/members", "body/*/Port", Type),
    ("/v1/agent/members", "body/*/Tags/*", Type),
    ("/v1/status/leader", "body", Type),
    ("/v1/status/peers", "body/*", Type),
    ("/v1/operator/raft/configuration", "body/Servers/*/Address", Type),
    // In the order of a Go map.
    ("/v1/agent/health/service/id/", "body/Checks", Sorted),
    ("/v1/agent/health/service/name/", "body/*/Checks", Sorted),
    // Archives, each of its own format.
    ("/v1/snapshot", "body", Type),
    // In the order of ids that each server makes for itself.
    ("/v1/acl/policies", "body", SortedByName),
    ("/v1/acl/roles", "body", SortedByName),
    // Sets in random order.
    ("/v1/catalog/services", "body/*", Sorted),
];

/// `?passing` leaves what passes in no order.
const SORTED_WHEN: &str = "passing";

/// What is known of one server before its answers are compared.
pub struct Identity {
    /// UUID of its own node.
    pub node_id: String,
    /// `host:port` of the listener its checks are pointed at.
    pub listener: String,
}

/// Makes an observation of the answer to `target` comparable with another server's.
pub fn normalise(target: &str, mut observed: Value, identity: &Identity) -> Value {
    headers(&mut observed);
    for (start, place, treatment) in PLACES {
        if target.starts_with(start) {
            let place: Vec<&str> = place.split('/').collect();
            treat(&mut observed, &place, *treatment);
        }
    }
    if let (true, Some(body)) = (target.contains(SORTED_WHEN), observed.get_mut("body")) {
        sort(body);
    }
    everywhere(&mut observed, identity);
    observed
}

fn headers(observed: &mut Value) {
    let Some(headers) = observed.get_mut("header").and_then(Value::as_object_mut) else { return };
    headers.retain(|name, _| !HEADERS_IGNORED.iter().any(|ignored| name.eq_ignore_ascii_case(ignored)));
    for (name, value) in headers {
        if HEADERS_OPAQUE.iter().any(|opaque| name.eq_ignore_ascii_case(opaque)) {
            *value = json!(if value == "0" { "zero" } else { "some" });
        }
    }
}

fn treat(value: &mut Value, place: &[&str], treatment: Treatment) {
    let Some((key, rest)) = place.split_first() else {
        return match treatment {
            Type => *value = json!(type_name(value)),
            Sorted => sort(value),
            SortedByName => sort_by_name(value),
            Drop => *value = Value::Null,
        };
    };
    if let (true, Drop, Value::Object(object)) = (rest.is_empty(), treatment, &mut *value) {
        object.remove(*key);
    } else if let Value::Object(object) = value {
        let chosen = object.iter_mut().filter(|(name, _)| *key == "*" || name == key);
        chosen.for_each(|(_, value)| treat(value, rest, treatment));
    } else if let (Value::Array(array), "*") = (value, *key) {
        array.iter_mut().for_each(|value| treat(value, rest, treatment));
    }
}

fn sort(value: &mut Value) {
    if let Value::Array(array) = value {
        array.sort_by_cached_key(Value::to_string);
    }
}

fn sort_by_name(value: &mut Value) {
    if let Value::Array(array) = value {
        array.sort_by_cached_key(|object| object["Name"].to_string());
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<null>",
        Value::Bool(_) => "<bool>",
        Value::Number(_) => "<number>",
        Value::String(_) => "<string>",
        Value::Array(_) => "<array>",
        Value::Object(_) => "<object>",
    }
}

/// What is replaced wherever it stands: indexes, digests, the server's own ids and addresses, and the `consul` service.
fn everywhere(value: &mut Value, identity: &Identity) {
    match value {
        Value::String(text) => {
            *text = text.replace(&identity.listener, "<listener>");
            if let Some((before, _)) = text.split_once("reset index: ") {
                *text = format!("{before}reset index: <index>)");
            }
            if !identity.node_id.is_empty() {
                *text = text.replace(&identity.node_id, "<node id>");
            }
        }
        Value::Array(array) => array.iter_mut().for_each(|value| everywhere(value, identity)),
        Value::Object(object) => {
            indexes(object);
            own_node(object, identity);
            own_service(object);
            acl_record(object);
            let old = std::mem::take(object);
            *object = old
                .into_iter()
                .map(|(key, mut value)| {
                    everywhere(&mut value, identity);
                    (key.replace(&identity.listener, "<listener>"), value)
                })
                .collect();
        }
        _ => {}
    }
}

/// Values of the global index say nothing across servers; whether it is set, and whether the object was changed after it
/// was made, does.
fn indexes(object: &mut Map<String, Value>) {
    let created = object.get("CreateIndex").and_then(Value::as_u64);
    let modified = object.get("ModifyIndex").and_then(Value::as_u64);
    if let (Some(created), Some(modified)) = (created, modified) {
        let named = |index| if index == 0 { "zero" } else { "set" };
        let relation = if modified > created { "later than CreateIndex" } else { "CreateIndex" };
        object.insert("CreateIndex".to_owned(), json!(named(created)));
        object.insert("ModifyIndex".to_owned(), json!(if created == 0 { named(modified) } else { relation }));
    }
}

/// In how many steps a server registers its own node while it starts is its own affair.
fn own_node(object: &mut Map<String, Value>, identity: &Identity) {
    let is_own = object.contains_key("Address") && object.get("ID") == Some(&json!(identity.node_id));
    if let (true, Some(modified)) = (is_own, object.get_mut("ModifyIndex")) {
        *modified = json!("set");
    }
}

/// The service `consul` describes the server program: its port and the protocol versions in its meta are its own.
fn own_service(object: &mut Map<String, Value>) {
    let is_own = ["ID", "ServiceID"].iter().any(|key| object.get(*key) == Some(&json!("consul")));
    for key in ["Port", "ServicePort", "Meta", "ServiceMeta"] {
        if let (true, Some(value)) = (is_own, object.get_mut(key)) {
            *value = json!(type_name(value));
        }
    }
}

/// Times of a record of access control are the server's own; so is its digest, where it is also one of ids that the
/// server has made.
fn acl_record(object: &mut Map<String, Value>) {
    let has_links = ["Policies", "Roles"].iter().any(|key| object.get(*key).is_some_and(Value::is_array));
    let hash = has_links.then_some("Hash");
    for key in ["CreateTime", "ExpirationTime"].into_iter().chain(hash) {
        if let Some(value) = object.get_mut(key) {
            *value = json!(type_name(value));
        }
    }
}

/// Every place in a value where a change must show, with a changed copy of the whole.
///
/// This is how the comparison itself is tested on what real servers answered: a mutant that compares equal is a blind spot.
pub fn mutants(value: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    leaves("", value, &mut places);
    let changed = |place: String| {
        let mut mutant = value.clone();
        let pointer = if place.is_empty() { String::new() } else { format!("/{place}") };
        if let Some(leaf) = mutant.pointer_mut(&pointer) {
            *leaf = match leaf {
                Value::Null => json!([]),
                Value::Array(_) | Value::Object(_) => Value::Null,
                Value::Bool(yes) => json!(!*yes),
                Value::Number(number) => json!(number.as_f64().unwrap_or_default() + 1.0),
                Value::String(text) => json!(format!("{text}.")),
            };
        }
        (place, mutant)
    };
    places.into_iter().map(changed).collect()
}

fn leaves(path: &str, value: &Value, places: &mut Vec<String>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            object.iter().for_each(|(key, value)| leaves(&join(path, key), value, places));
        }
        Value::Array(array) if !array.is_empty() => {
            let each = array.iter().enumerate();
            each.for_each(|(index, value)| leaves(&join(path, &index.to_string()), value, places));
        }
        _ => places.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_must_differ_is_made_equal() {
        let identity = Identity { node_id: "u-1".to_owned(), listener: "127.0.0.1:7".to_owned() };
        let check =
            |target, before, after| assert_eq!(normalise(target, before, &identity), after, "{target}");
        check("/v1/x", json!({"header": {"Date": "d", "Age": "3"}}), json!({"header": {"Age": "some"}}));
        check(
            "/v1/x",
            json!({"body": [{"CreateIndex": 5, "ModifyIndex": 7}, {"CreateIndex": 0, "ModifyIndex": 0}]}),
            json!({"body": [
                {"CreateIndex": "set", "ModifyIndex": "later than CreateIndex"},
                {"CreateIndex": "zero", "ModifyIndex": "zero"},
            ]}),
        );
        check("/v1/x", json!({"body": "at 127.0.0.1:7"}), json!({"body": "at <listener>"}));
        check("/v1/catalog/services", json!({"body": {"a": ["2", "1"]}}), json!({"body": {"a": ["1", "2"]}}));
        let stats = json!({"body": {"Stats": {"raft": {"x": "1"}, "agent": {"checks": "3"}}}});
        let shape = json!({"body": {"Stats": {"agent": {"checks": "<string>"}}}});
        check("/v1/agent/self", stats, shape);
    }

    #[test]
    fn every_leaf_has_a_mutant() {
        let value = json!({"a": [1, {"b": null}], "c": {}, "d": "x", "e": true});
        let mutants = mutants(&value);
        let places: Vec<&str> = mutants.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["a/0", "a/1/b", "c", "d", "e"]);
        assert!(mutants.iter().all(|(_, mutant)| *mutant != value));
    }
}
