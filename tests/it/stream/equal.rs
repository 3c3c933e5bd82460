//! Blocking query, delta and stream show the same: held against each other over random lives of a service, at rest and
//! while it changes, over kills and orderly restarts, for questions of every kind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::life::step;
use super::replica::{Instances, apply_delta, apply_event, instances};
use super::subscriber::Subscriber;
use crate::restart::chance::{Chance, seed};
use crate::support::client::Client;
use crate::support::process::Process;

/// Steps of a life, and how many go by between two comparisons at rest at most.
const STEPS: u64 = 240;
const BURST_MAX: u64 = 4;

/// Steps of each of the writers that write side by side.
const STEPS_BESIDE: u64 = 150;
const WRITERS: u64 = 3;

/// Questions about the health of the service; readers of each are held equal.
const QUESTIONS: [&str; 8] = [
    "",
    "passing",
    "passing&panic_threshold=50&panic_window=1h",
    "passing&panic_threshold=20&panic_window=1h&tag=t1",
    "tag=t0&tag=T1",
    "passing&filter=Service.Port+%21%3D+8001",
    "node-meta=zone:z1",
    "filter=Service.Port+%3D%3D+9001+or+%22t2%22+in+Service.Tags",
];

/// Questions to the catalog.
const CATALOG_QUESTIONS: [&str; 3] = ["", "tag=t1", "node-meta=zone:z0&filter=ServicePort+%21%3D+9001"];

/// One reader by `?delta`.
struct DeltaReader {
    target: String,
    index: u64,
    replica: Instances,
    /// Answers that held everything, and that held a difference.
    full: usize,
    partial: usize,
}

impl DeltaReader {
    fn new(path: &str, question: &str) -> DeltaReader {
        let target = format!("/v1/{path}/service/web?{question}");
        DeltaReader { target, index: 0, replica: Instances::new(), full: 0, partial: 0 }
    }

    fn all() -> Vec<DeltaReader> {
        let health = QUESTIONS.iter().map(|question| DeltaReader::new("health", question));
        health.chain(CATALOG_QUESTIONS.iter().map(|question| DeltaReader::new("catalog", question))).collect()
    }

    /// Asks what has changed, waiting for it for `wait`, and takes it over.
    fn ask(&mut self, client: &mut Client, wait: &str) {
        let target = format!("{}&delta=1&index={}&wait={wait}", self.target, self.index);
        let answer = client.get(&target).expect("an answer");
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        let delta = answer.json();
        *if delta["Full"] == true { &mut self.full } else { &mut self.partial } += 1;
        self.index = apply_delta(&mut self.replica, &delta);
        assert_eq!(answer.index(), Some(self.index), "the header says the same");
    }

    /// Compares with the plain answer while nothing changes.
    fn compare(&mut self, client: &mut Client) {
        let plain = client.get(&self.target).expect("an answer");
        if plain.index() != Some(self.index) {
            self.ask(client, "1ms");
        }
        assert_eq!(plain.index(), Some(self.index), "{}", self.target);
        assert_eq!(self.replica, instances(&plain.json()), "{} at {}", self.target, self.index);
    }
}

/// One reader of a stream, which follows the service `marker` too: what was told of it ends a wait.
struct StreamReader {
    question: &'static str,
    subscriber: Subscriber,
    replicas: BTreeMap<String, Instances>,
    snapshots: usize,
    changes: usize,
}

impl StreamReader {
    fn new(address: SocketAddr, question: &'static str) -> StreamReader {
        let subscriber = Subscriber::open(address, &query(question), None).expect("a stream");
        StreamReader { question, subscriber, replicas: BTreeMap::new(), snapshots: 0, changes: 0 }
    }

    fn resume(&mut self, address: SocketAddr) {
        let id = self.subscriber.last_id;
        self.subscriber = Subscriber::open(address, &query(self.question), id).expect("a stream");
    }

    /// Takes over events until the marker says `mark`.
    fn read_until(&mut self, mark: u64) {
        while self.mark() != Some(mark) {
            let event = self.subscriber.next().expect("the stream goes on").expect("it has not ended");
            *if event.kind == "snapshot" { &mut self.snapshots } else { &mut self.changes } += 1;
            apply_event(&mut self.replicas, &event);
        }
    }

