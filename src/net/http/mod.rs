//! An HTTP/1.1 server on coroutines: connections, framing, limits, and the border to the code that
//! answers requests.
//!
//! It knows no Consul: what a path means is decided by a [`Handler`]. It owns every byte that a client may
//! send before a handler sees it, so each bound of the wire lives here (see `DESIGN.md`).
//! Start reading at [`Server`], then `connection.rs` for the life of a connection, `head.rs` and `chunked.rs`
//! for the framing. `DESIGN.md` has the order in which the files use each other.

mod accept_encoding;
mod admission;
mod body_reader;
mod body_writer;
mod chunked;
mod compress;
mod config;
mod connection;
mod date;
mod door;
mod exchange;
mod fault;
mod framing;
mod header_block;
mod head;
mod input;
mod method;
mod moving;
mod pace;
mod payload;
pub mod percent;
mod query;
mod refusals;
mod request;
mod request_id;
mod response;
mod server;
mod server_shared;
mod shared_body;
mod buffer_pool;
mod stats;
mod transport;
mod wait;

#[cfg(test)]
mod tests;

pub use crate::base::sys::listen::{BindAddress, BindError, Listener, Peer};
pub use crate::base::sys::park::Waker;
pub use admission::client_of;
pub use body_reader::BodyError;
pub use body_writer::BodyWriter;
pub use config::{BodyBound, ServerConfig};
pub use door::{Door, DoorRules};
pub use exchange::{Exchange, Handler};
pub use framing::Version;
pub use header_block::HeaderBlock;
pub use method::Method;
pub use moving::Departure;
pub use pace::PaceLimit;
pub use query::{Query, QueryError};
pub use refusals::{REFUSAL_STATUSES, is_of_bound};
pub use request::Request;
pub use request_id::RequestId;
pub use response::{Body, Response};
pub use server::{Entrance, ServeError, Server};
pub use shared_body::SharedBody;
pub use stats::{ServerStats, StatsSnapshot};
pub use wait::Wake;
