//! How a Redis is reached and what is asked of it. Knows where settings end, not where they were written.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What becomes of a write while Redis is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOutage {
    /// It is acknowledged once it is on the local disk, and put into Redis later.
    Spool,
    /// It is refused, and nothing of it is kept.
    Reject,
}

/// Where the servers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisAddress {
    /// One server, by name or address and port.
    Server(String, u16),
    /// One server of this machine, by its socket.
    Socket(PathBuf),
    /// Whichever server the sentinels (name or address and port) call by this name.
    Sentinels(Vec<(String, u16)>, String),
}

/// Everything about one Redis.
#[derive(Clone)]
pub struct RedisSettings {
    /// How to get there.
    pub place: RedisAddress,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// A PEM file with the certificate authority; the system's when there is none.
    pub ca_file: Option<PathBuf>,
    /// The user; none is Redis's `default`.
    pub user: Option<String>,
    /// The password, unless a file holds it.
    pub password: Option<String>,
    /// A file that holds the password, read at each connection.
    pub password_file: Option<PathBuf>,
    /// The number of the database.
    pub database: i64,
    /// What every key begins with.
    pub prefix: String,
    /// Longest time a commit waits for Redis, and longest time for any answer of Redis.
    pub timeout: Duration,
    /// What becomes of a write while Redis is away.
    pub on_outage: OnOutage,
}

/// The place, for people: `Redis at 127.0.0.1:6379`. Never holds a password.
impl fmt::Display for RedisSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            RedisAddress::Server(host, port) => write!(out, "Redis at {host}:{port}"),
            RedisAddress::Socket(path) => write!(out, "Redis at {}", path.display()),
            RedisAddress::Sentinels(_, master) => write!(out, "Redis {master:?} of the sentinels"),
        }
    }
}
