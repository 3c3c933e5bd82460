//! Protocols. No word of Consul in them.

pub mod http;
pub mod tls;
