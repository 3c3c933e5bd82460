//! Registrations that wait until the instance is well.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::target::Target;
use super::{EVENT_WAIT_MAX, beat, get, put};
use crate::support::client::{Answer, Client, Request};
use crate::support::process::Process;

const REGISTER: &str = "/v1/agent/service/register";

/// How long a test holds still to see that something does not happen.
const HELD_STILL: Duration = Duration::from_millis(200);

fn ttl() -> Value {
    json!({"ID": "web-1", "Name": "web", "Check": {"CheckID": "beat", "TTL": "1h"}})
}

fn register(client: &mut Client, parameters: &str, body: &Value) -> Answer {
    client.put(&format!("{REGISTER}{parameters}"), &body.to_string()).expect("an answer")
}

/// Begins a registration that waits, and returns when the instance is there.
fn begin(process: &Process, parameters: &str, body: &Value) -> Client {
    let mut waiting = process.client();
    let request = Request::new("PUT", &format!("{REGISTER}{parameters}")).body(body.to_string());
    waiting.send(&request).expect("it is sent");
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    while get(&mut process.client(), "/v1/agent/services")["web-1"].is_null() {
        assert!(Instant::now() < deadline, "the registration is done before it waits");
    }
    waiting
}

#[test]
fn a_registration_waits_for_its_own_probe() {
    let target = Target::new(true);
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let check = json!({"CheckID": "alive", "HTTP": target.url(), "Interval": "1s"});
    let body = json!({"ID": "web-1", "Name": "web", "Check": check});
    let answer = register(&mut client, "?wait=60s&until=passing", &body);
    assert_eq!((answer.status, answer.text().as_str()), (200, ""), "as without waiting");
    let passing = get(&mut client, "/v1/health/service/web?passing");
    assert_eq!(passing.as_array().map(Vec::len), Some(1), "{passing}");
}

#[test]
fn it_is_answered_when_the_status_is_good_enough_and_not_before() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let mut for_warning = begin(&process, "?wait=60s&until=warning", &ttl());
    let mut for_passing = begin(&process, "?wait=60s", &ttl());
    assert!(!for_warning.answered_within(HELD_STILL).expect("a connection"), "it is critical still");
    beat(&mut client, "warn", "beat", "hot");
    assert_eq!(for_warning.receive().expect("an answer").status, 200);
    assert!(!for_passing.answered_within(HELD_STILL).expect("a connection"), "it only warns");
    beat(&mut client, "pass", "beat", "fine");
    assert_eq!(for_passing.receive().expect("an answer").status, 200);
    assert_eq!(register(&mut client, "?wait=60s", &ttl()).status, 200, "what is well needs no waiting");
    let bare = json!({"ID": "web-2", "Name": "web"});
    assert_eq!(register(&mut client, "?wait=60s", &bare).status, 200, "what has no checks passes");
}

#[test]
fn a_wait_ends_with_its_time_a_deregistration_the_server_or_the_client() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let late = register(&mut client, "?wait=300ms&until=passing", &ttl());
    let sentence = late.text();
    assert_eq!(late.status, 408, "{sentence}");
    assert!(
        sentence.starts_with("instance \"web-1\" is registered, but not passing after 300ms")
            && sentence.ends_with("as it was registered: the instance has not reported yet"),
        "{sentence}"
    );
    beat(&mut client, "fail", "beat", "no%20database");
    let late = register(&mut client, "?wait=1ms&until=passing", &ttl());
    assert!(
        late.text().ends_with("is critical, as it has been since it was registered: \"no database\""),
        "{}",
        late.text()
    );

    // Whoever waits is counted among the blocking queries.
    let wait_for_waiting = |count: f64| {
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        let waiting = || {
            let metrics = get(&mut process.client(), "/v1/agent/metrics");
            let gauges = metrics["Gauges"].as_array().cloned().unwrap_or_default();
            let is_it = |gauge: &&Value| gauge["Name"].as_str().is_some_and(|it| it.contains("blocking"));
            gauges.iter().find(is_it).and_then(|gauge| gauge["Value"].as_f64())
        };
        while waiting() != Some(count) {
            assert!(Instant::now() < deadline, "{count} should wait, not {:?}", waiting());
            thread::yield_now();
        }
    };
    let mut gone = begin(&process, "?wait=60s", &ttl());
    wait_for_waiting(1.0);
    put(&mut client, "/v1/agent/service/deregister/web-1", &Value::Null);
    let answer = gone.receive().expect("an answer");
    assert_eq!(
        (answer.status, answer.text().contains("was deregistered while")),
        (409, true),
        "{}",
        answer.text()
    );

    let left = begin(&process, "?wait=60s", &ttl());
    wait_for_waiting(1.0);
    drop(left);
    wait_for_waiting(0.0);

    let mut cut_off = begin(&process, "?wait=60s", &ttl());
    wait_for_waiting(1.0);
    process.stop().expect("it ends in order");
    let answer = cut_off.receive().expect("an answer");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().ends_with("the registration itself was done and stands"), "{}", answer.text());
}

#[test]
fn what_is_asked_wrongly_is_refused_before_anything_is_stored() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    for parameters in ["?until=critical", "?wait=soon", "?wait=1s&until=Passing"] {
        let answer = register(&mut client, parameters, &ttl());
        assert_eq!(answer.status, 400, "{parameters}: {}", answer.text());
    }
    assert_eq!(get(&mut client, "/v1/agent/services"), json!({}));
    assert_eq!(register(&mut client, "?wait=&until=", &ttl()).status, 200, "empty is as not given");
}
