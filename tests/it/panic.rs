//! The panic threshold of the built program: when most of a service fails at once, `?passing` keeps what failed, says so,
//! and lets go of it as instances recover; cached answers, blocking queries and restarts included.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Request, ask_until};
use crate::support::process::Process;

/// Longest wait for an event.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(20);

const PASSING: &str = "/v1/health/service/web?passing";

fn put(client: &mut Client, target: &str, body: &Value) {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
}

/// Registers `web-1` to `web-COUNT`, which pass.
fn register(client: &mut Client, count: usize) {
    for number in 1..=count {
        let check =
            json!({"CheckID": format!("beat-{number}"), "Name": "beat", "TTL": "1h", "Status": "passing"});
        let body = json!({"Name": "web", "ID": format!("web-{number}"), "Tags": [format!("t{number}")], "Check": check});
        put(client, "/v1/agent/service/register", &body);
    }
}

fn report(client: &mut Client, word: &str, numbers: &[usize]) {
    for number in numbers {
        put(client, &format!("/v1/agent/check/{word}/beat-{number}?note=a%20test"), &Value::Null);
    }
}

/// The numbers of the instances in an answer, and what it says of a panic.
fn seen(answer: &Answer) -> (Vec<usize>, Option<&str>) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let number = |entry: &Value| {
        let id = entry["Service"]["ID"].as_str().unwrap_or_default().to_owned();
        id.trim_start_matches("web-").parse().expect("one of ours")
    };
    let numbers = answer.json().as_array().into_iter().flatten().map(number).collect();
    (numbers, answer.header("X-Muster-Panic"))
}

fn ask(client: &mut Client, target: &str) -> Answer {
    client.get(target).expect("an answer")
}

fn metric(client: &mut Client, name: &str) -> f64 {
    let text = ask(client, "/metrics").text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

#[test]
fn a_query_keeps_what_failed_at_once_and_says_so() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, 4);
    let target = format!("{PASSING}&panic_threshold=50&panic_window=30s");
    report(&mut client, "fail", &[1, 2]);
    assert_eq!(seen(&ask(&mut client, &target)), (vec![3, 4], None), "half is not more than half");

    report(&mut client, "fail", &[3]);
    let said = Some("kept=3; failing=3 of 4; threshold=50%; window=30s");
    let answer = ask(&mut client, &target);
    assert_eq!(seen(&answer), (vec![1, 2, 3, 4], said));
    let check = answer.json()[0]["Checks"][1].clone();
    assert_eq!((&check["Status"], &check["Output"]), (&json!("critical"), &json!("a test")), "the truth");
    let cached = ask(&mut client, &format!("{target}&cached"));
    assert_eq!((seen(&cached), cached.header("X-Cache")), ((vec![1, 2, 3, 4], said), Some("HIT")));

    let rows: &[(&str, &[usize], Option<&str>)] = &[
        ("", &[4], None),
        ("&panic_threshold=0", &[4], None),
        ("&panic_threshold=75", &[4], None),
        ("&panic_threshold=74", &[1, 2, 3, 4], Some("kept=3; failing=3 of 4; threshold=74%; window=30s")),
        ("&panic_threshold=50&panic_window=30s&tag=t2", &[2], said),
        ("&panic_threshold=50&panic_window=30s&filter=Service.ID%20==%20%22web-3%22", &[3], said),
    ];
    for (query, numbers, panic) in rows {
        let answer = ask(&mut client, &format!("{PASSING}{query}"));
        assert_eq!(seen(&answer), (numbers.to_vec(), *panic), "{query}");
    }
    let all = ask(&mut client, "/v1/health/service/web?panic_threshold=50");
    assert_eq!(seen(&all), (vec![1, 2, 3, 4], None), "without `passing` there is nothing to keep");
    assert_eq!(metric(&mut client, "muster_panic_answers_total"), 5.0);
    assert_eq!(metric(&mut client, "muster_services_in_panic"), 0.0, "none by its own threshold");

    report(&mut client, "pass", &[2]);
    assert_eq!(seen(&ask(&mut client, &target)), (vec![2, 4], None), "two of four are no panic");
}

