//! Consul's settings by which it closes something that muster does not: above all what others on the wire can see.
//!
//! Each of them leaves open here what is closed there, and is told by itself, not as one of many names that mean
//! nothing.

use serde_json::Value;

/// Settings that say who may do what, or encrypt or prove something. A table's name stands for everything in it.
pub const CLOSING: &[&str] = &[
    "acl_datacenter",
    "addresses.grpc_tls",
    "allow_write_http_from",
    "audit",
    "auto_encrypt",
    "ca_path",
    "default_intention_policy",
    "enable_agent_tls_for_checks",
    "encrypt",
    "encrypt_verify_incoming",
    "encrypt_verify_outgoing",
    "http_config",
    "limits.request_limits",
    "ports.grpc_tls",
    "serf_lan_allowed_cidrs",
    "serf_wan_allowed_cidrs",
    "tls.defaults.ca_path",
    "tls.defaults.tls_cipher_suites",
    "tls.defaults.verify_outgoing",
    "tls.defaults.verify_server_hostname",
    "tls.grpc",
    "tls.https.ca_path",
    "tls.https.tls_cipher_suites",
    "tls.https.verify_outgoing",
    "tls.internal_rpc",
    "tls_cipher_suites",
    "tls_prefer_server_cipher_suites",
    "verify_incoming_rpc",
    "verify_outgoing",
    "verify_server_hostname",
];

/// Whether this value of one of Consul's settings closes something there.
pub fn closes(key: &str, value: &Value) -> bool {
    CLOSING.contains(&key) && !is_open(key, value)
}

/// Whether a value leaves open what its setting could close: it is false, empty, a port that is off, a policy that
/// allows, or a table that switches itself off or has such values alone.
fn is_open(key: &str, value: &Value) -> bool {
    let is_policy = key.ends_with("_policy");
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(port) => port.as_i64().is_some_and(|port| port <= 0),
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            // As Go reads numbers and truths.
            let is_off = ["", "false", "f", "0"].contains(&text.as_str());
            is_off || text.starts_with('-') || (is_policy && text == "allow")
        }
        Value::Array(elements) => elements.iter().all(|element| is_open(key, element)),
        Value::Object(inner) => {
            let enabled = inner.iter().find(|(name, _)| name.eq_ignore_ascii_case("enabled"));
            match enabled.map(|(name, value)| is_open(name, value)) {
                Some(is_off) => is_off,
                None => inner.iter().all(|(name, value)| is_open(&name.to_ascii_lowercase(), value)),
            }
        }
    }
}

/// What is told of settings that close nothing here, each with where it is written.
pub fn warning(keys: &[String]) -> Option<String> {
    (!keys.is_empty()).then(|| {
        format!(
            "Consul closes something by {}, and muster does not. Listen on loopback or a Unix socket, have clients \
             show certificates at https_addr and tokens (acl_enabled), or put a proxy or a firewall before it: `muster \
             help configuration` says how",
            keys.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_closed_in_consul_is_known_by_its_value() {
        let rows = [
            ("acl_datacenter", json!("dc1"), true),
            ("default_intention_policy", json!("deny"), true),
            ("default_intention_policy", json!("allow"), false),
            ("audit", json!({"enabled": true, "sink": {}}), true),
            ("audit", json!({"Enabled": false, "sink": "x"}), false),
            ("audit", json!([{"enabled": "true"}]), true),
            ("audit", json!({}), false),
            ("verify_outgoing", json!(true), true),
            ("verify_outgoing", json!("true"), true),
            ("verify_outgoing", json!(false), false),
            ("tls.internal_rpc", json!({"verify_incoming": true}), true),
            ("tls.internal_rpc", json!([{"verify_incoming": false}]), false),
            ("ports.grpc_tls", json!(8503), true),
            ("ports.grpc_tls", json!("8503"), true),
            ("ports.grpc_tls", json!(-1), false),
            ("ports.grpc_tls", json!("-1"), false),
            ("verify_incoming", json!(true), false),
            ("ports.https", json!(8501), false),
            ("encrypt", json!("cGFzc3dvcmQ="), true),
            ("encrypt", json!(""), false),
            ("allow_write_http_from", json!(["127.0.0.0/8"]), true),
            ("allow_write_http_from", json!([]), false),
            ("http_config", json!({"block_endpoints": ["/v1/kv"]}), true),
            ("ui", json!(true), false),
        ];
        for (key, value, expected) in rows {
            assert_eq!(closes(key, &value), expected, "{key} = {value}");
        }
    }

    #[test]
    fn the_warning_names_the_keys_and_the_remedy() {
        assert_eq!(warning(&[]), None);
        let said = warning(&["encrypt (a.hcl)".to_owned(), "-encrypt".to_owned()]).unwrap_or_default();
        assert!(
            said.starts_with("Consul closes something by encrypt (a.hcl), -encrypt, and muster does not. "),
            "{said}"
        );
    }
}
