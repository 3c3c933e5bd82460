//! Consul's own settings: which of them mean something here, and what. Files and flags of Consul's go through this, so
//! that its command line and its configuration directory start muster; what means nothing is named once, not refused.

use serde_json::{Map, Value};

use crate::base::stdx::nearest::nearest;
use crate::base::stdx::redact;
use crate::config::closing::{CLOSING, closes};
use crate::config::kind::{self, SettingKind};
use crate::config::problem::{Problem, SettingSource, quoted, shortened};
use crate::config::raw::{Raw, WrittenSetting};
use crate::config::{consul_tls, settings};

/// Settings that have another name here, as `(Consul's, muster's)`.
const RENAMED: &[(&str, &str)] = &[
    ("node_name", "node"),
    ("limits.http_max_conns_per_client", "limits.connections_per_ip_max"),
    ("acl.enabled", "acl_enabled"),
    ("acl.default_policy", "acl_default_policy"),
    ("acl.enable_key_list_policy", "acl_enable_key_list_policy"),
    ("acl.tokens.initial_management", "acl_initial_management_token"),
    ("acl.tokens.master", "acl_initial_management_token"),
    ("acl_master_token", "acl_initial_management_token"),
    ("acl.tokens.agent_recovery", "acl_agent_recovery_token"),
    ("acl.tokens.agent_master", "acl_agent_recovery_token"),
    ("acl_agent_master_token", "acl_agent_recovery_token"),
    ("acl.tokens.default", "acl_default_token"),
    ("acl_token", "acl_default_token"),
    ("acl.tokens.agent", "acl_agent_token"),
];

/// Settings that are Consul's alone, beside those of [`CLOSING`]. A table's name stands for everything in it.
const FOREIGN: &[&str] = &[
    "acl.down_policy",
    "acl.enable_token_persistence",
    "acl.enable_token_replication",
    "acl.msp_disable_bootstrap",
    "acl.policy_ttl",
    "acl.resources",
    "acl.role_ttl",
    "acl.token_ttl",
    "acl.tokens.config_file_service_registration",
    "acl.tokens.dns",
    "acl.tokens.managed_service_provider",
    "acl.tokens.replication",
    "acl_down_policy",
    "acl_enforce_version_8",
    "acl_replication_token",
    "acl_ttl",
    "addresses.dns",
    "addresses.grpc",
    "advertise_addr_ipv6",
    "advertise_addr_wan",
    "advertise_addr_wan_ipv4",
    "advertise_addr_wan_ipv6",
    "advertise_reconnect_timeout",
    "alt_domain",
    "auto_config",
    "auto_reload_config",
    "autopilot",
    "bootstrap",
    "bootstrap_expect",
    "cache.entry_fetch_max_burst",
    "cache.entry_fetch_rate",
    "check_output_max_size",
    "cloud",
    "config_entries",
    "connect",
    "default_query_time",
    "disable_anonymous_signature",
    "disable_coordinates",
    "disable_host_node_id",
    "disable_http_unprintable_char_filter",
    "disable_keyring_file",
    "disable_remote_exec",
    "disable_update_check",
    "discard_check_output",
    "discovery_max_stale",
    "dns_config",
    "domain",
    "enable_acl_replication",
    "enable_central_service_config",
    "enable_debug",
    "enable_syslog",
    "experiments",
    "gossip_lan",
    "gossip_wan",
    "leave_on_terminate",
    "license_path",
    "limits.https_handshake_timeout",
    "limits.kv_max_value_size",
    "limits.rpc_client_timeout",
    "limits.rpc_handshake_timeout",
    "limits.rpc_max_burst",
    "limits.rpc_max_conns_per_client",
    "limits.rpc_rate",
    "limits.txn_max_req_len",
    "locality",
    "log_file",
    "log_rotate_bytes",
    "log_rotate_duration",
    "log_rotate_max_files",
    "max_query_time",
    "non_voting_server",
    "partition",
    "peering",
    "performance",
    "pid_file",
    "ports.dns",
    "ports.expose_max_port",
    "ports.expose_min_port",
    "ports.grpc",
    "ports.serf_lan",
    "ports.serf_wan",
    "ports.server",
    "ports.sidecar_max_port",
    "ports.sidecar_min_port",
    "primary_datacenter",
    "primary_gateways",
    "primary_gateways_interval",
    "protocol",
    "raft_boltdb",
    "raft_logstore",
    "raft_protocol",
    "raft_snapshot_interval",
    "raft_snapshot_threshold",
    "raft_trailing_logs",
    "read_replica",
    "reconnect_timeout",
    "reconnect_timeout_wan",
    "recursors",
    "rejoin_after_leave",
    "reporting",
    "retry_interval",
    "retry_interval_wan",
    "retry_join",
    "retry_join_wan",
    "retry_max",
    "retry_max_wan",
    "rpc",
    "segment",
    "segments",
    "serf_lan",
    "serf_wan",
    "server",
    "server_name",
    "server_rejoin_age_max",
    "session_ttl_min",
    "skip_leave_on_interrupt",
    "start_join",
    "start_join_wan",
    "syslog_facility",
    "tagged_addresses",
    "telemetry",
    "translate_wan_addrs",
    "ui",
    "ui_config",
    "ui_content_path",
    "ui_dir",
    "unix_sockets",
    "use_streaming_backend",
    "version",
    "watches",
    "xds",
];

