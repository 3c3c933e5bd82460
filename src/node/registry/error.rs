//! Why a write was not done.

use std::fmt;

use crate::core::model::CommandRefusal;
use crate::core::model::limits::INDEX_MAX;
use crate::store::error::StoreError;

/// A write that did not happen. Nothing of it was kept, but for [`WriteError::InDoubt`].
#[derive(Clone, Debug)]
pub enum WriteError {
    /// The command makes no sense in the present state: the client's doing.
    Refused(CommandRefusal),
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
    /// It was begun, and nobody can tell whether it is on the disk: it is not shown, and the next start decides.
    InDoubt {
        /// What happened.
        message: String,
        /// Whether writes go on by themselves once there is room.
        is_full: bool,
    },
    /// A name is longer than the store can keep: the client's doing.
    Oversize {
        /// What the store said.
        message: String,
    },
    /// There is no index left for another change.
    Exhausted {
        /// The index that the change would have had.
        index: u64,
    },
    /// The registry is shutting down.
    Closing,
}

impl WriteError {
    /// The writer has ended before it answered.
    pub fn unanswered() -> WriteError {
        let message = "the thread that writes ended before it answered, and the next start decides";
        WriteError::InDoubt { message: message.to_owned(), is_full: false }
    }
}

impl From<&StoreError> for WriteError {
    fn from(error: &StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Full { .. } => WriteError::Full { message },
            StoreError::InDoubt { is_full, .. } => WriteError::InDoubt { message, is_full: *is_full },
            StoreError::Oversize { .. } => WriteError::Oversize { message },
            StoreError::Unavailable { .. } => WriteError::Unavailable { message },
            _ => WriteError::ReadOnly { message },
        }
    }
}

impl WriteError {
    /// The sentence for a start, which ends with it: nothing goes on by itself then.
    pub fn at_start(&self) -> String {
        match self {
            WriteError::Full { message } => format!("{message}. Free some space, then start muster again"),
            error => error.to_string(),
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Refused(refusal) => refusal.fmt(formatter),
            WriteError::Busy { waiting_max } => {
                write!(
                    formatter,
                    "{waiting_max} writes are waiting already, as many as may (half of limits.connections_max at \
                     most): try again in a moment"
                )
            }
            WriteError::Full { message } => {
                write!(formatter, "not written: {message}. Free some space, and writes go on by themselves")
            }
            WriteError::ReadOnly { message } => {
                write!(formatter, "not written, muster is read-only: {message}")
            }
            WriteError::InDoubt { message, .. } => write!(formatter, "the outcome is unknown: {message}"),
            WriteError::Oversize { message } => write!(formatter, "not written: {message}"),
            WriteError::Unavailable { message } => write!(formatter, "not written: {message}"),
            WriteError::Exhausted { index } => write!(
                formatter,
                "not written: index {index} is above {INDEX_MAX}, the highest there is; stop muster, and have `muster \
                 store repair` make a directory that begins below"
            ),
            WriteError::Closing => formatter.write_str("muster is shutting down: ask another or try again"),
        }
    }
}

impl std::error::Error for WriteError {}
