//! A catalog and its key/value store as Consul's HTTP API shows them: read as a whole, and compared with others by
//! field.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::base::stdx::duration::{GoDuration, parse};
use crate::cli::progress::Progress;
use crate::cli::remote::{Remote, RemoteError, segment};
use crate::core::model::secrets;
use crate::core::model::validate;

/// Fields about when a record was written, or who holds it, and not about what is in it.
const BOOKKEEPING_FIELDS: [&str; 5] = ["CreateIndex", "ModifyIndex", "LockIndex", "Session", "Datacenter"];

/// The service by which every agent shows itself; each has its own.
pub const SELF_SERVICE: &str = "consul";

/// The check by which every agent shows that it lives.
const SELF_CHECK: &str = "serfHealth";

/// Everything that is registered somewhere, by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Name of the node that the agent asked is on.
    pub own_node: String,
    /// Nodes by name.
    pub nodes: BTreeMap<String, ListedNode>,
    /// As in `/v1/kv/?recurse`, by key.
    pub pairs: BTreeMap<String, Value>,
}

/// A node with what is on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListedNode {
    /// As in `/v1/catalog/nodes`.
    pub record: Value,
    /// As in `/v1/catalog/node/:name`, by id.
    pub services: BTreeMap<String, Value>,
    /// As in `/v1/health/state/any`, by id.
    pub checks: BTreeMap<String, Value>,
}

