//! What the registry is, without input or output: values, rules and state. No clock, no lock, no chance.

pub mod acl;
pub mod catalog;
pub mod discovery;
pub mod filter;
pub mod health;
pub mod kernel;
pub mod kv;
pub mod model;
