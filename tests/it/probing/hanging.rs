//! Targets that accept and say nothing, by the thousand: what answers is run in time all the same, and what is late is
//! told.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;

/// Addresses that hang: more than muster has places for probes of any sort.
const HANGING: usize = 3_200;

/// Longest time between two runs of a healthy check with an interval of a second, on a machine so busy that every
/// answer is a slow one and the healthy check stands in one line with all the others. Without classes it is a minute.
const GAP_MAX: Duration = Duration::from_secs(20);

/// Runs of the healthy check that are waited for.
const RUNS: usize = 6;

/// Connections that the hanging server holds; older ones have been given up by then.
const HELD_MAX: usize = 4_000;

/// A server on every address of this host at once. It answers until it is told to hang.
pub struct Crowd {
    port: u16,
    hangs: Arc<AtomicBool>,
}

impl Crowd {
    pub fn start(hangs: bool) -> Crowd {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let hangs = Arc::new(AtomicBool::new(hangs));
        let told = hangs.clone();
        thread::spawn(move || {
            let mut held = VecDeque::new();
            loop {
                // A descriptor may be wanting for a moment: the older connections are let go.
                let Ok((stream, _)) = listener.accept() else {
                    held.drain(..held.len() / 2);
                    continue;
                };
                if !told.load(Ordering::SeqCst) {
                    answer(stream);
                    continue;
                }
                held.push_back(stream);
                if held.len() > HELD_MAX {
                    held.pop_front();
                }
            }
        });
        Crowd { port, hangs }
    }

    /// The address of one of them; those of sixty thousand are different.
    pub fn address(&self, at: usize) -> String {
        format!("127.{}.{}.{}:{}", 1 + at / 60_000, (at / 250) % 240, 1 + at % 250, self.port)
    }
}

fn answer(mut stream: TcpStream) {
    if stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {
        // Whoever has left meanwhile misses nothing.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    }
}

/// A server that is well, and tells of each request.
fn healthy() -> (SocketAddr, Receiver<Instant>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let told_in_vain = tell.send(Instant::now()).is_err();
            if told_in_vain {
                return;
            }
            answer(stream);
        }
    });
    (address, told)
}

/// Registers an instance with a check of a URL.
pub fn register(client: &mut Client, id: &str, url: &str, interval: &str) {
    let check = json!({"CheckID": id, "HTTP": url, "Interval": interval, "Timeout": "10s"});
    let body = json!({"Name": "crowd", "ID": id, "Check": check});
    let answer = client.put("/v1/agent/service/register", &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// That the healthy check is run, and run again, with no gap.
fn assert_steady(runs: &Receiver<Instant>, what: &str) {
    let mut before = Instant::now();
    while runs.try_recv().is_ok() {}
    for _ in 0..RUNS {
        let at = runs.recv_timeout(2 * GAP_MAX).unwrap_or_else(|_| panic!("{what}: it is not run"));
        let gap = at.saturating_duration_since(before);
        assert!(gap <= GAP_MAX, "{what}: a gap of {gap:?}");
        before = at;
    }
}

fn wait_for_metrics(client: &mut Client, what: &str, wished: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let request = Request::new("GET", "/metrics");
    let answer = ask_until(client, &request, deadline, |it| wished(&it.text())).expect("an answer");
    let text = answer.text();
    let shown: Vec<&str> = text.lines().filter(|it| it.contains("muster_probe")).collect();
    assert!(wished(&text), "{what}: {}", shown.join("\n"));
}

fn metric(text: &str, name: &str) -> f64 {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
}

#[test]
fn new_targets_that_hang_delay_no_other_and_are_told() {
    let (crowd, (well, runs)) = (Crowd::start(true), healthy());
    let server = Process::muster(&[]).expect("muster starts");
    let mut client = server.client();
    register(&mut client, "well", &format!("http://{well}/"), "1s");
    for at in 0..HANGING {
        register(&mut client, &format!("hang{at}"), &format!("http://{}/", crowd.address(at)), "1s");
    }
    assert_steady(&runs, "beside new targets that hang");
    wait_for_metrics(&mut client, "they are overdue", |text| {
        metric(text, "muster_probes_overdue{target=\"silent\"} ") > HANGING as f64 / 2.0
            && metric(text, "muster_probes_overdue{target=\"quick\"} ") == 0.0
            && metric(text, "muster_probe_wait_longest_seconds ") >= 1.0
    });
    let late = (0..HANGING).map(|at| explained(&mut client, &format!("hang{at}"))).find(is_late);
    let late = late.expect("one of them is waiting");
    assert_eq!(late["Running"], json!(false), "{late}");
    assert!(!is_late(&explained(&mut client, "well")));
    // A healthy target that is registered now does not wait for all of them.
    let (newcomer, its_runs) = healthy();
    register(&mut client, "newcomer", &format!("http://{newcomer}/"), "1s");
    assert_steady(&its_runs, "a newcomer");
    assert_steady(&runs, "still");
}

/// The check of an instance, explained.
fn explained(client: &mut Client, id: &str) -> Value {
    let answer = client.get(&format!("/v1/muster/explain/{id}")).expect("an answer").json();
    let checks = answer["Checks"].as_array().cloned().unwrap_or_default();
    let mut check = checks.into_iter().find(|it| it["CheckID"] == id).expect("its check");
    check["Sentence"] = answer["Sentence"].clone();
    check
}

fn is_late(check: &Value) -> bool {
    !check["OverdueSince"].is_null()
        && check["Sentence"].as_str().is_some_and(|it| it.contains("has been waiting for its turn for"))
}

#[test]
fn targets_that_begin_to_hang_together_delay_no_other() {
    let (crowd, (well, runs)) = (Crowd::start(false), healthy());
    let server = Process::muster(&[]).expect("muster starts");
    let mut client = server.client();
    register(&mut client, "well", &format!("http://{well}/"), "1s");
    for at in 0..HANGING {
        register(&mut client, &format!("rack{at}"), &format!("http://{}/", crowd.address(at)), "2s");
    }
    wait_for_metrics(&mut client, "all have answered", |text| {
        metric(text, "muster_probes_total{kind=\"http\",status=\"passing\"} ") > HANGING as f64
    });
    crowd.hangs.store(true, Ordering::SeqCst);
    assert_steady(&runs, "beside a rack that fell silent");
    crowd.hangs.store(false, Ordering::SeqCst);
    assert_steady(&runs, "after it came back");
}
