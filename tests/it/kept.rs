//! What an earlier version has written loads for ever: a data directory (of a process that was killed), the contents of a
//! Redis, and a snapshot, all of commit 43bd244 after the same calls, and what it answered then.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::redis::server::Redis;
use crate::support::client::{Client, Request};
use crate::support::process::Process;

/// A file that was kept.
fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/kept")).join(name)
}

/// What is told of each instance, but for the indexes: a restoration gives new ones.
fn told(instances: &Value) -> Vec<Value> {
    let without_indexes = |value: &Value| {
        let mut value = value.clone();
        value.as_object_mut().expect("an object").retain(|key, _| !key.ends_with("Index"));
        value
    };
    let one = |entry: &Value| {
        let checks: Vec<Value> =
            entry["Checks"].as_array().expect("a list").iter().map(without_indexes).collect();
        serde_json::json!({ "Node": entry["Node"]["Node"], "Service": without_indexes(&entry["Service"]), "Checks": checks })
    };
    instances.as_array().expect("a list").iter().map(one).collect()
}

fn get(client: &mut Client, target: &str) -> Value {
    client.get(target).expect("an answer").json()
}

/// Holds the first answers against what the earlier version answered.
fn assert_all_is_there(process: &Process) {
    let client = &mut process.client();
    let then: Value =
        serde_json::from_slice(&fs::read(file("web.json")).expect("it is kept")).expect("it is JSON");
    assert_eq!(told(&get(client, "/v1/health/service/web")), told(&then));
    let db = get(client, "/v1/health/service/db");
    assert_eq!(
        (&db[0]["Node"]["Node"], &db[0]["Node"]["Meta"]["kind"], &db[0]["Checks"][0]["Output"]),
        (&"outside".into(), &"external".into(), &"no route".into())
    );
    let proxy = get(client, "/v1/catalog/service/web-proxy");
    assert_eq!(proxy[0]["ServiceProxy"]["Upstreams"][0]["DestinationName"], "db", "{proxy}");
    let nodes = get(client, "/v1/catalog/nodes");
    let names: Vec<&Value> = nodes.as_array().expect("a list").iter().map(|node| &node["Node"]).collect();
    assert_eq!(names, ["node-one", "outside"]);
    let history = get(client, "/v1/muster/history/check/web-1-beat");
    let steps: Vec<&Value> =
        history["Transitions"].as_array().expect("a list").iter().map(|it| &it["To"]).collect();
    assert_eq!(steps, ["passing", "warning"], "{history}");
    let critical = client.get("/v1/health/service/web?passing").expect("an answer").json();
    assert_eq!(critical.as_array().map(Vec::len), Some(1), "the other is in maintenance");
}

#[test]
fn a_directory_loads() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut unpack = Command::new("tar");
    unpack.arg("-xzf").arg(file("directory.tar.gz")).arg("-C").arg(directory.path());
    assert!(unpack.status().is_ok_and(|status| status.success()), "tar unpacks it");
    let mut process = Process::muster_on(&directory.path().join("data"), &[]).expect("muster starts");
    assert_all_is_there(&process);
    let then: Value =
        serde_json::from_slice(&fs::read(file("web.json")).expect("it is kept")).expect("it is JSON");
    let now = get(&mut process.client(), "/v1/health/service/web");
    assert_eq!(now[0]["Service"], then[0]["Service"], "indexes and all");
    process.stop().expect("it ends in order");
    process.start_again().expect("what it has made of it loads as well");
    assert_all_is_there(&process);
}

#[test]
fn a_snapshot_is_restored() {
    let process = Process::muster(&[]).expect("muster starts");
    let snapshot = fs::read(file("registry.snapshot")).expect("it is kept");
    let answer =
        process.client().request(&Request::new("PUT", "/v1/snapshot").body(snapshot)).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_all_is_there(&process);
}

#[test]
fn a_redis_fills_a_new_directory() {
    let mut redis = Redis::start(&["--save", "", "--appendonly", "no"]);
    redis.kill();
    fs::copy(file("dump.rdb"), redis.directory.path().join("dump.rdb")).expect("it can be copied");
    redis.start_again(&[]);
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let process = Process::muster(&["--store", "redis", "--redis-url", &url]).expect("muster starts");
    assert_all_is_there(&process);
}
