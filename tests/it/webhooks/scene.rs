//! A muster with webhooks, and what tests do with it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::receiver::{Receiver, Told};
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;

/// Longest wait for something to show in an answer.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(90);

/// A receiver, a directory of configuration, and the muster that reads it.
pub struct Scene {
    pub receiver: Receiver,
    directory: TempDir,
    pub process: Process,
}

impl Scene {
    /// With one webhook called `hook` that sends to the receiver; `keys` are further lines of its table.
    pub fn start(keys: &str) -> Scene {
        let receiver = Receiver::start();
        let directory = tempfile::tempdir().expect("a temporary directory");
        configure(&directory, &table(&receiver, keys));
        let path = directory.path().to_str().expect("a path in UTF-8");
        let process = Process::muster(&["--config-dir", path]).expect("muster starts");
        Scene { receiver, directory, process }
    }

    /// The table of the one webhook.
    pub fn table(&self, keys: &str) -> String {
        table(&self.receiver, keys)
    }

    /// Writes the tables of webhooks for the next start or reload.
    pub fn configure(&self, tables: &str) {
        configure(&self.directory, tables);
    }

    /// Has muster read its files again, and waits until it has.
    pub fn reload(&self) {
        let answer = self.process.client().put("/v1/agent/reload", "").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    pub fn client(&self) -> Client {
        self.process.client()
    }

    /// Kills it and starts it again.
    pub fn kill(&mut self) {
        self.process.kill();
        self.process.start_again().expect("muster starts again");
    }

    /// The state of the webhook called `hook`, once `accept` takes it.
    pub fn wait_for_state(&self, accept: impl Fn(&Value) -> bool) -> Value {
        let hook = |body: Value| {
            let hooks = body["Webhooks"].as_array().cloned().unwrap_or_default();
            hooks.into_iter().find(|hook| hook["Name"] == "hook").unwrap_or_default()
        };
        let request = Request::new("GET", "/v1/muster/webhooks");
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        let answer = ask_until(&mut self.client(), &request, deadline, |it| accept(&hook(it.json())));
        let state = hook(answer.expect("an answer").json());
        assert!(accept(&state), "the webhook's state is {state}");
        state
    }

    /// Waits until nothing waits for the receiver.
    pub fn wait_until_idle(&self) -> Value {
        self.wait_for_state(|state| state["Pending"] == 0)
    }
}

fn table(receiver: &Receiver, keys: &str) -> String {
    format!("[[webhooks]]\nname = \"hook\"\nurl = \"http://{}/secret-path\"\n{keys}\n", receiver.address)
}

fn configure(directory: &TempDir, tables: &str) {
    fs::write(directory.path().join("webhooks.toml"), tables).expect("a file can be written");
}

/// Sends a request that must succeed.
pub fn put(client: &mut Client, target: &str, body: &Value) -> Value {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// Registers an instance of `web` with a check that passes and is reported by clients.
pub fn register(client: &mut Client, id: &str) {
    let check = json!({"TTL": "10h", "Status": "passing"});
    let body = json!({"Name": "web", "ID": id, "Port": 80, "Tags": ["live"], "Check": check});
    put(client, "/v1/agent/service/register", &body);
}

/// Reports a status of an instance.
pub fn report(client: &mut Client, id: &str, status: &str, output: &str) {
    let target = format!("/v1/agent/check/update/service:{id}");
    put(client, &target, &json!({"Status": status, "Output": output}));
}

/// The outputs that were told of an instance, in order; one that was repeated at once counts once.
pub fn outputs(told: &[Told], id: &str) -> Vec<String> {
    let events = told.iter().map(Told::json).filter(|event| event["service"]["id"] == id);
    let mut outputs: Vec<String> =
        events.map(|event| event["after"]["output"].as_str().unwrap_or("gone").to_owned()).collect();
    outputs.dedup();
    outputs
}
