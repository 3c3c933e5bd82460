//! A change: one pair that is different now, with both its faces.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::model::Pair;

/// One pair before and after a command. `None` before means created, `None` after means removed.
#[derive(Clone, Debug)]
pub struct PairChange {
    /// Its key.
    pub key: Text,
    /// The index of the change: what the pair's own says if it is still there.
    pub index: u64,
    /// Before the command.
    pub before: Option<Arc<Pair>>,
    /// After it.
    pub after: Option<Arc<Pair>>,
}
