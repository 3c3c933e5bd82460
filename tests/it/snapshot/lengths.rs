//! Texts and definitions that are longer than a record or a run takes: they cost no copy of the registry, and no check.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::made_up::{self, THEIRS, check, http, snapshot, with};
use super::{restore, succeeds, text, with_operators, with_secrets};
use crate::support::client::{Answer, Client, Request, ask_until};
use crate::support::process::Process;

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of an output or of notes in a record.
const SAID_BYTES_MAX: usize = 8192;

/// So many headers of a check.
pub fn headers(count: usize) -> Value {
    (0..count).map(|at| (format!("X-{at}"), json!(["v"]))).collect::<serde_json::Map<_, _>>().into()
}

/// The agent's checks once `is_there` holds of them.
fn checks(client: &mut Client, is_there: impl Fn(&Value) -> bool) -> Value {
    let request = Request::new("GET", "/v1/agent/checks");
    let matches = |answer: &Answer| answer.status == 200 && is_there(&answer.json());
    let answer = ask_until(client, &request, Instant::now() + PATIENCE, matches).expect("an answer");
    assert!(matches(&answer), "{}", answer.text().chars().take(2000).collect::<String>());
    answer.json()
}

/// The URL of a target that leads to a place with an endless name.
fn leading_astray() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let location = format!("ftp://h/{}", "a".repeat(9_000));
        let head = format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n");
        for mut stream in listener.incoming().flatten() {
            let _request = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _sent = stream.write_all(head.as_bytes());
        }
    });
    url
}

#[test]
fn whatever_a_check_says_a_copy_can_be_restored() {
    let (muster, admin) = with_operators(&["--check-update-interval", "0s"]);
    let mut client = muster.client();
    let long = format!("http://127.0.0.1:1/{}", "a".repeat(8_170));
    let bodies = [
        json!({ "Name": "long", "HTTP": long, "Interval": "1s" }),
        json!({ "Name": "astray", "HTTP": leading_astray(), "Interval": "1s" }),
        json!({ "Name": "alias", "AliasNode": crate::support::process::NODE_NAME }),
    ];
    for body in bodies {
        let answer = client.put("/v1/agent/check/register", &body.to_string()).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let found = checks(&mut client, |checks| {
        let said = |id: &str| checks[id]["Output"].as_str().unwrap_or_default().to_owned();
        said("long").contains("127.0.0.1:1/a")
            && said("astray").contains("Location")
            && !said("alias").is_empty()
    });
    for id in ["long", "astray", "alias"] {
        let output = found[id]["Output"].as_str().expect("it is a text");
        assert!(output.len() <= SAID_BYTES_MAX, "{id}: {}", output.len());
    }
    let copy = with_secrets(&admin);
    let (status, told) = restore(&mut client, "/v1/snapshot", &copy);
    assert_eq!(status, 200, "{told}");
}

#[test]
fn what_a_row_says_at_length_is_cut() {
    let muster = Process::muster(&[]).expect("it starts");
    let mut client = muster.client();
    let said = "x".repeat(SAID_BYTES_MAX + 1);
    let keys = json!({ "output": said, "notes": said, "status": "passing" });
    let (status, told) = restore(&mut client, "/v1/snapshot", &snapshot(9, &[check(THEIRS, "c", keys)]));
    assert_eq!(status, 200, "{told}");
    let held = client.get("/v1/agent/checks").expect("an answer").json()["c"].clone();
    for key in ["Output", "Notes"] {
        assert_eq!(held[key].as_str().map(str::len), Some(SAID_BYTES_MAX), "{key}");
    }
}

#[test]
fn a_check_that_is_larger_than_a_run_takes_is_kept_and_says_so() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let (table, key, mut its_node) = made_up::node(THEIRS);
    its_node["id"] = json!(made_up::THEIR_ID);
    let of = |id: &str, request: Value| {
        let definition = with(http(request, json!({})), json!({ "interval": made_up::span(1) }));
        check(THEIRS, id, json!({ "definition": definition, "kind": "http", "output": "x".repeat(9_000) }))
    };
    let rows = [
        (table, key, its_node),
        of("headers", json!({ "header": headers(40_000) })),
        of("url", json!({ "url": format!("http://127.0.0.1:1/{}", "x".repeat(9_000)) })),
    ];
    fs::write(at("made-up"), snapshot(9, &rows)).expect("it can be written");
    succeeds(&["store", "restore", text(&at("made-up")), "--into", text(&at("data"))]);
    let muster = Process::muster_on(&at("data"), &[]).expect("it starts");
    let found = checks(&mut muster.client(), |checks| {
        let did_not =
            |id: &str| checks[id]["Output"].as_str().is_some_and(|it| it.starts_with("did not run"));
        did_not("headers") && did_not("url")
    });
    for (id, words) in [("headers", "at most 128 names"), ("url", "at most 8192 bytes")] {
        assert_eq!(found[id]["Status"], "critical");
        assert!(found[id]["Output"].as_str().is_some_and(|it| it.contains(words)), "{}", found[id]);
    }
    assert!(!muster.log().contains("panicked"), "{}", muster.log());
}
