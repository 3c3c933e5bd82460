//! Some hundred healthy instances with every kind of check that may take fright: HTTP over connections that are kept, over
//! connections that the target closes, and with slow answers; TCP; TTL, fed at half its time; aliases of these. Some are
//! defined in a file, the rest registered by a client.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::recorder::Recorder;
use crate::differential::listener::Listener;
use crate::instance::{Instance, Place};
use crate::support::client::{Answer, Client, Request, ask_until};
use crate::support::process::Process;

/// Instances of each of the services.
const INSTANCES: usize = 50;

/// So many of them are defined in a file.
const DEFINED: usize = 10;

/// The services, by the kind of their check.
const SERVICES: [&str; 7] =
    ["http-kept", "http-closing", "http-slow", "tcp-plain", "tcp-watched", "ttl-fed", "alias-of"];

/// Processes that the HTTP and TCP checks are directed at, in turn, by how they behave.
const TARGETS: [(&str, Option<&str>); 3] =
    [("kept", None), ("closing", Some("idle 400")), ("slow", Some("slow 300"))];

/// Interval of every check that has one: many runs in little time.
const INTERVAL: &str = "1s";

/// Far above an honest answer on a busy machine.
const TIMEOUT: &str = "8s";

/// A third of the standstill that the tests have muster suffer.
const TTL: &str = "10s";
const FEEDING_PAUSE: Duration = Duration::from_secs(5);

/// Runs of a check, and rounds of feeding, that make up a while in which something would have shown.
const RUNS: usize = 4;
const FEEDINGS: usize = 1;

/// Longest wait for what must happen in the end.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(120);

/// What the checks are directed at, and the files that define some of the instances.
pub struct Surroundings {
    targets: Vec<Instance>,
    /// The target of one check more, which counts.
    pulse: Listener,
    directory: TempDir,
}

impl Surroundings {
    pub fn create() -> Surroundings {
        let pulse = Listener::start().expect("a listener on the loopback address");
        let targets: Vec<Instance> = TARGETS.iter().map(|(_, order)| target(*order)).collect();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let surroundings = Surroundings { targets, pulse, directory };
        surroundings.define("defined.json", json!({"services": surroundings.registrations(true)}));
        surroundings.define_other(1);
        surroundings
    }

    /// Starts muster, which reads the definitions.
    pub fn muster(&self) -> Process {
        let path = self.directory.path().to_str().expect("a path in UTF-8");
        Process::muster(&["--config-dir", path]).expect("muster starts")
    }

    /// Defines a service that has nothing to do with the others.
    pub fn define_other(&self, port: u16) {
        self.define("other.json", json!({"service": {"name": OTHER, "port": port}}));
    }

    fn define(&self, name: &str, definition: Value) {
        let path = self.directory.path().join(name);
        fs::write(path, definition.to_string()).expect("a file can be written");
    }

    /// Some hundred instances, and one whose runs are counted: those of the file, or the others.
    fn registrations(&self, defined: bool) -> Vec<Value> {
        let numbers = if defined { 0..DEFINED } else { DEFINED..INSTANCES };
        let mut registrations = Vec::new();
        for service in SERVICES {
            registrations.extend(numbers.clone().map(|at| registration(service, at, &self.targets)));
        }
        if !defined {
            let url = format!("http://{}{PULSE}", self.pulse.address);
            let check = json!({"CheckID": "pulse-check", "Name": "pulse", "HTTP": url, "Interval": INTERVAL});
            registrations.push(json!({"Name": "pulse", "Check": check}));
        }
        registrations
    }
}

/// Instances, their registrations, and everyone who looks on.
pub struct Population {
    server: SocketAddr,
    surroundings: Surroundings,
    registrations: Vec<Value>,
    feeder: Feeder,
    recorders: Vec<Recorder>,
    history_before: Vec<String>,
}

impl Population {
    /// Registers those that are not defined, and waits until all pass; from then on every change is recorded.
    pub fn settle(server: &Process, surroundings: Surroundings) -> Population {
        let registrations = surroundings.registrations(false);
        let server = server.address;
        let feeder = Feeder::start(server);
        let mut population = Population {
            server,
            surroundings,
            registrations,
            feeder,
            recorders: Vec::new(),
            history_before: Vec::new(),
        };
        population.register_again();
        population.wait_until_all_pass();
        population.live_on();
        let services = SERVICES.iter().map(|name| format!("/v1/health/service/{name}"));
        let states = ["any", "critical", "warning"].map(|state| format!("/v1/health/state/{state}"));
        let nodes = ["/v1/health/service/http-kept?passing".to_owned(), "/v1/catalog/nodes".to_owned()];
        let targets = services.chain(states).chain(nodes);
        population.recorders = targets.map(|target| Recorder::start(server, &target)).collect();
        population.history_before = population.history();
        population
    }

    /// Registers every instance that a client registered, as it is registered already.
    pub fn register_again(&self) {
        let mut client = Client::new(self.server);
        for registration in &self.registrations {
            let answer = client.put("/v1/agent/service/register", &registration.to_string());
            let answer = answer.expect("the server listens");
            assert_eq!(answer.status, 200, "{registration}: {}", answer.text());
        }
    }

