//! What runs: the writer and its views, checks, drains, webhooks.

pub mod notify;
pub mod probe;
pub mod registry;
