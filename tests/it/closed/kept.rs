//! What is kept over restarts, and where a secret may not be found.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Closed, FIRST};

fn files(directory: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.extend(fs::read(&path)),
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn tokens_survive_a_kill_and_their_secrets_are_nowhere_to_be_read() {
    let mut closed = Closed::filled(&[]);
    let (token, accessor) =
        closed.token("service \"web\" { policy = \"read\" } node_prefix \"\" { policy = \"read\" }");
    let request = crate::support::client::Request::new("GET", "/v1/snapshot").header("X-Consul-Token", FIRST);
    let snapshot = closed.client.request(&request).expect("a snapshot");
    assert_eq!(snapshot.status, 200);
    closed.process.kill();
    let mut kept = Vec::new();
    files(&closed.process.data_dir(), &mut kept);
    assert!(kept.iter().any(|bytes| holds(bytes, &accessor)), "the token is there");
    for secret in [token.as_str(), FIRST] {
        assert!(!kept.iter().any(|bytes| holds(bytes, secret)), "a secret is in the data directory");
        assert!(!holds(snapshot.text().as_bytes(), secret), "a secret is in the snapshot");
        assert!(!closed.process.log().contains(secret), "a secret is in the log");
    }
    closed.process.start_again().unwrap_or_else(|error| panic!("{error}"));
    closed.client = closed.process.client();
    assert_eq!(closed.get_as(&token, "/v1/health/service/web").json().as_array().map(Vec::len), Some(2));
    assert_eq!(closed.get_as(&token, "/v1/health/service/db").text(), "[]");
    let shown = closed.managed("GET", &format!("/v1/acl/token/{accessor}"), &Value::Null);
    assert_eq!(shown["SecretID"], token.as_str(), "who may still reads it");
}