#[test]
fn a_blocking_query_hears_of_a_panic_and_of_its_end() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, 3);
    let target = format!("{PASSING}&panic_threshold=60&panic_window=1m&wait=50s&index=");
    let mut watcher = process.client();
    let mut answer = ask(&mut watcher, &format!("{target}0"));
    let steps: &[(&str, usize, &[usize], bool)] = &[
        ("fail", 1, &[2, 3], false),
        ("fail", 2, &[1, 2, 3], true),
        ("fail", 3, &[1, 2, 3], true),
        ("pass", 3, &[1, 2, 3], true),
        ("pass", 1, &[1, 3], false),
    ];
    for (word, number, numbers, is_panic) in steps {
        let index = answer.index().expect("an index");
        watcher.send(&Request::new("GET", &format!("{target}{index}"))).expect("a connection");
        report(&mut client, word, &[*number]);
        assert!(
            watcher.answered_within(EVENT_WAIT_MAX).expect("an open connection"),
            "{word} {number} wakes"
        );
        answer = watcher.receive().expect("an answer");
        let (seen, panic) = seen(&answer);
        assert_eq!((seen, panic.is_some()), (numbers.to_vec(), *is_panic), "{word} {number}: {panic:?}");
    }
}

#[test]
fn who_is_out_on_purpose_is_not_kept() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, 4);
    // New, and never seen to pass.
    let check = json!({"CheckID": "beat-5", "Name": "beat", "TTL": "1h"});
    put(&mut client, "/v1/agent/service/register", &json!({"Name": "web", "ID": "web-5", "Check": check}));
    put(&mut client, "/v1/agent/service/maintenance/web-1?enable=true", &Value::Null);
    put(&mut client, "/v1/muster/drain/web-2?deadline=1s", &Value::Null);
    let target = format!("{PASSING}&panic_threshold=50");
    let request = Request::new("GET", &target);
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let answer = ask_until(&mut client, &request, deadline, |answer| seen(answer).0 == [3, 4]);
    assert_eq!(seen(&answer.expect("an answer")), (vec![3, 4], None), "three are out, none of them failed");
    report(&mut client, "fail", &[3, 4]);
    let said = Some("kept=2; failing=2 of 2; threshold=50%; window=30s");
    assert_eq!(seen(&ask(&mut client, &target)), (vec![3, 4], said));
}

#[test]
fn services_have_thresholds_by_default_also_after_a_reload_and_a_kill() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("muster.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("a file can be written");
    write("[service_defaults.Web]\npanic_threshold = 50\npanic_window = '1m'\n");
    let path = file.to_str().expect("a path in UTF-8").to_owned();
    let mut process = Process::muster(&["--config-file", &path]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, 2);
    report(&mut client, "fail", &[1, 2]);
    let said = Some("kept=2; failing=2 of 2; threshold=50%; window=1m0s");
    assert_eq!(seen(&ask(&mut client, PASSING)), (vec![1, 2], said));
    assert_eq!(metric(&mut client, "muster_services_in_panic"), 1.0);
    let rows = [
        ("&panic_threshold=0", None),
        ("&panic_threshold=9", Some("kept=2; failing=2 of 2; threshold=9%; window=1m0s")),
        ("&panic_window=20s", Some("kept=2; failing=2 of 2; threshold=50%; window=20s")),
    ];
    for (query, said) in rows {
        assert_eq!(seen(&ask(&mut client, &format!("{PASSING}{query}"))).1, said, "{query}");
    }

    process.kill();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    assert_eq!(seen(&ask(&mut client, PASSING)), (vec![1, 2], said), "as before the kill");

    write("[service_defaults.web]\npanic_treshold = 70\n");
    process.signal("HUP");
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    while !process.log().contains("did you mean `panic_threshold`?") {
        assert!(Instant::now() < deadline, "the mistake is told:\n{}", process.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(seen(&ask(&mut client, PASSING)).1, said, "and nothing has changed");
    write("[service_defaults.web]\n");
    process.signal("HUP");
    let request = Request::new("GET", PASSING);
    let answer = ask_until(&mut client, &request, deadline, |answer| seen(answer).1.is_none());
    assert_eq!(seen(&answer.expect("an answer")), (vec![], None), "no threshold any more");
    assert_eq!(metric(&mut client, "muster_services_in_panic"), 0.0);
}

#[test]
fn nonsense_is_refused_with_a_sentence() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let rows = [
        ("panic_threshold=100", "1 to 99"),
        ("panic_threshold=half", "1 to 99"),
        ("panic_threshold=50&panic_window=0s", "1s to 1h"),
        ("panic_threshold=50&panic_window=2h", "1s to 1h"),
        ("panic_window=30s", "without a threshold"),
    ];
    for (query, said) in rows {
        let answer = ask(&mut client, &format!("{PASSING}&{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert!(answer.text().contains(said), "{query}: {}", answer.text());
    }
}
