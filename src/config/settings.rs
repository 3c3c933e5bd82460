//! The table of settings. Flags and their help, the environment, the file's keys, validation and
//! `docs/configuration.md` all go by it; a setting that is not here does not exist.

use crate::config::kind::SettingKind;

mod acl;
mod row;
mod serving;

pub use row::{Effect, Fallback, Setting, VARIABLE_PREFIX};

/// Connections that may be configured: each is a coroutine, and the runtime ends at about 32,000 (two memory
/// mappings a stack against the kernel's default of 65,530), of which probes and the house itself need some.
const CONNECTIONS_CEILING: u64 = 26_000;

const fn setting(
    key: &'static str,
    kind: SettingKind,
    fallback: Fallback,
    effect: Effect,
    help: &'static str,
) -> Setting {
    Setting { key, kind, fallback, effect, help }
}

use Effect::{Reload, Restart};
use Fallback::{Derived, Text};

/// Every setting, in the order in which help and document show them.
pub const SETTINGS: &[Setting] = &joined([serving::SETTINGS, acl::SETTINGS, FURTHER]);

const COUNT: usize = serving::SETTINGS.len() + acl::SETTINGS.len() + FURTHER.len();

const fn joined(parts: [&[Setting]; 3]) -> [Setting; COUNT] {
    let mut all = [parts[0][0]; COUNT];
    let (mut part, mut within, mut at) = (0, 0, 0);
    while at < COUNT {
        if within == parts[part].len() {
            (part, within) = (part + 1, 0);
            continue;
        }
        all[at] = parts[part][within];
        (within, at) = (within + 1, at + 1);
    }
    all
}

