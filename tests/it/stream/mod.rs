//! Following a service without asking for all of it again and again: `?delta`, streams of events, and answers that are
//! not sent twice. What they say is held equal in [`equal`]; here is how they behave.

mod bounds;
mod delta;
mod equal;
mod etag;
mod events;
mod life;
mod replica;
pub mod subscriber;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;

/// Longest wait for an event.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

fn put(client: &mut Client, target: &str, body: &Value) {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
}

/// Registers an instance of a service on the agent, with a check that passes.
fn register(client: &mut Client, service: &str, id: &str, port: u16) {
    let check = json!({"CheckID": format!("beat-{id}"), "Name": "beat", "TTL": "24h", "Status": "passing"});
    let body = json!({"Name": service, "ID": id, "Port": port, "Check": check});
    put(client, "/v1/agent/service/register", &body);
}

/// Has the check of an instance fail, warn or pass.
fn report(client: &mut Client, word: &str, id: &str) {
    put(client, &format!("/v1/agent/check/{word}/beat-{id}"), &Value::Null);
}

/// A metric without labels, or with them as they are written; 0 when it is not there.
fn metric(client: &mut Client, name: &str) -> f64 {
    let text = client.get("/metrics").expect("an answer").text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or(0.0)
}

/// Looks again and again until it is so.
///
/// # Panics
/// When it is not so after [`EVENT_WAIT_MAX`].
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "not so after {EVENT_WAIT_MAX:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
