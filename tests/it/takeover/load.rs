//! A load that forgives nothing: every kind of client there is, none of which tries anything twice, and what each of
//! them was told is held against what others see.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::stream::subscriber::Subscriber;
use crate::support::client::{Answer, Client, Request};

/// Clients of each kind.
const EACH: usize = 3;

/// Requests of every kind that count as more.
const MORE: u64 = 20;

/// A kind's name, and what one client of it does until it is told to stop, given its number.
type Kind = (&'static str, fn(&Teller, usize));

/// The kinds.
const KINDS: &[Kind] = &[
    ("kept reads", kept_reads),
    ("fresh reads", fresh_reads),
    ("kept writes", kept_writes),
    ("fresh writes", fresh_writes),
    ("heartbeats", heartbeats),
    ("blocking queries", blocking_queries),
    ("streams", streams),
    ("pipelines", pipelines),
];

/// What the clients share with the test.
struct Shared {
    address: SocketAddr,
    is_over: AtomicBool,
    done: Vec<AtomicU64>,
    failed: Mutex<Vec<String>>,
}

/// One client's line to it.
struct Teller {
    shared: Arc<Shared>,
    kind: usize,
}

/// The load, until it is finished or dropped.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(address: SocketAddr) -> Load {
        let done = KINDS.iter().map(|_| AtomicU64::new(0)).collect();
        let shared = Shared { address, is_over: AtomicBool::new(false), done, failed: Mutex::default() };
        let shared = Arc::new(shared);
        let mut client = Client::new(address);
        let beating =
            json!({"Name": "beating", "Check": {"CheckID": "beat", "TTL": "3s", "Status": "passing"}});
        let answer = client.put("/v1/agent/service/register", &beating.to_string()).expect("an answer");
        assert_eq!(answer.status, 200);
        let clients = (0..KINDS.len()).flat_map(|kind| (0..EACH).map(move |number| (kind, number)));
        let threads = clients.map(|(kind, number)| {
            let teller = Teller { shared: shared.clone(), kind };
            std::thread::spawn(move || KINDS[kind].1(&teller, number))
        });
        Load { threads: threads.collect(), shared }
    }

    /// Waits until every kind has got on.
    pub fn wait_for_more(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let counted =
            || -> Vec<u64> { self.shared.done.iter().map(|it| it.load(Ordering::SeqCst)).collect() };
        let before = counted();
        loop {
            let behind = counted().iter().zip(&before).position(|(now, before)| now - before < MORE);
            let Some(kind) = behind else { return };
            self.assert_none_failed("meanwhile");
            assert!(Instant::now() < deadline, "{} do not get on", KINDS[kind].0);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn assert_none_failed(&self, when: &str) {
        let failed = self.shared.failed.lock().expect("no panic under it");
        assert!(failed.is_empty(), "{when}: {} failed: {:#?}", failed.len(), &failed[..failed.len().min(20)]);
    }

    /// Ends the load; gives what was done, for people.
    pub fn finish(mut self) -> String {
        self.end();
        self.assert_none_failed("at the end");
        let counts = KINDS.iter().zip(&self.shared.done);
        let counts = counts.map(|((name, _), done)| format!("{} {name}", done.load(Ordering::SeqCst)));
        counts.collect::<Vec<_>>().join(", ") + ", 0 failed"
    }

    fn end(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

impl Teller {
    fn goes_on(&self) -> bool {
        !self.shared.is_over.load(Ordering::SeqCst)
    }

    fn client(&self) -> Client {
        Client::new(self.shared.address)
    }

    fn done(&self) {
        self.shared.done[self.kind].fetch_add(1, Ordering::SeqCst);
    }

    fn failed(&self, what: String) {
        self.shared.failed.lock().expect("no panic under it").push(format!("{}: {what}", KINDS[self.kind].0));
    }

    /// One request and its answer, once. A connection that the server said it closes is replaced before; one that it
    /// closed without a word fails the request.
    fn ask(&self, client: &mut Client, request: &Request) -> Option<Answer> {
        match client.send(request).and_then(|()| client.receive()) {
            Ok(answer) if answer.status == 200 => {
                self.done();
                Some(answer)
            }
            Ok(answer) => {
                self.failed(format!(
                    "{} {}: {} {}",
                    request.method,
                    request.target,
                    answer.status,
                    answer.text()
                ));
                None
            }
            Err(error) => {
                self.failed(format!("{} {}: {error:?}", request.method, request.target));
                *client = self.client();
                None
            }
        }
    }
}

const READS: [&str; 3] = ["/v1/health/service/beating?passing", "/v1/agent/services", "/v1/catalog/nodes"];

fn kept_reads(teller: &Teller, number: usize) {
    let (mut client, request) = (teller.client(), Request::new("GET", READS[number % READS.len()]));
    while teller.goes_on() {
        let answer = teller.ask(&mut client, &request);
        // One after the other without a pause, and one with pauses, as pools have it.
        if number == 0 {
            if answer.is_some_and(|answer| answer.json().as_array().map(Vec::len) != Some(1)) {
                teller.failed("a healthy instance was not shown".to_owned());
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

fn fresh_reads(teller: &Teller, number: usize) {
    let request = Request::new("GET", READS[number % READS.len()]);
    while teller.goes_on() {
        teller.ask(&mut teller.client(), &request);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn kept_writes(teller: &Teller, number: usize) {
    writes(teller, &format!("kept-{number}"), |_| {});
}

fn fresh_writes(teller: &Teller, number: usize) {
    writes(teller, &format!("fresh-{number}"), |client| *client = Client::new(teller.shared.address));
}

/// Registers, again and again with another port, and looks each time whether it is there.
fn writes(teller: &Teller, id: &str, between: impl Fn(&mut Client)) {
    let mut client = teller.client();
    let look = Request::new("GET", &format!("/v1/agent/service/{id}"));
    for port in (1000..60_000).cycle() {
        if !teller.goes_on() {
            return;
        }
        let body = json!({"Name": id, "Port": port}).to_string();
        let register = Request::new("PUT", "/v1/agent/service/register").body(body);
        between(&mut client);
        let is_taken = teller.ask(&mut client, &register).is_some();
        between(&mut client);
        let seen = teller.ask(&mut client, &look);
        if is_taken && seen.is_some_and(|seen| seen.json()["Port"] != json!(port)) {
            teller.failed(format!("{id}: port {port} was acknowledged and is not there"));
        }
    }
}

fn heartbeats(teller: &Teller, _number: usize) {
    let (mut client, pass) = (teller.client(), Request::new("PUT", "/v1/agent/check/pass/beat").body(""));
    while teller.goes_on() {
        teller.ask(&mut client, &pass);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Follows what a writer changes; an index never goes back.
fn blocking_queries(teller: &Teller, number: usize) {
    let (mut client, mut index) = (teller.client(), 0);
    while teller.goes_on() {
        let target = format!("/v1/health/service/kept-{number}?index={index}&wait=2s");
        let Some(answer) = teller.ask(&mut client, &Request::new("GET", &target)) else { continue };
        match answer.index() {
            Some(next) if next >= index => index = next,
            other => teller.failed(format!("the index went from {index} to {other:?}")),
        }
    }
}

/// Follows a writer by a stream, resumed where it ended: no port is older than the one before.
fn streams(teller: &Teller, number: usize) {
    let (query, mut last_id, mut last_index) = (format!("service=kept-{number}"), None, 0);
    while teller.goes_on() {
        let mut subscriber = match Subscriber::open(teller.shared.address, &query, last_id) {
            Ok(subscriber) => subscriber,
            Err(answer) => return teller.failed(format!("no stream: {}", answer.status)),
        };
        while teller.goes_on() {
            let event = match subscriber.next() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => {
                    teller.failed(format!("the stream was cut: {error:?}"));
                    break;
                }
            };
            teller.done();
            let index = event.data["Index"].as_u64().unwrap_or(last_index);
            if index < last_index {
                teller.failed(format!("the stream went back from {last_index} to {index}"));
            }
            (last_index, last_id) = (index, event.id.or(last_id));
        }
    }
}

/// Several requests at once on one connection, each with its own answer in its own place.
fn pipelines(teller: &Teller, _number: usize) {
    let mut stream = None;
    while teller.goes_on() {
        let mut open = match stream.take() {
            Some(open) => open,
            None => std::io::BufReader::new(
                std::net::TcpStream::connect(teller.shared.address).expect("the server listens"),
            ),
        };
        let request = "GET /v1/agent/service/beating HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(4);
        let sent = std::io::Write::write_all(open.get_mut(), request.as_bytes());
        let answers = sent.and_then(|()| {
            (0..4)
                .map(|_| crate::support::client::read_answer(&mut open, false))
                .collect::<Result<Vec<_>, _>>()
        });
        match answers {
            Ok(answers) => {
                answers.iter().for_each(|(answer, _)| match answer.status {
                    200 => teller.done(),
                    status => teller.failed(format!("{status} {}", answer.text())),
                });
                stream = answers.last().is_some_and(|(_, keep)| *keep).then_some(open);
            }
            Err(error) => teller.failed(format!("{error:?}")),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
