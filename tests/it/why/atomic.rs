//! Service and checks are one change: no reader ever sees the one without the others.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::put;
use crate::support::client::Client;
use crate::support::process::Process;

/// Times that each writer registers and deregisters its instance.
const ROUNDS: usize = 150;

/// Instances that come and go, each by a writer of its own.
const WRITERS: usize = 3;

/// Checks of each.
const CHECKS: usize = 3;

/// Entries of one answer that lack something, in words.
type Look = fn(&Value) -> Vec<String>;

#[test]
fn no_reader_sees_a_service_without_its_checks() {
    let process = Process::muster(&[]).expect("muster starts");
    let address = process.address;
    let is_over = AtomicBool::new(false);
    let views: [(&str, Look); 4] = [
        ("/v1/health/service/web", incomplete_entries),
        ("/v1/health/service/web?passing", entries),
        ("/v1/health/checks/web", incomplete_checks),
        ("/v1/agent/health/service/name/web", incomplete_entries_of_agent),
    ];
    let seen = thread::scope(|scope| {
        let readers: Vec<_> = views
            .iter()
            .map(|(target, look)| scope.spawn(|| read(address, target, *look, &is_over)))
            .chain([scope.spawn(|| follow(address, &is_over))])
            .collect();
        let writers: Vec<_> =
            (0..WRITERS).map(|number| scope.spawn(move || come_and_go(address, number))).collect();
        writers.into_iter().for_each(|writer| writer.join().expect("a writer"));
        is_over.store(true, Ordering::SeqCst);
        // Wakes the reader that follows.
        put(&mut Client::new(address), "/v1/agent/service/register", &instance(WRITERS));
        readers.into_iter().map(|reader| reader.join().expect("a reader")).collect::<Vec<usize>>()
    });
    assert!(seen.iter().all(|answers| *answers > 10), "every reader has read: {seen:?}");
}

/// A registration with critical checks.
fn instance(number: usize) -> Value {
    let checks = (0..CHECKS).map(|check| json!({"CheckID": format!("web-{number}-{check}"), "TTL": "1h"}));
    json!({"ID": format!("web-{number}"), "Name": "web", "Checks": checks.collect::<Vec<Value>>()})
}

/// Registers an instance and takes it away, again and again.
fn come_and_go(address: SocketAddr, number: usize) {
    let mut client = Client::new(address);
    let body = instance(number);
    for _ in 0..ROUNDS {
        put(&mut client, "/v1/agent/service/register", &body);
        put(&mut client, &format!("/v1/agent/service/deregister/web-{number}"), &Value::Null);
    }
}

fn read(address: SocketAddr, target: &str, look: Look, is_over: &AtomicBool) -> usize {
    let mut client = Client::new(address);
    let mut answers = 0;
    while !is_over.load(Ordering::SeqCst) {
        let answer = client.get(target).expect("an answer").json();
        assert_eq!(look(&answer), Vec::<String>::new(), "{target}: {answer}");
        answers += 1;
    }
    answers
}

/// Reads by blocking queries.
fn follow(address: SocketAddr, is_over: &AtomicBool) -> usize {
    let mut client = Client::new(address);
    let (mut answers, mut index) = (0, 1);
    while !is_over.load(Ordering::SeqCst) {
        let target = format!("/v1/health/service/web?index={index}&wait=10s");
        let answer = client.get(&target).expect("an answer");
        let found = incomplete_entries(&answer.json());
        assert!(found.is_empty(), "{found:?}");
        index = answer.index().expect("an index");
        answers += 1;
    }
    answers
}

fn list(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.as_array().into_iter().flatten()
}

/// None of the instances ever passes, so none may ever be among those that do.
fn entries(answer: &Value) -> Vec<String> {
    list(answer).map(Value::to_string).collect()
}

fn incomplete_entries(answer: &Value) -> Vec<String> {
    let own = |entry: &Value| list(&entry["Checks"]).filter(|check| check["ServiceID"] != "").count();
    list(answer).filter(|entry| own(entry) != CHECKS).map(Value::to_string).collect()
}

fn incomplete_entries_of_agent(answer: &Value) -> Vec<String> {
    list(answer).filter(|entry| list(&entry["Checks"]).count() != CHECKS).map(Value::to_string).collect()
}

/// Checks that do not stand in groups of all checks of an instance.
fn incomplete_checks(answer: &Value) -> Vec<String> {
    let count = list(answer).count();
    if count.is_multiple_of(CHECKS) { Vec::new() } else { vec![format!("{count} checks")] }
}
