//! Slow clients are cut off: each test waits for the cut itself, with bounds small enough to come soon.

use std::time::Duration;

use super::client::{TestServer, echo};
use crate::net::http::{Body, Exchange, Response, ServerConfig, SharedBody};

const SOON: Duration = Duration::from_millis(1);
const LATE: Duration = Duration::from_secs(3600);

/// Every bound late, for a test to bring one forward.
fn patient() -> ServerConfig {
    ServerConfig {
        head_timeout: LATE,
        body_timeout: LATE,
        idle_timeout: LATE,
        write_timeout: LATE,
        ..ServerConfig::default()
    }
}

#[test]
fn a_slow_head_is_told_and_a_silent_connection_just_closed() {
    let server = TestServer::start_with(ServerConfig { head_timeout: SOON, ..patient() }, echo);
    let mut client = server.connect();
    client.send("GET / HT");
    assert_eq!(client.reply().status, 408);
    assert!(client.is_closed());
    assert!(server.connect().is_closed());
    assert_eq!(server.stats().timeouts, 2);
}

#[test]
fn a_slow_body_is_told_and_not_executed() {
    let server = TestServer::start_with(ServerConfig { body_timeout: SOON, ..patient() }, echo);
    for framing in ["Content-Length: 5\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab"] {
        let mut client = server.connect();
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\n{framing}"));
        assert_eq!(client.reply().status, 408);
        assert!(client.is_closed());
    }
    assert_eq!(server.stats().requests, 0);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let server = TestServer::start_with(ServerConfig { idle_timeout: SOON, ..patient() }, echo);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().status, 200);
    assert!(client.is_closed());
    assert_eq!(server.stats().timeouts, 1);
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_held_little() {
    let body = SharedBody::new(vec![b'x'; 1 << 20]);
    let handler = move |_: &mut Exchange<'_>| Response::new(200).with_body(Body::Shared(body.clone()));
    let server = TestServer::start_with(ServerConfig { write_timeout: SOON, ..patient() }, handler);
    let mut client = server.connect();
    let requests = 1000;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requests));
    while server.stats().timeouts == 0 {
        std::thread::yield_now();
    }
    let stats = server.stats();
    assert!(stats.requests < requests as u64 / 4, "reading stopped after {} requests", stats.requests);
}

#[test]
fn small_pipelined_responses_are_flushed_at_their_bound() {
    let server =
        TestServer::start_with(patient(), |_: &mut Exchange<'_>| Response::text(200, "y".repeat(1000)));
    let mut client = server.connect();
    let requests = 300;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requests));
    for _ in 0..requests {
        assert_eq!(client.reply().body.len(), 1000);
    }
}