    fn mark(&self) -> Option<u64> {
        self.replicas.get("marker")?.values().next()?["Service"]["Port"].as_u64()
    }

    fn compare(&self, client: &mut Client) {
        let plain = client.get(&format!("/v1/health/service/web?{}", self.question)).expect("an answer");
        let replica = self.replicas.get("web").cloned().unwrap_or_default();
        assert_eq!(replica, instances(&plain.json()), "stream of {:?} at {:?}", self.question, plain.index());
    }
}

/// The marker shall be seen whatever is asked.
fn query(question: &str) -> String {
    format!("service=web&service=marker&{question}")
}

/// Moves the marker, which has every property that a question asks for.
fn set_mark(client: &mut Client, mark: u64) {
    let service = json!({"Service": "marker", "ID": "marker", "Port": mark, "Tags": ["t0", "t1", "t2"]});
    let body =
        json!({"Node": "marking", "Address": "10.0.0.7", "NodeMeta": {"zone": "z1"}, "Service": service});
    let answer = client.put("/v1/catalog/register", &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn blocking_query_delta_and_stream_show_the_same_at_rest_and_over_restarts() {
    let mut chance = Chance::new(seed());
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let mut deltas = DeltaReader::all();
    let mut streams: Vec<_> = QUESTIONS.iter().map(|it| StreamReader::new(process.address, it)).collect();
    let (mut mark, mut gone, restart_at) = (1, 0, [STEPS / 3, 2 * STEPS / 3]);
    while gone < STEPS {
        for _ in 0..1 + chance.below(BURST_MAX) {
            step(&mut client, &mut chance);
            gone += 1;
            if restart_at.contains(&gone) {
                if gone == restart_at[0] {
                    process.kill();
                } else {
                    process.stop().expect("it ends in order");
                }
                process.start_again().expect("it starts again");
                streams.iter_mut().for_each(|reader| reader.resume(process.address));
            }
        }
        mark += 1;
        set_mark(&mut client, mark);
        let cut = chance.below(streams.len() as u64 * 2) as usize;
        if let Some(reader) = streams.get_mut(cut) {
            reader.resume(process.address);
        }
        for reader in &mut streams {
            reader.read_until(mark);
            reader.compare(&mut client);
        }
        deltas.iter_mut().for_each(|reader| reader.compare(&mut client));
    }
    for reader in &deltas {
        assert!(
            reader.full <= 3 && reader.partial > 10,
            "{}: {} {}",
            reader.target,
            reader.full,
            reader.partial
        );
    }
    for StreamReader { question, snapshots, changes, .. } in &streams {
        assert!(*snapshots <= 6 && *changes > 10, "{question}: {snapshots} {changes}");
    }
}

#[test]
fn they_show_the_same_when_many_write_at_once() {
    let mut chance = Chance::new(seed());
    let process = Process::muster(&[]).expect("muster starts");
    let address = process.address;
    let is_over = AtomicBool::new(false);
    const LAST: u64 = 7;
    std::thread::scope(|scope| {
        let deltas: Vec<_> = DeltaReader::all()
            .into_iter()
            .map(|mut reader| {
                let is_over = &is_over;
                scope.spawn(move || {
                    let mut client = Client::new(address);
                    while !is_over.load(Ordering::Acquire) {
                        reader.ask(&mut client, "100ms");
                    }
                    reader
                })
            })
            .collect();
        let streams: Vec<_> = QUESTIONS
            .iter()
            .map(|question| {
                scope.spawn(move || {
                    let mut reader = StreamReader::new(address, question);
                    reader.read_until(LAST);
                    reader
                })
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let mut chance = chance.fork();
                scope.spawn(move || {
                    let mut client = Client::new(address);
                    (0..STEPS_BESIDE).for_each(|_| step(&mut client, &mut chance));
                })
            })
            .collect();
        let written = writers.into_iter().all(|writer| writer.join().is_ok());
        let mut client = Client::new(address);
        set_mark(&mut client, LAST);
        is_over.store(true, Ordering::Release);
        assert!(written, "every writer ends");
        for reader in streams {
            reader.join().expect("a stream was followed").compare(&mut client);
        }
        for reader in deltas {
            let mut reader = reader.join().expect("deltas were followed");
            reader.compare(&mut client);
            assert_eq!(reader.full, 1, "{}: everything once", reader.target);
        }
    });
}
