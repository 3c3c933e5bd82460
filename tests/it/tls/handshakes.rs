//! Who is let in: versions, names, certificates of clients; and what those are told who are not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{HandshakeKind, version};

use super::{ANY_VERSION, Agent, Authority, LEADER, PATIENCE, TlsClient, authority, get};
use crate::support::process::{free_port, muster_binary};

#[test]
fn both_versions_are_spoken_and_the_oldest_may_be_raised() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    for known in [&version::TLS12, &version::TLS13] {
        let config = Arc::new(authority.config(None, &[known]));
        let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
        assert_eq!(client.get(LEADER).expect("an answer").status, 200);
        assert_eq!(client.session().protocol_version(), Some(known.version));
    }
    assert_eq!(agent.process.client().get(LEADER).expect("HTTP goes on beside it").status, 200);
    let strict = Agent::start(&authority, &["--tls-min-version", "1.3"]);
    let old = Arc::new(authority.config(None, &[&version::TLS12]));
    assert!(TlsClient::connect(strict.https, &old).is_err());
    let new = Arc::new(authority.config(None, ANY_VERSION));
    assert_eq!(
        TlsClient::connect(strict.https, &new).expect("1.3").get(LEADER).expect("an answer").status,
        200
    );
    assert!(strict.metric("muster_tls_handshakes_total{outcome=\"failed\"}") >= 1.0);
}

/// What `openssl s_client` says when it is given this to send. `None` where there is no such command.
fn openssl(agent: &Agent, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &agent.https.to_string()]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: no openssl: {error}");
            return None;
        }
    };
    // It may end before it has read anything.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn openssl_gets_an_answer_and_neither_an_old_version_nor_a_renegotiation() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    let ca = authority.text("ca.pem");
    let request = "GET /v1/status/leader HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments = [version, "-CAfile", &ca, "-verify_return_error", "-ign_eof", "-alpn", "http/1.1"];
        let Some((is_well, said)) = openssl(&agent, &arguments, request) else { return };
        assert!(
            is_well && said.contains("HTTP/1.1 200 OK") && said.contains("ALPN protocol: http/1.1"),
            "{said}"
        );
    }
    for version in ["-tls1", "-tls1_1"] {
        let arguments = [version, "-cipher", "DEFAULT@SECLEVEL=0"];
        let Some((is_well, said)) = openssl(&agent, &arguments, "") else { return };
        assert!(!is_well, "{version}: {said}");
    }
    // A line with R asks for one, which is not granted: the three handshakes are those that began a connection.
    let Some((_, said)) = openssl(&agent, &["-tls1_2", "-CAfile", &ca], "R\n") else { return };
    assert!(said.contains("RENEGOTIATING"), "{said}");
    assert_eq!(agent.metric("muster_tls_handshakes_total{outcome=\"full\"}"), 3.0);
}

#[test]
fn certificates_of_clients_decide() {
    let (authority, foreign) = (authority(), Authority::new());
    authority.client("alice", 4096);
    authority.client("old", 2001);
    foreign.client("mallory", 4096);
    let ca = authority.text("ca.pem");
    // `(tls_verify_incoming, what is shown, whether it is let in)`
    let rows = [
        ("none", None, true),
        ("optional", None, true),
        ("required", None, false),
        ("none", Some((&foreign, "mallory")), true),
        ("optional", Some((&authority, "alice")), true),
        ("required", Some((&authority, "alice")), true),
        ("optional", Some((&foreign, "mallory")), false),
        ("required", Some((&foreign, "mallory")), false),
        ("optional", Some((&authority, "old")), false),
        ("required", Some((&authority, "old")), false),
    ];
    for rule in ["none", "optional", "required"] {
        let agent = Agent::start(&authority, &["--tls-ca-file", &ca, "--tls-verify-incoming", rule]);
        for (_, shown, is_let_in) in rows.iter().filter(|(of, ..)| *of == rule) {
            for known in [&version::TLS12, &version::TLS13] {
                let config = Arc::new(authority.config(*shown, &[known]));
                let answer =
                    TlsClient::connect(agent.https, &config).and_then(|mut client| client.get(LEADER));
                let case = format!("{rule}, {:?}, {:?}", shown.map(|(_, stem)| stem), known.version);
                match (answer, is_let_in) {
                    (Ok(answer), true) => assert_eq!(answer.status, 200, "{case}"),
                    (Err(_), false) => {}
                    (answer, _) => panic!("{case}: {answer:?}"),
                }
            }
        }
        // Who is connected without TLS is asked for none.
        assert_eq!(agent.process.client().get(LEADER).expect("an answer").status, 200);
        if rule == "required" {
            let log = agent.process.log();
            assert!(log.contains("it shows no certificate, and tls_verify_incoming demands one"), "{log}");
        }
    }
}

