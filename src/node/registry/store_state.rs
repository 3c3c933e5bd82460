//! The state of the store: whether writes are taken, and if not, why. Owns that one fact and says it in the log once
//! per change, however many writes meet it. Knows no file and no HTTP.

use parking_lot::RwLock;

use crate::node::registry::error::WriteError;
use crate::store::error::StoreError;

/// Whether the store takes writes. Reads are answered from memory in every state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreState {
    /// Every write is made durable and answered.
    #[default]
    Writable,
    /// The disk is full. Writes are refused until there is room, which the writer looks for by itself.
    Full {
        /// What the store said, with the remedy.
        message: String,
    },
    /// The disk has not kept its word. No more writes until a restart: what it holds can only be told by reading it.
    ReadOnly {
        /// What the store said, with the remedy.
        message: String,
    },
}

impl StoreState {
    /// Each state by its word, as metrics and `/v1/agent/self` show it.
    pub const WORDS: [&'static str; 3] = ["writable", "full", "read-only"];

    /// The word of this state.
    pub fn word(&self) -> &'static str {
        let [writable, full, read_only] = StoreState::WORDS;
        match self {
            StoreState::Writable => writable,
            StoreState::Full { .. } => full,
            StoreState::ReadOnly { .. } => read_only,
        }
    }

    /// What the store said, unless it takes writes.
    pub fn reason(&self) -> Option<&str> {
        match self {
            StoreState::Writable => None,
            StoreState::Full { message } | StoreState::ReadOnly { message } => Some(message),
        }
    }
}

/// The state as the writer last found it, for everybody to see.
#[derive(Debug, Default)]
pub struct StoreStateBoard {
    /// Written by the writer alone, at a change. Nothing yields under it.
    state: RwLock<StoreState>,
}

impl StoreStateBoard {
    /// The state now.
    pub fn now(&self) -> StoreState {
        self.state.read().clone()
    }

    /// Whether the disk was full at the last commit.
    pub fn is_full(&self) -> bool {
        matches!(*self.state.read(), StoreState::Full { .. })
    }

    /// The answer to every write from now on, once the store has failed.
    pub(super) fn refusal(&self) -> Option<WriteError> {
        match &*self.state.read() {
            StoreState::ReadOnly { message } => Some(WriteError::ReadOnly { message: message.clone() }),
            StoreState::Writable | StoreState::Full { .. } => None,
        }
    }

    /// A commit succeeded.
    pub(super) fn committed(&self) {
        if self.is_full() {
            *self.state.write() = StoreState::Writable;
            log::info!("there is room again: writes are taken");
        }
    }

    /// A commit failed.
    pub(super) fn failed(&self, error: &StoreError) {
        let for_later = error.for_later_writes();
        let error = for_later.as_ref().unwrap_or(error);
        let message = error.to_string();
        let after = match error {
            StoreError::Full { .. } => StoreState::Full {
                message: format!("{message}. Free some space, and writes go on by themselves."),
            },
            // A fault of the caller says nothing about the store, and of a server that is away the store tells itself.
            StoreError::Oversize { .. } | StoreError::Unavailable { .. } => return,
            _ => StoreState::ReadOnly { message },
        };
        let mut state = self.state.write();
        // Once the store has failed, only a restart can tell what the disk holds.
        if state.word() == after.word() || matches!(*state, StoreState::ReadOnly { .. }) {
            return;
        }
        log::error!("{} from now on, reads go on: {error}", after.word());
        *state = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StoreError {
        StoreError::Full { path: "data".into(), detail: "none".into() }
    }

    fn failed() -> StoreError {
        StoreError::Failed { path: "data".into(), detail: "EIO".into() }
    }

    fn in_doubt(is_full: bool) -> StoreError {
        StoreError::InDoubt { path: "data".into(), detail: "EIO".into(), is_full }
    }

    #[test]
    fn a_full_disk_passes_and_a_failed_one_does_not() {
        enum Event {
            Done,
            Error(StoreError),
        }
        use Event::{Done, Error};
        let oversize = StoreError::Oversize { key_bytes: 2, key_bytes_max: 1 };
        let rows = [
            (vec![], "writable"),
            (vec![Done], "writable"),
            (vec![Error(oversize)], "writable"),
            (vec![Error(full())], "full"),
            (vec![Error(full()), Done], "writable"),
            (vec![Error(full()), Error(failed())], "read-only"),
            (vec![Error(failed()), Error(full())], "read-only"),
            (vec![Error(failed()), Done], "read-only"),
            (vec![Error(in_doubt(false)), Done], "read-only"),
            (vec![Error(in_doubt(true))], "full"),
            (vec![Error(in_doubt(true)), Done], "writable"),
        ];
        for (events, expected) in rows {
            let board = StoreStateBoard::default();
            for event in &events {
                match event {
                    Done => board.committed(),
                    Error(error) => board.failed(error),
                }
            }
            assert_eq!(board.now().word(), expected);
            assert_eq!(board.refusal().is_some(), expected == "read-only");
            assert_eq!(board.now().reason().is_some(), expected != "writable");
            assert!(
                !board.now().reason().is_some_and(|it| it.contains("not known")),
                "no doubt about later ones"
            );
        }
    }
}
