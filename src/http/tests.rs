//! The server over real sockets: each test talks to it with plain blocking sockets from its own thread.

mod client;
mod exchanges;
