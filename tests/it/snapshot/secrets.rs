//! Who sees the secrets of checks in a snapshot, and what becomes of one that lacks them.

use std::fs;

use serde_json::json;

use super::{address, restore, said, services, snapshot, succeeds, text, with_operators, with_secrets};
use crate::support::process::Process;

/// What must not be seen.
const SECRETS: [&str; 5] = ["s3cret-bearer", "s3cret-key", "s3cret-body", "s3cret-user", "s3cret-value"];

fn holds(bytes: &[u8], secret: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(secret)
}

#[test]
fn secrets_are_left_out_unless_asked_for() {
    let (muster, admin) = with_operators(&["--check-update-interval", "0s"]);
    let mut client = muster.client();
    let check = json!({
        "HTTP": "http://s3cret-user:pw@127.0.0.1:9/?token=s3cret-value", "Interval": "1s", "Method": "POST",
        "Header": { "Authorization": ["Bearer s3cret-bearer"], "X-Api-Key": ["s3cret-key"], "Accept": ["a/b"] },
        "Body": "s3cret-body",
    });
    let body = json!({ "Name": "web", "Port": 1, "Check": check }).to_string();
    assert_eq!(client.put("/v1/agent/service/register", &body).expect("an answer").status, 200);
    // What is told of a check that somebody else runs.
    let told = json!({
        "HTTP": "http://s3cret-user:pw@h/a;k=s3cret-key?token=s3cret-value#s3cret-key", "Body": "s3cret-body",
        "Header": { "X-Key": ["s3cret-key"] }, "ScriptArgs": ["/bin/check", "-p", "s3cret-key"],
        "TCP": "s3cret-user:s3cret-key@h:1", "GRPC": "h:1/a?k=s3cret-key", "H2PING": "h:1?s3cret-key",
        "UDP": "s3cret-key@h:1", "Method": "PUT",
    });
    let told = json!({ "Node": "n", "Address": "10.0.0.1", "Check": {
        "Name": "told", "Status": "passing", "Definition": told, "Notes": "see http://h/?k=s3cret-key",
        "Output": "Get http://h/?k=s3cret-key",
    }});
    assert_eq!(client.put("/v1/catalog/register", &told.to_string()).expect("an answer").status, 200);
    let alone = json!({ "Node": "n", "Address": "10.0.0.1", "Check": {
        "Name": "alone", "Status": "passing", "Definition": { "ScriptArgs": ["a", "s3cret-key"] },
    }});
    assert_eq!(client.put("/v1/catalog/register", &alone.to_string()).expect("an answer").status, 200);
    // The output repeats the URL once it has run.
    let shown = |client: &mut crate::support::client::Client| {
        client.get("/v1/agent/checks").expect("an answer").json()["service:web"]["Output"].to_string()
    };
    let begun = std::time::Instant::now();
    while shown(&mut client) == "\"\"" {
        assert!(begun.elapsed().as_secs() < 60, "the check runs");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }

    let redacted = snapshot(&mut client);
    for secret in SECRETS {
        assert!(!holds(&redacted, secret), "{secret}: {}", String::from_utf8_lossy(&redacted));
    }
    assert!(holds(&redacted, "\"redacted\":true") && holds(&redacted, "a/b"), "and the rest is there");
    for target in ["/v1/snapshot?dry-run", "/v1/snapshot"] {
        let (status, sentence) = restore(&mut client, target, &redacted);
        assert!(status == 400 && sentence.contains("secrets were left out"), "{status} {sentence}");
    }

    let full = with_secrets(&admin);
    for secret in SECRETS {
        assert!(holds(&full, secret), "{secret}");
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (file, shown) = (directory.path().join("full"), directory.path().join("redacted"));
    let (code, sentence) = said(&["snapshot", "save", text(&file), "-http-addr", &address(&muster)]);
    assert!(code == 1 && sentence.contains("--http-addr ADMIN_ADDR") && !file.exists(), "{code} {sentence}");
    succeeds(&["snapshot", "save", text(&file), "-http-addr", &admin]);
    assert!(holds(&fs::read(&file).expect("it is there"), "s3cret-key"), "a backup is whole");
    succeeds(&["snapshot", "save", "-redacted", text(&shown), "-http-addr", &address(&muster)]);
    assert!(!holds(&fs::read(&shown).expect("it is there"), "s3cret-key"));
    let (code, sentence) = said(&["snapshot", "verify", text(&shown)]);
    assert!(code == 1 && sentence.contains("secrets were left out"), "{code} {sentence}");
    let other = Process::muster(&[]).expect("it starts");
    succeeds(&["snapshot", "restore", text(&file), "-http-addr", &address(&other)]);
    assert_eq!(services(&mut other.client()), [("web".to_owned(), 1)]);
}
