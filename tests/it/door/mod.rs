//! Who is let in: names, foreign pages and forms, as any client sees them and as a real browser does; and what becomes of
//! those who end, block or reconfigure something.

mod bounds;
mod browser;
mod callers;
mod leave;
mod names;
mod pages;
mod scope;
mod secrets;
mod unseen;

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Request};
use crate::support::process::Process;

/// What together shows everything that a request could change.
const STATE: [&str; 4] =
    ["/v1/catalog/nodes", "/v1/agent/services", "/v1/agent/checks", "/v1/health/state/any"];

/// A server with an instance `web` whose TTL check passes.
fn server(arguments: &[&str]) -> Process {
    let server = Process::muster(arguments).expect("muster starts");
    let body = json!({"Name": "web", "Check": {"CheckID": "beat", "TTL": "24h", "Status": "passing"}});
    let answer = server.client().put("/v1/agent/service/register", &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    server
}

fn state(server: &Process) -> Vec<(Option<u64>, Value)> {
    let mut client = server.client();
    let ask = |target: &&str| {
        let answer = client.get(target).expect("an answer");
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        (answer.index(), answer.json())
    };
    STATE.iter().map(ask).collect()
}

/// The log, once `accept` takes it: lines come a moment after what they tell of.
fn log_until(server: &Process, accept: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let log = server.log();
        if accept(&log) || Instant::now() >= deadline {
            return log;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a request on a connection of its own.
fn ask(server: &Process, request: &Request) -> Answer {
    Client::new(server.address).request(request).expect("an answer")
}