    /// Changes what has nothing to do with them, has muster read its files again, and waits until it has.
    pub fn reload(&self, server: &Process, port: u16) {
        self.surroundings.define_other(port);
        server.signal("HUP");
        let request = Request::new("GET", &format!("/v1/agent/service/{OTHER}"));
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        let has_port = |answer: &Answer| answer.status == 200 && answer.json()["Port"] == port;
        let answer = ask_until(&mut Client::new(self.server), &request, deadline, has_port);
        assert_eq!(answer.expect("the server listens").json()["Port"], port);
    }

    /// Waits until every check has run some more times, and the fed ones are fed again.
    pub fn live_on(&mut self) {
        let pulse = &self.surroundings.pulse;
        pulse.script(PULSE, vec![200]);
        let fed = self.feeder.rounds.load(Ordering::SeqCst);
        assert!(pulse.wait_for_hits(PULSE, RUNS, EVENT_WAIT_MAX), "the checks run");
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        while self.feeder.rounds.load(Ordering::SeqCst) < fed + FEEDINGS {
            assert!(Instant::now() < deadline, "the feeder gets through");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the recording. No view may have shown anything but what it showed at the beginning, indexes of records
    /// included, and none may have had more than so many indexes above the first.
    pub fn assert_calm(mut self, index_steps_max: usize) {
        assert_eq!(self.history(), self.history_before, "nothing has come to the history");
        for recorder in self.recorders.drain(..) {
            recorder.finish().assert_calm(index_steps_max);
        }
    }

    fn wait_until_all_pass(&self) {
        let request = Request::new("GET", "/v1/agent/checks");
        let not_passing = |body: &Value| -> Vec<String> {
            let checks = body.as_object().into_iter().flatten();
            let sick = checks.filter(|(_, check)| check["Status"] != "passing");
            sick.map(|(id, check)| format!("{id}: {}", check["Output"])).collect()
        };
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        let answer = ask_until(&mut Client::new(self.server), &request, deadline, |answer| {
            let body = answer.json();
            let count = SERVICES.len() * INSTANCES + 1;
            body.as_object().is_some_and(|checks| checks.len() == count) && not_passing(&body).is_empty()
        });
        let body = answer.expect("the server listens").json();
        assert_eq!(not_passing(&body), [""; 0], "every instance passes");
    }

    /// What the history has of each service.
    fn history(&self) -> Vec<String> {
        let mut client = Client::new(self.server);
        let mut of = |name: &str| {
            let target = format!("/v1/muster/history/service/{name}-0");
            // The transitions alone: when a check last ran moves on, as it should.
            let answer = client.get(&target).expect("the server listens").text();
            answer.split_once("\"Transitions\"").expect("a history tells transitions").1.to_owned()
        };
        SERVICES.iter().map(|name| of(name)).collect()
    }
}

/// The path of the check that counts.
const PULSE: &str = "/pulse";

/// A service without a check, whose definition changes.
const OTHER: &str = "other";

fn target(order: Option<&str>) -> Instance {
    let mut instance = Instance::start(&Place::here()).expect("an instance starts");
    if let Some(order) = order {
        instance.order(order);
    }
    instance
}

fn registration(service: &str, at: usize, targets: &[Instance]) -> Value {
    let id = format!("{service}-{at}");
    let [kept, closing, slow] = [0, 1, 2].map(|at| targets[at].address);
    let mut check = match service {
        // Each has a path of its own, or they would be one probe.
        "http-kept" => json!({"HTTP": format!("http://{kept}/{at}")}),
        "http-closing" => json!({"HTTP": format!("http://{closing}/{at}")}),
        "http-slow" => json!({"HTTP": format!("http://{slow}/{at}")}),
        "tcp-plain" => json!({"TCP": kept.to_string()}),
        "tcp-watched" => json!({"TCP": closing.to_string(), "Watch": true}),
        "ttl-fed" => json!({"TTL": TTL}),
        _ => json!({"AliasService": format!("http-closing-{at}")}),
    };
    if check.get("HTTP").or(check.get("TCP")).is_some() {
        check["Interval"] = json!(INTERVAL);
        check["Timeout"] = json!(TIMEOUT);
    }
    check["CheckID"] = json!(format!("{id}-check"));
    check["Name"] = json!("check");
    json!({"ID": id, "Name": service, "Port": 1 + at, "Check": check})
}

/// Who reports for the instances with a TTL, whether muster is there or not.
struct Feeder {
    rounds: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    fn start(server: SocketAddr) -> Feeder {
        let (rounds, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, end) = (rounds.clone(), is_over.clone());
        let thread = thread::spawn(move || {
            let mut client = Client::new(server);
            while !end.load(Ordering::SeqCst) {
                let mut ids = (0..INSTANCES).map(|at| format!("ttl-fed-{at}-check"));
                // Before they are registered, and while muster is away, nobody can be fed: the next attempt follows soon.
                let fed = ids.all(|id| {
                    let answer = client.put(&format!("/v1/agent/check/pass/{id}"), "");
                    answer.is_ok_and(|answer| answer.status == 200)
                });
                if fed {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                let pause = if fed { FEEDING_PAUSE } else { Duration::from_millis(50) };
                let until = Instant::now() + pause;
                while Instant::now() < until && !end.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(20));
                }
            }
        });
        Feeder { rounds, is_over, thread: Some(thread) }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // If it panicked, whoever waits for its rounds has said so.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
