//! A muster on a Redis, clients that write and read all the while, and what must hold in the end: in muster's answers
//! and in Redis's hashes is everything that was acknowledged, and nothing else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::proxy::Proxy;
use super::server::Redis;
use crate::restart::chance::Chance;
use crate::restart::ledger::{Instance, Ledger};
use crate::restart::life::{Indexes, note_index};
use crate::restart::views::{self, Rows, View, compare};
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::{NODE_NAME, Process};

/// Clients that write, by turns through the agent's and the catalog's API.
const WRITERS: usize = 4;

/// Longest wait for Redis to have everything again.
const WELL_WAIT_MAX: Duration = Duration::from_secs(60);

/// When a read counts as hung: three orders of magnitude above an honest one.
const HUNG_AFTER: Duration = Duration::from_secs(10);

/// Gives what its first key holds, and how many fields the hashes have that the others name.
const COUNT_ROWS: &str = "local rows = 0
for at = 2, #KEYS do rows = rows + redis.call('HLEN', KEYS[at]) end
return {redis.call('GET', KEYS[1]), rows}";

/// The prefix of the keys.
pub const PREFIX: &str = "scene";

/// A muster on a Redis.
pub struct Scene {
    pub redis: Redis,
    /// Between the two, where a test wants to cut it.
    pub proxy: Proxy,
    pub muster: Process,
    arguments: Vec<String>,
    data_dir: TempDir,
    ledgers: Vec<Ledger>,
    indexes: Indexes,
    fixtures: Vec<(View, Rows)>,
    chance: Chance,
}

/// What clients met while they wrote.
#[derive(Clone, Copy, Debug, Default)]
pub struct Met {
    pub acknowledged: u64,
    /// Answered 503.
    pub refused: u64,
    pub read: u64,
}

impl Scene {
    /// Starts both and takes what is there before anybody writes.
    pub fn start(on_outage: &str, seed: u64) -> Scene {
        let redis = Redis::start(&[]);
        let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], redis.port)));
        let url = format!("redis://{}", proxy.address);
        Scene::start_on(redis, proxy, &url, on_outage, seed)
    }

    pub fn start_on(redis: Redis, proxy: Proxy, url: &str, on_outage: &str, seed: u64) -> Scene {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let words =
            ["--store", "redis", "--redis-url", url, "--redis-prefix", PREFIX, "--on-outage", on_outage];
        let arguments: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        let muster = start_muster(&data_dir, &arguments).expect("muster starts");
        let mut scene = Scene {
            redis,
            proxy,
            muster,
            arguments,
            data_dir,
            ledgers: (0..WRITERS).map(Ledger::new).collect(),
            indexes: Indexes::new(),
            fixtures: Vec::new(),
            chance: Chance::new(seed),
        };
        scene.wait_until_well();
        for ledger in &scene.ledgers {
            if let Some(request) = ledger.node_request() {
                let answer = scene.muster.client().request(&request).expect("an answer");
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
        }
        let rows =
            |view: View| view.rows(&scene.muster.client().get(&view.target()).expect("an answer").json());
        scene.fixtures = views::all().into_iter().map(|view| (view, rows(view))).collect();
        scene
    }

    /// Lets clients write and a reader read while `event` goes on.
    ///
    /// # Panics
    /// When a write is answered by anything but 200 and 503, or a read by anything but 200, or an index goes back.
    pub fn live(&mut self, event: impl FnOnce(&mut Redis, &Proxy)) -> Met {
        let address = self.muster.address;
        let (stop, refused, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let Scene { ledgers, indexes, chance, redis, proxy, .. } = self;
        let read = thread::scope(|scope| {
            for ledger in ledgers.iter_mut() {
                let (chance, stop, refused, acknowledged) = (chance.fork(), &stop, &refused, &acknowledged);
                scope.spawn(move || write(address, ledger, chance, stop, (refused, acknowledged)));
            }
            let observer = scope.spawn(|| observe(address, indexes, &stop));
            event(redis, proxy);
            stop.store(true, Ordering::SeqCst);
            observer.join().expect("the reader found nothing wrong")
        });
        Met { acknowledged: acknowledged.into_inner(), refused: refused.into_inner(), read }
    }

    /// Waits until muster says that Redis has everything.
    pub fn wait_until_well(&self) {
        let deadline = Instant::now() + WELL_WAIT_MAX;
        let request = Request::new("GET", "/readyz?verbose");
        let is_well = |text: String| text.contains("[+] Redis");
        let answer =
            ask_until(&mut self.muster.client(), &request, deadline, |answer| is_well(answer.text()));
        let text = answer.expect("an answer").text();
        assert!(is_well(text.clone()), "Redis has everything within {WELL_WAIT_MAX:?}: {text}");
    }

    /// Kills muster and starts it again, with whatever Redis there is.
    pub fn restart_muster(&mut self) {
        self.muster.kill();
        self.muster = start_muster(&self.data_dir, &self.arguments).expect("muster starts again");
    }

    /// Kills muster, removes its directory, and starts it on a new one.
    pub fn lose_the_directory(&mut self) {
        self.muster.kill();
        self.data_dir = tempfile::tempdir().expect("a temporary directory");
        self.muster =
            start_muster(&self.data_dir, &self.arguments).expect("muster starts on a new directory");
    }

    /// What a second muster says that is started on the same prefix.
    pub fn start_a_second(&self) -> Result<Process, String> {
        start_muster(&tempfile::tempdir().expect("a temporary directory"), &self.arguments)
    }

    /// Holds muster's answers against what was acknowledged.
    pub fn check_answers(&mut self, when: &str) {
        let mut client = self.muster.client();
        for view in views::all() {
            let answer = client.get(&view.target()).expect("an answer");
            let (tally, sentences) = compare(&self.expected(view), &view.rows(&answer.json()));
            assert!(tally.is_clean(), "{when}: {}: {tally:?} {sentences:#?}", view.target());
            note_index(&mut self.indexes, view, &answer).unwrap_or_else(|error| panic!("{when}: {error}"));
        }
    }

    /// Holds Redis's hashes against what was acknowledged.
    pub fn check_redis(&self, redis: &Redis, when: &str) {
        let hash = |table: &str| -> BTreeMap<String, String> {
            redis.ask(&["HGETALL", &format!("{PREFIX}:v1:{table}")])
        };
        let instances: Vec<&Instance> = self.ledgers.iter().flat_map(|it| it.instances.values()).collect();
        let mut expected: Rows = instances.iter().map(|it| service_row(it)).collect();
        // Muster's own service is there as well.
        let services = hash("services");
        let found: Rows = services
            .iter()
            .filter(|(key, _)| *key != &format!("{NODE_NAME}\tconsul"))
            .map(|(key, value)| (key.clone(), service_shown(value)))
            .collect();
        assert_eq!(compare(&expected, &found).1, Vec::<String>::new(), "{when}: instances in Redis");
        expected =
            instances.iter().map(|it| (format!("{}\t{}", it.node, it.check_id()), it.notes())).collect();
        let found: Rows = hash("checks")
            .into_iter()
            .filter(|(key, _)| key != &format!("{NODE_NAME}\tserfHealth"))
            .map(|(key, value)| (key, text(&json(&value)["notes"])))
            .collect();
        assert_eq!(compare(&expected, &found).1, Vec::<String>::new(), "{when}: checks in Redis");
        // At one moment: rows of silences come whenever they are due.
        let keys = ["seal", "meta", "nodes", "services", "checks", "history"]
            .map(|key| format!("{PREFIX}:v1:{key}"));
        let mut command = vec!["EVAL", COUNT_ROWS, "6"];
        command.extend(keys.iter().map(String::as_str));
        let (seal, rows): (String, u64) = redis.ask(&command);
        let seal = json(&seal);
        assert_eq!((&seal["is_whole"], &seal["rows"]), (&true.into(), &rows.into()), "{when}: {seal}");
    }

    fn expected(&self, view: View) -> Rows {
        let fixed = self.fixtures.iter().find(|(fixed, _)| *fixed == view);
        let mut rows = fixed.map(|(_, rows)| rows.clone()).unwrap_or_default();
        rows.extend(view.expected(self.ledgers.iter().flat_map(|ledger| ledger.instances.values())));
        rows
    }
}

fn start_muster(data_dir: &TempDir, arguments: &[String]) -> Result<Process, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Process::muster_on(&data_dir.path().join("data"), &words)
}

