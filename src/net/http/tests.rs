//! The server over real sockets: each test talks to it with plain blocking sockets from its own thread.

mod bodies;
mod client;
mod exchanges;
mod lifecycle;
mod parking;
mod refusals;
mod timeouts;
mod uploads;
