//! What can go wrong with Redis, by what it means for muster.

use std::fmt;

use redis::{RedisError, ServerError};

/// Kinds of errors. The log names a kind when it changes, not each time; metrics count by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaErrorKind {
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    Slow,
    /// It answers, and refuses: full, read-only, a wrong password.
    Refused,
    /// Another client changed what is under the prefix, or Redis lost it. What differs is put back.
    Altered,
    /// Its settings would lose data.
    Unfit,
    /// Another muster holds the lock.
    Fenced,
    /// What is under the prefix belongs to another node, or has gone on with another directory.
    Foreign,
    /// The local rows cannot be read.
    Local,
    /// It answers with more than there is memory for.
    TooLong,
}

impl ReplicaErrorKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [ReplicaErrorKind; 9] = [
        ReplicaErrorKind::Unreachable,
        ReplicaErrorKind::Slow,
        ReplicaErrorKind::Refused,
        ReplicaErrorKind::Altered,
        ReplicaErrorKind::Unfit,
        ReplicaErrorKind::Fenced,
        ReplicaErrorKind::Foreign,
        ReplicaErrorKind::Local,
        ReplicaErrorKind::TooLong,
    ];

    /// One word for it, for metrics and the log.
    pub fn word(self) -> &'static str {
        match self {
            ReplicaErrorKind::Unreachable => "unreachable",
            ReplicaErrorKind::Slow => "slow",
            ReplicaErrorKind::Refused => "refused",
            ReplicaErrorKind::Altered => "altered",
            ReplicaErrorKind::Unfit => "unfit",
            ReplicaErrorKind::Fenced => "fenced",
            ReplicaErrorKind::Foreign => "foreign",
            ReplicaErrorKind::Local => "local",
            ReplicaErrorKind::TooLong => "too_long",
        }
    }

    /// Whether another muster writes under the prefix, so that further writes here would diverge from it.
    pub fn is_rivalry(self) -> bool {
        matches!(self, ReplicaErrorKind::Fenced | ReplicaErrorKind::Foreign)
    }
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaError {
    /// What it means.
    pub kind: ReplicaErrorKind,
    /// What was seen, in words.
    pub detail: String,
}

impl ReplicaError {
    /// An error of a kind.
    pub fn new(kind: ReplicaErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// Whether Redis wants another user or password than it was given: waiting does not help.
    pub fn is_authentication_failure(&self) -> bool {
        // The second is what the client makes of WRONGPASS, and of a password where none is set.
        let codes =
            ["NOAUTH", "AuthenticationFailed", "WRONGPASS", "NOPERM", "ERR AUTH", "ERR Client sent AUTH"];
        self.kind == ReplicaErrorKind::Refused && codes.iter().any(|code| self.detail.contains(code))
    }

    /// Whether waiting does not help: an operator has to act.
    pub fn is_permanent(&self) -> bool {
        self.is_authentication_failure() || self.kind == ReplicaErrorKind::TooLong
    }

    /// What an error answer of Redis means.
    pub fn refused(error: &ServerError) -> Self {
        ReplicaError::new(ReplicaErrorKind::Refused, error_text(error))
    }
}

/// An error answer of Redis, as it is written.
pub fn error_text(error: &ServerError) -> String {
    let text = format!("{} {}", error.code(), error.details().unwrap_or_default());
    text.trim_end_matches(['.', ' ']).to_owned()
}

impl From<RedisError> for ReplicaError {
    fn from(error: RedisError) -> Self {
        let kind = match &error {
            error if error.is_timeout() => {
                return ReplicaError::new(ReplicaErrorKind::Slow, "it does not answer in time");
            }
            error if error.kind() == redis::ErrorKind::AuthenticationFailed => ReplicaErrorKind::Refused,
            error if error.is_io_error() => ReplicaErrorKind::Unreachable,
            error if error.is_unrecoverable_error() => ReplicaErrorKind::Unreachable,
            _ => ReplicaErrorKind::Refused,
        };
        let detail = match error.detail() {
            Some(detail) if kind == ReplicaErrorKind::Refused => {
                format!("{} {detail}", error.code().unwrap_or_default())
            }
            _ => error.to_string(),
        };
        ReplicaError::new(kind, detail.trim())
    }
}

impl fmt::Display for ReplicaError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.detail)
    }
}

impl std::error::Error for ReplicaError {}
