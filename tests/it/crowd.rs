//! Crowds of clients that want nothing, or want it slowly: whoever else asks meanwhile is answered as if they were not
//! there, they get a sentence at the bound, and when they leave nothing of them stays.
//!
//! No test here looks at a clock to judge: a crowd disturbs when an answer is missing or different.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::{Answer, Client, Request, ask_until};
use crate::support::process::Process;

/// Connections that are open and silent.
const IDLE_CLIENTS: usize = 5_000;

/// Connections on which a request never quite ends.
const DRIP_CLIENTS: usize = 200;

/// Bytes that each of them sends, one a round; between two rounds others are served.
const DRIP_ROUNDS: usize = 40;

/// Clients that wait for a change and leave before it comes.
const ABANDONED_QUERIES: usize = 500;

/// How often so many do.
const ABANDONMENTS: usize = 6;

/// Descriptors this process needs for the largest crowd, and some for the other tests that run meanwhile.
const DESCRIPTORS_NEEDED: usize = IDLE_CLIENTS + DRIP_CLIENTS + 1_000;

/// Bounds of the small servers below; connections cannot be bounded tighter.
const CONNECTIONS_MAX: usize = 16;
const BLOCKING_QUERIES_MAX: usize = 4;

/// Longest wait for what must happen in the end: a closed connection seen, a descriptor returned.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

/// Patience of a server whose crowd must stay until the test sends it away.
const PATIENT: [&str; 6] =
    ["--limits-idle-timeout", "1h", "--limits-head-timeout", "1h", "--limits-body-timeout", "1h"];

/// A request that takes as many bytes as there are rounds and more.
const DRIPPED: &[u8] =
    b"PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n";

#[test]
fn a_silent_crowd_and_a_slow_one_disturb_nobody() {
    if !raise_descriptor_limit() {
        return;
    }
    let server = Process::muster(&PATIENT).expect("muster starts");
    let mut client = server.client();
    let alone = life_of_a_service(&mut client);
    let descriptors_before = descriptors(&server);

    let idle: Vec<TcpStream> = (0..IDLE_CLIENTS).map(|_| settled(server.address)).collect();
    let drips: Vec<TcpStream> = (0..DRIP_CLIENTS).map(|_| connect(server.address)).collect();
    for byte in DRIPPED.iter().take(DRIP_ROUNDS) {
        for mut drip in &drips {
            drip.write_all(&[*byte]).expect("the server is as patient as it was told to be");
        }
        assert_eq!(life_of_a_service(&mut client), alone, "on a kept connection");
        assert_eq!(life_of_a_service(&mut server.client()), alone, "on a new connection");
    }
    assert!(
        descriptors(&server) >= descriptors_before + IDLE_CLIENTS + DRIP_CLIENTS,
        "the crowd is still there"
    );
    // One of the silent may find its voice at any time.
    assert_eq!(get(&idle[IDLE_CLIENTS / 2], "/v1/status/leader").status, 200);

    drop((idle, drips));
    wait_until("the descriptors of the crowd are returned", || descriptors(&server) <= descriptors_before);
    assert_eq!(life_of_a_service(&mut client), alone, "after the crowd");
}

#[test]
fn slow_clients_are_cut_off_and_their_descriptors_returned() {
    let server = Process::muster(&["--limits-head-timeout", "1s", "--limits-body-timeout", "1s"])
        .expect("muster starts");
    let mut client = server.client();
    let alone = life_of_a_service(&mut client);
    let descriptors_before = descriptors(&server);
    let beginnings: [(&[u8], &str); 4] = [
        (b"", ""),
        (b"GET /v1/sta", "The request head did not arrive in time. limits.head_timeout allows 1s."),
        (DRIPPED, "The request body did not arrive in time. limits.body_timeout allows 1s."),
        (
            b"PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1",
            "The request body did not arrive in time. limits.body_timeout allows 1s.",
        ),
    ];
    for (beginning, sentence) in beginnings {
        let mut slow = connect(server.address);
        slow.write_all(beginning).expect("the server listens");
        assert_eq!(life_of_a_service(&mut client), alone, "beside a slow client");
        let mut said = String::new();
        slow.read_to_string(&mut said).expect("the server closes the connection");
        assert!(said.ends_with(sentence) && said.is_empty() == sentence.is_empty(), "{said}");
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
    }
    wait_until("the descriptors are returned", || descriptors(&server) <= descriptors_before);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let bound = CONNECTIONS_MAX.to_string();
    let arguments = [&PATIENT[..], &["--limits-connections-max", &bound]].concat();
    let server = Process::muster(&arguments).expect("muster starts");
    // The connections by which the start was watched may take a moment to be seen closed.
    wait_until("all places are free", || {
        let (answers, _held) = crowd_of(&server, CONNECTIONS_MAX);
        answers.iter().all(|answer| answer.status == 200)
    });
    wait_until("the places are given back, taken again, and one more is refused", || {
        let (answers, mut held) = crowd_of(&server, CONNECTIONS_MAX + 1);
        let (refused, admitted) = answers.split_last().expect("every connection is answered");
        if admitted.iter().any(|answer| answer.status != 200) {
            return false;
        }
        assert_eq!(refused.status, 503);
        let sentence = refused.text();
        assert!(sentence.starts_with("The server holds as many connections as it may"), "{sentence}");
        assert!(sentence.contains("limits.connections_max") && sentence.ends_with("allow 16."), "{sentence}");
        assert_eq!(refused.header("Connection"), Some("close"));
        // Those who were let in are served on; the place of one who leaves is free for the next.
        assert_eq!(get(&held[0], "/v1/status/leader").status, 200);
        held.clear();
        true
    });
    let request = Request::new("GET", "/v1/status/leader");
    let answer = ask_until(&mut server.client(), &request, deadline(), |answer| answer.status == 200);
    assert_eq!(answer.expect("the server listens").status, 200);
}

