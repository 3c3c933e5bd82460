//! What Consul has not: explanations, history, drains, streams, webhooks, and the pages of operators.

pub mod access;
pub mod cache;
pub mod drain;
pub mod explain;
pub mod history;
pub mod operations;
pub mod stream;
pub mod times;
pub mod webhooks;
