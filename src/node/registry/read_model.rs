//! What a registry shows: the records, the index of every topic and the history, each behind locks of its own.
//!
//! The writer is the only one to change them, and only after a batch is durable. Knows no store and no clock.

use std::io;
use std::sync::Arc;

use crate::core::kernel::state::State;
use crate::node::registry::access::AccessControl;
use crate::node::registry::history::{History, HistoryEntry};
use crate::node::registry::topics::Topics;
use crate::node::registry::views::Views;

/// Everything that readers look at.
#[derive(Clone)]
pub struct ReadModel {
    /// The records.
    pub views: Arc<Views>,
    /// Indexes and watchers.
    pub topics: Arc<Topics>,
    /// The transitions of checks that are remembered.
    pub history: Arc<History>,
    /// Who may do what.
    pub access: Arc<AccessControl>,
}

impl ReadModel {
    /// What was stored, complete; every topic stands at the `index` of `state`, and at most `watchers_max` may watch.
    ///
    /// # Errors
    /// The operating system's: it gives no thread.
    pub fn restored(
        state: &State,
        index: u64,
        history: Vec<HistoryEntry>,
        access: AccessControl,
        watchers_max: usize,
    ) -> io::Result<ReadModel> {
        let views = Arc::new(Views::of_all(state, index)?);
        let topics = Arc::new(Topics::new(index, watchers_max));
        Ok(ReadModel {
            views,
            topics,
            history: Arc::new(History::restored(history)),
            access: Arc::new(access),
        })
    }
}
