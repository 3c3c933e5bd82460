//! Consul's HTTP API over the registry: routes, parameters, handlers by Consul's chapters, and the cache of answers.
//!
//! Handlers turn a request into a command or a look at the views, and the outcome into a response. They own no state,
//! and write no JSON but through `wire`. Start reading at [`dispatch::routes::ROUTES`], then
//! [`answers::answer::indexed`] for how every read that can block is answered.

pub mod acl;
pub mod agent;
pub mod answers;
pub mod catalog;
pub mod context;
pub mod delta;
pub mod dispatch;
pub mod health;
pub mod kv;
pub mod listed;
pub mod muster;
pub mod panic;
pub mod selection;
pub mod service_query;
pub mod slow_reads;
pub mod snapshot;

#[cfg(test)]
mod tests;
