//! HTTP/2 towards checked targets: gRPC's health service, and plain pings.
//!
//! The library, `h2`, is made of futures over the I/O traits of another runtime; neither that runtime nor a thread of
//! its own is needed for it. Its side of the connection is a pair of buffers in memory ([`pipe`]), its futures are
//! polled by the coroutine that runs the check, and between two polls the coroutine carries bytes from the buffers to
//! the socket and back ([`drive`]). So deadline, TLS and guard are those of every other check.

mod drive;
pub mod grpc;
pub mod ping;
mod pipe;

use std::fmt;
use std::io;

use crate::node::probe::words;

/// What HTTP/2 is called in ALPN.
pub const PROTOCOL: &str = "h2";

/// Why a conversation over HTTP/2 came to nothing.
#[derive(Debug)]
pub enum Http2Error {
    /// The connection below.
    Io(io::Error),
    /// What is said over it.
    Protocol(h2::Error),
}

impl Http2Error {
    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        match self {
            Http2Error::Io(error) => error.kind() == io::ErrorKind::TimedOut,
            Http2Error::Protocol(_) => false,
        }
    }
}

impl From<h2::Error> for Http2Error {
    fn from(error: h2::Error) -> Http2Error {
        Http2Error::Protocol(error)
    }
}

impl fmt::Display for Http2Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Http2Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                formatter.write_str("context deadline exceeded")
            }
            Http2Error::Io(error) => formatter.write_str(&words::io("read", error)),
            Http2Error::Protocol(error) => match error.get_io() {
                Some(error) => formatter.write_str(&words::io("read", error)),
                None => write!(formatter, "http2: {error}"),
            },
        }
    }
}

impl std::error::Error for Http2Error {}
