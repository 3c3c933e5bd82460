//! A transition as the history keeps it.

use std::sync::Arc;

use crate::core::model::Transition;

/// Transitions kept of one check. A check that flaps every ten seconds is followed over ten minutes, one that fails
/// once a day over two months; more would let few checks fill the whole.
pub const PER_CHECK_MAX: u8 = 64;

/// A transition in its slot.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// What happened.
    pub transition: Arc<Transition>,
    /// Which of the check's rows it is written in, below [`PER_CHECK_MAX`].
    pub slot: u8,
    /// Whether it came out of a snapshot: it is remembered, and is no news to anybody.
    pub is_restored: bool,
}
