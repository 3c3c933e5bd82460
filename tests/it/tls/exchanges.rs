//! What goes through TLS: it is HTTP as without, in whatever pieces it comes, and however slowly it is read.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Instant;

use rustls::version;

use super::{ANY_VERSION, Agent, LEADER, PATIENCE, TlsClient, authority, get};
use crate::support::client::{Request, ask_until};

#[test]
fn a_connection_is_kept_and_requests_may_wait_in_line() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    for known in [&version::TLS12, &version::TLS13] {
        let config = Arc::new(authority.config(None, &[known]));
        let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
        for _ in 0..3 {
            assert_eq!(client.get(LEADER).expect("an answer").status, 200);
        }
        let many: String = (0..50).map(|at| get(&format!("/v1/kv/absent-{at}"))).collect();
        client.send(&many).expect("there is room");
        for _ in 0..50 {
            assert_eq!(client.receive().expect("an answer").status, 404);
        }
        // The client's last word, and then the server's.
        client
            .send("GET /v1/status/leader HTTP/1.1\r\nHost: a.b\r\nHost: a.b\r\n\r\n")
            .expect("there is room");
        assert_eq!(client.receive().expect("an answer").status, 400);
        let mut rest = Vec::new();
        client.0.read_to_end(&mut rest).expect("an end that says it is one");
        assert!(rest.is_empty());
    }
}

#[test]
fn bytes_may_come_one_by_one() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    let config = Arc::new(authority.config(None, ANY_VERSION));
    let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
    // Each in a record of its own.
    for byte in get(LEADER).chars() {
        client.send(&byte.to_string()).expect("there is room");
    }
    assert_eq!(client.receive().expect("an answer").status, 200);
    // And each byte of a record by itself, that of the handshake first.
    let mut session =
        rustls::ClientConnection::new(config, "127.0.0.1".try_into().expect("a name")).expect("a session");
    let mut stream = std::net::TcpStream::connect(agent.https).expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    session.writer().write_all(get(LEADER).as_bytes()).expect("it is kept");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\"127.0.0.1:8300\"") && !answer.ends_with(b"\"127.0.0.1:8300\"\n") {
        while session.wants_write() {
            let mut records = Vec::new();
            session.write_tls(&mut records).expect("memory");
            records.iter().for_each(|byte| stream.write_all(&[*byte]).expect("there is room"));
        }
        assert_ne!(
            session.read_tls(&mut stream).expect("an answer"),
            0,
            "{}",
            String::from_utf8_lossy(&answer)
        );
        session.process_new_packets().expect("what is understood");
        match session.reader().read_to_end(&mut answer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
}

#[test]
fn a_large_body_goes_both_ways() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    let config = Arc::new(authority.config(None, ANY_VERSION));
    let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
    let value: String = (0..500_000_u32).map(|at| char::from(b'a' + (at * 7 % 26) as u8)).collect();
    let head =
        format!("PUT /v1/kv/large HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n", value.len());
    client.send(&(head + &value)).expect("there is room in time");
    assert_eq!(client.receive().expect("an answer").text().trim(), "true");
    assert_eq!(client.get("/v1/kv/large?raw").expect("an answer").text(), value);
    // Who does not read at once gets the same, and nobody waits for him.
    for _ in 0..40 {
        client.send(&get("/v1/kv/large?raw")).expect("there is room");
    }
    for _ in 0..20 {
        assert_eq!(agent.process.client().get(LEADER).expect("an answer").status, 200);
    }
    for _ in 0..40 {
        assert_eq!(client.receive().expect("an answer").text(), value);
    }
}

#[test]
fn a_blocking_query_is_woken() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    let config = Arc::new(authority.config(None, ANY_VERSION));
    let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
    let mut writer = agent.process.client();
    assert_eq!(writer.put("/v1/kv/watched", "1").expect("an answer").status, 200);
    let index = client.get("/v1/kv/watched").expect("an answer").index().expect("an index");
    client.send(&get(&format!("/v1/kv/watched?index={index}&wait=60s"))).expect("there is room");
    wait_for_queries(&agent, 1.0);
    writer.put("/v1/kv/watched", "2").expect("an answer");
    let answer = client.receive().expect("an answer");
    assert!(answer.index().expect("an index") > index);
    assert_eq!(client.get(LEADER).expect("the connection goes on").status, 200);
}

#[test]
fn a_blocking_query_ends_with_its_client() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    let config = Arc::new(authority.config(None, ANY_VERSION));
    // With a word or without.
    for says_goodbye in [true, false] {
        let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
        let index = client.get("/v1/catalog/services").expect("an answer").index().expect("an index");
        client.send(&get(&format!("/v1/catalog/services?index={index}&wait=10m"))).expect("there is room");
        wait_for_queries(&agent, 1.0);
        if says_goodbye {
            client.0.get_mut().conn.send_close_notify();
            client.0.get_mut().flush().expect("there is room");
        }
        client.socket().shutdown(Shutdown::Both).expect("it is open");
        wait_for_queries(&agent, 0.0);
    }
}

fn wait_for_queries(agent: &Agent, parked: f64) {
    let said = |text: &str| text.lines().any(|line| line == format!("muster_blocking_queries {parked}"));
    let (mut client, request) = (agent.process.client(), Request::new("GET", "/metrics"));
    let deadline = Instant::now() + PATIENCE;
    let answer =
        ask_until(&mut client, &request, deadline, |answer| said(&answer.text())).expect("an answer");
    assert!(said(&answer.text()), "not {parked} queries:\n{}", answer.text());
}
