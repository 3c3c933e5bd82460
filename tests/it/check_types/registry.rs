//! A muster of a test's own, and what the test asks it of checks.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Request, ask_until};
use crate::support::process::Process;

/// Longest wait for a status: many intervals of the checks here, which are a second.
const STATUS_WAIT_MAX: Duration = Duration::from_secs(60);

/// Between two runs of a check, unless it says otherwise.
pub const INTERVAL: &str = "1s";

/// Where checks are registered and shown.
const REGISTER: &str = "/v1/agent/check/register";
const CHECKS: &str = "/v1/agent/checks";

/// A muster that shows every output at once.
pub struct Registry {
    pub process: Process,
    pub client: Client,
}

impl Registry {
    pub fn start() -> Registry {
        Registry::start_with(&[], &[])
    }

    /// With further arguments and variables.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &Path)]) -> Registry {
        let arguments = [&["--check-update-interval", "0s"], arguments].concat();
        let process = Process::muster_with(&arguments, environment).expect("muster starts");
        let client = process.client();
        Registry { process, client }
    }

    /// Registers a check under a name; it runs every [`INTERVAL`] unless it says otherwise.
    pub fn check(&mut self, name: &str, mut check: Value) {
        check["Name"] = json!(name);
        if check["Interval"].is_null() {
            check["Interval"] = json!(INTERVAL);
        }
        self.accept(REGISTER, &check);
    }

    /// Puts what must be accepted.
    pub fn accept(&mut self, target: &str, body: &Value) {
        let answer = self.put(target, body);
        assert_eq!(answer.status, 200, "{target} {body}: {}", answer.text());
    }

    pub fn put(&mut self, target: &str, body: &Value) -> Answer {
        self.client.put(target, &body.to_string()).expect("an answer")
    }

    /// The check as it is shown now.
    pub fn shown(&mut self, name: &str) -> Value {
        self.client.get(CHECKS).expect("an answer").json()[name].take()
    }

    /// Waits until the check has the status and its output holds the words; the check as it is shown then.
    pub fn wait_for(&mut self, name: &str, status: &str, words: &str) -> Value {
        let is_so = |check: &Value| {
            check["Status"] == status && check["Output"].as_str().is_some_and(|output| output.contains(words))
        };
        let deadline = Instant::now() + STATUS_WAIT_MAX;
        let request = Request::new("GET", CHECKS);
        let answer = ask_until(&mut self.client, &request, deadline, |it| is_so(&it.json()[name]));
        let check = answer.expect("an answer").json()[name].take();
        assert!(is_so(&check), "{name} should be {status} with {words:?}: {check}");
        check
    }
}
