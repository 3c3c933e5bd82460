//! Certificates that are renewed while clients come and go, and processes that are.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{ANY_VERSION, Agent, Authority, LEADER, PATIENCE, TlsClient, authority, get};
use crate::support::process::{Process, free_port};

/// What a new client is shown.
fn shown(agent: &Agent, authority: &Authority) -> Vec<u8> {
    let config = Arc::new(authority.config(None, ANY_VERSION));
    let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
    assert_eq!(client.get(LEADER).expect("an answer").status, 200);
    client.session().peer_certificates().expect("a certificate")[0].to_vec()
}

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_changed_file_is_used_by_itself_and_no_request_fails() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    let before = shown(&agent, &authority);
    let config = Arc::new(authority.config(None, ANY_VERSION));
    let mut open = TlsClient::connect(agent.https, &config).expect("a handshake");
    let (is_over, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let asking = || {
            let end = Instant::now() + 3 * PATIENCE;
            while !is_over.load(Ordering::Relaxed) && Instant::now() < end {
                // Anew each time, as those come who hold no connection.
                let config = Arc::new(authority.config(None, ANY_VERSION));
                let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
                assert_eq!(client.get(LEADER).expect("an answer").status, 200);
                asked.fetch_add(1, Ordering::Relaxed);
            }
        };
        let threads = [scope.spawn(asking), scope.spawn(asking)];
        authority.server("server", "server.example", 4000);
        until("the new certificate is shown", || shown(&agent, &authority) != before);
        let seen = asked.load(Ordering::Relaxed);
        until("requests go on", || {
            asked.load(Ordering::Relaxed) > seen || threads.iter().any(|it| it.is_finished())
        });
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(open.get(LEADER).expect("an open connection goes on").status, 200);
}

#[test]
fn a_reload_uses_what_is_there_and_refuses_what_cannot_be_used() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    let before = shown(&agent, &authority);
    let mut client = agent.process.client();
    authority.server("server", "server.example", 4000);
    let answer = client.put("/v1/agent/reload", "").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let after = shown(&agent, &authority);
    assert_ne!(after, before);
    authority.put("server.key", "no key");
    let answer = client.put("/v1/agent/reload", "").expect("an answer");
    assert!(answer.status >= 400 && answer.text().contains("there is no key in it"), "{}", answer.text());
    assert_eq!(shown(&agent, &authority), after);
    until("the metric tells of it", || agent.metric("muster_tls_certificate_behind") == 1.0);
    assert!(agent.process.log().contains("the certificate in use stays: tls_key_file "));
    // One that has run out is no better.
    authority.server("server", "server.example", 2001);
    let answer = client.put("/v1/agent/reload", "").expect("an answer");
    assert!(
        answer.text().contains("the certificate has expired, at 2001-01-01T00:00:00Z"),
        "{}",
        answer.text()
    );
    authority.server("server", "server.example", 4001);
    until("mended files are used", || agent.metric("muster_tls_certificate_behind") == 0.0);
    assert_ne!(shown(&agent, &authority), after);
    assert_eq!(agent.metric("muster_tls_certificate_expiry_timestamp_seconds"), 64_092_211_200.0);
}

#[test]
fn files_that_cannot_be_used_keep_an_agent_from_starting() {
    let authority = authority();
    authority.put("text.pem", "no certificate");
    authority.server("other", "other.example", 4096);
    let rows = [
        ("text.pem", "server.key", "text.pem: there is no certificate in it"),
        ("absent.pem", "server.key", "absent.pem: it cannot be read"),
        ("server.pem", "other.key", "other.key: the key does not belong to the certificate in "),
    ];
    for (certificate, key, said) in rows {
        let data = authority.path("data");
        let (certificate, key) = (authority.text(certificate), authority.text(key));
        let address = format!("127.0.0.1:{}", free_port());
        let arguments = ["--https-addr", &address, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let error = Process::muster_on(&data, &arguments).err().expect("it does not start");
        assert!(error.contains(said), "{error}");
        assert!(!data.exists(), "nothing is left behind");
    }
}

#[test]
fn a_takeover_ends_connections_in_order_and_new_ones_go_on() {
    let authority = authority();
    let mut agent = Agent::start(&authority, &[]);
    let config = Arc::new(authority.config(None, ANY_VERSION));
    let mut idle = TlsClient::connect(agent.https, &config).expect("a handshake");
    assert_eq!(idle.get(LEADER).expect("an answer").status, 200);
    let mut parked = TlsClient::connect(agent.https, &config).expect("a handshake");
    let index = parked.get("/v1/catalog/services").expect("an answer").index().expect("an index");
    parked.send(&get(&format!("/v1/catalog/services?index={index}&wait=10m"))).expect("there is room");
    until("the query is parked", || agent.metric("muster_blocking_queries") == 1.0);
    agent.process.take_over(&[]).expect("a successor");
    let answer = parked.receive().expect("what there is is answered");
    assert_eq!((answer.status, answer.header("Connection")), (200, Some("close")));
    let mut rest = Vec::new();
    idle.0.read_to_end(&mut rest).expect("an end that says it is one");
    assert!(rest.is_empty());
    let mut anew = TlsClient::connect(agent.https, &config).expect("a handshake");
    assert_eq!(anew.get(LEADER).expect("an answer").status, 200);
}
