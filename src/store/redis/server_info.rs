//! What a Redis says of itself: whether it is a master, whether it may drop rows, and what it does with a write.

use std::collections::HashMap;

use redis::{FromRedisValue, Value};

use super::error::{ReplicaError, ReplicaErrorKind};

/// The one policy under which Redis refuses a write rather than drop a row.
const POLICY: &str = "noeviction";

/// What Redis itself makes of a write that it has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `appendfsync always`: on its disk before the answer.
    Always,
    /// `appendfsync everysec`: on its disk within about a second.
    EverySecond,
    /// `appendfsync no`: on its disk when the kernel likes.
    Kernel,
    /// No append-only file: on its disk with the next dump.
    Dumps,
    /// It does not say: an append-only file, but `CONFIG GET` is forbidden.
    Unknown,
}

impl Durability {
    /// Every kind.
    pub const ALL: [Durability; 5] = [
        Durability::Always,
        Durability::EverySecond,
        Durability::Kernel,
        Durability::Dumps,
        Durability::Unknown,
    ];

    /// One word for it: the value of `appendfsync`, or `off`, or `unknown`.
    pub fn word(self) -> &'static str {
        match self {
            Durability::Always => "always",
            Durability::EverySecond => "everysec",
            Durability::Kernel => "no",
            Durability::Dumps => "off",
            Durability::Unknown => "unknown",
        }
    }

    /// What a write survives in Redis alone, should the local directory be lost.
    pub fn sentence(self) -> &'static str {
        match self {
            Durability::Always => {
                "Acknowledged writes are synced to the local disk, and in Redis, which syncs each (appendfsync \
                 always): they survive kill -9 and power loss of both."
            }
            Durability::EverySecond => {
                "Acknowledged writes are synced to the local disk, and in Redis, which alone may lose its last second \
                 (appendfsync everysec)."
            }
            Durability::Kernel => {
                "Acknowledged writes are synced to the local disk, and in Redis, which alone may lose what the kernel \
                 has not yet written, about half a minute (appendfsync no)."
            }
            Durability::Dumps => {
                "Acknowledged writes are synced to the local disk, and in Redis, which alone may lose everything since \
                 its last dump (appendonly no)."
            }
            Durability::Unknown => {
                "Acknowledged writes are synced to the local disk, and in Redis, which keeps an append-only file but \
                 does not say how often it syncs it (CONFIG GET is forbidden)."
            }
        }
    }
}

/// What was found out about a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Drawn by the server at each of its starts: another one means that it was restarted, or is another server.
    pub run_id: String,
    /// Its version, as it says.
    pub version: String,
    /// What it makes of a write.
    pub durability: Durability,
    /// What it drops when it is full.
    pub policy: String,
}

/// The queries; [`read`] wants their answers in this order.
pub fn queries() -> Vec<redis::Cmd> {
    let query = |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command
    };
    vec![
        query(&["INFO", "server"]),
        query(&["INFO", "replication"]),
        query(&["INFO", "persistence"]),
        query(&["INFO", "memory"]),
        query(&["CONFIG", "GET", "append*"]),
        query(&["CONFIG", "GET", "maxmemory-policy"]),
    ]
}

/// Reads the answers to [`queries`].
///
/// # Errors
/// When the server cannot be asked, is a replica, or would drop rows.
pub fn read(answers: &[Value]) -> Result<ServerInfo, ReplicaError> {
    let mut facts = HashMap::new();
    for answer in &answers[..4] {
        if let Value::ServerError(error) = answer {
            return Err(ReplicaError::refused(error));
        }
        let text = String::from_redis_value_ref(answer)
            .map_err(|error| ReplicaError::new(ReplicaErrorKind::Refused, error.to_string()))?;
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        facts.extend(pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())));
    }
    for answer in &answers[4..] {
        // Forbidden by an access list, or renamed by a provider: INFO tells most of it.
        if let Ok(settings) = HashMap::<String, String>::from_redis_value_ref(answer) {
            facts.extend(settings);
        }
    }
    let fact = |key: &str| facts.get(key).map(String::as_str).unwrap_or_default();
    if fact("role") != "master" {
        let role = fact("role");
        return Err(ReplicaError::new(
            ReplicaErrorKind::Refused,
            format!("it is no master but a {role}, which takes no writes"),
        ));
    }
    let policy = [fact("maxmemory-policy"), fact("maxmemory_policy")].into_iter().find(|it| !it.is_empty());
    let policy = policy.unwrap_or("unknown").to_owned();
    if policy != POLICY {
        let detail = format!(
            "its maxmemory-policy is {policy}, under which it drops rows when it is full. Set it to {POLICY}: \
             redis-cli CONFIG SET maxmemory-policy {POLICY}"
        );
        return Err(ReplicaError::new(ReplicaErrorKind::Unfit, detail));
    }
    let durability = match (fact("aof_enabled"), fact("appendfsync")) {
        ("1", "always") => Durability::Always,
        ("1", "everysec") => Durability::EverySecond,
        ("1", "no") => Durability::Kernel,
        ("1", _) => Durability::Unknown,
        _ => Durability::Dumps,
    };
    let version = [fact("valkey_version"), fact("redis_version")].into_iter().find(|it| !it.is_empty());
    let version = version.unwrap_or_default().to_owned();
    Ok(ServerInfo { run_id: fact("run_id").to_owned(), version, durability, policy })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(role: &str, aof: &str, policy: &str, config: Option<(&str, &str)>) -> Vec<Value> {
        let text = |text: String| Value::BulkString(text.into_bytes());
        let pair = |key: &str, value: &str| Value::Array(vec![text(key.into()), text(value.into())]);
        let forbidden = || {
            let error = redis::parse_redis_value(b"-NOPERM no\r\n").expect("an answer");
            assert!(matches!(error, Value::ServerError(_)));
            error
        };
        vec![
            text("# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n".into()),
            text(format!("# Replication\r\nrole:{role}\r\n")),
            text(format!("aof_enabled:{aof}\r\n")),
            text(format!("maxmemory_policy:{policy}\r\n")),
            config.map_or_else(forbidden, |(fsync, _)| pair("appendfsync", fsync)),
            config.map_or_else(forbidden, |(_, policy)| pair("maxmemory-policy", policy)),
        ]
    }

    #[test]
    fn a_server_is_taken_by_what_it_says() {
        let rows = [
            (answers("master", "1", "noeviction", Some(("always", "noeviction"))), Ok(Durability::Always)),
            (
                answers("master", "1", "noeviction", Some(("everysec", "noeviction"))),
                Ok(Durability::EverySecond),
            ),
            (answers("master", "1", "noeviction", Some(("no", "noeviction"))), Ok(Durability::Kernel)),
            (answers("master", "0", "noeviction", Some(("always", "noeviction"))), Ok(Durability::Dumps)),
            (answers("master", "1", "noeviction", None), Ok(Durability::Unknown)),
            (answers("master", "0", "noeviction", None), Ok(Durability::Dumps)),
            (answers("slave", "1", "noeviction", None), Err(ReplicaErrorKind::Refused)),
            (answers("master", "1", "allkeys-lru", None), Err(ReplicaErrorKind::Unfit)),
            (
                answers("master", "1", "noeviction", Some(("always", "volatile-ttl"))),
                Err(ReplicaErrorKind::Unfit),
            ),
        ];
        for (answers, expected) in rows {
            let found = read(&answers).map(|server| server.durability).map_err(|error| error.kind);
            assert_eq!(found, expected, "{answers:?}");
        }
    }
}