/// Settings that say together where the HTTP API listens.
const CLIENT: &str = "client_addr";
const HTTP: &str = "addresses.http";
const PORT: &str = "ports.http";
/// The same of HTTP over TLS.
const HTTPS: &str = "addresses.https";
const HTTPS_PORT: &str = "ports.https";
/// The address of the node among its peers.
const BIND: &str = "bind_addr";
/// The address that is advertised, unless `advertise_addr` says another.
const ADVERTISED_IPV4: &str = "advertise_addr_ipv4";
/// Consul's other setting for programs: either of the two allows them in files.
const SCRIPTS: &str = "enable_script_checks";
const LOCAL_SCRIPTS: &str = "enable_local_script_checks";

/// The settings of Consul's of which several come to one here, each of them kept by itself until all are read.
const SHARED: &[&str] = &[CLIENT, HTTP, PORT, HTTPS, HTTPS_PORT, BIND, ADVERTISED_IPV4, SCRIPTS];

impl Raw {
    /// Adds what one of Consul's files sets, its definitions apart.
    pub fn add_consul_file(&mut self, object: &Map<String, Value>, origin: &SettingSource) {
        object.iter().for_each(|(key, value)| self.add_consul(&key.to_ascii_lowercase(), value, origin));
    }

    /// Adds what one of Consul's flags sets; `key` is that of Consul's files.
    pub fn add_consul_flag(&mut self, key: &str, text: &str, origin: &SettingSource) {
        self.add_consul(key, &Value::from(text), origin);
    }

    fn add_consul(&mut self, key: &str, value: &Value, origin: &SettingSource) {
        let renamed = RENAMED.iter().find(|(theirs, _)| *theirs == key).map_or(key, |(_, ours)| ours);
        let begins_with = |known: &&str| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        let is_table = known_keys().any(|known| begins_with(&known));
        let texts = texts(value);
        match (value, settings::by_key(renamed), &texts) {
            (Value::Null, ..) => {}
            _ if closes(key, value) => self.closing.push(shown(key, origin)),
            _ if FOREIGN.contains(&key) || CLOSING.contains(&key) => self.foreign.push(shown(key, origin)),
            (Value::Array(elements), None, _) if is_table && elements.iter().all(Value::is_object) => {
                elements.iter().for_each(|element| self.add_consul(key, element, origin));
            }
            (Value::Object(inner), None, _) if is_table => {
                for (name, value) in inner {
                    self.add_consul(&format!("{key}.{}", name.to_ascii_lowercase()), value, origin);
                }
            }
            (_, _, Some(texts)) if SHARED.contains(&key) => {
                let written = Some(WrittenSetting { texts: texts.clone(), origin: origin.clone() });
                match key {
                    CLIENT => self.listening.client = written,
                    HTTP => self.listening.http = written,
                    PORT => self.listening.port = written,
                    HTTPS => self.listening.https = written,
                    HTTPS_PORT => self.listening.https_port = written,
                    ADVERTISED_IPV4 => self.listening.advertised_ipv4 = written,
                    SCRIPTS => self.scripts = written,
                    _ => self.listening.bind = written,
                }
            }
            (_, _, Some(texts)) if self.add_tls(key, texts, origin) => {}
            _ if key == "log_json" => {
                let is_on = texts.and_then(|it| truth(&it)) == Some(true);
                let format = if is_on { "json" } else { "text" };
                self.put_key("log_format", vec![format.to_owned()], origin);
            }
            (_, Some(setting), Some(texts)) => self.put_key(setting.key, texts.clone(), origin),
            (Value::Object(inner), Some(setting), None) if matches!(setting.kind, SettingKind::Pairs) => {
                let pair = |(key, value): (&String, &Value)| Some(format!("{key}={}", scalar(value)?));
                match inner.iter().map(pair).collect() {
                    Some(texts) => self.put_key(setting.key, texts, origin),
                    None => self.problems.push(unfit(key, value, origin, setting.kind.allowed())),
                }
            }
            (_, Some(setting), None) => {
                self.problems.push(unfit(key, value, origin, setting.kind.allowed()));
            }
            _ if SHARED.contains(&key) || consul_tls::keys().any(|known| known == key) => {
                let allowed = if key == SCRIPTS { "`true` or `false`" } else { "a text or a number" };
                self.problems.push(unfit(key, value, origin, allowed.to_owned()));
            }
            _ => self.problems.push(unknown(key, value, origin)),
        }
    }

