//! The registry at work: joins the catalog, the health engine, the store and the prober.
//!
//! Writes go one way: a command into the [`queue`], and back comes what it did, durable ([`mod@write`]). Reads look at
//! [`views::Views`] and never wait for a write. Blocking queries wait on [`topics::Topics`]. This layer knows no HTTP
//! and no JSON of Consul's; it is the one place where state, time and disk meet. Start reading at [`open`].

pub mod access;
pub mod aliases;
pub mod hot_queries;
mod write_log;
pub mod health_checkpoint;
mod batch;
pub mod checking;
mod commit;
mod define;
pub mod defined_ids;
pub mod drain_plan;
pub mod draining;
pub mod error;
mod expiry;
mod handle;
pub mod exclusive;
pub mod history;
pub mod mended;
pub mod open;
pub mod own_node;
pub mod panics;
pub mod publish;
pub mod queue;
pub mod recover;
pub mod rest;
pub mod rows;
pub mod sealed;
pub mod sealing;
pub mod interner;
pub mod read_model;
pub mod silences;
pub mod snapshot;
pub mod storage;
pub mod store_state;
pub mod topics;
pub mod views;
pub mod waking;
pub mod write;
pub mod write_stats;

#[cfg(test)]
pub(crate) mod tests;

pub use handle::Registry;
