//! Why the agent did not start, or had to end.

use std::fmt;
use std::io;

use crate::base::sys::supervision::ThreadFault;
use crate::net::http::ServeError;
use crate::node::registry::error::WriteError;
use crate::node::registry::open::OpenError;
use crate::store::error::StoreError;

/// Why the agent did not start, or had to end.
#[derive(Debug)]
pub enum ServerError {
    /// The data directory, or the Redis, cannot be used.
    Store(StoreError),
    /// The registry did not open.
    Open(OpenError),
    /// A definition in a file is wrong.
    Definition(String),
    /// What definition files define was not written.
    Undefined(WriteError),
    /// A file of TLS cannot be used.
    Tls(String),
    /// The keys that seal the secrets of tokens cannot be had.
    Key(String),
    /// An address cannot be served.
    Serve(ServeError),
    /// It ran and cannot go on: a thread that it needs is gone.
    Lost(ThreadFault),
    /// The running agent does not hand over.
    Takeover(String),
    /// The system refused a thread or a signal handler.
    System(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerError::Store(error) => formatter.write_str(&error.at_start()),
            ServerError::Open(error) => error.fmt(formatter),
            ServerError::Definition(error) | ServerError::Tls(error) | ServerError::Key(error) => {
                formatter.write_str(error)
            }
            ServerError::Undefined(error) => {
                write!(formatter, "what the definition files define was not registered: {}", error.at_start())
            }
            ServerError::Serve(error) => error.fmt(formatter),
            ServerError::Lost(fault) => {
                write!(formatter, "{fault}; muster cannot go on without it and ends, to be started again")
            }
            ServerError::Takeover(sentence) => write!(formatter, "nothing was taken over: {sentence}"),
            ServerError::System(error) => write!(formatter, "the system refused: {error}"),
        }
    }
}

impl std::error::Error for ServerError {}

/// Logs an error that may have several lines, such as everything that is wrong with a configuration, each as a line.
pub(super) fn log_lines(prefix: &str, text: &str) {
    text.lines().for_each(|line| log::error!("{prefix}{}", line.trim_start()));
}
