//! Small writes that mean much work: what they change is how thousands of records look.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bystander::{beside, limits};
use super::{Scale, raw};
use crate::snapshot::made_up::{THEIRS, check, node, service, snapshot};
use crate::support::client::Request;
use crate::support::process::Process;

/// An instance may have 64 checks.
const ALIASES_PER_INSTANCE: usize = 60;

/// How long all aliases may take to follow, on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_large_node_that_changes_again_and_again_holds_nobody() {
    let server = Process::muster(&[]).expect("muster starts");
    let mut rows = vec![node("large")];
    rows.extend((0..Scale::of_this_run().pick(8_000, 90_000)).map(|at| {
        let id = format!("i{at:06}");
        service("large", &id, json!({ "name": "on-large", "origin": "catalog" }))
    }));
    let request = Request::new("PUT", "/v1/snapshot").body(snapshot(9, &rows));
    let answer = server.client().request(&request).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    beside(&server, &limits(), |scale| {
        let writers: Vec<TcpStream> = (0..scale.pick(300, 600))
            .map(|at| {
                let body = json!({ "Node": "large", "Address": format!("10.1.{}.{}", at / 250, at % 250) }).to_string();
                let head = format!(
                    "PUT /v1/catalog/register HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}",
                    body.len()
                );
                raw::silent(server.address, format!("{head}\r\n\r\n{body}").as_bytes())
            })
            .collect();
        for mut writer in writers {
            assert_eq!(raw::status(&raw::read_to_end(&mut writer)), 200);
        }
    });
}

/// One report turns all of them, which must neither hold the writer nor fill the queue that a start needs.
#[test]
fn thousands_of_aliases_of_one_instance_hold_nobody_and_no_start() {
    let mut server = Process::muster(&[]).expect("muster starts");
    let aliases = Scale::of_this_run().pick(12_000, 60_000);
    let of = |at: usize| format!("s{:04}", at / ALIASES_PER_INSTANCE);
    let mut rows = vec![node(THEIRS)];
    rows.extend((0..aliases).step_by(ALIASES_PER_INSTANCE).map(|at| service(THEIRS, &of(at), json!({}))));
    rows.push(service(THEIRS, "target", json!({})));
    rows.extend((0..aliases).map(|at| {
        let definition = json!({ "probe": { "alias": { "node": "", "service_id": "target" } } });
        let keys = json!({ "service_id": of(at), "definition": definition });
        check(THEIRS, &format!("a{at:06}"), keys)
    }));
    rows.push(check(THEIRS, "of-target", json!({ "service_id": "target" })));
    let request = Request::new("PUT", "/v1/snapshot").body(snapshot(9, &rows));
    let answer = server.client().request(&request).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let report = |server: &Process, verdict: &str| {
        let target = format!("/v1/agent/check/{verdict}/of-target");
        assert_eq!(server.client().put(&target, "").expect("an answer").status, 200);
    };
    beside(&server, &limits(), |_| {
        ["pass", "warn", "pass"].iter().for_each(|verdict| report(&server, verdict));
    });
    report(&server, "fail");
    server.kill();
    server.start_again().expect("it starts with all of them to be judged");
    report(&server, "pass");
    let critical = || {
        let answer = server.client().get("/v1/health/state/critical").expect("an answer");
        let checks = answer.json();
        // Nobody beats the checks of the load beside any more.
        let is_alias = |check: &&Value| check["CheckID"].as_str().is_some_and(|id| id.starts_with("a0"));
        checks.as_array().expect("a list").iter().filter(is_alias).count()
    };
    let deadline = Instant::now() + PATIENCE;
    while critical() > 0 {
        assert!(Instant::now() < deadline, "{} aliases have not followed their target", critical());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Each prefix that is watched is moved once, however many of the keys stand below it.
#[test]
fn a_tree_of_keys_that_is_deleted_below_nested_watches_holds_nobody() {
    let server = Process::muster(&[]).expect("muster starts");
    let (keys, depth) = (Scale::of_this_run().pick(10_000, 200_000), Scale::of_this_run().pick(40, 100));
    let prefixes: Vec<String> = (1..=depth).map(|length| "a".repeat(length)).collect();
    // And others, which nobody watches.
    let rows: Vec<_> = (0..keys + keys / 2)
        .map(|at| {
            let (tree, at) = if at < keys { ("a".repeat(depth), at) } else { ("b".to_owned(), at - keys) };
            ("kv", format!("{tree}{at:06}"), json!({ "value": "", "create": 1, "modify": 1 }))
        })
        .collect();
    let request = Request::new("PUT", "/v1/snapshot").body(snapshot(9, &rows));
    let answer = server.client().request(&request).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let index = server.client().get("/v1/kv/a?keys&separator=0").expect("an answer");
    let index = index.header("x-consul-index").expect("an index").to_owned();
    let mut watchers: Vec<TcpStream> = prefixes
        .iter()
        .map(|prefix| {
            let target = format!("/v1/kv/{prefix}?keys&separator=0&wait=120s&index={index}");
            let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            raw::silent(server.address, head.as_bytes())
        })
        .collect();
    beside(&server, &limits(), |_| {
        // A part of a tree, and then all of one.
        for prefix in ["b00", "a"] {
            let request = Request::new("DELETE", &format!("/v1/kv/{prefix}?recurse"));
            assert_eq!(server.client().request(&request).expect("an answer").status, 200);
        }
    });
    for watcher in &mut watchers {
        assert_eq!(raw::status(&raw::read_to_end(watcher)), 404, "it is told that nothing is left");
    }
}
