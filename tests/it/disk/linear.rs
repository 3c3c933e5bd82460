//! Few keys, many clients, and a server that is killed under them: every answer that any of them got is explained by doing
//! each operation at one instant (`checker`). A key is an instance; its value is the revision in its metadata.
//!
//! `MUSTER_OPERATIONS` sets how many operations are checked, `MUSTER_SEED` repeats the choices of a run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::checker::{Event, Operation, check};
use crate::restart::chance::{Chance, seed};
use crate::support::client::{Answer, Client, Request};
use crate::support::process::Process;

/// Operations checked when `MUSTER_OPERATIONS` does not say.
const OPERATIONS: u64 = 20_000;

/// Clients side by side, each on its own connection.
const CLIENTS: usize = 8;

/// Keys: the first half services of the agent, the others instances of a node of their own.
const KEYS: usize = 6;

/// A life lasts so many milliseconds and as many more by chance.
const LIFE_MS: (u64, u64) = (200, 1_500);

/// One operation of one client.
struct Done {
    key: usize,
    client: usize,
    operation: Operation,
    called: Instant,
    /// `None` when the server died before it answered.
    answered: Option<Instant>,
}

#[test]
fn every_answer_fits_one_order_of_events() {
    let operations = match std::env::var("MUSTER_OPERATIONS") {
        Ok(text) => text.parse().expect("MUSTER_OPERATIONS is a whole number"),
        Err(_) => OPERATIONS,
    };
    let mut chance = Chance::new(seed());
    let mut process = Process::muster(&[]).expect("muster starts");
    let revisions = AtomicU64::new(0);
    let mut histories: Vec<Vec<(Instant, Event)>> = (0..KEYS).map(|_| Vec::new()).collect();
    let (mut answered, mut kills) = (0, 0);
    while answered < operations {
        let life = Duration::from_millis(LIFE_MS.0 + chance.below(LIFE_MS.1));
        let done = live_once(&mut process, life, &revisions, &mut chance);
        let died = Instant::now();
        kills += 1;
        for Done { key, client, operation, called, answered: at } in done {
            answered += u64::from(at.is_some());
            let end = at.map_or((died, Event::Lost(client)), |at| (at, Event::Answer(client)));
            histories[key].extend([(called, Event::Call(client, operation)), end]);
        }
        process.start_again().expect("muster starts again");
    }
    let mut violations = Vec::new();
    for (key, history) in histories.iter_mut().enumerate() {
        history.sort_by_key(|(at, _)| *at);
        let events: Vec<Event> = history.iter().map(|(_, event)| *event).collect();
        violations.extend(check(&events).err().map(|sentence| format!("key {key}: {sentence}")));
    }
    println!("{kills} kills, {answered} operations on {KEYS} keys, {} violations", violations.len());
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Every client works until the server is killed.
fn live_once(process: &mut Process, life: Duration, revisions: &AtomicU64, chance: &mut Chance) -> Vec<Done> {
    let address = process.address;
    thread::scope(|scope| {
        let work = |client| {
            let chance = chance.fork();
            scope.spawn(move || work(client, Client::new(address), revisions, chance))
        };
        let clients: Vec<_> = (0..CLIENTS).map(work).collect();
        // The moment of the kill is drawn: this is no wait for anything.
        thread::sleep(life);
        process.kill();
        clients.into_iter().flat_map(|client| client.join().expect("no client panics")).collect()
    })
}

fn work(client: usize, mut connection: Client, revisions: &AtomicU64, mut chance: Chance) -> Vec<Done> {
    let mut all = Vec::new();
    loop {
        let key = chance.below(KEYS as u64) as usize;
        let (request, written) = match chance.below(20) {
            0..9 => (question(key, &mut chance), None),
            9..12 => (deregistration(key), Some(0)),
            _ => {
                let revision = revisions.fetch_add(1, Ordering::Relaxed) + 1;
                (registration(key, revision), Some(revision))
            }
        };
        let called = Instant::now();
        // Sent once: a request repeated on a new connection could be carried out twice.
        let answer = connection.send(&request).and_then(|()| connection.receive());
        let answered = answer.is_ok().then(Instant::now);
        let operation = match (&answer, written) {
            (Ok(answer), None) => Some(Operation::Read(revision_in(answer))),
            // The agent has no such service: it has looked, and changed nothing.
            (Ok(answer), Some(0)) if answer.status == 404 => Some(Operation::Read(0)),
            (Ok(answer), Some(written)) if answer.status == 200 => Some(Operation::Write(written)),
            (Ok(answer), Some(_)) => panic!("{}: {} {}", request.target, answer.status, answer.text()),
            (Err(_), None) => None,
            (Err(_), Some(written)) => Some(Operation::Write(written)),
        };
        all.extend(operation.map(|operation| Done { key, client, operation, called, answered }));
        if answer.is_err() {
            return all;
        }
    }
}

fn is_of_agent(key: usize) -> bool {
    key < KEYS / 2
}

fn question(key: usize, chance: &mut Chance) -> Request {
    let by = ["health", "catalog"][chance.below(2) as usize];
    Request::new("GET", &format!("/v1/{by}/service/key-{key}"))
}

fn registration(key: usize, revision: u64) -> Request {
    let (name, meta) = (format!("key-{key}"), json!({"revision": revision.to_string()}));
    if is_of_agent(key) {
        let body = json!({"Name": name, "Port": 80, "Meta": meta});
        return Request::new("PUT", "/v1/agent/service/register").body(body.to_string());
    }
    let service = json!({"ID": name, "Service": name, "Port": 80, "Meta": meta});
    let body = json!({"Node": "other", "Address": "127.0.0.9", "Service": service});
    Request::new("PUT", "/v1/catalog/register").body(body.to_string())
}

fn deregistration(key: usize) -> Request {
    if is_of_agent(key) {
        return Request::new("PUT", &format!("/v1/agent/service/deregister/key-{key}"));
    }
    let body = json!({"Node": "other", "ServiceID": format!("key-{key}")});
    Request::new("PUT", "/v1/catalog/deregister").body(body.to_string())
}

/// The revision that an answer shows; 0 when it shows no instance.
fn revision_in(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let revision = |entry: &Value| {
        let meta = entry.get("Service").map_or(&entry["ServiceMeta"], |service| &service["Meta"]);
        meta["revision"].as_str().and_then(|text| text.parse().ok())
    };
    let rows = body.as_array().expect("a list");
    assert!(rows.len() <= 1, "one instance at most: {body}");
    rows.first().map_or(0, |entry| revision(entry).expect("a revision"))
}