/// Reads all of a catalog: three lists, and each node once.
///
/// # Errors
/// See [`RemoteError`].
pub fn read(remote: &Remote) -> Result<Catalog, RemoteError> {
    let (own, _) = remote.json("/v1/agent/self")?;
    let own_node = own["Config"]["NodeName"].as_str().unwrap_or_default().to_owned();
    let mut catalog = Catalog { own_node, pairs: pairs(remote)?, ..Catalog::default() };
    let (nodes, _) = remote.json("/v1/catalog/nodes")?;
    let records = list(remote, "/v1/catalog/nodes", nodes)?;
    let mut progress = Progress::new("reading nodes", records.len() as u64);
    for (record, count) in records.into_iter().zip(1..) {
        let name = text(&record, "Node").to_owned();
        let path = format!("/v1/catalog/node/{}", segment(&name));
        let (mut whole, _) = remote.json(&path)?;
        let services = match whole["Services"].take() {
            Value::Object(services) => services.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        catalog.nodes.insert(name, ListedNode { record, services, checks: BTreeMap::new() });
        progress.at(count);
    }
    let (checks, _) = remote.json("/v1/health/state/any")?;
    for check in list(remote, "/v1/health/state/any", checks)? {
        // A node that came since the nodes were read has no checks yet, as it has no instances.
        if let Some(node) = catalog.nodes.get_mut(text(&check, "Node")) {
            node.checks.insert(text(&check, "CheckID").to_owned(), check);
        }
    }
    catalog.remove_self_records();
    Ok(catalog)
}

/// Every pair of the key/value store. A server without one has no pairs.
fn pairs(remote: &Remote) -> Result<BTreeMap<String, Value>, RemoteError> {
    const ALL: &str = "/v1/kv/?recurse";
    match remote.json(ALL) {
        Ok((pairs, _)) => {
            let by_key = |pair: Value| (text(&pair, "Key").to_owned(), pair);
            Ok(list(remote, ALL, pairs)?.into_iter().map(by_key).collect())
        }
        Err(RemoteError::Refused { status: 404 | 501, .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

impl Catalog {
    /// Takes out the records by which agents show themselves: the service of that name, and of the agent that was asked
    /// the check, and the node if nothing else is on it.
    fn remove_self_records(&mut self) {
        for node in self.nodes.values_mut() {
            node.services.retain(|_, service| text(service, "Service") != SELF_SERVICE);
        }
        if let Some(own) = self.nodes.get_mut(&self.own_node) {
            own.checks.remove(SELF_CHECK);
            if own.services.is_empty() && own.checks.is_empty() {
                self.nodes.remove(&self.own_node);
            }
        }
    }

    /// How many nodes, instances and checks.
    pub fn counts(&self) -> (usize, usize, usize) {
        let sum = |count: fn(&ListedNode) -> usize| self.nodes.values().map(count).sum();
        (self.nodes.len(), sum(|node| node.services.len()), sum(|node| node.checks.len()))
    }
}

fn list(remote: &Remote, path: &str, value: Value) -> Result<Vec<Value>, RemoteError> {
    match value {
        Value::Array(entries) => Ok(entries),
        Value::Null => Ok(Vec::new()),
        _ => Err(RemoteError::Strange(format!("{}{path} does not answer with a list", remote.place()))),
    }
}

/// A field that is text; empty if it is none.
pub fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

/// One field that is another on each side, or a record that only one side has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogDifference {
    /// Which record, and which field of it.
    pub place: String,
    /// The value on the first side; empty when there is none.
    pub one: String,
    /// The value on the second side.
    pub other: String,
}

/// Everything in which two catalogs differ, by node, instance, check and field.
pub fn differences(one: &Catalog, other: &Catalog) -> Vec<CatalogDifference> {
    let mut found = Vec::new();
    for name in keys(&one.nodes, &other.nodes) {
        let place = format!("node {}", plain(name));
        let (Some(left), Some(right)) = (one.nodes.get(name), other.nodes.get(name)) else {
            found.push(absence(&place, one.nodes.contains_key(name)));
            continue;
        };
        // What an agent registers of its own node is not compared.
        if !(one.own_node == *name && other.own_node == *name) {
            compare(&place, Some(&left.record), Some(&right.record), &mut found);
        }
        let kinds = [("service", &left.services, &right.services), ("check", &left.checks, &right.checks)];
        for (kind, left, right) in kinds {
            for id in keys(left, right) {
                compare(&format!("{place} {kind} {}", plain(id)), left.get(id), right.get(id), &mut found);
            }
        }
    }
    for key in keys(&one.pairs, &other.pairs) {
        compare(&format!("key {}", plain(key)), one.pairs.get(key), other.pairs.get(key), &mut found);
    }
    found
}

/// A name as it is, or in quotes if not all of it can be printed: a name must not control the terminal.
fn plain(name: &str) -> Cow<'_, str> {
    match validate::keys::check(name) {
        Ok(()) => Cow::Borrowed(name),
        Err(_) => Cow::Owned(format!("{name:?}")),
    }
}

fn keys<'a, T>(one: &'a BTreeMap<String, T>, other: &'a BTreeMap<String, T>) -> BTreeSet<&'a String> {
    one.keys().chain(other.keys()).collect()
}

fn absence(place: &str, is_in_one: bool) -> CatalogDifference {
    let (is, is_not) = ("is there".to_owned(), "is missing".to_owned());
    let (one, other) = if is_in_one { (is, is_not) } else { (is_not, is) };
    CatalogDifference { place: place.to_owned(), one, other }
}

fn compare(place: &str, one: Option<&Value>, other: Option<&Value>, found: &mut Vec<CatalogDifference>) {
    let (Some(one), Some(other)) = (one, other) else {
        return found.push(absence(place, one.is_some()));
    };
    let (one, other) = (fields(one), fields(other));
    for field in keys(&one, &other) {
        let (left, right) = (one.get(field), other.get(field));
        if left != right {
            let text =
                |value: Option<&String>| value.map_or_else(|| "nothing".to_owned(), |it| redacted(field, it));
            let place = format!("{place}: {field}");
            found.push(CatalogDifference { place, one: text(left), other: text(right) });
        }
    }
}

/// A field's value without what may be a key of a check.
fn redacted(field: &str, value: &str) -> String {
    serde_json::from_str(value).map_or_else(|_| String::new(), |it| secrets::said_at(field, &it).to_string())
}

/// Whether two records have the same content, whenever they were written.
pub fn is_same(one: &Value, other: &Value) -> bool {
    fields(one) == fields(other)
}

/// Fields of checks that are durations, which can be written as text in several ways, and as nanoseconds.
const DURATIONS: [&str; 4] = ["Interval", "Timeout", "TTL", "DeregisterCriticalServiceAfter"];

/// The fields of a record with content, by path. To clients a field that is left out is the same as one that is
/// null, empty, 0 or false, and a duration is the same however it is written.
fn fields(record: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk("", record, &mut found);
    found
}

fn walk(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(entries) => {
            let content = entries.iter().filter(|(name, _)| !BOOKKEEPING_FIELDS.contains(&name.as_str()));
            content.for_each(|(name, value)| walk(&below(name), value, found));
        }
        Value::Array(entries) => {
            entries.iter().enumerate().for_each(|(at, value)| walk(&format!("{path}[{at}]"), value, found));
        }
        Value::String(text) if text.is_empty() => {}
        Value::Bool(false) => {}
        Value::Number(number) if number.as_f64() == Some(0.0) => {}
        value => {
            let name = path.rsplit('.').next().unwrap_or_default();
            let span = if DURATIONS.contains(&name) { span(value) } else { None };
            let text =
                span.map_or_else(|| value.to_string(), |span| Value::from(span.to_string()).to_string());
            // A duration of zero is as good as none.
            if span.is_none_or(|span| span.nanoseconds != 0) {
                found.insert(path.to_owned(), text);
            }
        }
    }
}

/// A duration as Consul's API takes it; `None` for what is none.
fn span(value: &Value) -> Option<GoDuration> {
    match value {
        Value::String(text) => parse(text).ok(),
        value => value.as_i64().map(|nanoseconds| GoDuration { nanoseconds }),
    }
}

/// A record without the fields that say when it was written.
pub fn content(record: &Value) -> Map<String, Value> {
    let entries = record.as_object().into_iter().flatten();
    let content = entries.filter(|(name, _)| !BOOKKEEPING_FIELDS.contains(&name.as_str()));
    content.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn catalog(services: &Value, checks: &Value) -> Catalog {
        let by_id = |list: &Value, id: &str| -> BTreeMap<String, Value> {
            list.as_array()
                .unwrap()
                .iter()
                .map(|it| (it[id].as_str().unwrap().to_owned(), it.clone()))
                .collect()
        };
        let record = json!({"Node": "n", "Address": "10.0.0.1", "Meta": {"a": "b"}, "ModifyIndex": 7});
        let node = ListedNode { record, services: by_id(services, "ID"), checks: by_id(checks, "CheckID") };
        let mut catalog = Catalog {
            own_node: "own".to_owned(),
            nodes: BTreeMap::from([("n".to_owned(), node)]),
            ..Catalog::default()
        };
        catalog.remove_self_records();
        catalog
    }

    #[test]
    fn a_duration_is_the_same_however_it_is_written() {
        let check = |interval: Value, ttl: Value| {
            let definition = json!({"Interval": interval, "TTL": ttl});
            json!([{"CheckID": "c", "Interval": interval, "Definition": definition}])
        };
        let of = |checks: &Value| catalog(&json!([]), checks);
        let one = of(&check(json!("60s"), json!("10s")));
        for (interval, ttl) in [("1m0s", json!(10_000_000_000_u64)), ("1m", json!("10.0s"))] {
            assert_eq!(differences(&one, &of(&check(json!(interval), ttl))), []);
        }
        let other = differences(&one, &of(&check(json!("61s"), json!("10s"))));
        let lines: Vec<_> =
            other.iter().map(|it| format!("{} | {} | {}", it.place, it.one, it.other)).collect();
        let rows = ["Definition.Interval", "Interval"];
        let rows = rows.map(|field| format!("node n check c: {field} | \"1m0s\" | \"1m1s\""));
        assert_eq!(lines, rows);
        let none = of(&json!([{"CheckID": "c", "Interval": "0s"}]));
        assert_eq!(differences(&none, &of(&json!([{"CheckID": "c", "Interval": ""}]))), []);
    }

    #[test]
    fn differences_are_listed_by_field() {
        let one = catalog(
            &json!([{"ID": "a", "Service": "web", "Port": 80, "Tags": ["x", "y"], "Meta": null, "CreateIndex": 1},
                    {"ID": "b", "Service": "web"}, {"ID": "consul", "Service": "consul"}]),
            &json!([{"CheckID": "c", "Status": "passing", "Definition": {"Header": {"X": ["key"]}, "HTTP": "http://h/?k=v"}}]),
        );
        let other = catalog(
            &json!([{"ID": "a", "Service": "web", "Port": 81, "Tags": ["x"], "Meta": {}, "CreateIndex": 2}]),
            &json!([{"CheckID": "c", "Status": "critical", "Output": ""}, {"CheckID": "d"}]),
        );
        assert_eq!(differences(&one, &one), []);
        let lines: Vec<String> = differences(&one, &other)
            .into_iter()
            .map(|it| format!("{} | {} | {}", it.place, it.one, it.other))
            .collect();
        let expected = [
            "node n service a: Port | 80 | 81",
            "node n service a: Tags[1] | \"y\" | nothing",
            "node n service b | is there | is missing",
            "node n check c: Definition.HTTP | \"http://h/?k=(redacted)\" | nothing",
            "node n check c: Definition.Header.X[0] | \"(redacted)\" | nothing",
            "node n check c: Status | \"passing\" | \"critical\"",
            "node n check d | is missing | is there",
        ];
        assert_eq!(lines, expected);
    }
}
