//! A random life of the service `web`: everything that can change what a reader sees of it.

use serde_json::{Value, json};

use crate::restart::chance::Chance;
use crate::support::client::Client;

/// Nodes beside the agent's own.
const NODES: u64 = 3;

/// Instances of the agent, and of each other node.
const OWN_INSTANCES: u64 = 6;
const INSTANCES: u64 = 3;

/// Has one thing happen. What is refused (a check of an instance that is not there) happened too.
pub fn step(client: &mut Client, chance: &mut Chance) {
    let own = chance.below(OWN_INSTANCES);
    let node = chance.below(NODES);
    let id = chance.below(INSTANCES);
    match chance.below(20) {
        0..4 => register(client, chance, own),
        4 => put(client, &format!("/v1/agent/service/deregister/own-{own}"), Value::Null),
        5..11 => {
            let word = ["pass", "warn", "fail"][chance.below(3) as usize];
            let note = chance.below(3);
            put(client, &format!("/v1/agent/check/{word}/beat-{own}?note=note%20{note}"), Value::Null);
        }
        11 => {
            let enable = chance.below(2) == 0;
            put(client, &format!("/v1/agent/service/maintenance/own-{own}?enable={enable}"), Value::Null);
        }
        12 => {
            let enable = chance.below(2) == 0;
            put(client, &format!("/v1/agent/maintenance?enable={enable}"), Value::Null);
        }
        13 => {
            let end = ["deadline=24h", "enable=false"][chance.below(2) as usize];
            put(client, &format!("/v1/muster/drain/own-{own}?{end}"), Value::Null);
        }
        14..17 => catalog_register(client, chance, node, id),
        17 => {
            let status = status(chance);
            let check = json!({"CheckID": "node-alive", "Name": "n", "Status": status});
            let body = json!({"Node": node_name(chance, node), "Address": "10.0.0.9", "Check": check});
            put(client, "/v1/catalog/register", body);
        }
        18 => {
            let body = json!({"Node": format!("n{node}"), "ServiceID": format!("far-{id}")});
            put(client, "/v1/catalog/deregister", body);
        }
        _ => put(client, "/v1/catalog/deregister", json!({"Node": format!("n{node}")})),
    }
}

fn register(client: &mut Client, chance: &mut Chance, own: u64) {
    let check =
        json!({"CheckID": format!("beat-{own}"), "Name": "beat", "TTL": "24h", "Status": status(chance)});
    let name = ["web", "Web", "web", "other"][chance.below(4) as usize];
    let body = json!({
        "Name": name,
        "ID": format!("own-{own}"),
        "Port": 8_000 + chance.below(3),
        "Tags": tags(chance),
        "Weights": {"Passing": 10, "Warning": 1},
        "Check": check,
    });
    put(client, "/v1/agent/service/register", body);
}

/// Nodes have their UUID, so that another name for one is a renaming; and names differ in case at times.
fn catalog_register(client: &mut Client, chance: &mut Chance, node: u64, id: u64) {
    let service = json!({
        "Service": "web", "ID": format!("far-{id}"), "Port": 9_000 + chance.below(3), "Tags": tags(chance),
    });
    let check = json!({
        "CheckID": format!("far-check-{id}"), "Name": "far", "ServiceID": format!("far-{id}"), "Status": status(chance),
    });
    let uuid = format!("40e4a748-2192-161a-0510-9bf59fe950b{node}");
    let name = if chance.below(8) == 0 { format!("renamed{node}") } else { node_name(chance, node) };
    let body = json!({
        "Node": name, "ID": uuid, "Address": format!("10.0.0.{}", chance.below(2)),
        "NodeMeta": {"zone": format!("z{}", chance.below(2))}, "Service": service, "Check": check,
    });
    put(client, "/v1/catalog/register", body);
}

fn node_name(chance: &mut Chance, node: u64) -> String {
    let letter = if chance.below(6) == 0 { 'N' } else { 'n' };
    format!("{letter}{node}")
}

fn status(chance: &mut Chance) -> &'static str {
    ["passing", "passing", "warning", "critical"][chance.below(4) as usize]
}

fn tags(chance: &mut Chance) -> Vec<String> {
    (0..3).filter(|_| chance.below(2) == 0).map(|number| format!("t{number}")).collect()
}

fn put(client: &mut Client, target: &str, body: Value) {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert!(answer.status < 500, "{target}: {} {}", answer.status, answer.text());
}
