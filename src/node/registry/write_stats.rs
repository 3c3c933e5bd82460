//! The writer's counters, for metrics.

use std::sync::atomic::{AtomicU64, AtomicUsize};

use crate::node::registry::store_state::StoreStateBoard;

/// What the writer counts, and how its store is.
#[derive(Debug, Default)]
pub struct WriteStats {
    /// Commands waiting now.
    pub waiting: AtomicUsize,
    /// Batches made durable.
    pub commits: AtomicU64,
    /// Commands that changed something.
    pub applied: AtomicU64,
    /// Whether the store takes writes.
    pub store_state: StoreStateBoard,
}
