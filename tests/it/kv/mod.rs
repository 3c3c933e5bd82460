//! Keys and values on the built binary: what survives, what is refused, what is woken, and that no kept answer is stale.

mod moved;
mod stale;
mod watched;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Request};
use crate::support::process::Process;

/// The largest value there may be.
const VALUE_BYTES_MAX: usize = 512 * 1024;

/// The longest key there may be.
const KEY_BYTES_MAX: usize = 4096;

fn start(arguments: &[&str]) -> (Process, Client) {
    let server = Process::muster(arguments).unwrap_or_else(|error| panic!("{error}"));
    let client = server.client();
    (server, client)
}

fn ask(client: &mut Client, method: &str, target: &str, body: &[u8]) -> Answer {
    let request = Request::new(method, &format!("/v1/kv/{target}")).body(body);
    client.request(&request).expect("an answer")
}

fn put(client: &mut Client, target: &str, value: &str) {
    let answer = ask(client, "PUT", target, value.as_bytes());
    assert_eq!((answer.status, answer.text().as_str()), (200, "true"), "{target}");
}

fn raw(client: &mut Client, key: &str) -> String {
    ask(client, "GET", &format!("{key}?raw"), b"").text()
}

fn keys(client: &mut Client, prefix: &str) -> Value {
    ask(client, "GET", &format!("{prefix}?keys"), b"").json()
}

#[test]
fn what_was_acknowledged_survives_a_kill_with_its_indexes() {
    let (mut server, mut client) = start(&[]);
    put(&mut client, "a/b?flags=7", "one");
    put(&mut client, "a/c", "two");
    put(&mut client, "gone", "three");
    ask(&mut client, "DELETE", "gone", b"");
    let before = ask(&mut client, "GET", "a?recurse", b"");
    let missing = ask(&mut client, "GET", "gone", b"");
    server.kill();
    server.start_again().unwrap_or_else(|error| panic!("{error}"));
    let mut client = server.client();
    let after = ask(&mut client, "GET", "a?recurse", b"");
    assert_eq!(after.json(), before.json());
    assert!(after.index() >= before.index(), "no index goes back");
    assert!(ask(&mut client, "GET", "gone", b"").index() >= missing.index());
    let key = ask(&mut client, "GET", "a/b", b"");
    assert_eq!(key.index(), key.json()[0]["ModifyIndex"].as_u64(), "that of a key is its own");
}

#[test]
fn values_and_keys_have_bounds() {
    let (_server, mut client) = start(&[]);
    let most = vec![b'x'; VALUE_BYTES_MAX];
    assert_eq!(ask(&mut client, "PUT", "most", &most).text(), "true");
    assert_eq!(ask(&mut client, "GET", "most?raw", b"").body.len(), VALUE_BYTES_MAX);
    let answer = ask(&mut client, "PUT", "more", &[&most[..], b"x"].concat());
    let expected = "Request body(524289 bytes) too large, max size: 524288 bytes. See \
                    https://www.consul.io/docs/agent/options.html#kv_max_value_size. In muster that is fixed.";
    assert_eq!((answer.status, answer.text().as_str()), (413, expected));
    let long = "k".repeat(KEY_BYTES_MAX);
    put(&mut client, &long, "v");
    let answer = ask(&mut client, "PUT", &format!("{long}k"), b"v");
    assert_eq!(answer.status, 400, "{}", answer.text());
    for target in ["a%00b", "a%E2%80%8Bb", "%FF", "%zz"] {
        let answer = ask(&mut client, "PUT", target, b"v");
        assert_eq!(answer.status, 400, "{target}: {}", answer.text());
    }
    assert_eq!(keys(&mut client, ""), json!([long, "most"]));
}

#[test]
fn memory_for_keys_has_a_bound_of_its_own() {
    let (_server, mut client) = start(&["--limits-kv-bytes-max", "1MiB"]);
    let half = vec![b'x'; VALUE_BYTES_MAX - 1024];
    for key in ["a", "b"] {
        assert_eq!(ask(&mut client, "PUT", key, &half).text(), "true");
    }
    let answer = ask(&mut client, "PUT", "c", &half);
    assert_eq!(answer.status, 507, "{}", answer.text());
    assert!(answer.text().contains("limits.kv_bytes_max"), "{}", answer.text());
    let body = json!({"Name": "web"}).to_string();
    assert_eq!(client.put("/v1/agent/service/register", &body).expect("an answer").status, 200);
    ask(&mut client, "DELETE", "a", b"");
    assert_eq!(ask(&mut client, "PUT", "c", &half).text(), "true", "there is room again");
    assert_eq!(keys(&mut client, ""), json!(["b", "c"]));
}

#[test]
fn locks_wait_for_sessions_and_say_so() {
    let (_server, mut client) = start(&[]);
    for target in ["a?acquire=97981c2d-dd8b-41c8-61d8-655bfc00fc89", "a?release=x"] {
        let answer = ask(&mut client, "PUT", target, b"v");
        assert_eq!(answer.status, 501, "{}", answer.text());
        assert!(answer.text().contains("sessions"), "{}", answer.text());
    }
    assert_eq!(ask(&mut client, "GET", "a", b"").status, 404);
}