#[test]
fn each_name_is_shown_its_certificate() {
    let authority = authority();
    authority.server("a", "a.example", 4096);
    authority.server("b", "*.b.example", 4096);
    let certificates = [authority.text("a.pem"), authority.text("b.pem")].join(",");
    let keys = [authority.text("a.key"), authority.text("b.key")].join(",");
    let agent = Agent::start(&authority, &["--tls-cert-file", &certificates, "--tls-key-file", &keys]);
    let config = Arc::new(authority.config(None, ANY_VERSION));
    for name in ["a.example", "x.b.example", "127.0.0.1"] {
        let mut client = TlsClient::connect_to(agent.https, name, &config)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(client.get(LEADER).expect("an answer").status, 200, "{name}");
    }
    // The first one, which the client then does not take.
    assert!(TlsClient::connect_to(agent.https, "c.example", &config).is_err());
}

#[test]
fn who_comes_back_resumes() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    for known in [&version::TLS12, &version::TLS13] {
        let config = Arc::new(authority.config(None, &[known]));
        let kinds = [(); 2].map(|()| {
            let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
            // The ticket of TLS 1.3 comes before the answer.
            assert_eq!(client.get(LEADER).expect("an answer").status, 200);
            client.session().handshake_kind()
        });
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)], "{:?}", known.version);
    }
    assert_eq!(agent.metric("muster_tls_handshakes_total{outcome=\"resumed\"}"), 2.0);
}

#[test]
fn plain_http_is_told_what_to_do() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    for request in
        [get(LEADER), "PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nxxxx".to_owned()]
    {
        let mut stream = TcpStream::connect(agent.https).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("there is room");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an orderly end");
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("TLS is spoken at this port: ask by https://"), "{answer}");
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
    }
    assert_eq!(agent.metric("muster_tls_handshakes_total{outcome=\"plain\"}"), 2.0);
}

#[test]
fn what_is_neither_is_an_end() {
    let authority = authority();
    let agent = Agent::start(&authority, &[]);
    let record = |kind: u8, length: [u8; 2], bytes: &[u8]| [&[kind, 3, 3], &length[..], bytes].concat();
    let rows = [
        vec![0; 64],
        vec![0xff; 64],
        record(22, [0, 4], &[1, 0, 0, 0]),
        record(22, [0xff, 0xff], &[1; 64]),
        record(23, [0, 4], &[1, 2, 3, 4]),
        record(21, [0, 2], &[2, 40]),
    ];
    for row in rows {
        let mut stream = TcpStream::connect(agent.https).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(&row).expect("there is room");
        let mut said = Vec::new();
        // An alert or nothing, and then the end.
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty() || said[0] == 21, "{row:?}: {said:?}");
    }
    let config = Arc::new(authority.config(None, ANY_VERSION));
    assert_eq!(
        TlsClient::connect(agent.https, &config).expect("it goes on").get(LEADER).expect("an answer").status,
        200
    );
}

#[test]
fn http_may_be_off() {
    let authority = authority();
    let port = free_port();
    let (address, data) = (format!("127.0.0.1:{port}"), authority.text("data"));
    let (certificate, key) = (authority.text("server.pem"), authority.text("server.key"));
    let mut child = Command::new(muster_binary())
        .args(["agent", "--dev", "--http-addr", "off", "--https-addr", &address, "--data-dir", &data])
        .args(["--tls-cert-file", &certificate, "--tls-key-file", &key])
        .current_dir(authority.directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let config = Arc::new(authority.config(None, ANY_VERSION));
    let deadline = Instant::now() + PATIENCE;
    let answer = loop {
        let answer = TlsClient::connect(address.parse().expect("an address"), &config)
            .and_then(|mut client| client.get(LEADER));
        if answer.is_ok() || Instant::now() > deadline {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(answer.expect("an answer").status, 200);
}
