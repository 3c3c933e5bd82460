//! The tokens that the matrix is crossed with, and the steps that make them.

use serde_json::{Value, json};

use crate::differential::sequence::{Sequence, Step};

/// The one that the configuration of both servers gives the right to manage the agent.
pub const AGENT_RECOVERY: &str = "5ec2e700-0000-0000-0000-0000000a6e27";

/// The one whose answers show what is allowed.
pub const EVERYTHING: &str = "everything";

/// Tokens with one policy of that name, and its rules.
const NARROW: &[(&str, &str)] = &[
    ("service-read", r#"service "web" { policy = "read" }"#),
    ("service-write", r#"service "web" { policy = "write" }"#),
    ("services-read", r#"service_prefix "web" { policy = "read" } node_prefix "" { policy = "read" }"#),
    ("services-write", r#"service_prefix "web" { policy = "write" } node_prefix "" { policy = "read" }"#),
    ("services-all", r#"service_prefix "" { policy = "write" } node_prefix "" { policy = "read" }"#),
    ("services-but-one", r#"service_prefix "" { policy = "write" } service "web" { policy = "deny" }"#),
    ("node-read", r#"node "alpha" { policy = "read" }"#),
    ("node-write", r#"node "alpha" { policy = "write" } service "api" { policy = "read" }"#),
    ("both-write", r#"node_prefix "" { policy = "write" } service "web" { policy = "write" }"#),
    ("own-node-write", r#"node "node-one" { policy = "write" } service_prefix "" { policy = "read" }"#),
    ("nodes-write", r#"node_prefix "" { policy = "write" } service_prefix "web" { policy = "read" }"#),
    (
        "nodes-but-one",
        r#"node_prefix "" { policy = "read" } node "beta" { policy = "deny" }
        service_prefix "" { policy = "read" }"#,
    ),
    ("key-read", r#"key "app/a" { policy = "read" } key_prefix "app/b" { policy = "read" }"#),
    ("keys-list", r#"key_prefix "app/" { policy = "list" }"#),
    ("keys-write", r#"key_prefix "app/" { policy = "write" } key_prefix "tree/" { policy = "write" }"#),
    (
        "keys-but-some",
        r#"key_prefix "" { policy = "write" } key_prefix "app/secret/" { policy = "deny" }
        key_prefix "tree/locked/" { policy = "read" }"#,
    ),
    ("agent-read", r#"agent "node-one" { policy = "read" }"#),
    ("agent-write", r#"agent_prefix "node" { policy = "write" }"#),
    ("operator-read", r#"operator = "read""#),
    ("operator-write", r#"operator = "write""#),
    ("acl-read", r#"acl = "read""#),
    ("acl-write", r#"acl = "write""#),
    (
        "reader",
        r#"acl = "read" operator = "read" agent_prefix "" { policy = "read" } key_prefix "" { policy = "read" }
        node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }"#,
    ),
    (
        "broken-node",
        r#"node_prefix "" { policy = "write" } node "node-one" { policy = "deny" }
        agent_prefix "" { policy = "write" } agent "node-one" { policy = "deny" }"#,
    ),
];

/// One that requests are made with.
pub struct Token {
    pub name: &'static str,
    /// What is shown; nothing for the anonymous one.
    pub secret: String,
    /// Whether the servers know it, as one of their policies and tokens.
    pub is_known: bool,
}

/// A token with links as the body of its creation has them.
fn linked() -> Vec<(&'static str, Value)> {
    let identity = json!([{ "ServiceName": "web" }]);
    let node_identity = json!([{ "NodeName": "node-one", "Datacenter": "dc1" }]);
    let policy = |name: &str| json!({ "Policies": [{ "Name": name }] });
    let mut linked: Vec<_> = NARROW.iter().map(|(name, _)| (*name, policy(name))).collect();
    linked.extend([
        ("nothing", json!({})),
        (EVERYTHING, policy("global-management")),
        ("everything-but", json!({ "Roles": [{ "Name": "everything-but" }] })),
        ("service-identity", json!({ "ServiceIdentities": identity })),
        ("node-identity", json!({ "NodeIdentities": node_identity })),
        ("elsewhere", policy("elsewhere")),
        ("deleted", policy("global-management")),
    ]);
    linked
}

fn id(kind: &str, number: usize) -> String {
    format!("{kind}-0000-0000-0000-{number:012x}")
}

fn secret(number: usize) -> String {
    id("5ec2e700", number + 1)
}

fn accessor(number: usize) -> String {
    id("acce5500", number + 1)
}

/// All of them, what no server knows among them.
pub fn all() -> Vec<Token> {
    let linked = linked();
    let made = linked.iter().enumerate().map(|(number, (name, _))| Token {
        name,
        secret: secret(number),
        is_known: *name != "deleted",
    });
    let other = [
        ("anonymous", String::new(), true),
        ("agent-recovery", AGENT_RECOVERY.to_owned(), false),
        ("unknown", id("0ddba115", 0), false),
        ("an-accessor", accessor(0), false),
        ("no-uuid", "x".to_owned(), false),
    ];
    made.chain(other.map(|(name, secret, is_known)| Token { name, secret, is_known })).collect()
}

/// Makes them by the token that may do everything.
pub fn making() -> Sequence {
    let put = |target: String, body: Value| Step {
        method: "PUT".to_owned(),
        target,
        expected: "200".to_owned(),
        body: Some(body.to_string()),
        ..Step::default()
    };
    let policy =
        |name: &str, rules: &str| put("/v1/acl/policy".to_owned(), json!({ "Name": name, "Rules": rules }));
    let mut steps: Vec<Step> = NARROW.iter().map(|(name, rules)| policy(name, rules)).collect();
    steps.push(policy("anonymous", r#"service "db" { policy = "read" } node_prefix "" { policy = "read" }"#));
    steps.push(policy(
        "denials",
        r#"acl = "deny" service "web" { policy = "deny" } node "beta" { policy = "deny" }
           key_prefix "app/secret/" { policy = "deny" } agent "node-one" { policy = "deny" } operator = "deny""#,
    ));
    steps.push(put(
        "/v1/acl/policy".to_owned(),
        json!({ "Name": "elsewhere", "Datacenters": ["dc2"], "Rules": r#"key_prefix "" { policy = "write" }"# }),
    ));
    let both = json!([{ "Name": "global-management" }, { "Name": "denials" }]);
    steps.push(put("/v1/acl/role".to_owned(), json!({ "Name": "everything-but", "Policies": both })));
    for (number, (name, mut body)) in linked().into_iter().enumerate() {
        body["AccessorID"] = json!(accessor(number));
        body["SecretID"] = json!(secret(number));
        body["Description"] = json!(name);
        steps.push(put("/v1/acl/token".to_owned(), body));
        if name == "deleted" {
            let target = format!("/v1/acl/token/{}", accessor(number));
            let (method, expected) = ("DELETE".to_owned(), "200".to_owned());
            steps.push(Step { method, target, expected, ..Step::default() });
        }
    }
    let anonymous = json!({ "Policies": [{ "Name": "anonymous" }] });
    steps.push(put("/v1/acl/token/00000000-0000-0000-0000-000000000002".to_owned(), anonymous));
    Sequence { chapter: "matrix".to_owned(), title: "the tokens are made".to_owned(), steps }
}
