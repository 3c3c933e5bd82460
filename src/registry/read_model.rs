//! What a registry shows: the records, the index of every topic and the history, each behind locks of its own.
//!
//! The writer is the only one to change them, and only after a batch is durable. Knows no store and no clock.

use std::io;
use std::sync::Arc;

use crate::registry::history::History;
use crate::registry::recover::Recovered;
use crate::registry::topics::Topics;
use crate::registry::views::Views;

/// Everything that readers look at.
#[derive(Clone)]
pub struct ReadModel {
    /// The records.
    pub views: Arc<Views>,
    /// Indexes and watchers.
    pub topics: Arc<Topics>,
    /// The transitions of checks that are remembered.
    pub history: Arc<History>,
}

impl ReadModel {
    /// What was stored, complete; every topic stands at the recovered index, and at most `watchers_max` may watch.
    ///
    /// # Errors
    /// The operating system's: it gives no thread.
    pub fn restored(recovered: &Recovered, watchers_max: usize) -> io::Result<ReadModel> {
        let views = Views::of_all(&recovered.state, recovered.index)?;
        let topics = Topics::new(recovered.index, watchers_max);
        let history = History::restored(recovered.history.clone());
        Ok(ReadModel { views: Arc::new(views), topics: Arc::new(topics), history: Arc::new(history) })
    }
}
