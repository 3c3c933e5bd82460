//! Failures in a row go on counting over an orderly restart: it does not cost the dead instance's clients the whole
//! threshold once more.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::differential::listener::Listener;
use crate::support::client::{Request, ask_until};
use crate::support::process::Process;

/// Failures in a row that the check demands, and how many there are when muster is ended.
const DEMANDED: usize = 12;
const BEFORE_THE_RESTART: usize = 6;

/// Runs that may be lost or come too soon to be told apart: one under way when it ends, and those between the decision
/// and its being seen.
const RUNS_SLACK: usize = 3;

const PATH: &str = "/counted";

/// Longest wait for what must happen in the end.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

#[test]
fn failures_count_on_over_an_orderly_restart() {
    let listener = Listener::start().expect("a listener on the loopback address");
    listener.script(PATH, vec![200]);
    let mut server = Process::muster(&[]).expect("muster starts");
    let check = json!({"CheckID": "counted", "Name": "counted", "Interval": "1s",
        "HTTP": format!("http://{}{PATH}", listener.address), "FailuresBeforeCritical": DEMANDED});
    let registration = json!({"Name": "counted", "Check": check}).to_string();
    let answer = server.client().put("/v1/agent/service/register", &registration).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait_for_status(&server, "passing");

    listener.script(PATH, vec![503]);
    assert!(listener.wait_for_hits(PATH, BEFORE_THE_RESTART, EVENT_WAIT_MAX), "the check runs");
    server.stop().expect("it ends in order");
    assert!(listener.hits(PATH) < DEMANDED, "it is ended before the threshold is met");
    server.start_again().expect("muster starts again");
    wait_for_status(&server, "critical");
    let hits = listener.hits(PATH);
    println!("critical after {hits} failures, {DEMANDED} demanded, a restart after {BEFORE_THE_RESTART}");
    assert!(hits >= DEMANDED, "not before the threshold: {hits}");
    assert!(hits <= DEMANDED + RUNS_SLACK, "those before the restart count: {hits}");
}

fn wait_for_status(server: &Process, status: &str) {
    let request = Request::new("GET", "/v1/health/checks/counted");
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let answer = ask_until(&mut server.client(), &request, deadline, |it| it.json()[0]["Status"] == status);
    assert_eq!(answer.expect("the server listens").json()[0]["Status"], status);
}
