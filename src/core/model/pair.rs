//! A pair of the key/value store, and what can be asked of it.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::model::Indexes;

/// One key with its value.
///
/// Keys are compared to the letter; a slash in them means something to readers only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// The key, at most [`KEY_BYTES_MAX`](super::limits::KEY_BYTES_MAX) long and never empty.
    pub key: Text,
    /// Any bytes, at most [`VALUE_BYTES_MAX`](super::limits::VALUE_BYTES_MAX) of them.
    pub value: Arc<[u8]>,
    /// A number that means something to the client that wrote it, and nothing here.
    pub flags: u64,
    /// How often the key was locked anew. Consul's `LockIndex`.
    pub lock_index: u64,
    /// The session that holds the key; empty while none does.
    pub session: Text,
    /// Position of the pair in the order of changes.
    pub indexes: Indexes,
}

impl Pair {
    /// Whether both say the same, whenever they were written.
    pub fn same_content(&self, other: &Pair) -> bool {
        self.key == other.key
            && self.value == other.value
            && self.flags == other.flags
            && self.lock_index == other.lock_index
            && self.session == other.session
    }
}

/// One change of the key/value store, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairWrite {
    /// Have a key hold a value.
    Put {
        /// The key.
        key: Text,
        /// The value from now on.
        value: Arc<[u8]>,
        /// The client's number from now on.
        flags: u64,
        /// Under which condition.
        condition: Condition,
    },
    /// Remove a key.
    Delete {
        /// The key.
        key: Text,
        /// Under which condition. One that is not there is removed under any.
        condition: Condition,
    },
    /// Remove every key that begins like this.
    DeleteTree {
        /// The beginning; the empty one is that of all keys.
        prefix: Text,
    },
}

/// Under which condition a key is written (Consul's `?cas=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// None.
    #[default]
    Always,
    /// Its `ModifyIndex` is this one; 0 means that it is not there.
    Index(u64),
}
