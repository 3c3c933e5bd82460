//! What a registry keeps its changes in.

use std::time::Duration;

use crate::core::acl::row::SharedSeal;
use crate::store::rows::Store;

/// Where a registry keeps its changes.
pub struct Storage {
    /// The store.
    pub store: Box<dyn Store>,
    /// Called with the time that each commit took.
    pub on_commit: Box<dyn Fn(Duration) + Send>,
    /// Under which its secrets are kept, where access control is enabled.
    pub seal: SharedSeal,
}
