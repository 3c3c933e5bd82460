//! What muster says of the why: the history of transitions, `explain`, and registrations that wait, on the built program
//! with real targets.

mod atomic;
mod explain;
mod history;
mod manual;
mod patience;
mod target;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};

/// Longest wait for something that a check brings about.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

fn put(client: &mut Client, target: &str, body: &Value) {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
}

fn get(client: &mut Client, target: &str) -> Value {
    let answer = client.get(target).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer.json()
}

fn beat(client: &mut Client, word: &str, check_id: &str, note: &str) {
    put(client, &format!("/v1/agent/check/{word}/{check_id}?note={note}"), &Value::Null);
}

/// Registers an instance with a TTL check `ID-beat`.
fn register(client: &mut Client, id: &str, name: &str, tags: &[&str]) {
    let check = json!({"CheckID": format!("{id}-beat"), "Name": "beat", "TTL": "1h"});
    let body = json!({"ID": id, "Name": name, "Tags": tags, "Check": check});
    put(client, "/v1/agent/service/register", &body);
}

/// Follows the health of a service by blocking queries until `accept` takes an answer.
fn follow(client: &mut Client, service: &str, mut accept: impl FnMut(&Answer) -> bool) -> Answer {
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let mut target = format!("/v1/health/service/{service}");
    loop {
        let answer = client.get(&target).expect("an answer");
        if accept(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{service} never got there: {}", answer.text());
        let index = answer.index().expect("an index");
        target = format!("/v1/health/service/{service}?index={index}&wait=5s");
    }
}

/// The statuses of the checks of a service's instances, the node's left out.
fn statuses(answer: &Answer) -> Vec<String> {
    let checks = answer.json();
    let checks =
        checks.as_array().into_iter().flatten().flat_map(|entry| entry["Checks"].as_array().cloned());
    let own = checks.flatten().filter(|check| check["ServiceID"] != "");
    own.map(|check| check["Status"].as_str().unwrap_or_default().to_owned()).collect()
}

/// `from -> to cause` of each transition of a history.
fn told(history: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let transitions = history["Transitions"].as_array().expect("transitions").iter();
    let told =
        transitions.map(|it| format!("{} -> {} {}", word(&it["From"]), word(&it["To"]), word(&it["Cause"])));
    told.collect()
}
