//! muster killed again and again, beside clients that report without pause and a receiver that fails in every way:
//! every change that was acknowledged is told, in its order, and no other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::receiver::{Reply, TOLD_WAIT_MAX, Told};
use super::scene::{Scene, outputs, register, report};
use crate::restart::chance::{self, Chance};
use crate::support::client::{Client, Request};

/// Kills in one run.
const LIVES: usize = 8;

/// Clients that report at a time, each on instances of its own.
const CLIENTS: usize = 4;

/// Instances of each client.
const INSTANCES: usize = 5;

/// Reports acknowledged in one life before the kill; far fewer of one check than its history holds.
const REPORTS: usize = 150;

/// What one client did: for each of its instances the reports that were carried out.
struct Ledger {
    done: BTreeMap<String, Vec<Report>>,
    /// Sent, and not answered.
    doubt: Option<(String, Report)>,
    number: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Report {
    status: &'static str,
    output: String,
}

impl Ledger {
    fn new(client: usize) -> Ledger {
        let ids = (0..INSTANCES).map(|instance| format!("web-{client}-{instance}"));
        Ledger { done: ids.map(|id| (id, Vec::new())).collect(), doubt: None, number: 0 }
    }

    /// Reports until the server dies. Each report is a change.
    fn work(&mut self, address: SocketAddr, mut chance: Chance, acknowledged: &AtomicUsize) {
        let mut client = Client::new(address);
        loop {
            let id =
                self.done.keys().nth(chance.below(INSTANCES as u64) as usize).expect("an instance").clone();
            let before = self.done[&id].last().map_or("passing", |report| report.status);
            let others = ["passing", "warning", "critical"].into_iter().filter(|status| *status != before);
            let status = others.into_iter().nth(chance.below(2) as usize).expect("another status");
            self.number += 1;
            let report = Report { status, output: format!("finding {}", self.number) };
            let body = json!({"Status": status, "Output": report.output}).to_string();
            let target = format!("/v1/agent/check/update/service:{id}");
            // Sent once: repeated on a new connection it would be no change.
            let answer =
                client.send(&Request::new("PUT", &target).body(body)).and_then(|()| client.receive());
            match answer {
                Ok(answer) => assert_eq!(answer.status, 200, "{}", answer.text()),
                Err(_) => {
                    self.doubt = Some((id, report));
                    return;
                }
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
            self.done.entry(id).or_default().push(report);
        }
    }

    /// Finds out what became of the last report.
    fn settle(&mut self, checks: &Value) {
        if let Some((id, report)) = self.doubt.take() {
            let check = &checks[format!("service:{id}")];
            if check["Output"] == report.output.as_str() {
                self.done.entry(id).or_default().push(report);
            }
        }
    }
}

/// One way for a receiver to be.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Always(Reply),
    /// Another reply to each request, half of them good.
    Moody,
    Away,
}

const MOODS: [Mood; LIVES] = [
    Mood::Always(Reply::Status(200)),
    Mood::Always(Reply::Status(500)),
    Mood::Moody,
    Mood::Away,
    Mood::Always(Reply::Hang),
    Mood::Always(Reply::Slow(Duration::from_millis(30))),
    Mood::Always(Reply::HangUp),
    Mood::Moody,
];

fn put_into(scene: &mut Scene, mood: Mood, mut chance: Chance) {
    match mood {
        Mood::Away => scene.receiver.go(),
        Mood::Always(reply) => {
            scene.receiver.come();
            scene.receiver.always(reply);
        }
        Mood::Moody => {
            scene.receiver.come();
            // Behind a lock, for a judge is called by many at once.
            let chance = parking_lot::Mutex::new(std::mem::replace(&mut chance, Chance::new(0)));
            scene.receiver.judge(move |_| match chance.lock().below(8) {
                0 => Reply::Status(500),
                1 => Reply::Status(404),
                2 => Reply::HangUp,
                3 => Reply::Hang,
                _ => Reply::Status(200),
            });
        }
    }
}

#[test]
fn nothing_is_lost_or_told_out_of_order() {
    let mut chance = Chance::new(chance::seed());
    let mut scene = Scene::start("timeout = \"1s\"");
    let mut ledgers: Vec<Ledger> = (0..CLIENTS).map(Ledger::new).collect();
    for id in ledgers.iter().flat_map(|ledger| ledger.done.keys()) {
        register(&mut scene.client(), id);
    }
    for mood in MOODS {
        put_into(&mut scene, mood, chance.fork());
        let (address, acknowledged) = (scene.process.address, AtomicUsize::new(0));
        thread::scope(|scope| {
            for ledger in &mut ledgers {
                let (chance, acknowledged) = (chance.fork(), &acknowledged);
                scope.spawn(move || ledger.work(address, chance, acknowledged));
            }
            let deadline = Instant::now() + TOLD_WAIT_MAX;
            while acknowledged.load(Ordering::Relaxed) < REPORTS && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            scene.process.kill();
        });
        assert!(acknowledged.load(Ordering::Relaxed) >= REPORTS, "{mood:?}: clients were not answered");
        scene.process.start_again().expect("muster starts again");
        let checks = scene.client().get("/v1/agent/checks").expect("an answer").json();
        ledgers.iter_mut().for_each(|ledger| ledger.settle(&checks));
    }
    scene.receiver.come();
    scene.receiver.always(Reply::Status(200));
    // Anew, without the back-off of what failed just now.
    scene.kill();

    let expected: BTreeMap<&String, Vec<String>> = ledgers
        .iter()
        .flat_map(|ledger| &ledger.done)
        .map(|(id, done)| (id, done.iter().map(|report| report.output.clone()).collect()))
        .collect();
    let state = scene.wait_until_idle();
    assert_eq!(state["DeadLetters"], 0, "{state}");
    let told = scene.receiver.told();
    for (id, expected) in &expected {
        assert_eq!(outputs(&told, id), *expected, "{id}");
    }
    assert_ids_tell_repetitions(&told, expected.values().map(Vec::len).sum());

    // A restart in quiet tells nothing again: the next change is the only thing that comes.
    scene.process.stop().expect("it ends");
    scene.process.start_again().expect("muster starts again");
    scene.kill();
    scene.reload();
    let (mut client, id) = (scene.client(), "web-0-0");
    let last = ledgers[0].done[id].last().map_or("passing", |report| report.status);
    report(&mut client, id, if last == "critical" { "passing" } else { "critical" }, "the last");
    scene.receiver.wait_for(told.len() + 1);
    scene.wait_until_idle();
    let after = scene.receiver.told();
    assert_eq!(after.len(), told.len() + 1, "told again: {:?}", &after[told.len()..]);
}

/// Each event has an id of its own, and what is told under one id is the same each time.
fn assert_ids_tell_repetitions(told: &[Told], events: usize) {
    let mut bodies = BTreeMap::new();
    for it in told {
        let id = it.header("Idempotency-Key").expect("an id").to_owned();
        let body = bodies.entry(id).or_insert_with(|| it.body.clone());
        assert_eq!(*body, it.body, "the same event");
    }
    assert_eq!(bodies.len(), events, "an id for each change");
    println!("{events} changes were told in {} requests", told.len());
}
