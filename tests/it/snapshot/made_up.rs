//! Snapshots as somebody makes them up: the seal is right, and the rows are what the test says.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

/// The node whose agent made-up snapshots are of.
pub const THEIRS: &str = "sut";

/// The id of that node.
pub const THEIR_ID: &str = "5f3e9d8e-6b2a-4d52-9a64-0d5f0e1c2b3a";

/// A snapshot of these rows, as `(table, key, value)`, with this index.
pub fn snapshot(index: impl Into<Value>, rows: &[(&str, String, Value)]) -> Vec<u8> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    rows.iter().for_each(|(table, ..)| *counts.entry(table).or_default() += 1);
    snapshot_with(json!({ "index": index.into(), "rows": counts }), rows)
}

/// As [`snapshot`], with these keys in the header.
pub fn snapshot_with(keys: Value, rows: &[(&str, String, Value)]) -> Vec<u8> {
    let lines = rows.iter().map(|(table, key, value)| line(table, key, &value.to_string())).collect();
    sealed(keys, rows.len(), lines)
}

/// A row as it stands in a snapshot.
pub fn line(table: &str, key: &str, value: &str) -> String {
    format!("{{\"table\":{},\"key\":{},\"value\":{value}}}\n", json!(table), json!(key))
}

/// A snapshot of so many lines, with these keys in its header.
pub fn sealed(keys: Value, count: usize, lines: String) -> Vec<u8> {
    let mut header = json!({
        "muster_snapshot": 1, "muster_version": "0.1.0", "node": THEIRS,
        "node_id": THEIR_ID, "datacenter": "dc1",
        "created_at": "2026-01-01T00:00:00Z",
    });
    keys.as_object().into_iter().flatten().for_each(|(key, value)| header[key] = value.clone());
    // Whoever reads looks for the version first.
    let mut text = header.to_string();
    text = format!(
        "{{\"muster_snapshot\":1,{}\n",
        text.replacen("\"muster_snapshot\":1,", "", 1).trim_start_matches('{')
    );
    text += &lines;
    let sum: String =
        digest(&SHA256, text.as_bytes()).as_ref().iter().map(|it| format!("{it:02x}")).collect();
    let bytes = text.len();
    text += &format!("{{\"end\":{{\"rows\":{count},\"bytes\":{bytes},\"sha256\":\"{sum}\"}}}}\n");
    text.into_bytes()
}

/// The row of a node.
pub fn node(name: &str) -> (&'static str, String, Value) {
    ("nodes", name.to_lowercase(), json!({ "name": name, "address": "10.0.0.1", "indexes": indexes() }))
}

/// The row of an instance, with further keys or others.
pub fn service(node: &str, id: &str, keys: Value) -> (&'static str, String, Value) {
    let value = json!({ "id": id, "name": id, "origin": "agent", "indexes": indexes() });
    ("services", format!("{node}\t{id}"), with(value, keys))
}

/// The row of a check of the agent by TTL, with further keys or others.
pub fn check(node: &str, id: &str, keys: Value) -> (&'static str, String, Value) {
    let ttl = json!({ "probe": { "ttl": { "ttl": span(3600) } } });
    let value = json!({
        "id": id, "name": id, "status": "critical", "definition": ttl, "origin": "agent", "indexes": indexes(),
    });
    ("checks", format!("{node}\t{id}"), with(value, keys))
}

/// The definition of a check that runs a program every so many seconds.
pub fn program(seconds: u64, args: &[&str]) -> Value {
    json!({ "probe": { "script": { "args": args } }, "interval": span(seconds), "timeout": span(30) })
}

/// The definition of an HTTP check with further keys of its request, and further keys of its own.
pub fn http(request: Value, keys: Value) -> Value {
    let probe = json!({
        "url": "http://127.0.0.1:9/", "method": "", "header": {}, "body": "", "tls_skip_verify": false,
        "tls_server_name": "", "disable_redirects": false,
    });
    with(json!({ "probe": { "http": with(probe, request) }, "interval": span(10) }), keys)
}

/// So many seconds, as rows have them.
pub fn span(seconds: u64) -> Value {
    json!({ "secs": seconds, "nanos": 0 })
}

pub fn indexes() -> Value {
    json!({ "create": 1, "modify": 1 })
}

pub fn with(mut value: Value, keys: Value) -> Value {
    keys.as_object().into_iter().flatten().for_each(|(key, it)| value[key] = it.clone());
    value
}