#[test]
fn one_blocking_query_too_many_is_told_so() {
    let bound = BLOCKING_QUERIES_MAX.to_string();
    let server = Process::muster(&["--limits-blocking-queries-max", &bound]).expect("muster starts");
    let mut client = server.client();
    let waiting: Vec<TcpStream> = (0..BLOCKING_QUERIES_MAX).map(|_| blocking_query(&server)).collect();
    wait_until("they wait", || blocking_queries(&mut client) == BLOCKING_QUERIES_MAX);
    let refused = client.get(&blocking_target(&server)).expect("the server listens");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(
        refused.text().contains("blocking queries") && refused.text().contains(&bound),
        "{}",
        refused.text()
    );
    assert!(refused.header("Retry-After").is_some(), "when to come again");
    assert_eq!(
        client.get("/v1/catalog/services").expect("the server listens").status,
        200,
        "those that do not wait"
    );
    drop(waiting);
    wait_until("they are gone", || blocking_queries(&mut client) == 0);
}

#[test]
fn abandoned_blocking_queries_leave_nothing_behind() {
    if !raise_descriptor_limit() {
        return;
    }
    let server = Process::muster(&[]).expect("muster starts");
    let mut client = server.client();
    let alone = life_of_a_service(&mut client);
    let descriptors_before = descriptors(&server);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Others come and go meanwhile, so that descriptors are given to new clients as old ones leave.
        let passers_by = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                drop(settled(server.address));
            }
        });
        // However it goes, they must end, or the scope would not.
        let _end = AtEnd(|| is_over.store(true, Ordering::Relaxed));
        // Both ways of leaving: closing, and closing the sending half alone, as a program does that ends its requests.
        for half in [None, Some(Shutdown::Write)].into_iter().cycle().take(ABANDONMENTS) {
            let waiting: Vec<TcpStream> = (0..ABANDONED_QUERIES).map(|_| blocking_query(&server)).collect();
            wait_until("they wait", || blocking_queries(&mut client) == ABANDONED_QUERIES);
            match half {
                Some(half) => {
                    waiting.iter().for_each(|stream| stream.shutdown(half).expect("it is connected"))
                }
                None => drop(waiting),
            }
            wait_until("nobody is waited for", || blocking_queries(&mut client) == 0);
        }
        assert!(!passers_by.is_finished(), "every passer-by is answered");
    });
    wait_until("the descriptors are returned", || descriptors(&server) <= descriptors_before);
    assert_eq!(life_of_a_service(&mut client), alone);
}

/// Does something when it goes, also with a panic.
struct AtEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What a client sees that registers a service, reads it and removes it: the same every time, but for indexes.
fn life_of_a_service(client: &mut Client) -> Vec<(u16, String)> {
    let mut seen = Vec::new();
    let requests = [
        Request::new("PUT", "/v1/agent/service/register").body(r#"{"Name":"web","Port":80,"Tags":["a"]}"#),
        Request::new("GET", "/v1/catalog/services"),
        Request::new("GET", "/v1/agent/services"),
        Request::new("GET", "/v1/health/service/web?passing"),
        Request::new("PUT", "/v1/agent/service/deregister/web").body(""),
        Request::new("GET", "/v1/catalog/service/web"),
    ];
    for request in requests {
        let answer = client.request(&request).expect("every request is answered");
        seen.push((answer.status, without_indexes(&answer)));
    }
    seen
}

/// The body without the numbers that rise with every registration.
fn without_indexes(answer: &Answer) -> String {
    let text = answer.text();
    let mut parts = text.split("Index\":");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| {
        kept + "Index\":" + part.trim_start_matches(|digit: char| digit.is_ascii_digit())
    })
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(EVENT_WAIT_MAX)).expect("a timeout above zero");
    stream
}

