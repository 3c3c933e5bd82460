//! muster: a Consul-compatible service registry.
//!
//! The modules below are floors, the lowest first: each may use those above it in this list and none below, and
//! `tests/tidy.rs` holds the table of allowed arrows. Start reading at [`crate::core::model`] for the vocabulary,
//! [`crate::core::catalog`] for what the registry knows, and [`server`] for how the parts are put together.

pub mod base;

pub mod core;
pub mod wire;

pub mod net;
pub mod store;

pub mod config;
pub mod node;

pub mod surface;

pub mod cli;
pub mod server;
