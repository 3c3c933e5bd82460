//! Successors that fail: until one serves, the agent goes on with everything it had, and says why.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{EVENT_WAIT_MAX, Load, register};
use crate::support::client::{Answer, Request, ask_until};
use crate::support::process::Process;

/// Longer than a write takes, so that its silence says something; what is asserted is the answer after it.
const SILENCE: Duration = Duration::from_millis(150);

#[test]
fn a_successor_that_cannot_start_leaves_everything_as_it_was() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().to_str().expect("a path in UTF-8");
    let mut process = Process::muster(&["--config-dir", path]).expect("muster starts");
    let load = Load::start(process.address);
    let rows = [
        // Known before it asks, and after it has recovered.
        ("bad.toml", "nothing = 1".to_owned()),
        (
            "bad.json",
            json!({"check": {"id": "lost", "name": "lost", "service_id": "nobody", "ttl": "9s"}}).to_string(),
        ),
    ];
    for (name, text) in rows {
        load.wait_for_more(EVENT_WAIT_MAX);
        fs::write(directory.path().join(name), text).expect("a file can be written");
        let error = process.take_over(&[]).expect_err("it cannot start");
        assert!(error.contains("it was not taken over from"), "{name}: {error}");
        fs::remove_file(directory.path().join(name)).expect("the file is there");
        load.assert_none_failed(name);
    }
    load.wait_for_more(EVENT_WAIT_MAX);
    assert_eq!(process.take_over(&[]).expect("the next one can").code(), Some(0));
    load.wait_for_more(EVENT_WAIT_MAX);
    println!("{}", load.finish());
}

#[test]
fn a_successor_that_dies_with_the_store_in_hand_leaves_it_to_the_agent() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web", 80);
    let socket = process.data_dir().join("takeover.sock");
    let mode = fs::metadata(&socket).expect("the agent listens").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for round in 0..3 {
        let successor = ask(&socket, "muster takeover 1");
        // Reads go on, and writes wait.
        assert_eq!(client.get("/v1/health/service/web").expect("an answer").status, 200);
        let mut writing = process.client();
        let body = json!({"Name": format!("late-{round}"), "Port": 81}).to_string();
        writing.send(&Request::new("PUT", "/v1/agent/service/register").body(body)).expect("a connection");
        assert!(!writing.answered_within(SILENCE).expect("an open connection"), "written without a store");
        drop(successor);
        assert_eq!(writing.receive().expect("an answer").status, 200);
        let services = client.get("/v1/agent/services").expect("an answer").json();
        assert_eq!(services[format!("late-{round}")]["Port"], json!(81));
    }
    assert!(process.log().contains("the successor has failed, this process goes on"), "{}", process.log());
    // What was written after it is on disk.
    let mut process = process;
    process.kill();
    process.start_again().expect("muster starts again");
    let services = process.client().get("/v1/agent/services").expect("an answer").json();
    assert_eq!(services["late-2"]["Port"], json!(81));
}

/// Waits until the agent listens for a successor, which it does a moment after it serves.
fn wait_for(socket: &std::path::Path) {
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    while !socket.exists() {
        assert!(Instant::now() < deadline, "nobody listens at {}", socket.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks for everything as a successor does; returns when the agent has put it down.
fn ask(socket: &std::path::Path, protocol: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).expect("the agent listens");
    let (kind, free) = exchange(&mut stream, protocol);
    assert_eq!((kind, free.as_str()), (3, ""), "free");
    stream
}

fn exchange(stream: &mut UnixStream, protocol: &str) -> (u8, String) {
    let mut message = vec![1];
    message.extend((protocol.len() as u32).to_le_bytes());
    message.extend(protocol.as_bytes());
    stream.write_all(&message).expect("the agent reads");
    stream.set_read_timeout(Some(EVENT_WAIT_MAX)).expect("a timeout above zero");
    let mut header = [0; 5];
    stream.read_exact(&mut header).expect("the agent answers");
    let [kind, length @ ..] = header;
    let mut text = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut text).expect("the agent answers");
    (kind, String::from_utf8(text).expect("a sentence"))
}

/// A connection to the socket for successors, which an agent opens a moment after it serves.
fn connect(socket: &Path) -> UnixStream {
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "the agent listens: {error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn who_speaks_otherwise_is_refused_and_changes_nothing() {
    let process = Process::muster(&[]).expect("muster starts");
    let socket = process.data_dir().join("takeover.sock");
    let mut stream = connect(&socket);
    let (kind, sentence) = exchange(&mut stream, "muster takeover 999");
    assert_eq!(
        (kind, sentence.as_str()),
        (2, "the running agent speaks another version: restart it instead")
    );
    let mut mute = connect(&socket);
    mute.write_all(&[1, 0xff, 0xff, 0xff, 0xff]).expect("the agent reads");
    let mut client = process.client();
    register(&mut client, "web", 80);
}

#[test]
fn a_successor_that_is_not_seen_from_here_is_heard() {
    let in_its_own = "unshare --pid --fork --kill-child";
    let probe = std::process::Command::new("unshare").args(["--pid", "--fork", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        return println!("skipped: only a user who may unshare process ids can hide from a process");
    }
    // The agent sees its own processes alone, and whoever asks is none of them.
    let process =
        Process::muster_after(&format!("exec {in_its_own} \"$0\" \"$@\""), &[]).expect("muster starts");
    let socket = process.data_dir().join("takeover.sock");
    wait_for(&socket);
    drop(ask(&socket, "muster takeover 1"));
    let mut client = process.client();
    register(&mut client, "web", 80);
    assert!(process.log().contains("the successor has failed, this process goes on"), "{}", process.log());
    assert!(process.log().contains("process=0"), "{}", process.log());
}

#[test]
fn a_snapshot_that_comes_slowly_holds_up_no_successor() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut slow = process.client();
    let head = "PUT /v1/snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{";
    slow.send_raw(head.as_bytes()).expect("a connection");
    // Its connection and the one that asks: what it has sent so far is read by then.
    let is_received = |answer: &Answer| answer.text().contains("muster_http_connections 2\n");
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    ask_until(&mut process.client(), &Request::new("GET", "/metrics"), deadline, is_received)
        .expect("an answer");
    assert_eq!(process.take_over(&[]).expect("a successor").code(), Some(0), "{}", process.log());
    assert!(process.log().contains("cut_off=0"), "{}", process.log());
    let answer = slow.receive().expect("an answer");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("Another process has taken over"), "{}", answer.text());
}

#[test]
fn an_end_leaves_no_socket_to_whoever_copies_the_directory() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let socket = process.data_dir().join("takeover.sock");
    wait_for(&socket);
    process.stop().expect("it ends");
    assert!(!socket.exists());
    process.start_again().expect("muster starts again");
    wait_for(&socket);
}

#[test]
fn without_an_agent_it_is_a_plain_start_and_memory_cannot_be_handed_over() {
    let process = Process::muster(&["--takeover"]).expect("muster starts");
    assert!(process.log().contains("to take over from: a plain start"), "{}", process.log());
    let mut process = Process::muster(&["--store", "memory"]).expect("muster starts");
    let error = process.take_over(&[]).expect_err("a registry in memory stays");
    assert!(error.contains("a registry in memory cannot be handed over"), "{error}");
    assert_eq!(process.client().get("/readyz").expect("an answer").status, 200);
}
