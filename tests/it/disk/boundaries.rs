//! The built program killed at every call that changes a file: while it starts on nothing, takes registrations, reports
//! and deregistrations, ends in order, starts again and goes on. After each kill a start shows exactly what had been
//! acknowledged, or that and the one operation under way, and the index has not gone back.
//!
//! `MUSTER_FAULTS=all` kills at every call in both lives and in three ways; otherwise a part of them is drawn.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::restart::chance::{Chance, seed};
use crate::restart::files::copy;
use crate::shim;
use crate::support::client::{Client, Request};
use crate::support::process::Process;

/// Kills tried in a short run.
const KILLS: u64 = 40;

/// Before the call, after it, and, when it is a write, with half of it done.
const KINDS: [&str; 3] = ["kill", "killed", "torn"];

/// What is compared. Every one of them is asked first thing after the start.
const VIEWS: [&str; 5] = [
    "/v1/agent/services",
    "/v1/agent/checks",
    "/v1/catalog/services",
    "/v1/catalog/nodes",
    "/v1/health/state/any",
];

/// The operations of each life.
fn lives() -> [Vec<Request>; 2] {
    let put = |target: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Request::new("PUT", target).body(body)
    };
    let ttl = |name: &str, port: u16| {
        put("/v1/agent/service/register", json!({"Name": name, "Port": port, "Check": {"TTL": "1h"}}))
    };
    let elsewhere = |name: &str| {
        let check = json!({"CheckID": name, "Name": "seen", "Status": "passing", "ServiceID": name});
        let service = json!({"ID": name, "Service": name, "Port": 9});
        let body = json!({"Node": "other", "Address": "127.0.0.9", "Service": service, "Check": check});
        put("/v1/catalog/register", body)
    };
    let first = vec![
        ttl("a", 1),
        put("/v1/agent/check/pass/service:a", Value::Null),
        ttl("b", 2),
        elsewhere("c"),
        ttl("b", 3),
        put("/v1/agent/check/warn/service:a", Value::Null),
        put("/v1/agent/service/deregister/a", Value::Null),
        put("/v1/agent/service/maintenance/b?enable=true", Value::Null),
    ];
    let second = vec![
        ttl("d", 4),
        put("/v1/agent/check/fail/service:d", Value::Null),
        elsewhere("e"),
        put("/v1/catalog/deregister", json!({"Node": "other", "ServiceID": "c"})),
        put("/v1/agent/service/deregister/b", Value::Null),
        ttl("a", 5),
    ];
    [first, second]
}

/// What the views show and the highest index among them.
type Seen = (Vec<Value>, u64);

#[test]
fn a_kill_at_any_call_loses_nothing() {
    let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let mut chance = Chance::new(seed());
    let all = std::env::var("MUSTER_FAULTS").is_ok_and(|text| text == "all");
    let before = [scratch.path().join("before-0"), scratch.path().join("before-1")];
    fs::create_dir(&before[0]).expect("a directory can be made");
    let (mut kills, mut trials) = (0, 0);
    for (life, operations) in lives().iter().enumerate() {
        let run = scratch.path().join("undisturbed");
        copy(&before[life], &run);
        let (calls, states) = undisturbed(&run, operations);
        let chosen: Vec<(u64, &str)> = match all {
            true => (1..=calls).flat_map(|call| KINDS.map(|kind| (call, kind))).collect(),
            false => {
                (0..KILLS / 2).map(|_| (1 + chance.below(calls), KINDS[chance.below(3) as usize])).collect()
            }
        };
        trials += chosen.len();
        for (call, kind) in chosen {
            let trial = scratch.path().join("trial");
            copy(&before[life], &trial);
            kills += usize::from(killed_at(&trial, call, kind, operations, &states));
            fs::remove_dir_all(&trial).expect("a directory can be removed");
        }
        println!("life {life}: {calls} calls");
        if life == 0 {
            fs::rename(&run, &before[1]).expect("a directory can be renamed");
        }
    }
    println!("{kills} kills in {trials} lives, 0 wrong");
    assert!(kills * 10 >= trials * 8, "{kills} of {trials} were killed");
}

/// Lives a whole life, and gives how many calls it took and what was seen before each operation and after the last.
fn undisturbed(data_dir: &Path, operations: &[Request]) -> (u64, Vec<Seen>) {
    let count = data_dir.with_extension("count");
    let mut process =
        start(data_dir, &[("FAULT_COUNT", count.to_str().expect("a path in UTF-8"))]).expect("a start");
    let mut client = process.client();
    let mut states = vec![see(&mut client)];
    for operation in operations {
        let answer = client.request(operation).expect("an answer");
        assert_eq!(answer.status, 200, "{}: {}", operation.target, answer.text());
        states.push(see(&mut client));
    }
    process.stop().expect("it ends in order");
    let calls = fs::read_to_string(&count).ok().and_then(|text| text.trim().parse().ok());
    (calls.expect("the calls were counted"), states)
}

/// Lives until the kill, starts again and compares. Whether there was a kill: a few calls more or less are made each time.
fn killed_at(data_dir: &Path, call: u64, kind: &str, operations: &[Request], states: &[Seen]) -> bool {
    let what = format!("{kind} at call {call}");
    let mut acknowledged = 0;
    let mut was_killed = true;
    if let Ok(mut process) = start(data_dir, &[("FAULT_KIND", kind), ("FAULT_AT", &call.to_string())]) {
        let mut client = process.client();
        for operation in operations {
            let Ok(answer) = client.send(operation).and_then(|()| client.receive()) else { break };
            assert_eq!(answer.status, 200, "{what}: {}: {}", operation.target, answer.text());
            acknowledged += 1;
        }
        was_killed = acknowledged < operations.len() || !process.stop().is_ok_and(|status| status.success());
    }
    let process = start(data_dir, &[]).unwrap_or_else(|said| panic!("{what}: it starts again: {said}"));
    let (found, index) = see(&mut process.client());
    let (expected, index_before) = &states[acknowledged];
    let next = states.get(acknowledged + 1).map(|(next, _)| next);
    assert!(
        found == *expected || Some(&found) == next,
        "{what}, {acknowledged} acknowledged: found {found:?}, neither {expected:?} nor {next:?}"
    );
    // Before the first operation nobody has seen an index.
    assert!(
        acknowledged == 0 || index >= *index_before,
        "{what}: the index was {index_before} and is {index}"
    );
    was_killed
}

fn start(data_dir: &Path, variables: &[(&str, &str)]) -> Result<Process, String> {
    let environment = shim::environment(data_dir, variables);
    let environment: Vec<(&str, &Path)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_path())).collect();
    Process::muster_on_with(data_dir, &[], &environment)
}

fn see(client: &mut Client) -> Seen {
    let mut highest = 0;
    let bodies = VIEWS.map(|target| {
        let answer = client.get(target).expect("an answer");
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        highest = highest.max(answer.index().unwrap_or(0));
        without_indexes(answer.json())
    });
    (bodies.to_vec(), highest)
}

/// Indexes differ from run to run, as muster's own findings come between, and so do the ids of nodes.
fn without_indexes(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(without_indexes).collect()),
        Value::Object(fields) => {
            let kept = fields
                .into_iter()
                .filter(|(key, _)| !["CreateIndex", "ModifyIndex", "ID"].contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key, without_indexes(value))).collect())
        }
        other => other,
    }
}
