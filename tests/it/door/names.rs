//! `Host`: by which names a server may be called.

use std::io::{BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{ask, log_until, server};
use crate::support::client::{Request, ask_until, read_answer};

fn named(host: &str) -> Request {
    Request::new("GET", "/v1/agent/checks").header("Host", host)
}

#[test]
fn a_server_answers_to_its_own_names_alone() {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux tells it");
    let server = server(&["-allowed-hosts", "consul.internal,*.svc.example"]);
    let rows = [
        ("127.0.0.1", 200),
        ("127.0.0.1:8500", 200),
        ("[::1]:8500", 200),
        ("198.51.100.7", 200),
        ("localhost", 200),
        ("LocalHost.:80", 200),
        ("node-one", 200),
        ("NODE-ONE:8500", 200),
        (kernel.trim(), 200),
        ("consul.internal:8500", 200),
        ("a.b.svc.example", 200),
        ("svc.example", 421),
        ("evil.example", 421),
        ("evil.example:8500", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.nip.example", 421),
        ("", 421),
    ];
    for (host, status) in rows {
        let answer = ask(&server, &named(host));
        assert_eq!(answer.status, status, "{host:?}: {}", answer.text());
        let sentence = answer.text();
        assert_eq!(sentence.contains("allowed_hosts"), status == 421, "{host:?}: {sentence}");
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{host:?}");
        assert_eq!(answer.header("Cross-Origin-Resource-Policy"), Some("same-origin"), "{host:?}");
    }
    // Whatever the request is for: liveness and what is not served as well; and by the target itself.
    for target in ["/livez", "/metrics", "/nowhere", "http://evil.example/v1/agent/checks"] {
        let host = if target.starts_with('/') { "evil.example" } else { "localhost" };
        assert_eq!(ask(&server, &Request::new("GET", target).header("Host", host)).status, 421, "{target}");
    }
    let log = log_until(&server, |log| log.contains("refused a request for"));
    assert!(log.contains("refused a request for svc.example"), "the log names the name: {log}");
    let metrics = server.client().get("/metrics").expect("an answer").text();
    let refused = metrics.lines().find(|line| line.starts_with("muster_http_refusals_total{status=\"421\"}"));
    let refused: f64 = refused.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or_default();
    assert!(refused >= 9.0, "{refused} counted");
}

#[test]
fn a_connection_that_was_let_in_by_one_name_is_not_by_another() {
    let server = server(&[]);
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(client.request(&named("localhost")).expect("an answer").status, 200);
    }
    assert_eq!(client.request(&named("evil.example")).expect("an answer").status, 421);
}

/// What is configured holds from a reload on, also on connections that are open.
#[test]
fn a_reload_lets_others_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("muster.toml");
    std::fs::write(&file, "allowed_hosts = [\"old.example\"]\n").expect("a file");
    let server = server(&["-config-file", file.to_str().expect("a path")]);
    let mut client = server.client();
    assert_eq!(client.request(&named("old.example")).expect("an answer").status, 200);
    let new = "allowed_hosts = [\"new.example\"]\nallowed_origins = [\"https://console.example\"]\n";
    std::fs::write(&file, new).expect("a file");
    server.signal("HUP");
    let deadline = Instant::now() + Duration::from_secs(30);
    let answer = ask_until(&mut server.client(), &named("new.example"), deadline, |it| it.status == 200);
    assert_eq!(answer.expect("an answer").status, 200);
    assert_eq!(client.request(&named("old.example")).expect("an answer").status, 421);
    let write = Request::new("PUT", "/v1/agent/check/pass/beat").header("Origin", "https://console.example");
    assert_eq!(ask(&server, &write).status, 200);
}

#[test]
fn a_unix_socket_may_be_called_anything() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("muster.sock");
    let address = format!("unix://{}", socket.display());
    let port = crate::support::process::free_port();
    let server = server(&["-http-addr", &format!("127.0.0.1:{port},{address}")]);
    let mut stream = UnixStream::connect(&socket).expect("it listens");
    stream.write_all(b"GET /v1/status/leader HTTP/1.1\r\nHost: whatever\r\n\r\n").expect("it is taken");
    let (answer, _) = read_answer(&mut BufReader::new(&mut stream), false).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    drop(server);
}