const FURTHER: &[Setting] = &[
    setting(
        "allowed_hosts",
        SettingKind::Hosts,
        Derived("none"),
        Reload,
        "Names by which requests may call this agent, beside addresses, localhost, its node's and its host's name: \
         others are answered 421. `*.example.com` is every name below that, `*` every name. In text, several are \
         separated by commas.",
    ),
    setting(
        "allowed_origins",
        SettingKind::Origins,
        Derived("none"),
        Reload,
        "Origins whose web pages may write beside those that this agent serves itself, as where a proxy has another \
         name: the writes of others are answered 403. In text, several are separated by commas.",
    ),
    setting(
        "admin_addr",
        SettingKind::AddressesOrNone,
        Derived("none"),
        Restart,
        "Where the HTTP API listens for operators besides: connections there find a place when all others are taken, \
         and are given [secrets](backup.md#secrets), as over a Unix socket. Nothing may pass on requests to it.",
    ),
    setting(
        "enable_leave",
        SettingKind::Boolean,
        Text("false"),
        Reload,
        "Whether `PUT /v1/agent/leave`, and with it `consul leave`, ends the process. Otherwise it is answered 403.",
    ),
    setting(
        "advertise_addr",
        SettingKind::Ip,
        Derived(
            "the first HTTP address that is neither loopback nor wildcard; with a wildcard the one private IPv4 \
             address of the machine, else 127.0.0.1",
        ),
        Restart,
        "The address of this node in the catalog.",
    ),
    setting(
        "node",
        SettingKind::Name { bytes_max: 255 },
        Derived("the host's name"),
        Restart,
        "The name of this node in the catalog.",
    ),
    setting(
        "node_id",
        SettingKind::Id,
        Derived("the one in data_dir, drawn at its first start"),
        Restart,
        "The UUID of this node in the catalog.",
    ),
    setting(
        "node_meta",
        SettingKind::Pairs,
        Derived("none"),
        Restart,
        "Metadata of this node in the catalog: in a file a table, in text KEY=VALUE or KEY:VALUE, several separated by \
         commas; the flag is given once for each.",
    ),
    setting(
        "datacenter",
        SettingKind::Label,
        Text("dc1"),
        Restart,
        "The datacenter that every answer speaks of.",
    ),
    setting(
        "data_dir",
        SettingKind::Path,
        Text("./muster-data"),
        Restart,
        "The directory of the embedded store, and of the spool of the Redis store. It belongs to one process at a \
         time.",
    ),
    setting(
        "store",
        SettingKind::Choice(&["embedded", "redis", "memory"]),
        Derived("embedded; memory with dev"),
        Restart,
        "Where the registry is kept: durably in data_dir, there and in Redis, or in memory until the process ends.",
    ),
    setting(
        "redis_url",
        SettingKind::Redis,
        Text("redis://127.0.0.1:6379/0"),
        Restart,
        "The Redis of the Redis store. It may hold USER and PASSWORD, but a password is better kept in \
         redis_password_file.",
    ),
    setting(
        "redis_password",
        SettingKind::Secret,
        Derived("that in redis_url, if any"),
        Restart,
        "The password for Redis. Give it in the environment rather than as a flag, which others can see.",
    ),
    setting(
        "redis_password_file",
        SettingKind::File,
        Derived("none"),
        Restart,
        "A file that holds the password for Redis; read at each connection, so a new password needs no restart.",
    ),
    setting(
        "redis_ca_file",
        SettingKind::File,
        Derived("none: the system's certificate authorities"),
        Restart,
        "A PEM file with the certificate authority that the certificate of Redis must come from.",
    ),
    setting(
        "redis_prefix",
        SettingKind::Name { bytes_max: 128 },
        Text("muster"),
        Restart,
        "What the keys in Redis begin with. One running muster to a prefix.",
    ),
    setting(
        "redis_timeout",
        SettingKind::Duration { min_s: 1, max_s: 60 },
        Text("1s"),
        Restart,
        "How long a write may wait for Redis before Redis counts as away.",
    ),
    setting(
        "on_outage",
        SettingKind::Choice(&["spool", "reject"]),
        Text("spool"),
        Restart,
        "What becomes of a write while Redis is away: kept in data_dir until Redis is back, or answered 503.",
    ),
    setting(
        "dev",
        SettingKind::Boolean,
        Text("false"),
        Restart,
        "For trying things out: the store is memory and the log level debug, unless they are set.",
    ),
    setting(
        "log_level",
        SettingKind::Choice(&["error", "warn", "info", "debug", "trace", "off"]),
        Derived("info; debug with dev"),
        Reload,
        "The least important level that is logged.",
    ),
    setting(
        "log_format",
        SettingKind::Choice(&["text", "json"]),
        Text("text"),
        Restart,
        "How a log line looks: for people, or one JSON object a line.",
    ),
    setting(
        "workers",
        SettingKind::Integer { min: 0, max: 1024 },
        Text("0"),
        Restart,
        "Threads that run connections and probes; 0 takes one for each core.",
    ),
    setting(
        "check_update_interval",
        SettingKind::Duration { min_s: 0, max_s: 86_400 },
        Text("5m"),
        Reload,
        "How long a check whose output alone has changed may wait until the catalog shows it.",
    ),
    setting(
        "probe_allow_cidrs",
        SettingKind::Networks,
        Derived("all but link-local, multicast, unspecified and metadata addresses"),
        Reload,
        "The only networks that checks and webhooks may reach. Those that are refused otherwise must be named \
         themselves or in part: 0.0.0.0/0 does not open them. In text, several are separated by commas.",
    ),
    setting(
        "enable_local_script_checks",
        SettingKind::Boolean,
        Text("false"),
        Reload,
        "Whether checks in definition files may run programs. Over HTTP they never may.",
    ),
    setting(
        "check_backoff_max",
        SettingKind::Duration { min_s: 0, max_s: 86_400 },
        Text("30s"),
        Reload,
        "The longest time between two runs of a check that stays critical, unless its interval is longer; 0 turns \
         backing off off.",
    ),
    setting(
        "watch_connections",
        SettingKind::Boolean,
        Text("true"),
        Reload,
        "Whether connections to the targets of checks are kept between probes and watched for their end.",
    ),
    setting(
        "cache.entries_max",
        SettingKind::Integer { min: 16, max: 1_000_000 },
        Text("1000"),
        Restart,
        "Finished answers that are kept.",
    ),
    setting(
        "cache.bytes_max",
        SettingKind::Bytes { min: 1 << 20, max: 64 << 30 },
        Text("64MiB"),
        Restart,
        "Memory for finished answers, an eighth of all at most. One that takes more than a quarter of it is not kept.",
    ),
    setting(
        "cache.warm_services",
        SettingKind::Names { bytes_max: 255 },
        Derived("none"),
        Restart,
        "Services whose health answers are made before the first client asks. In text, several are separated by \
         commas.",
    ),
    setting(
        "cache.warm_most_asked",
        SettingKind::Integer { min: 0, max: 10_000 },
        Text("100"),
        Restart,
        "How many of the answers that were asked for most before an orderly end are made again at the next start.",
    ),
    setting(
        "snapshot_interval",
        SettingKind::Duration { min_s: 0, max_s: 31 * 86_400 },
        Text("0s"),
        Restart,
        "How often a snapshot is taken into snapshot_dir; 0 takes none.",
    ),
    setting(
        "snapshot_dir",
        SettingKind::Path,
        Derived("snapshots in data_dir"),
        Restart,
        "The directory of the snapshots that are taken by themselves.",
    ),
    setting(
        "snapshot_keep",
        SettingKind::Integer { min: 1, max: 10_000 },
        Text("24"),
        Restart,
        "How many snapshots are kept in snapshot_dir; the oldest go once a newer one was read back.",
    ),
    setting(
        "limits.body_bytes_max",
        SettingKind::Bytes { min: 1 << 10, max: 64 << 20 },
        Text("1MiB"),
        Reload,
        "The longest request body. Longer ones are answered 413 unread.",
    ),
    setting(
        "limits.snapshot_bytes_max",
        SettingKind::Bytes { min: 1 << 10, max: 64 << 30 },
        Text("4GiB"),
        Restart,
        "The longest snapshot that is taken in to be restored. Longer ones are answered 413.",
    ),
    setting(
        "limits.snapshot_timeout",
        SettingKind::Duration { min_s: 1, max_s: 86_400 },
        Text("5m"),
        Reload,
        "How long a snapshot may be on its way in or out, beside a second for each 256 KiB of it.",
    ),
    setting(
        "limits.head_bytes_max",
        SettingKind::Bytes { min: 4 << 10, max: 1 << 20 },
        Text("32KiB"),
        Reload,
        "The longest request head. Longer ones are answered 431.",
    ),
    setting(
        "limits.connections_max",
        SettingKind::Integer { min: 16, max: CONNECTIONS_CEILING },
        Text("20000"),
        Reload,
        "Connections open at once, if descriptors and an eighth of the memory allow so many. The next one gets 503.",
    ),
    setting(
        "limits.connections_per_ip_max",
        SettingKind::Integer { min: 1, max: CONNECTIONS_CEILING },
        Text("200"),
        Reload,
        "Connections open at once from one address other than loopback. The next one is answered 429.",
    ),
    setting(
        "limits.head_timeout",
        SettingKind::Duration { min_s: 1, max_s: 3600 },
        Text("10s"),
        Reload,
        "How long a client may take to send a request's head.",
    ),
    setting(
        "limits.body_timeout",
        SettingKind::Duration { min_s: 1, max_s: 3600 },
        Text("30s"),
        Reload,
        "How long a client may take to send a request's body.",
    ),
    setting(
        "limits.idle_timeout",
        SettingKind::Duration { min_s: 1, max_s: 86_400 },
        Text("75s"),
        Reload,
        "How long a connection may rest between two requests.",
    ),
    setting(
        "limits.write_timeout",
        SettingKind::Duration { min_s: 1, max_s: 3600 },
        Text("20s"),
        Reload,
        "How long a client may leave an answer unread before the connection is closed.",
    ),
    setting(
        "limits.rate_bytes_min",
        SettingKind::Bytes { min: 0, max: 1 << 20 },
        Text("4KiB"),
        Restart,
        "How much a second a client must send of a body, or read of an answer, once a timeout is over; 0 for any.",
    ),
    setting(
        "limits.transit_bytes_max",
        SettingKind::Bytes { min: 8 << 20, max: 1 << 40 },
        Derived("a quarter of the memory this process may use, from 32MiB to 4GiB"),
        Reload,
        "Memory for what clients and stores make muster hold for a while: answers that are not read, requests that are \
         not finished, what is being restored; half of it for each at most. What would pass it is answered 503.",
    ),
    setting(
        "limits.blocking_queries_max",
        SettingKind::Integer { min: 1, max: CONNECTIONS_CEILING },
        Text("16000"),
        Reload,
        "Blocking queries parked at once. The next one is answered 503.",
    ),
    setting(
        "limits.streams_max",
        SettingKind::Integer { min: 1, max: CONNECTIONS_CEILING },
        Text("16000"),
        Restart,
        "Streams of changes open at once. The next one is answered 503.",
    ),
    setting(
        "limits.nodes_max",
        SettingKind::Integer { min: 1, max: 10_000_000 },
        Text("100000"),
        Restart,
        "Nodes in the catalog, which is held in memory. A registration past it is refused.",
    ),
    setting(
        "limits.services_max",
        SettingKind::Integer { min: 1, max: 10_000_000 },
        Text("1000000"),
        Restart,
        "Service instances in the catalog. A registration past it is refused.",
    ),
    setting(
        "limits.checks_max",
        SettingKind::Integer { min: 1, max: 20_000_000 },
        Text("2000000"),
        Restart,
        "Checks in the catalog. A registration past it is refused.",
    ),
    setting(
        "limits.catalog_bytes_max",
        SettingKind::Bytes { min: 1 << 20, max: 1 << 40 },
        Derived("a quarter of the memory this process may use, at least 64MiB"),
        Restart,
        "Memory for the records of the catalog. A registration past it is answered 507.",
    ),
    setting(
        "limits.kv_bytes_max",
        SettingKind::Bytes { min: 1 << 20, max: 1 << 40 },
        Derived("an eighth of the memory this process may use, at least 32MiB"),
        Restart,
        "Memory for the keys and values of the key/value store. A write past it is answered 507.",
    ),
    setting(
        "limits.acl_bytes_max",
        SettingKind::Bytes { min: 1 << 20, max: 1 << 40 },
        Text("64MiB"),
        Restart,
        "Memory for policies, roles and tokens. A write past it is answered 507.",
    ),
    setting(
        "limits.watched_connections_max",
        SettingKind::Integer { min: 0, max: 1_000_000 },
        Text("10000"),
        Restart,
        "Idle connections to the targets of checks, and never more than a quarter of the descriptors.",
    ),
];

/// The setting with this key.
pub fn by_key(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests;
