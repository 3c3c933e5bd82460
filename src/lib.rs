//! muster: a Consul-compatible service registry.
//!
//! The modules below stand in layer order: each may use those above it and none below, and `tests/tidy.rs` holds the
//! table of allowed arrows. Start reading at [`model`] for the vocabulary, [`catalog`] for what the registry knows, and
//! [`server`] for how the parts are put together.

pub mod stdx;
pub mod sys;
pub mod telemetry;

pub mod model;

pub mod filter;
pub mod wire;
pub mod config;
pub mod catalog;
pub mod kv;
pub mod kernel;
pub mod discovery;
pub mod health;

pub mod http;
pub mod persist;
pub mod probe;

pub mod registry;
pub mod notify;
pub mod api;
pub mod cli;
pub mod server;
