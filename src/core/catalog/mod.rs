//! What the registry knows, and how a command changes it. Pure: no I/O, no clock, no locks.
//!
//! [`state::CatalogState`] is the truth: nodes with their instances and checks. A command applied to it yields a
//! list of [`change::CatalogChange`]s, and that one list feeds everything else: the store's rows, the undoing of a
//! batch that could not be made durable, the health engine, and the views that answer reads. [`update::Update`]
//! says what a list of changes means for readers: which instances, nodes and checks look different now, and
//! which [`topic::Topic`]s moved.
//!
//! Locks, queues and threads around these are `registry`'s. Start reading at [`state::CatalogState::apply`].

pub mod change;
pub mod check_table;
pub mod instance;
pub mod node_record;
pub mod node_table;
pub mod row;
pub mod service_log;
pub mod service_table;
pub mod state;
pub mod topic;
pub mod transitions;
pub mod update;
pub mod weight;

mod define;
mod drain;
mod registration;
mod restore;
#[cfg(test)]
mod tests;