    /// Makes one setting of the two that allow programs: in Consul each of them is enough for those in files.
    pub fn settle_scripts(&mut self) {
        let Some(WrittenSetting { texts, origin }) = self.scripts.take() else { return };
        if let Err(complaint) = SettingKind::Boolean.read(&texts) {
            return self.problems.push(Problem {
                key: SCRIPTS.to_owned(),
                value: quoted(&texts.join(",")),
                origin,
                complaint,
                allowed: SettingKind::Boolean.allowed(),
                remedy: "write one of the two".to_owned(),
            });
        }
        let (is_on, local) = (truth(&texts) == Some(true), self.get(LOCAL_SCRIPTS).cloned());
        if !is_on && local.is_some() {
            return;
        }
        if let Some(local) = local.filter(|it| truth(&it.texts) == Some(false)) {
            self.warnings.push(format!(
                "programs in files are allowed: {SCRIPTS} ({origin}) is true, and that is enough, whatever \
                 {LOCAL_SCRIPTS} ({}) says",
                local.origin
            ));
        }
        self.put_key(LOCAL_SCRIPTS, texts, &origin);
    }
}

/// Every key that files of Consul's may have, those of definitions apart.
fn known_keys() -> impl Iterator<Item = &'static str> {
    let ours = settings::SETTINGS.iter().map(|setting| setting.key);
    let renamed = RENAMED.iter().map(|(theirs, _)| *theirs);
    let lists = [FOREIGN, CLOSING, SHARED].into_iter().flatten().copied();
    lists.chain(ours).chain(renamed).chain(consul_tls::keys()).chain(["log_json"])
}

fn shown(key: &str, origin: &SettingSource) -> String {
    match origin {
        SettingSource::Flag(flag) => format!("-{flag}"),
        origin => format!("{key} ({origin})"),
    }
}

