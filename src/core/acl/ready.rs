//! Policies that are ready to be taken: what people and programs most often need.

use crate::core::acl::rules::quoted;

/// A policy, to be taken as it is or as a beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyPolicy {
    /// Its name.
    pub name: &'static str,
    /// Whom it is for.
    pub description: &'static str,
    /// The text of its rules.
    pub rules: &'static str,
}

/// Sees what is registered and how it is, and changes nothing. Keys are left out, for they often hold secrets.
pub const READER: ReadyPolicy = ReadyPolicy {
    name: "reader",
    description: "sees nodes, services, their health and the agents; no keys",
    rules: r#"agent_prefix "" { policy = "read" }
event_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
query_prefix "" { policy = "read" }
service_prefix "" { policy = "read" }
session_prefix "" { policy = "read" }
operator = "read"
"#,
};

/// Runs the cluster and what is registered in it. Neither access control, and so no snapshots, which hold everything,
/// nor keys.
pub const OPERATOR: ReadyPolicy = ReadyPolicy {
    name: "operator",
    description: "runs agents, nodes and services; neither keys nor access control",
    rules: r#"agent_prefix "" { policy = "write" }
event_prefix "" { policy = "write" }
node_prefix "" { policy = "write" }
query_prefix "" { policy = "write" }
service_prefix "" { policy = "write" intentions = "read" }
session_prefix "" { policy = "write" }
keyring = "write"
operator = "write"
"#,
};

/// Everything. Its rules are those of Consul's `global-management` to the letter, for hashes are made of them. A deny
/// of another policy still takes away.
pub const ADMIN: ReadyPolicy = ReadyPolicy {
    name: "admin",
    description: "everything, access control included",
    rules: r#"
acl = "write"
agent_prefix "" {
	policy = "write"
}
event_prefix "" {
	policy = "write"
}
key_prefix "" {
	policy = "write"
}
keyring = "write"
node_prefix "" {
	policy = "write"
}
operator = "write"
query_prefix "" {
	policy = "write"
}
service_prefix "" {
	policy = "write"
	intentions = "write"
}
session_prefix "" {
	policy = "write"
}"#,
};

/// All that are the same for everybody.
pub const READY: [ReadyPolicy; 3] = [READER, OPERATOR, ADMIN];

/// The rules of whoever owns the services whose names begin with `prefix`, with their intentions, and the keys that
/// begin with it and a slash. Sees all nodes and services.
pub fn service_owner(prefix: &str) -> String {
    let (services, keys) = (quoted(prefix), quoted(&format!("{prefix}/")));
    format!(
        r#"service_prefix {services} {{ policy = "write" intentions = "write" }}
key_prefix {keys} {{ policy = "write" }}
query_prefix {services} {{ policy = "write" }}
service_prefix "" {{ policy = "read" }}
node_prefix "" {{ policy = "read" }}
"#
    )
}
