//! Checks whose time goes on, or stands still, while muster is away: nothing turns critical and nobody is deregistered
//! through its absence, and what was over before does not begin anew.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;

/// Longest wait for something that a check brings about.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

fn put(client: &mut Client, target: &str, body: &Value) {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
}

/// Registers a service with a TTL check `NAME-beat`, to be deregistered when it was critical for `patience`.
fn register(client: &mut Client, name: &str, ttl: &str, patience: &str) {
    let check = json!({"CheckID": format!("{name}-beat"), "Name": "beat", "TTL": ttl,
        "DeregisterCriticalServiceAfter": patience});
    put(client, "/v1/agent/service/register", &json!({"Name": name, "Check": check}));
}

fn beat(client: &mut Client, word: &str, name: &str) {
    put(client, &format!("/v1/agent/check/{word}/{name}-beat"), &Value::Null);
}

/// The names in `health/state/critical`, or those of the agent's services.
fn names(answer: &Value) -> Vec<String> {
    let of_checks = answer.as_array().into_iter().flatten().map(|check| check["ServiceName"].clone());
    let of_services = answer.as_object().into_iter().flatten().map(|(_, service)| service["Service"].clone());
    of_checks.chain(of_services).filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Lets time go by. This is no wait for an event: how long muster is away is what the test is about.
fn stay_away(for_long: Duration) {
    thread::sleep(for_long);
}

#[test]
fn an_absence_longer_than_the_ttl_turns_nothing_critical() {
    const TTL: Duration = Duration::from_secs(2);
    /// Lived before the kill, and counted: little, for it comes right after the beat.
    const LIVED_MAX: Duration = Duration::from_secs(1);
    let mut process = Process::muster(&[]).expect("muster starts");
    register(&mut process.client(), "web", "2s", "0s");
    beat(&mut process.client(), "pass", "web");
    process.kill();
    stay_away(TTL + TTL / 2);

    let back_at = Instant::now();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    let mut answer = client.get("/v1/health/state/critical").expect("an answer");
    while names(&answer.json()).is_empty() {
        assert!(back_at.elapsed() < EVENT_WAIT_MAX, "silence of a whole TTL after the restart is noticed");
        let index = answer.index().expect("an index");
        let target = format!("/v1/health/state/critical?index={index}&wait=10s");
        answer = client.get(&target).expect("an answer");
    }
    let silent_for = back_at.elapsed();
    assert!(
        silent_for + LIVED_MAX >= TTL,
        "critical {silent_for:?} after the restart; a whole TTL is {TTL:?}"
    );
    let check = answer.json()[0].clone();
    assert!(check["Output"].as_str().is_some_and(|it| it.starts_with("TTL expired")), "{check}");
}

/// When the TTL check of an instance is over unless it reports, as muster reckons.
fn over_at(client: &mut Client, name: &str) -> jiff::Timestamp {
    let explained = client.get(&format!("/v1/muster/explain/{name}")).expect("an answer").json();
    let check =
        &explained["Checks"].as_array().and_then(|checks| checks.iter().find(|it| it["Type"] == "ttl"));
    let over = check.and_then(|check| check["TTLOver"].as_str()).unwrap_or_else(|| panic!("{explained}"));
    over.parse().expect("a time")
}

/// A silent instance has after a kill at most what was left of its TTL, but for what was not on disk yet, and the time
/// muster was away does not count.
#[test]
fn a_kill_gives_no_ttl_anew() {
    const TTL: Duration = Duration::from_secs(8);
    const LIVED: Duration = Duration::from_secs(6);
    /// How coarsely it is kept: a quarter of the shortest TTL, and as much for a disk that is slow.
    const COARSE: Duration = Duration::from_secs(4);
    let mut process = Process::muster(&[]).expect("muster starts");
    register(&mut process.client(), "web", "8s", "0s");
    beat(&mut process.client(), "pass", "web");
    let over = over_at(&mut process.client(), "web");
    let left = || over.duration_since(jiff::Timestamp::now()).unsigned_abs();
    while left() > TTL - LIVED {
        thread::sleep(Duration::from_millis(20));
    }
    let killed_at = jiff::Timestamp::now();
    process.kill();
    stay_away(Duration::from_secs(1));
    process.start_again().expect("muster starts again");
    let over_now = over_at(&mut process.client(), "web");
    let away = jiff::Timestamp::now().duration_since(killed_at).unsigned_abs();
    let more = over_now.duration_since(over);
    assert!(more.is_positive() && more.unsigned_abs() <= away + COARSE, "{more:#} more, {away:?} away");
}

/// One report, and then kills more often than the TTL ends: what counts is the time muster lived, whatever the kills.
#[test]
fn kills_keep_no_silent_instance_alive() {
    const TTL: Duration = Duration::from_secs(3);
    const LIFE: Duration = Duration::from_millis(1_000);
    let mut process = Process::muster(&[]).expect("muster starts");
    register(&mut process.client(), "dead", "3s", "0s");
    register(&mut process.client(), "alive", "3s", "0s");
    beat(&mut process.client(), "pass", "dead");
    let mut lived = Duration::ZERO;
    loop {
        let (begun, mut client) = (Instant::now(), process.client());
        beat(&mut client, "pass", "alive");
        let critical = Request::new("GET", "/v1/health/state/critical");
        let is_found = |answer: &crate::support::client::Answer| !names(&answer.json()).is_empty();
        let answer = ask_until(&mut client, &critical, begun + LIFE, is_found).expect("an answer");
        let found = names(&answer.json());
        lived += begun.elapsed();
        if !found.is_empty() {
            assert_eq!(found, ["dead"], "who reports in each life stays");
            break;
        }
        assert!(lived < 2 * TTL, "silent for {lived:?} of muster's lives, with a TTL of {TTL:?}");
        process.kill();
        process.start_again().expect("muster starts again");
    }
    assert!(lived + LIFE / 2 >= TTL, "critical after {lived:?}, with a TTL of {TTL:?}");
}

#[test]
fn a_beat_after_the_restart_counts_like_any_other() {
    let mut process = Process::muster(&[]).expect("muster starts");
    register(&mut process.client(), "web", "30m", "0s");
    beat(&mut process.client(), "warn", "web");
    process.kill();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    let status = |client: &mut Client| {
        let checks = client.get("/v1/agent/checks").expect("an answer").json();
        checks["web-beat"]["Status"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(status(&mut client), "warning", "the status is that from before");
    beat(&mut client, "pass", "web");
    assert_eq!(status(&mut client), "passing");
}

/// Three services with the same patience: `early` turns critical before the restart, `late` after it, `alive` before it
/// but beats again. The first is reaped before the second though both have been under watch equally long since the start,
/// the third stays, and none goes before its time.
#[test]
fn the_time_in_critical_goes_on_over_a_restart() {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "early", "1s", "5s");
    register(&mut client, "late", "1h", "5s");
    register(&mut client, "alive", "1h", "5s");
    beat(&mut client, "pass", "late");
    let critical_at = Instant::now();
    beat(&mut client, "fail", "early");
    beat(&mut client, "fail", "alive");
    process.kill();
    stay_away(PATIENCE - Duration::from_secs(1));

    process.start_again().expect("muster starts again");
    let mut client = process.client();
    let late_critical_at = Instant::now();
    beat(&mut client, "fail", "late");
    beat(&mut client, "pass", "alive");
    wait_until_gone(&mut client, "early", &["alive", "late"]);
    assert!(critical_at.elapsed() >= PATIENCE, "not before its time: {:?}", critical_at.elapsed());
    wait_until_gone(&mut client, "late", &["alive"]);
    assert!(late_critical_at.elapsed() >= PATIENCE, "not before its time: {:?}", late_critical_at.elapsed());

    process.kill();
    process.start_again().expect("muster starts again");
    assert_eq!(services(&mut process.client()), ["alive"], "who was reaped stays so");
}

/// Waits until the service is no longer registered; exactly `left` are then.
fn wait_until_gone(client: &mut Client, name: &str, left: &[&str]) {
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let request = Request::new("GET", "/v1/agent/services");
    let answer = ask_until(client, &request, deadline, |answer| names(&answer.json()) != with(left, name));
    assert_eq!(names(&answer.expect("an answer").json()), left, "{name} is reaped, and it alone");
}

fn with(left: &[&str], name: &str) -> Vec<String> {
    let mut all: Vec<String> = left.iter().chain([&name]).map(|it| (*it).to_owned()).collect();
    all.sort();
    all
}

fn services(client: &mut Client) -> Vec<String> {
    names(&client.get("/v1/agent/services").expect("an answer").json())
}
