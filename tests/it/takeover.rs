//! A running agent is replaced and nobody notices: under load nothing fails and nothing is lost; a successor that fails
//! leaves everything as it was; and a plain end loses no answer it could have given.
//!
//! `MUSTER_TAKEOVERS` sets how often the load is taken over (3); `make long` does it a hundred times.

mod early;
mod ending;
mod failing;
mod load;
mod supervisor;

use std::time::{Duration, Instant};

use serde_json::json;

use crate::redis::server::Redis;
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;
use load::Load;

/// Longest wait for an event.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(30);

fn register(client: &mut Client, id: &str, port: u16) {
    let body = json!({"Name": id, "ID": id, "Port": port, "Check": {"TTL": "60s", "Status": "passing"}});
    let answer = client.put("/v1/agent/service/register", &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Waits until as many blocking queries are parked.
fn wait_until_parked(process: &Process, count: usize) {
    let all_wait = format!("muster_blocking_queries {count}\n");
    let (metrics, deadline) = (Request::new("GET", "/metrics"), Instant::now() + EVENT_WAIT_MAX);
    let shown =
        ask_until(&mut process.client(), &metrics, deadline, |answer| answer.text().contains(&all_wait));
    assert!(shown.expect("an answer").text().contains(&all_wait), "{count} queries wait");
}

#[test]
fn nobody_notices_under_load() {
    let times = std::env::var("MUSTER_TAKEOVERS").map_or(3, |text| text.parse().expect("a number"));
    let mut process = Process::muster(&[]).expect("muster starts");
    let load = Load::start(process.address);
    for round in 0..times {
        load.wait_for_more(EVENT_WAIT_MAX);
        let status = process.take_over(&[]).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(status.code(), Some(0), "round {round}: {}", process.log());
        load.assert_none_failed(&format!("round {round}"));
    }
    load.wait_for_more(EVENT_WAIT_MAX);
    let counts = load.finish();
    println!("{times} takeovers: {counts}");
    let log = process.log();
    assert_eq!(log.matches("handed over, ended").count(), times, "{log}");
    for line in log.lines().filter(|line| line.contains("handed over, ended")) {
        assert!(line.contains("cut_off=0") && line.contains("lost=0"), "{line}");
    }
}

#[test]
fn a_kept_connection_is_kept_and_a_parked_query_is_answered_at_once() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut idle = process.client();
    register(&mut idle, "web", 80);
    let before = idle.get("/v1/health/service/web").expect("an answer");
    let target = format!("/v1/health/service/web?index={}&wait=5m", before.index().expect("an index"));
    let mut parked = process.client();
    parked.send(&Request::new("GET", &target)).expect("a connection");
    wait_until_parked(&process, 1);
    // The first half of a head, and of a body.
    let (mut in_head, mut in_body) = (process.client(), process.client());
    in_head.send_raw(b"GET /v1/catalog/services HTTP/1.1\r\nHo").expect("a connection");
    let body = json!({"Name": "late", "Port": 81}).to_string();
    let (first, rest) = body.split_at(10);
    let half = Request::new("PUT", "/v1/agent/service/register");
    let half = half.header("Content-Length", &body.len().to_string()).body(first);
    in_body.send(&half).expect("a connection");
    let ports = [&idle, &parked].map(|it| it.connection().expect("open").local_addr().expect("bound"));

    let finishing = std::thread::spawn({
        let rest = rest.to_owned();
        let released = parked.connection().expect("open");
        move || {
            // Sent once the takeover is under way: the parked query tells.
            let mut byte = [0];
            assert_eq!(released.peek(&mut byte).expect("an answer"), 1);
            in_head.send_raw(b"st: localhost\r\n\r\n").expect("the connection is open");
            in_body.send_raw(rest.as_bytes()).expect("the connection is open");
            (in_head.receive().expect("an answer"), in_body.receive().expect("an answer"))
        }
    });
    let status = process.take_over(&[]).expect("a successor");
    assert_eq!(status.code(), Some(0));
    let answer = parked.receive().expect("a whole answer");
    assert_eq!((answer.status, answer.index()), (200, before.index()));
    assert_eq!(answer.json(), before.json());
    let (of_head, of_body) = finishing.join().expect("no panic");
    assert_eq!((of_head.status, of_body.status), (200, 200), "{}", of_body.text());
    for client in [&mut idle, &mut parked] {
        client.send(&Request::new("GET", "/v1/agent/services")).expect("the connection is open");
        let services = client.receive().expect("an answer on the kept connection").json();
        assert_eq!((&services["web"]["Port"], &services["late"]["Port"]), (&json!(80), &json!(81)));
    }
    let after = [&idle, &parked].map(|it| it.connection().expect("open").local_addr().expect("bound"));
    assert_eq!(ports, after, "the very same connections");
    // And the query waits in the new process as it did in the old one.
    parked.send(&Request::new("GET", &target)).expect("the connection is open");
    let again = parked.answered_within(Duration::from_millis(200)).expect("an open connection");
    let index = idle.get("/v1/health/service/web").expect("an answer").index();
    assert!(!again || index != before.index(), "an answer without a change");
}

#[test]
fn a_registry_in_redis_is_taken_over_with_its_lock() {
    let redis = Redis::start(&[]);
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().to_str().expect("a path in UTF-8");
    let arguments = ["--store", "redis", "--redis-url", &url, "--on-outage", "reject", "--config-dir", path];
    let lost = json!({"check": {"id": "lost", "name": "lost", "service_id": "nobody", "ttl": "9s"}});
    let mut process = Process::muster(&arguments).expect("muster starts");
    let load = Load::start(process.address);
    for round in 0..2 {
        load.wait_for_more(EVENT_WAIT_MAX);
        // One that cannot start gives everything back, the lock on the keys as well.
        let file = directory.path().join("lost.json");
        std::fs::write(&file, lost.to_string()).expect("a file can be written");
        process.take_over(&[]).expect_err("a check of nobody");
        std::fs::remove_file(&file).expect("the file is there");
        load.wait_for_more(EVENT_WAIT_MAX);
        let status = process.take_over(&[]).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(status.code(), Some(0), "{}", process.log());
    }
    load.wait_for_more(EVENT_WAIT_MAX);
    println!("{}", load.finish());
}

#[test]
fn a_request_that_waits_for_its_health_waits_on() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let body = json!({"Name": "slow", "Check": {"CheckID": "slow", "TTL": "60s"}}).to_string();
    let mut waiting = process.client();
    let request = Request::new("PUT", "/v1/agent/service/register?until=passing&wait=60s").body(body);
    waiting.send(&request).expect("a connection");
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let is_there = |answer: &crate::support::client::Answer| answer.text().contains("slow");
    ask_until(&mut process.client(), &Request::new("GET", "/v1/agent/services"), deadline, is_there)
        .expect("it is registered");
    assert_eq!(process.take_over(&[]).expect("a successor").code(), Some(0));
    assert!(!waiting.answered_within(Duration::from_millis(50)).expect("an open connection"));
    let passed = process.client().put("/v1/agent/check/pass/slow", "").expect("an answer");
    assert_eq!(passed.status, 200);
    assert_eq!(waiting.receive().expect("an answer").status, 200);
}
