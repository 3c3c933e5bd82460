//! What Consul's clients take for granted beyond single answers: where the index begins, what a server says of what it
//! lacks, that no documented parameter is passed over, and that what was read can be sent back.

mod absent;
mod own_node;
mod parameters;
mod read_back;

use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::process::{NODE_NAME, Process};

fn start() -> (Process, Client) {
    let server = Process::muster(&[]).unwrap_or_else(|error| panic!("{error}"));
    let client = Client::new(server.address);
    (server, client)
}

fn get(client: &mut Client, target: &str) -> Value {
    let answer = client.get(target).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer.json()
}

fn put(client: &mut Client, target: &str, body: &Value) {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{target} {body}: {}", answer.text());
}

#[test]
fn the_index_begins_where_clients_take_a_server_for_ready() {
    let (_server, mut client) = start();
    let targets =
        ["catalog/nodes", "catalog/services", "catalog/service/x", "health/state/any", "health/service/x"];
    for target in targets {
        let answer = client.get(&format!("/v1/{target}")).expect("an answer");
        assert!(answer.index() >= Some(10), "{target}: {:?}", answer.index());
    }
}

/// `consul debug`, Nomad and Consul's own test tools read these, each as this type.
#[test]
fn the_agent_shows_the_configuration_that_clients_read() {
    let (server, mut client) = start();
    let own = get(&mut client, "/v1/agent/self");
    let shown = &own["DebugConfig"];
    assert_eq!(shown["EnableDebug"], json!(false));
    assert_eq!(shown["ConnectEnabled"], json!(false));
    assert_eq!(shown["GRPCPort"], json!(-1));
    assert_eq!(shown["SerfAdvertiseAddrLAN"], json!("tcp://127.0.0.1:8301"));
    assert_eq!(shown["HTTPPort"], json!(server.address.port()));
    assert_eq!((&shown["NodeName"], &shown["ServerMode"]), (&json!(NODE_NAME), &json!(true)));
    assert_eq!(shown["NodeID"], own["Config"]["NodeID"]);
}

#[test]
fn the_runtime_is_among_the_gauges() {
    let (_server, mut client) = start();
    let metrics = get(&mut client, "/v1/agent/metrics");
    let gauge = |name: &str| {
        let gauges = metrics["Gauges"].as_array().expect("a list");
        gauges.iter().find(|gauge| gauge["Name"] == name).and_then(|gauge| gauge["Value"].as_f64())
    };
    for name in ["consul.runtime.alloc_bytes", "consul.runtime.sys_bytes", "consul.runtime.num_goroutines"] {
        assert!(gauge(name) > Some(0.0), "{name}: {:?}", gauge(name));
    }
    assert_eq!(gauge("consul.runtime.total_gc_runs"), Some(0.0));
}

fn send(client: &mut Client, method: &str, target: &str, body: &str) -> (u16, String) {
    let answer = client.request(&Request::new(method, target).body(body)).expect("an answer");
    (answer.status, answer.text())
}
