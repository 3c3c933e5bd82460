//! Snapshots, restorations, imports and comparisons, by the built program and over HTTP as anybody would do them.

mod hostile;
mod import;
mod instant;
mod lengths;
mod limits;
pub mod made_up;
mod new_machine;
mod remedies;
mod restoring;
mod schedule;
mod secrets;
mod stopped;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::process::{Process, free_port, muster_binary};

/// Runs `muster` to its end.
fn muster(arguments: &[&str]) -> Output {
    Command::new(muster_binary()).args(arguments).output().expect("the built program runs")
}

/// What `muster` said, whatever it came to, with its exit code.
fn said(arguments: &[&str]) -> (i32, String) {
    let output = muster(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&text).into_owned())
}

/// As [`said`], of what must succeed.
fn succeeds(arguments: &[&str]) -> String {
    let (code, text) = said(arguments);
    assert_eq!(code, 0, "{arguments:?}: {text}");
    text
}

/// A server with an address for operators, who alone may have secrets.
fn with_operators(arguments: &[&str]) -> (Process, String) {
    let admin = format!("127.0.0.1:{}", free_port());
    let server = Process::muster(&[&["--admin-addr", &*admin], arguments].concat()).expect("it starts");
    (server, admin)
}

/// Everything an agent holds, as an operator is given it.
fn with_secrets(admin: &str) -> Vec<u8> {
    let mut operator = Client::new(admin.parse().expect("an address"));
    let answer = operator.get("/v1/snapshot?secrets").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.body
}

fn address(process: &Process) -> String {
    process.address.to_string()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the test is UTF-8")
}

fn register(client: &mut Client, id: &str, name: &str, port: u16) {
    let body = json!({"ID": id, "Name": name, "Port": port, "Check": {"TTL": "1h", "Status": "passing"}});
    let answer = client.put("/v1/agent/service/register", &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn deregister(client: &mut Client, id: &str) {
    let answer = client.put(&format!("/v1/agent/service/deregister/{id}"), "").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Ids and ports of what the agent keeps.
fn services(client: &mut Client) -> Vec<(String, u64)> {
    let services = client.get("/v1/agent/services").expect("an answer").json();
    let services = services.as_object().into_iter().flatten();
    services.map(|(id, service)| (id.clone(), service["Port"].as_u64().expect("a port"))).collect()
}

fn snapshot(client: &mut Client) -> Vec<u8> {
    let answer = client.get("/v1/snapshot").expect("an answer");
    assert_eq!(answer.status, 200);
    answer.body
}

fn restore(client: &mut Client, target: &str, body: &[u8]) -> (u16, String) {
    let answer = client.request(&Request::new("PUT", target).body(body)).expect("an answer");
    (answer.status, answer.text())
}

/// The rows of one table in a snapshot.
fn rows(snapshot: &[u8], table: &str) -> Vec<Value> {
    let lines = snapshot.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let rows = lines.map(|line| serde_json::from_slice::<Value>(line).expect("each line is JSON"));
    rows.filter(|row| row["table"] == table).collect()
}
