//! Why the agent did not start.

use std::fmt;
use std::io;

use crate::http::ServeError;
use crate::persist::error::StoreError;
use crate::registry::OpenError;

/// Why the agent did not start.
#[derive(Debug)]
pub enum ServerError {
    /// The data directory, or the Redis, cannot be used.
    Store(StoreError),
    /// The registry did not open.
    Open(OpenError),
    /// A definition in a file is wrong.
    Definition(String),
    /// An address cannot be served.
    Serve(ServeError),
    /// The system refused a thread or a signal handler.
    System(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerError::Store(error) => error.fmt(formatter),
            ServerError::Open(error) => error.fmt(formatter),
            ServerError::Definition(error) => formatter.write_str(error),
            ServerError::Serve(error) => error.fmt(formatter),
            ServerError::System(error) => write!(formatter, "the system refused: {error}"),
        }
    }
}

impl std::error::Error for ServerError {}