/// What was written as true or false; `None` when it is neither.
fn truth(texts: &[String]) -> Option<bool> {
    match SettingKind::Boolean.read(texts) {
        Ok(kind::SettingValue::Boolean(is_on)) => Some(is_on),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(elements) => elements.iter().map(scalar).collect(),
        value => scalar(value).map(|text| vec![text]),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn unfit(key: &str, value: &Value, origin: &SettingSource, allowed: String) -> Problem {
    Problem {
        key: key.to_owned(),
        value: shortened(&value.to_string()),
        origin: origin.clone(),
        complaint: "this cannot be its value".to_owned(),
        remedy: format!("write {allowed}"),
        allowed,
    }
}

fn unknown(key: &str, value: &Value, origin: &SettingSource) -> Problem {
    let definitions = ["service", "services", "check", "checks"];
    let tables = known_keys().filter_map(|known| known.split_once('.')).map(|(table, _)| table);
    let near = nearest(key, known_keys().chain(definitions).chain(tables));
    let remedy = match near {
        _ if matches!(key, "webhooks" | "service_defaults") => "it belongs into a .toml file".to_owned(),
        Some(near) => format!("did you mean `{near}`?"),
        None => "remove it: `muster help configuration` tells of the keys".to_owned(),
    };
    Problem {
        key: key.to_owned(),
        // It may be a password under a misspelt name.
        value: match scalar(value) {
            Some(_) if !near.is_some_and(redact::is_secret_name) => shortened(&value.to_string()),
            _ => String::new(),
        },
        origin: origin.clone(),
        complaint: "there is no such key".to_owned(),
        allowed: "definitions, the settings of muster, and those of Consul".to_owned(),
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn added(value: Value) -> Raw {
        let mut raw = Raw::default();
        let origin = SettingSource::File(Path::new("a.json").to_path_buf());
        raw.add_consul_file(value.as_object().expect("an object"), &origin);
        raw
    }

    #[test]
    fn what_has_a_meaning_is_taken() {
        let rows = [
            (json!({"node_name": "n"}), "node", "n"),
            (json!({"log_json": true}), "log_format", "json"),
            (json!({"node_meta": {"zone": "a", "rack": "7"}}), "node_meta", "rack=7,zone=a"),
            (json!({"Data_Dir": "/d"}), "data_dir", "/d"),
            (
                json!({"limits": {"http_max_conns_per_client": 7, "rpc_rate": 1}}),
                "limits.connections_per_ip_max",
                "7",
            ),
            (json!({"limits": [{"idle_timeout": "5s"}]}), "limits.idle_timeout", "5s"),
        ];
        for (value, key, expected) in rows {
            let raw = added(value.clone());
            assert_eq!(raw.get(key).map(|it| it.texts.join(",")), Some(expected.to_owned()), "{value}");
            assert!(raw.problems.is_empty(), "{value}: {:?}", raw.problems);
        }
    }

    #[test]
    fn what_is_consuls_alone_is_named_and_what_is_nobodys_is_refused() {
        let raw = added(json!({
            "server": true, "bootstrap_expect": 1, "ui": true, "telemetry": {"x": 1}, "ports": {"dns": -1, "http": 80},
            "encrypt": "k", "retry_join": ["a", "b"], "domain": null,
            "acl": {"enabled": true, "down_policy": "extend-cache", "tokens": {"master": "m", "replication": "r"}},
        }));
        let keys: Vec<&str> = raw.foreign.iter().map(|it| it.split(' ').next().unwrap_or_default()).collect();
        assert_eq!(
            keys,
            [
                "acl.down_policy",
                "acl.tokens.replication",
                "bootstrap_expect",
                "ports.dns",
                "retry_join",
                "server",
                "telemetry",
                "ui",
            ]
        );
        assert_eq!(raw.closing, ["encrypt (a.json)"]);
        assert_eq!(
            raw.get("acl_initial_management_token").map(|it| it.texts.join(",")),
            Some("m".to_owned())
        );
        assert!(raw.problems.is_empty() && raw.listening.port.is_some());
        let rows = [
            ("sevrice", json!({}), "did you mean `service`?"),
            ("node_nam", json!("x"), "did you mean `node_name`?"),
            ("limit", json!({}), "did you mean `limits`?"),
            ("port", json!({"http": 1}), "did you mean `ports`?"),
            ("data_dri", json!("x"), "did you mean `data_dir`?"),
            ("webhooks", json!([]), ".toml"),
            ("qqqqqqqqq", json!(1), "muster help configuration"),
            ("ports", json!({"htpp": 80}), "did you mean `ports.http`?"),
            ("node_name", json!({}), "write a name"),
        ];
        for (key, value, remedy) in rows {
            let raw = added(json!({key: value}));
            let [problem] = &raw.problems[..] else { panic!("{key}: {:?}", raw.problems) };
            assert!(problem.remedy.contains(remedy), "{key}: {problem}");
        }
    }

    #[test]
    fn either_setting_for_programs_allows_those_in_files() {
        let (script, local) = ("enable_script_checks", "enable_local_script_checks");
        let rows = [
            (json!({script: false, local: true}), "true", 0),
            (json!({script: true, local: false}), "true", 1),
            (json!({script: true, local: true}), "true", 0),
            (json!({script: false, local: false}), "false", 0),
            (json!({script: true}), "true", 0),
            (json!({script: "false"}), "false", 0),
            (json!({local: true}), "true", 0),
        ];
        for (value, expected, warnings) in rows {
            let mut raw = added(value.clone());
            raw.settle_scripts();
            assert_eq!(raw.get(local).map(|it| it.texts.join(",")), Some(expected.to_owned()), "{value}");
            assert_eq!((raw.warnings.len(), raw.problems.len()), (warnings, 0), "{value}");
        }
        // Wherever the two come from.
        for (flags, expected) in
            [([(script, "false"), (local, "true")], "true"), ([(local, "false"), (script, "true")], "true")]
        {
            let mut raw = Raw::default();
            flags.iter().for_each(|(key, text)| {
                raw.add_consul_flag(key, text, &SettingSource::Flag((*key).to_owned()))
            });
            raw.settle_scripts();
            assert_eq!(raw.get(local).map(|it| it.texts.join(",")), Some(expected.to_owned()), "{flags:?}");
        }
        let mut raw = added(json!({script: "perhaps"}));
        raw.settle_scripts();
        assert!(
            raw.problems[0].to_string().starts_with("enable_script_checks = \"perhaps\""),
            "{:?}",
            raw.problems
        );
    }
}
