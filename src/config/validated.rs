//! The configuration as it is used: complete, in range, typed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::base::stdx::counted::counted;
use crate::base::stdx::network::Network;
use crate::config::acl::AclSettings;
use crate::config::address::ListenAddress;
use crate::config::definitions::Definition;
use crate::config::invocation::Invocation;
use crate::config::kind::SettingValue;
use crate::config::listening::{self, Interface};
use crate::config::plan::PlanTerms;
use crate::config::problem::{Problem, SettingSource};
use crate::config::raw::Raw;
use crate::config::redis_url::{RedisUrl, Secret};
use crate::config::service_defaults;
use crate::config::settings::{Fallback, SETTINGS, Setting};
use crate::config::webhooks::Webhook;
use crate::core::model::Defined;
use crate::core::model::target::TargetPolicy;
use crate::core::model::validate::probes::Scripts;
use crate::net::tls::TlsSettings;
use crate::wire::intake::AgentNode;

/// Where the registry is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// In `data_dir`, durably.
    Embedded,
    /// In `data_dir` and in Redis.
    Redis,
    /// In memory, until the process ends.
    Memory,
}

/// The Redis of the Redis store. Each field is the setting of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // `settings::SETTINGS` says what each is.
pub struct Redis {
    pub url: RedisUrl,
    pub password: Option<Secret>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub prefix: String,
    pub timeout: Duration,
    pub rejects_on_outage: bool,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The bounds an operator may move; the settings under `limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each field is the setting of its name; `settings::SETTINGS` says what it bounds.
pub struct Limits {
    pub body_bytes_max: usize,
    pub snapshot_bytes_max: usize,
    pub snapshot_timeout: Duration,
    pub head_bytes_max: usize,
    pub connections_max: usize,
    pub connections_per_ip_max: usize,
    pub head_timeout: Duration,
    pub body_timeout: Duration,
    pub idle_timeout: Duration,
    pub write_timeout: Duration,
    pub rate_bytes_min: usize,
    pub transit_bytes_max: usize,
    pub blocking_queries_max: usize,
    pub streams_max: usize,
    pub nodes_max: usize,
    pub services_max: usize,
    pub checks_max: usize,
    pub catalog_bytes_max: usize,
    pub kv_bytes_max: usize,
    /// Bytes of all policies, roles and tokens.
    pub acl_bytes_max: usize,
    pub watched_connections_max: usize,
}

/// Finished answers that are kept; the settings under `cache`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each field is the setting of its name; `settings::SETTINGS` says what it does.
pub struct Cache {
    pub entries_max: usize,
    pub bytes_max: usize,
    pub warm_services: Vec<String>,
    pub warm_most_asked: usize,
}

/// A complete configuration. Each field is the setting of its name, as [`SETTINGS`] describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the HTTP API listens; empty only if it does with TLS.
    pub http_addresses: Vec<ListenAddress>,
    /// Where it listens for TLS.
    pub https_addresses: Vec<ListenAddress>,
    /// How TLS is spoken there.
    pub tls: TlsSettings,
    /// Access control.
    pub acl: AclSettings,
    /// Names by which requests may call this agent.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may write.
    pub allowed_origins: Vec<String>,
    /// Where it listens for operators besides.
    pub admin_addresses: Vec<ListenAddress>,
    /// Whether `/v1/agent/leave` ends the process.
    pub enable_leave: bool,
    /// This node's address in the catalog.
    pub advertise_address: IpAddr,
    /// This node's name in the catalog.
    pub node: String,
    /// This node's UUID; `None` for that of the data directory.
    pub node_id: Option<String>,
    /// This node's metadata.
    pub node_meta: BTreeMap<String, String>,
    /// The datacenter, an RFC 1035 label.
    pub datacenter: String,
    /// Where the embedded store lives.
    pub data_dir: PathBuf,
    /// Where the registry is kept.
    pub store: StoreKind,
    /// The Redis it is kept in, if it is.
    pub redis: Redis,
    /// Whether this is for trying things out.
    pub dev: bool,
    /// The least important level that is logged.
    pub log_level: log::LevelFilter,
    /// How a log line looks.
    pub log_format: LogFormat,
    /// Threads for connections and probes; 0 is one for each core.
    pub workers: usize,
    /// How long a change of a check's output alone may wait.
    pub check_update_interval: Duration,
    /// The only networks that checks and webhooks may reach; empty for the usual ones.
    pub probe_allow_cidrs: Vec<Network>,
    /// Whether checks in definition files may run programs.
    pub enable_local_script_checks: bool,
    /// Most time between two runs of a check that stays critical; zero for no back-off.
    pub check_backoff_max: Duration,
    /// Whether connections to targets are kept between probes and watched for their end.
    pub watch_connections: bool,
    /// Finished answers that are kept.
    pub cache: Cache,
    /// Time between two snapshots; zero for none.
    pub snapshot_interval: Duration,
    /// Where these are kept.
    pub snapshot_dir: PathBuf,
    /// How many of them.
    pub snapshot_keep: usize,
    /// The bounds an operator may move.
    pub limits: Limits,
    /// Services and checks defined in files, in the order of the files.
    pub definitions: Vec<Definition>,
    /// What these define, as far as it can be told without a registry; empty once it was taken.
    pub defined: Vec<Defined>,
    /// What holds for all instances of a service, by its name.
    pub service_defaults: service_defaults::Defaults,
    /// Whom to tell of changes of statuses.
    pub webhooks: Vec<Webhook>,
    /// Things to tell the operator that are no reason to refuse.
    pub warnings: Vec<String>,
    /// What was done before the log began, for its first lines.
    pub notes: Vec<String>,
    /// Every setting's value and where it came from; what the fields above were made of.
    pub(in crate::config) values: Values,
    /// What it was loaded from; read again by [`crate::config::load::reload`].
    pub(in crate::config) invocation: Invocation,
}

impl Config {
    /// The node that files register things on.
    fn agent_node(&self) -> AgentNode {
        AgentNode { name: self.node.as_str().into(), datacenter: self.datacenter.as_str().into() }
    }

    /// Whether the setting with this key is written anywhere, rather than its default.
    pub fn is_written(&self, key: &str) -> bool {
        self.values.is_written(key)
    }

    /// Everywhere it listens.
    pub fn listen_addresses(&self) -> impl Iterator<Item = &ListenAddress> {
        self.http_addresses.iter().chain(&self.admin_addresses).chain(&self.https_addresses)
    }

    /// Where checks and webhooks may go.
    pub fn targets(&self) -> TargetPolicy {
        let listeners = self.listen_addresses();
        let tcp = listeners.filter_map(|address| match address {
            ListenAddress::Tcp(address) => Some(*address),
            ListenAddress::Unix(_) => None,
        });
        TargetPolicy { allowed: self.probe_allow_cidrs.clone(), own_listeners: tcp.collect() }
    }

    /// What definition files are judged by.
    pub fn plan_terms(&self) -> PlanTerms {
        let scripts = if self.enable_local_script_checks { Scripts::Allowed } else { Scripts::Off };
        PlanTerms { agent: self.agent_node(), scripts, targets: Some(self.targets()) }
    }

    /// The problem of files that define more instances than there may be.
    pub(in crate::config) fn too_many_instances(&self, instances: usize) -> Option<Problem> {
        let max = self.limits.services_max;
        (instances > max).then(|| Problem {
            key: "limits.services_max".to_owned(),
            value: max.to_string(),
            origin: self.values.0["limits.services_max"].1.clone(),
            complaint: format!("the definition files define {}", counted(instances, "instance")),
            allowed: "at least as many".to_owned(),
            remedy: format!("set limits.services_max to {instances} or more"),
        })
    }

    /// Every setting with its value and where it was written, in the order of the table.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, String, &SettingSource)> {
        let held = |setting: &Setting| self.values.0.get_key_value(setting.key);
        SETTINGS.iter().filter_map(held).map(|(key, (value, origin))| (*key, value.to_string(), origin))
    }
}

/// What defaults depend on beside other settings.
pub(in crate::config) struct Surroundings {
    /// The host's name, if it has one.
    pub host_name: Option<String>,
    /// Bytes of memory this process may use.
    pub memory_bytes: u64,
    /// The machine's addresses.
    pub interfaces: Vec<Interface>,
}

/// The default of `limits.transit_bytes_max`: a quarter, for the registry, its answers and the connections need the
/// rest; never so little that a usual answer does not fit, nor more than anybody reads at a time.
fn transit_bytes_max(memory_bytes: u64) -> u64 {
    (memory_bytes / 4).clamp(32 << 20, 4 << 30)
}

/// Values by key, with their origin. Once [`Values::read`] has given it out, every key of the table is in it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) struct Values(pub BTreeMap<&'static str, (SettingValue, SettingSource)>);

/// Gives the value of a setting in the type its kind has. A mismatch is a slip in this file, which the tests
/// run into.
macro_rules! take {
    ($values:expr, $kind:ident, $key:literal) => {
        match $values.value($key) {
            SettingValue::$kind(value) => value.clone(),
            other => unreachable!("{} is no {}: {other}", $key, stringify!($kind)),
        }
    };
}

impl Values {
    /// Reads every setting, from what was written or from its default.
    ///
    /// # Errors
    /// A problem for every value that its kind does not accept.
    pub fn read(raw: &Raw, surroundings: &Surroundings) -> Result<Self, Vec<Problem>> {
        let mut values = Values(BTreeMap::new());
        let mut problems = Vec::new();
        for setting in SETTINGS {
            let Some(written) = raw.get(setting.key) else {
                if let Fallback::Text(text) = setting.fallback {
                    let value = setting
                        .kind
                        .read(&[text.to_owned()])
                        .expect("a test reads every default of the table");
                    values.0.insert(setting.key, (value, SettingSource::Default));
                }
                continue;
            };
            match setting.kind.read(&written.texts) {
                Ok(value) => drop(values.0.insert(setting.key, (value, written.origin.clone()))),
                Err(complaint) => {
                    problems.push(Problem::of(setting, &written.texts.join(","), &written.origin, complaint))
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        values.derive(surroundings)?;
        Ok(values)
    }

    /// Fills in what depends on the surroundings or on other settings.
    fn derive(&mut self, surroundings: &Surroundings) -> Result<(), Vec<Problem>> {
        let dev = take!(self, Boolean, "dev");
        let mut addresses = take!(self, Addresses, "http_addr");
        if let Some((SettingValue::Addresses(secure), _)) = self.0.get("https_addr") {
            addresses.extend(secure.iter().cloned());
        }
        let data_dir = take!(self, Path, "data_dir");
        let mut problems = Vec::new();
        let advertised = listening::advertised(&addresses, &surroundings.interfaces, !dev);
        if let Err(complaint) = &advertised
            && !self.0.contains_key("advertise_addr")
        {
            problems.push(Problem {
                key: "advertise_addr".to_owned(),
                value: String::new(),
                origin: SettingSource::Default,
                complaint: format!("the HTTP API listens on every address, and {complaint}"),
                allowed: "an IP address".to_owned(),
                remedy: "set advertise_addr to the one that others reach this node at".to_owned(),
            });
        }
        let advertised = advertised.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let derived = [
            ("advertise_addr", advertised.to_string()),
            ("node_id", String::new()),
            ("node_meta", String::new()),
            ("admin_addr", String::new()),
            ("https_addr", String::new()),
            ("tls_cert_file", String::new()),
            ("tls_key_file", String::new()),
            ("tls_ca_file", String::new()),
            ("acl_initial_management_token", String::new()),
            ("acl_agent_recovery_token", String::new()),
            ("acl_default_token", String::new()),
            ("acl_agent_token", String::new()),
            ("acl_key_file", String::new()),
            ("node", surroundings.host_name.as_deref().unwrap_or("localhost").to_owned()),
            ("store", if dev { "memory" } else { "embedded" }.to_owned()),
            ("snapshot_dir", data_dir.join("snapshots").display().to_string()),
            ("probe_allow_cidrs", String::new()),
            ("cache.warm_services", String::new()),
            ("allowed_hosts", String::new()),
            ("allowed_origins", String::new()),
            ("redis_password", String::new()),
            ("redis_password_file", String::new()),
            ("redis_ca_file", String::new()),
            ("limits.catalog_bytes_max", (surroundings.memory_bytes / 4).max(64 << 20).to_string()),
            ("limits.kv_bytes_max", (surroundings.memory_bytes / 8).max(32 << 20).to_string()),
            ("limits.transit_bytes_max", transit_bytes_max(surroundings.memory_bytes).to_string()),
            ("log_level", if dev { "debug" } else { "info" }.to_owned()),
        ];
        for (key, text) in derived {
            let setting =
                SETTINGS.iter().find(|it| it.key == key).expect("derived settings are in the table");
            if self.0.contains_key(key) {
                continue;
            }
            match setting.kind.read(std::slice::from_ref(&text)) {
                Ok(value) => drop(self.0.insert(setting.key, (value, SettingSource::Default))),
                Err(complaint) => {
                    problems.push(Problem::of(setting, &text, &SettingSource::Default, complaint))
                }
            }
        }
        if problems.is_empty() {
            problems.extend(self.tls_misfits());
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn value(&self, key: &str) -> &SettingValue {
        &self.0.get(key).expect("every key of the table has a value once all are read").0
    }

    fn is_written(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|(_, origin)| *origin != SettingSource::Default)
    }

    /// Puts the values into their typed places.
    pub fn into_config(self, invocation: Invocation, mut warnings: Vec<String>) -> Config {
        let store = match take!(self, Text, "store").as_str() {
            "memory" => StoreKind::Memory,
            "redis" => StoreKind::Redis,
            _ => StoreKind::Embedded,
        };
        if store == StoreKind::Memory && self.is_written("data_dir") {
            warnings.push("data_dir is set but not used: the store is memory".to_owned());
        }
        if store != StoreKind::Redis && self.is_written("redis_url") {
            warnings.push("redis_url is set but not used: the store is not redis".to_owned());
        }
        if take!(self, Addresses, "https_addr").is_empty() && self.is_written("tls_cert_file") {
            warnings.push("tls_cert_file is set but not used: https_addr says nowhere to listen".to_owned());
        }
        if !take!(self, Boolean, "acl_enabled") {
            let unused = |key: &&str| self.is_written(key);
            let unused = ["acl_permissive", "acl_initial_management_token", "acl_default_token"]
                .into_iter()
                .find(unused);
            warnings.extend(unused.map(|key| format!("{key} is set but not used: acl_enabled is false")));
        }
        let log_level =
            take!(self, Text, "log_level").parse().expect("the words of the table are levels of `log`");
        let log_format =
            if take!(self, Text, "log_format") == "json" { LogFormat::Json } else { LogFormat::Text };
        Config {
            http_addresses: take!(self, Addresses, "http_addr"),
            https_addresses: take!(self, Addresses, "https_addr"),
            tls: self.tls(),
            acl: self.acl(),
            allowed_hosts: take!(self, Names, "allowed_hosts"),
            allowed_origins: take!(self, Names, "allowed_origins"),
            admin_addresses: take!(self, Addresses, "admin_addr"),
            enable_leave: take!(self, Boolean, "enable_leave"),
            advertise_address: take!(self, Ip, "advertise_addr"),
            node: take!(self, Text, "node"),
            node_id: Some(take!(self, Id, "node_id")).filter(|id| !id.is_empty()),
            node_meta: take!(self, Pairs, "node_meta"),
            datacenter: take!(self, Text, "datacenter"),
            data_dir: take!(self, Path, "data_dir"),
            store,
            redis: self.redis(),
            dev: take!(self, Boolean, "dev"),
            log_level,
            log_format,
            workers: take!(self, Integer, "workers") as usize,
            check_update_interval: take!(self, Duration, "check_update_interval"),
            probe_allow_cidrs: take!(self, Networks, "probe_allow_cidrs"),
            enable_local_script_checks: take!(self, Boolean, "enable_local_script_checks"),
            check_backoff_max: take!(self, Duration, "check_backoff_max"),
            watch_connections: take!(self, Boolean, "watch_connections"),
            cache: self.cache(),
            snapshot_interval: take!(self, Duration, "snapshot_interval"),
            snapshot_dir: take!(self, Path, "snapshot_dir"),
            snapshot_keep: take!(self, Integer, "snapshot_keep") as usize,
            limits: self.limits(),
            definitions: Vec::new(),
            defined: Vec::new(),
            service_defaults: service_defaults::Defaults::default(),
            webhooks: Vec::new(),
            warnings,
            notes: Vec::new(),
            values: self,
            invocation,
        }
    }

    fn cache(&self) -> Cache {
        Cache {
            entries_max: take!(self, Integer, "cache.entries_max") as usize,
            bytes_max: take!(self, Bytes, "cache.bytes_max") as usize,
            warm_services: take!(self, Names, "cache.warm_services"),
            warm_most_asked: take!(self, Integer, "cache.warm_most_asked") as usize,
        }
    }

    fn redis(&self) -> Redis {
        let given = |path: PathBuf| (!path.as_os_str().is_empty()).then_some(path);
        Redis {
            url: take!(self, Redis, "redis_url"),
            password: Some(take!(self, Secret, "redis_password")).filter(|Secret(text)| !text.is_empty()),
            password_file: given(take!(self, Path, "redis_password_file")),
            ca_file: given(take!(self, Path, "redis_ca_file")),
            prefix: take!(self, Text, "redis_prefix"),
            timeout: take!(self, Duration, "redis_timeout"),
            rejects_on_outage: take!(self, Text, "on_outage") == "reject",
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            body_bytes_max: take!(self, Bytes, "limits.body_bytes_max") as usize,
            snapshot_bytes_max: take!(self, Bytes, "limits.snapshot_bytes_max") as usize,
            snapshot_timeout: take!(self, Duration, "limits.snapshot_timeout"),
            head_bytes_max: take!(self, Bytes, "limits.head_bytes_max") as usize,
            connections_max: take!(self, Integer, "limits.connections_max") as usize,
            connections_per_ip_max: take!(self, Integer, "limits.connections_per_ip_max") as usize,
            head_timeout: take!(self, Duration, "limits.head_timeout"),
            body_timeout: take!(self, Duration, "limits.body_timeout"),
            idle_timeout: take!(self, Duration, "limits.idle_timeout"),
            write_timeout: take!(self, Duration, "limits.write_timeout"),
            rate_bytes_min: take!(self, Bytes, "limits.rate_bytes_min") as usize,
            transit_bytes_max: take!(self, Bytes, "limits.transit_bytes_max") as usize,
            blocking_queries_max: take!(self, Integer, "limits.blocking_queries_max") as usize,
            streams_max: take!(self, Integer, "limits.streams_max") as usize,
            nodes_max: take!(self, Integer, "limits.nodes_max") as usize,
            services_max: take!(self, Integer, "limits.services_max") as usize,
            checks_max: take!(self, Integer, "limits.checks_max") as usize,
            catalog_bytes_max: take!(self, Bytes, "limits.catalog_bytes_max") as usize,
            kv_bytes_max: take!(self, Bytes, "limits.kv_bytes_max") as usize,
            acl_bytes_max: take!(self, Bytes, "limits.acl_bytes_max") as usize,
            watched_connections_max: take!(self, Integer, "limits.watched_connections_max") as usize,
        }
    }
}

mod acl_values;
mod tls_values;
