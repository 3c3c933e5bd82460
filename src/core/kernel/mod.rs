//! The state of the registry as a whole: the one place that knows all kinds of state.
//!
//! Each kind (the [`catalog`](crate::core::catalog), the [`kv`](crate::core::kv) store) is a folder of its own with its
//! own records, changes and rules. They share one index, one order and one commit, so here they are put together: which
//! of them a command is for ([`state`]), and what it changed in each ([`changes`]). Pure, as they are.

pub mod changes;
pub mod state;