/// Writes until it shall stop; each operation is answered 200, or 503 and then nothing of it is kept: no disk fails here.
fn write(
    address: SocketAddr,
    ledger: &mut Ledger,
    mut chance: Chance,
    stop: &AtomicBool,
    (refused, acknowledged): (&AtomicU64, &AtomicU64),
) {
    let mut client = Client::new(address);
    while !stop.load(Ordering::SeqCst) {
        let request = ledger.next(&mut chance);
        let answer = client.send(&request).and_then(|()| client.receive());
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", request.target));
        let outcome = ledger.answered(&answer);
        if outcome.unwrap_or_else(|sentence| panic!("{}: {sentence}", request.target)) {
            acknowledged.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        assert!(ledger.doubt.is_none(), "{}: {}", request.target, answer.text());
        refused.fetch_add(1, Ordering::Relaxed);
        // As a client would: it is told to come back later.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Reads every view in turn until it shall stop.
fn observe(address: SocketAddr, indexes: &mut Indexes, stop: &AtomicBool) -> u64 {
    let mut client = Client::new(address);
    let mut read = 0;
    for view in views::all().iter().cycle() {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let begun = Instant::now();
        let answer = client.get(&view.target()).expect("an answer");
        assert_eq!(answer.status, 200, "{}: {}", view.target(), answer.text());
        assert!(begun.elapsed() < HUNG_AFTER, "{} took {:?}", view.target(), begun.elapsed());
        note_index(indexes, *view, &answer).unwrap_or_else(|error| panic!("{error}"));
        read += 1;
    }
    read
}

fn service_row(instance: &Instance) -> (String, String) {
    let Instance { node, id, name, port, revision, .. } = instance;
    (format!("{node}\t{id}"), format!("{name}:{port} revision {revision}"))
}

fn service_shown(row: &str) -> String {
    let row = json(row);
    format!("{}:{} revision {}", text(&row["name"]), row["port"], text(&row["meta"]["revision"]))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
