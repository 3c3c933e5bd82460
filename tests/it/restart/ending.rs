//! The orderly end, by SIGTERM and by SIGINT: who is being served is answered, who waits is released, nobody new is let
//! in, and the process ends by itself with 0.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;

/// Supervisors send SIGKILL ten seconds after the first signal.
const END_WAIT_MAX: Duration = Duration::from_secs(10);

/// Blocking queries that wait when the signal comes.
const PARKED: usize = 20;

/// Longest wait for an event that the end brings about.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(8);

#[test]
fn a_signal_ends_it_in_order() {
    for signal in ["TERM", "INT"] {
        end_in_order(signal);
    }
}

fn end_in_order(signal: &str) {
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let register = json!({"Name": "web", "Port": 80}).to_string();
    assert_eq!(client.put("/v1/agent/service/register", &register).expect("an answer").status, 200);
    let before = client.get("/v1/health/service/web").expect("an answer");
    let mut parked = park(&process, before.index().expect("an index"));
    let mut idle = process.client();
    assert_eq!(idle.get("/readyz").expect("an answer").status, 200);
    let mut under_way = half_a_request(&process);

    process.signal(signal);
    wait_until_refused(&process);
    // The other half of the body, now that the end has begun.
    under_way.send_raw(b"\"Port\": 81}").expect("the connection is still open");
    let answer = under_way.receive().expect("the request under way is answered");
    assert_eq!(answer.status, 200, "SIG{signal}: {}", answer.text());
    for waiting in &mut parked {
        assert!(
            waiting.answered_within(EVENT_WAIT_MAX).expect("an open connection"),
            "SIG{signal}: released"
        );
        let answer = waiting.receive().expect("a whole answer");
        assert_eq!((answer.status, answer.index()), (200, before.index()), "SIG{signal}");
        assert_eq!(answer.json(), before.json(), "SIG{signal}: the current answer");
    }
    assert!(
        idle.answered_within(EVENT_WAIT_MAX).unwrap_or(true),
        "SIG{signal}: an idle connection is closed"
    );
    assert!(idle.receive().is_err(), "SIG{signal}: and nothing is said on it");
    let status = process.ended_within(END_WAIT_MAX);
    assert_eq!(
        status.and_then(|status| status.code()),
        Some(0),
        "SIG{signal}: {status:?}\n{}",
        process.log()
    );

    process.start_again().expect("muster starts again");
    let services = process.client().get("/v1/agent/services").expect("an answer").json();
    assert_eq!(
        (&services["web"]["Port"], &services["late"]["Port"]),
        (&json!(80), &json!(81)),
        "SIG{signal}"
    );
}

/// Blocking queries that wait for a change of `web`, all of them known to be waiting.
fn park(process: &Process, index: u64) -> Vec<Client> {
    let target = format!("/v1/health/service/web?index={index}&wait=5m");
    let mut parked = Vec::new();
    for _ in 0..PARKED {
        let mut client = process.client();
        client.send(&Request::new("GET", &target)).expect("a connection");
        parked.push(client);
    }
    let metrics = Request::new("GET", "/metrics");
    let all_wait = format!("muster_blocking_queries {PARKED}\n");
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let shown =
        ask_until(&mut process.client(), &metrics, deadline, |answer| answer.text().contains(&all_wait));
    assert!(shown.expect("an answer").text().contains(&all_wait), "{PARKED} queries wait");
    parked
}

/// A registration of `late` of which the head and a part of the body are sent.
fn half_a_request(process: &Process) -> Client {
    let mut client = process.client();
    let first = "{\"Name\": \"late\", ";
    let request = Request::new("PUT", "/v1/agent/service/register")
        .header("Content-Length", &(first.len() + "\"Port\": 81}".len()).to_string())
        .body(first);
    client.send(&request).expect("a connection");
    client
}

fn wait_until_refused(process: &Process) {
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    while TcpStream::connect(process.address).is_ok() {
        assert!(Instant::now() < deadline, "new connections are refused");
        std::thread::sleep(Duration::from_millis(5));
    }
}