/// A connection that has been answered once: it is the server's, not only the backlog's.
fn settled(address: SocketAddr) -> TcpStream {
    let stream = connect(address);
    assert_eq!(get(&stream, "/v1/status/leader").status, 200);
    stream
}

/// Asks on a connection that is kept.
fn get(stream: &TcpStream, target: &str) -> Answer {
    let stream = stream.try_clone().expect("a descriptor is left");
    let mut client = Client::on(stream).expect("it is connected");
    client.send(&Request::new("GET", target)).and_then(|()| client.receive()).expect("the server answers")
}

/// So many connections, held, with what each was answered first.
fn crowd_of(server: &Process, count: usize) -> (Vec<Answer>, Vec<TcpStream>) {
    let held: Vec<TcpStream> = (0..count).map(|_| connect(server.address)).collect();
    (held.iter().map(|stream| get(stream, "/v1/status/leader")).collect(), held)
}

/// A read that waits for the service `nobody`, which is never registered.
fn blocking_query(server: &Process) -> TcpStream {
    let mut stream = connect(server.address);
    let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", blocking_target(server));
    stream.write_all(request.as_bytes()).expect("the server listens");
    stream
}

fn blocking_target(server: &Process) -> String {
    let answer = server.client().get("/v1/health/service/nobody").expect("the server listens");
    format!("/v1/health/service/nobody?wait=10m&index={}", answer.index().expect("a read has an index"))
}

/// Blocking queries that wait, by the server's own count.
fn blocking_queries(client: &mut Client) -> usize {
    let metrics = client.get("/metrics").expect("the server listens").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("muster_blocking_queries "));
    line.and_then(|number| number.trim().parse::<f64>().ok()).expect("the gauge is a number") as usize
}

/// Descriptors that are open, but those by which the supervisor looks at threads: it opens them as it goes.
fn descriptors(server: &Process) -> usize {
    let all = fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the server runs on Linux");
    let leads_to = |entry: fs::DirEntry| fs::read_link(entry.path()).unwrap_or_default();
    all.flatten().map(leads_to).filter(|path| !path.starts_with("/proc")).count()
}

fn deadline() -> Instant {
    Instant::now() + EVENT_WAIT_MAX
}

/// Looks again and again until it is so.
///
/// # Panics
/// When it is not so after [`EVENT_WAIT_MAX`].
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(20);
    let deadline = deadline();
    while !is_so() {
        assert!(Instant::now() < deadline, "not so after {EVENT_WAIT_MAX:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

#[test]
fn a_server_takes_all_descriptors_it_may_have() {
    let limits = |server: &Process| {
        let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("it runs");
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
        line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<String>>()
    };
    let server = Process::muster_below(256, &[]).expect("muster starts");
    let (soft, hard) = (&limits(&server)[0], &limits(&server)[1]);
    assert_eq!(soft, hard);
    assert_ne!(soft, "256", "the hard limit is higher than what it was started with");
}

/// Raises the soft limit of descriptors to the hard one, for this process and the servers it starts. `false` when that
/// is too little for a crowd; in CI that is a failure.
fn raise_descriptor_limit() -> bool {
    let limit = || {
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let words: Vec<String> = line.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(usize::MAX);
        (number(0), number(1))
    };
    let (soft, hard) = limit();
    if soft < DESCRIPTORS_NEEDED && hard >= DESCRIPTORS_NEEDED {
        let pid = std::process::id().to_string();
        let raised =
            Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={hard}:{hard}")]).status();
        assert!(
            raised.is_ok_and(|status| status.success()),
            "prlimit is needed to raise the limit from {soft}"
        );
    }
    let is_enough = limit().0 >= DESCRIPTORS_NEEDED;
    let sentence =
        format!("a crowd needs {DESCRIPTORS_NEEDED} descriptors, the hard limit is {hard}: raise nofile");
    assert!(is_enough || std::env::var_os("CI").is_none(), "{sentence}");
    if !is_enough {
        eprintln!("skipped: {sentence}");
    }
    is_enough
}
