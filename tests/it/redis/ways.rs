//! The ways to a Redis: over TLS, with the authority that an operator names and no other, and over a socket.

use std::path::Path;

use super::scene::PREFIX;
use super::server::Redis;
use crate::instance::certificates::{Certificates, GOOD};
use crate::support::client::Answer;
use crate::support::process::{Process, free_port};

fn start(url: &str, further: &[&str], data_dir: &Path) -> Process {
    let words = ["--store", "redis", "--redis-url", url, "--redis-prefix", PREFIX];
    Process::muster_on(data_dir, &[&words, further].concat()).expect("muster starts")
}

fn ask(process: &Process, target: &str) -> Answer {
    process.client().get(target).expect("an answer")
}

fn register(process: &Process, name: &str) {
    let body = format!("{{\"Name\":\"{name}\"}}");
    let answer = process.client().put("/v1/agent/service/register", &body).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_connection_over_tls_trusts_the_named_authority_alone() {
    let (certificates, strangers) = (Certificates::create(), Certificates::create());
    let of = |ending: &str| certificates.directory().join(format!("{GOOD}.{ending}")).display().to_string();
    let (authority, port) = (certificates.authority().display().to_string(), free_port().to_string());
    let (certificate, key) = (of("pem"), of("key"));
    let tls = ["--tls-port", &port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let redis =
        Redis::start(&[&tls[..], &["--tls-ca-cert-file", &authority, "--tls-auth-clients", "no"]].concat());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data_dir = directory.path().join("data");
    let url = format!("rediss://127.0.0.1:{port}");

    let process = start(&url, &["--redis-ca-file", &authority], &data_dir);
    register(&process, "web");
    assert_eq!(redis.ask::<u64>(&["HEXISTS", &format!("{PREFIX}:v1:services"), "node-one\tweb"]), 1);
    drop(process);

    for further in [&["--redis-ca-file", &strangers.authority().display().to_string()][..], &[]] {
        let process = start(&url, further, &data_dir);
        register(&process, "web-2");
        let said = ask(&process, "/readyz?verbose").text();
        assert!(said.contains("[-] Redis") && said.contains("certificate"), "{further:?}: {said}");
        assert_eq!(redis.ask::<u64>(&["HEXISTS", &format!("{PREFIX}:v1:services"), "node-one\tweb-2"]), 0);
    }
}

#[test]
fn a_socket_of_this_machine_will_do() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let socket = place.path().join("redis.sock").display().to_string();
    let redis = Redis::start(&["--unixsocket", &socket]);
    let process = start(&format!("unix://{socket}?db=3"), &[], &place.path().join("data"));
    register(&process, "web");
    let mut connection = redis.connect_as("").expect("a connection");
    super::server::ask::<()>(&mut connection, &["SELECT", "3"]);
    let key = format!("{PREFIX}:v1:services");
    assert_eq!(super::server::ask::<u64>(&mut connection, &["HEXISTS", &key, "node-one\tweb"]), 1);
    assert!(ask(&process, "/readyz?verbose").text().contains("[+] Redis"));
}

#[test]
fn what_is_said_of_writes_while_redis_is_away_is_what_is_done_with_them() {
    for (fate, status, said, last) in [
        (
            "spool",
            200,
            "[+] store redis: Acknowledged writes are synced to the local disk. Redis lacks",
            "ready",
        ),
        (
            "reject",
            503,
            "[-] store redis: Writes are refused until Redis has everything",
            "ready for reads, not for writes",
        ),
    ] {
        let mut redis = Redis::start(&[]);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("redis://127.0.0.1:{}", redis.port);
        let process = start(&url, &["--on-outage", fate], &directory.path().join("data"));
        register(&process, "web");
        let well = ask(&process, "/readyz?verbose").text();
        assert!(well.contains("[+] store redis") && well.lines().last() == Some("ready"), "{well}");
        redis.kill();
        let answer =
            process.client().put("/v1/agent/service/register", "{\"Name\":\"db\"}").expect("an answer");
        assert_eq!(answer.status, status, "{fate}: {}", answer.text());
        let away = ask(&process, "/readyz?verbose");
        assert_eq!(away.status, 200, "reads are served");
        let text = away.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().any(|line| line.starts_with(said)), "{fate}: {text}");
        assert!(lines.iter().any(|line| line.starts_with("[-] Redis")), "{fate}: {text}");
        assert_eq!(lines.last(), Some(&last), "{fate}: {text}");
    }
}
