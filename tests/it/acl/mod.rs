//! Access control on the built binary: what survives, how the first token is had once more, and that no secret is told.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{Answer, Client, Request};
use crate::support::process::Process;

/// A server that asks for tokens.
struct Guarded {
    server: Process,
    client: Client,
    /// Holds its configuration.
    _files: TempDir,
}

impl Guarded {
    fn start() -> Guarded {
        let files = TempDir::new().expect("a directory");
        let file = files.path().join("acl.json");
        let acl = json!({ "acl": { "enabled": true, "default_policy": "deny" } });
        fs::write(&file, acl.to_string()).expect("a file");
        let arguments = ["--config-file", &file.display().to_string(), "--log-level", "trace"];
        let server = Process::muster(&arguments).unwrap_or_else(|error| panic!("{error}"));
        let client = server.client();
        Guarded { server, client, _files: files }
    }

    fn ask(&mut self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::new(method, &format!("/v1/acl/{path}")).body(body);
        self.client.request(&request.header("X-Consul-Token", token)).expect("an answer")
    }

    fn put(&mut self, token: &str, path: &str, body: Value) -> Value {
        let answer = self.ask(token, "PUT", path, &body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    fn bootstrap(&mut self) -> Value {
        self.put("", "bootstrap", Value::Null)
    }

    fn reset_file(&self) -> PathBuf {
        self.server.data_dir().join("acl-bootstrap-reset")
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

#[test]
fn policies_roles_and_tokens_survive_a_kill() {
    let mut scene = Guarded::start();
    let first = scene.bootstrap();
    let secret = text(&first, "SecretID");
    let policy = scene.put(
        secret,
        "policy",
        json!({ "Name": "p", "Rules": "key_prefix \"a/\" { policy = \"read\" }" }),
    );
    let role = scene.put(secret, "role", json!({ "Name": "r", "Policies": [{ "Name": "p" }] }));
    let token = scene.put(secret, "token", json!({ "Description": "t", "Roles": [{ "Name": "r" }] }));
    let gone = scene.put(secret, "policy", json!({ "Name": "gone" }));
    let gone = format!("policy/{}", text(&gone, "ID"));
    assert_eq!(scene.ask(secret, "DELETE", &gone, &Value::Null).text(), "true");

    scene.server.kill();
    scene.server.start_again().unwrap_or_else(|error| panic!("{error}"));
    scene.client = scene.server.client();
    for (path, expected) in [
        (format!("policy/{}", text(&policy, "ID")), &policy),
        (format!("role/{}", text(&role, "ID")), &role),
        (format!("token/{}", text(&token, "AccessorID")), &token),
    ] {
        assert_eq!(scene.ask(secret, "GET", &path, &Value::Null).json(), *expected, "{path}");
    }
    assert_eq!(scene.ask(text(&token, "SecretID"), "GET", "token/self", &Value::Null).json(), token);
    let missing = scene.ask(secret, "GET", &gone, &Value::Null);
    assert_eq!((missing.status, missing.text().as_str()), (403, "ACL not found"));
    assert!(missing.index().is_some_and(|index| index > 0), "a client may wait for it");
    assert_eq!(scene.ask("", "PUT", "bootstrap", &Value::Null).status, 403);
}

#[test]
fn who_may_write_a_file_has_the_first_token_once_more() {
    let mut scene = Guarded::start();
    let first = scene.bootstrap();
    let index = first["CreateIndex"].as_u64().expect("an index");
    let refused = |answer: Answer| (answer.status, answer.text());
    let no_longer =
        |index: u64| format!("Permission denied: ACL bootstrap no longer allowed (reset index: {index})");
    let file = scene.reset_file();
    for (named, expected) in [
        ("nine".to_owned(), (403, no_longer(index))),
        (
            format!("{}\n", index + 1),
            (500, format!("Invalid bootstrap reset index (specified {}, reset index: {index})", index + 1)),
        ),
    ] {
        fs::write(&file, named).expect("a file");
        assert_eq!(refused(scene.ask("", "PUT", "bootstrap", &Value::Null)), expected);
        assert!(file.exists(), "it has had no effect");
    }
    fs::write(&file, format!("{index}\n")).expect("a file");
    let second = scene.bootstrap();
    assert!(!file.exists(), "it counts once");
    let again = second["CreateIndex"].as_u64().expect("an index");
    assert_eq!(refused(scene.ask("", "PUT", "bootstrap", &Value::Null)), (403, no_longer(again)));
    for token in [&first, &second] {
        let own = scene.ask(text(token, "SecretID"), "GET", "token/self", &Value::Null);
        assert_eq!(own.json()["AccessorID"], token["AccessorID"]);
    }
}

/// Neither those that are given out nor those that are sent, right or wrong, stand in the log at its finest.
#[test]
fn no_secret_is_told() {
    let mut scene = Guarded::start();
    let first = scene.bootstrap();
    let secret = text(&first, "SecretID").to_owned();
    let own = "b1946ac9-2492-d234-7c62-35b4d2611184";
    let made = scene.put(&secret, "token", json!({ "SecretID": own, "Description": "t" }));
    let path = format!("token/{}", text(&made, "AccessorID"));
    let wrong = "c2946ac9-2492-d234-7c62-35b4d2611185";
    assert_eq!(scene.ask(&secret, "PUT", &path, &json!({ "SecretID": wrong })).status, 500);
    assert_eq!(scene.ask(wrong, "GET", "token/self", &Value::Null).status, 403);
    let by_query = scene.client.get(&format!("/v1/acl/token/self?token={own}")).expect("an answer");
    assert_eq!(by_query.status, 200);
    let listed = scene.ask(&secret, "GET", "tokens", &Value::Null).text();
    let log = scene.server.log();
    assert!(log.contains(text(&first, "AccessorID")), "that it was given out is told");
    for hidden in [secret.as_str(), own, wrong] {
        assert!(!log.contains(hidden) && !listed.contains(hidden), "{hidden}");
    }
}
