//! The border to the servers: what the store asks of them, and nothing of how they are reached.
//!
//! In production the connections are those of [`ConnectionPool`](super::pool::ConnectionPool). They are a trait because
//! a real server cannot be made to fail in every way at every moment: the simulation has a server of its own.

use std::time::Duration;

use redis::Value;

use super::error::ReplicaError;

/// A connection to one server.
pub trait RedisConnection: Send {
    /// Sends packed commands and gives `answers` answers, in order. An error answer is an answer.
    ///
    /// # Errors
    /// When the connection breaks or is silent for longer than `timeout` altogether. It must not be used again then.
    fn pipeline(
        &mut self,
        packed: &[u8],
        answers: usize,
        timeout: Duration,
    ) -> Result<Vec<Value>, ReplicaError>;
}

/// Gives connections.
pub trait ConnectionSource: Send + Sync {
    /// A connection to the server that is to be written to at this moment.
    ///
    /// # Errors
    /// Why there is none.
    fn connect(&self) -> Result<Box<dyn RedisConnection>, ReplicaError>;

    /// Connections open, and those of them that are idle.
    fn counts(&self) -> (u32, u32);
}
