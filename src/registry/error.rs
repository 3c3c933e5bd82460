//! Why a write was not done.

use std::fmt;

use crate::model::Refusal;
use crate::persist::error::StoreError;

/// A write that did not happen. Whatever the variant, nothing of it was kept.
#[derive(Clone, Debug)]
pub enum WriteError {
    /// The command makes no sense in the present state: the client's doing.
    Refused(Refusal),
    /// As many writes wait as may; worth another try.
    Busy {
        /// The bound of the queue.
        waiting_max: usize,
    },
    /// The disk is full; reads go on, and writes will when there is room.
    Full {
        /// What the store said.
        message: String,
    },
    /// The server that the store keeps rows in as well is away; worth another try when it is back.
    Unavailable {
        /// What the store said.
        message: String,
    },
    /// The store failed in a way after which nothing can be promised: no writes until a restart.
    ReadOnly {
        /// What the store said.
        message: String,
    },
    /// A name is longer than the store can keep: the client's doing.
    Oversize {
        /// What the store said.
        message: String,
    },
    /// The registry is shutting down.
    Closing,
}

impl From<&StoreError> for WriteError {
    fn from(error: &StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Full { .. } => WriteError::Full { message },
            StoreError::Oversize { .. } => WriteError::Oversize { message },
            StoreError::Unavailable { .. } => WriteError::Unavailable { message },
            _ => WriteError::ReadOnly { message },
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Refused(refusal) => refusal.fmt(formatter),
            WriteError::Busy { waiting_max } => {
                write!(formatter, "{waiting_max} writes are waiting already: try again in a moment")
            }
            WriteError::Full { message } => write!(formatter, "not written: {message}"),
            WriteError::ReadOnly { message } => {
                write!(formatter, "not written, muster is read-only: {message}")
            }
            WriteError::Oversize { message } => write!(formatter, "not written: {message}"),
            WriteError::Unavailable { message } => write!(formatter, "not written: {message}"),
            WriteError::Closing => formatter.write_str("muster is shutting down: ask another or try again"),
        }
    }
}

impl std::error::Error for WriteError {}
