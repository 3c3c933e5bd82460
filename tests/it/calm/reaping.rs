//! `DeregisterCriticalServiceAfter`, to the second: whoever has been critical for that long is gone, not before and not much
//! later, whatever the kind of check and through whichever API it was registered.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::instance::{Instance, Place};
use crate::support::client::Client;
use crate::support::process::Process;

/// How much later it may be on a machine that is busy otherwise.
const LATE_MAX: Duration = Duration::from_secs(2);

/// Longest wait for what must happen in the end.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
enum Api {
    Agent,
    Catalog,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Ttl,
    Http,
}

#[test]
fn the_critical_are_deregistered_to_the_second() {
    let server = Process::muster(&[]).expect("muster starts");
    let rows = [1, 2].into_iter().flat_map(|after_s| {
        [
            (Api::Agent, Kind::Ttl),
            (Api::Agent, Kind::Http),
            (Api::Catalog, Kind::Ttl),
            (Api::Catalog, Kind::Http),
        ]
        .map(|(api, kind)| (api, kind, after_s))
    });
    thread::scope(|scope| {
        for (api, kind, after_s) in rows {
            let server = &server;
            scope.spawn(move || reap(server, api, kind, after_s));
        }
    });
}

fn reap(server: &Process, api: Api, kind: Kind, after_s: u64) {
    let name = format!("{api:?}-{kind:?}-{after_s}").to_ascii_lowercase();
    let after = Duration::from_secs(after_s);
    let mut instance = Instance::start(&Place::here()).expect("an instance starts");
    let mut client = server.client();
    register(&mut client, api, kind, &name, after_s, &instance, "passing");
    let target = format!("/v1/health/service/{name}");
    let (_, index) = follow(&mut client, &target, 0, |body| status(body) == Some("passing"));

    // Critical from some moment between these two on.
    let not_before = Instant::now();
    match (api, kind) {
        (Api::Agent, Kind::Ttl) => {
            put(&mut client, &format!("/v1/agent/check/fail/{name}-check"), &Value::Null)
        }
        (Api::Agent, Kind::Http) => {
            instance.order("fail");
        }
        (Api::Catalog, _) => register(&mut client, api, kind, &name, after_s, &instance, "critical"),
    }
    let (_, index) = follow(&mut client, &target, index, |body| status(body) != Some("passing"));
    let not_after = Instant::now();
    let (gone_at, _) = follow(&mut client, &target, index, |body| body.as_array().is_some_and(Vec::is_empty));

    let (least, most) = (gone_at - not_before, gone_at.saturating_duration_since(not_after));
    println!("{name}: gone {least:?} after the fault, {most:?} after it was seen critical");
    assert!(least >= after, "{name}: too early, after {least:?}");
    assert!(most <= after + LATE_MAX, "{name}: too late, after {most:?}");
}

/// Registers an instance on this node, or through the catalog on a node of its own.
fn register(
    client: &mut Client,
    api: Api,
    kind: Kind,
    name: &str,
    after_s: u64,
    instance: &Instance,
    status: &str,
) {
    let url = format!("http://{}/health", instance.address);
    let after = format!("{after_s}s");
    let definition = match kind {
        Kind::Ttl => json!({"TTL": "1h", "DeregisterCriticalServiceAfter": after}),
        Kind::Http => json!({"HTTP": url, "Interval": "1s", "DeregisterCriticalServiceAfter": after}),
    };
    let id = format!("{name}-check");
    match api {
        Api::Agent => {
            let mut check = definition;
            (check["CheckID"], check["Name"], check["Status"]) = (json!(id), json!("check"), json!(status));
            put(client, "/v1/agent/service/register", &json!({"Name": name, "Check": check}));
        }
        Api::Catalog => {
            let check = json!({"CheckID": id, "Name": "check", "Status": status, "ServiceID": name,
                "Definition": definition});
            let body = json!({"Node": format!("node-{name}"), "Address": "127.0.0.1",
                "Service": {"Service": name}, "Check": check});
            put(client, "/v1/catalog/register", &body);
        }
    }
}

fn put(client: &mut Client, target: &str, body: &Value) {
    let answer = client.put(target, &body.to_string()).expect("the server listens");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
}

/// Status of the one instance's check.
fn status(body: &Value) -> Option<&str> {
    let checks = body[0]["Checks"].as_array()?;
    checks.iter().find(|check| check["ServiceID"] != "")?["Status"].as_str()
}

/// Follows a view until it shows what is wanted: the moment, and the index from which on to follow it further.
fn follow(client: &mut Client, target: &str, index: u64, wanted: impl Fn(&Value) -> bool) -> (Instant, u64) {
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let mut index = index;
    loop {
        let answer = client.get(&format!("{target}?index={index}&wait=10s")).expect("the server listens");
        let at = Instant::now();
        index = answer.index().expect("a read has an index");
        let body = answer.json();
        if wanted(&body) {
            return (at, index);
        }
        assert!(at < deadline, "{target} is never as it should be: {body}");
    }
}
