//! A muster that is closed: who sees and does what, that there is no way around it, and that it stays so.

mod bypass;
mod kept;
mod matrix;
mod permissive;
mod waiting;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Request};
use crate::support::process::Process;

/// The secret of the token that may do everything.
const FIRST: &str = "6b1ab2b5-9e0e-4b0a-9e6f-0f0b7a4b6a01";

/// The UUID of the other node.
const OTHER_ID: &str = "4f0b5b1e-6c1d-4c1e-8f00-000000000009";

/// A muster on which nothing is allowed that is not said.
struct Closed {
    process: Process,
    client: Client,
}

impl Closed {
    fn start(arguments: &[&str]) -> Closed {
        let closed =
            ["--acl-enabled", "--acl-default-policy", "deny", "--acl-initial-management-token", FIRST];
        let process =
            Process::muster(&[&closed[..], arguments].concat()).unwrap_or_else(|error| panic!("{error}"));
        let client = process.client();
        Closed { process, client }
    }

    /// With two services on the agent's node, another node, and two keys.
    fn filled(arguments: &[&str]) -> Closed {
        let mut closed = Closed::start(arguments);
        for name in ["web", "db"] {
            let body = json!({ "Name": name, "Port": 80, "Check": { "CheckID": format!("beat-{name}"), "TTL": "1h" } });
            closed.managed("PUT", "/v1/agent/service/register", &body);
            closed.managed("PUT", &format!("/v1/kv/{name}/a"), &json!("secret"));
        }
        let other = json!({ "Node": "other", "ID": OTHER_ID, "Address": "127.0.0.9", "Service": { "Service": "web", "ID": "web9" } });
        closed.managed("PUT", "/v1/catalog/register", &other);
        closed
    }

    fn ask_as(&mut self, token: &str, method: &str, target: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::new(method, target).body(body);
        let request = if token.is_empty() { request } else { request.header("X-Consul-Token", token) };
        self.client.request(&request).expect("an answer")
    }

    fn get_as(&mut self, token: &str, target: &str) -> Answer {
        self.ask_as(token, "GET", target, &Value::Null)
    }

    /// Has something done by who may do everything.
    fn managed(&mut self, method: &str, target: &str, body: &Value) -> Value {
        let answer = self.ask_as(FIRST, method, target, body);
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
        serde_json::from_str(&answer.text()).unwrap_or_default()
    }

    fn policy(&mut self, name: &str, rules: &str) -> String {
        let policy = self.managed("PUT", "/v1/acl/policy", &json!({ "Name": name, "Rules": rules }));
        policy["ID"].as_str().expect("an id").to_owned()
    }

    /// The secret and the accessor of a new token with such rules.
    fn token(&mut self, rules: &str) -> (String, String) {
        let name = format!(
            "p{}",
            self.managed("GET", "/v1/acl/policies", &Value::Null).as_array().map_or(0, Vec::len)
        );
        let policy = self.policy(&name, rules);
        self.token_of(&json!({ "Policies": [{ "ID": policy }] }))
    }

    fn token_of(&mut self, body: &Value) -> (String, String) {
        let token = self.managed("PUT", "/v1/acl/token", body);
        let text = |key: &str| token[key].as_str().expect("a text").to_owned();
        (text("SecretID"), text("AccessorID"))
    }
}

/// The names or ids in an answer, in order: what of each entry `key` leads to.
fn listed(answer: &Answer, key: &str) -> Vec<String> {
    let list = answer.json();
    let list = list.as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|entry| entry.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned())
        .collect()
}
