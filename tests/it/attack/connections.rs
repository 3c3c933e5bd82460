//! All connections taken, and connections that speak something else.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::bystander::{Limits, beside, limits};
use super::{Scale, raw};
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::{Process, free_port};

const FULL: [&str; 2] = ["--limits-connections-max", "16"];

/// Takes every place there is for everybody.
fn fill(server: &Process) -> Vec<TcpStream> {
    let mut held = Vec::new();
    loop {
        let stream = raw::silent(server.address, &raw::get("/v1/status/leader", ""));
        let mut client =
            Client::on(stream.try_clone().expect("a descriptor is left")).expect("it is connected");
        client.send(&Request::new("GET", "/v1/status/leader")).expect("it listens");
        if client.receive().map_or(503, |answer| answer.status) != 200 {
            return held;
        }
        held.push(stream);
    }
}

#[test]
fn health_and_operators_have_places_when_all_are_taken() {
    let admin = format!("127.0.0.1:{}", free_port());
    let server = Process::muster(&[FULL[0], FULL[1], "--admin-addr", &admin]).expect("muster starts");
    let _held = fill(&server);
    for path in ["/livez", "/readyz", "/health", "/livez"] {
        let answer = raw::ask(server.address, path);
        assert_eq!(raw::status(&answer), 200, "{path}: {}", String::from_utf8_lossy(&answer));
        assert!(String::from_utf8_lossy(&answer).contains("Connection: close"), "{path}");
    }
    let answer = raw::ask(server.address, "/v1/catalog/services");
    assert_eq!(raw::status(&answer), 503);
    let said = String::from_utf8_lossy(&answer).into_owned();
    assert!(said.contains("The server holds as many connections as it may; try again later."), "{said}");
    // On the operators' address everything is served.
    let mut operator = Client::new(admin.parse().expect("an address"));
    for target in ["/v1/catalog/services", "/metrics", "/readyz"] {
        assert_eq!(operator.get(target).expect("it listens").status, 200, "{target}");
    }
}

#[test]
fn a_unix_socket_has_places_when_all_are_taken() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("muster.sock");
    let unix = format!("unix://{}", socket.display());
    let server = Process::muster(&[FULL[0], FULL[1], "--admin-addr", &unix]).expect("muster starts");
    let _held = fill(&server);
    let mut stream = UnixStream::connect(&socket).expect("it listens");
    std::io::Write::write_all(&mut stream, &raw::get("/v1/catalog/services", "Connection: close\r\n"))
        .expect("it listens");
    let mut said = Vec::new();
    stream.read_to_end(&mut said).expect("it answers");
    assert_eq!(raw::status(&said), 200);
}

#[test]
fn places_for_health_are_not_held_by_who_says_nothing() {
    let server = Process::muster(&FULL).expect("muster starts");
    let _held = fill(&server);
    // As many as there are such places, and more; each is told after a second and must leave.
    let _silent: Vec<TcpStream> = (0..100).map(|_| raw::connect(server.address)).collect();
    let request = Request::new("GET", "/livez");
    let deadline = Instant::now() + limits().recovery_max;
    let answer = ask_until(&mut server.client(), &request, deadline, |answer| answer.status == 200);
    assert_eq!(answer.expect("the server listens").status, 200);
}

#[test]
fn other_protocols_are_answered_and_closed_at_once() {
    let server =
        Process::muster(&["--limits-head-timeout", "1h", "--limits-idle-timeout", "1h"]).expect("it starts");
    let rows: [(&[u8], &str); 5] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "was sent a TLS hello"),
        (b"GET /v1/status/leader\r\n", "HTTP/0.9 is not spoken here"),
        (b"GET / \r\nHost: localhost\r\n", "HTTP/0.9 is not spoken here"),
        (b"\x00\x00\x00\x10", "does not begin with a method"),
        (b"{\"jsonrpc\":\"2.0\"}", "does not begin with a method"),
    ];
    for (said, sentence) in rows {
        let mut stream = raw::silent(server.address, said);
        // Without an answer this waits a minute and has read nothing.
        let answer = String::from_utf8_lossy(&raw::read_to_end(&mut stream)).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(sentence), "{said:?}: {answer}");
    }
}

#[test]
fn a_refused_head_has_no_body() {
    let server = Process::muster(&[]).expect("muster starts");
    for request in [
        "HEAD / HTTP/1.1\r\n\r\n".to_owned(),
        "HEAD / HTTP/2.0\r\nHost: localhost\r\n\r\n".to_owned(),
        "HEAD /\r\n".to_owned(),
        format!("HEAD /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(9_000)),
        "HEAD / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n".to_owned(),
        "HEAD / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3 junk\r\nabc\r\n0\r\n\r\n"
            .to_owned(),
    ] {
        let mut stream = raw::silent(server.address, request.as_bytes());
        let said = String::from_utf8_lossy(&raw::read_to_end(&mut stream)).into_owned();
        assert!(said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.1 505"), "{request:?}: {said}");
        assert!(said.contains("Content-Length: ") && said.ends_with("\r\n\r\n"), "{request:?}: {said}");
    }
}

#[test]
fn a_crowd_whose_time_comes_at_once_disturbs_nobody() {
    let timeouts =
        ["--limits-head-timeout", "2s", "--limits-idle-timeout", "2s", "--limits-write-timeout", "2s"];
    let server = Process::muster(&timeouts).expect("muster starts");
    beside(&server, &limits(), |scale| {
        let address = server.address;
        let crowd: Vec<TcpStream> = (0..scale.pick(300, 3_000))
            .flat_map(|_| {
                let silent = raw::connect(address);
                let slow = raw::silent(address, b"GET /v1/health/serv");
                [silent, slow]
            })
            .collect();
        // All of them are closed within one tick of each other.
        for mut stream in crowd {
            raw::read_to_end(&mut stream);
        }
    });
}

#[test]
fn a_crowd_that_stays_leaves_the_tail_short() {
    let server = Process::muster(&["--limits-connections-max", "12000"]).expect("muster starts");
    let scale = Scale::of_this_run();
    let p999_max = scale.pick(Duration::from_secs(5), Duration::from_millis(20));
    let limits = Limits { read_p999_max: Some(p999_max), ..limits() };
    beside(&server, &limits, |scale| {
        let address = server.address;
        // Nobody reads the answers of the third, which fill what the kernel takes.
        let asked = raw::get("/v1/agent/self", "").repeat(40);
        let said: [&[u8]; 3] = [b"", b"GET /v1/health/serv", &asked];
        let crowd: Vec<TcpStream> = (0..scale.pick(600, 10_000))
            .map(|number| raw::silent_and_small(address, said[number % said.len()]))
            .collect();
        std::thread::sleep(scale.pick(Duration::from_secs(1), Duration::from_secs(30)));
        drop(crowd);
    });
}
