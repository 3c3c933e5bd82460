//! The name of a check over all nodes.

use crate::base::stdx::text::Text;
use crate::core::model::NodeKey;

/// Names one check: ids of checks are unique on their node only.
///
/// Compared byte by byte: give the id as it is filed in the catalog, not as a client spelled it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckKey {
    /// Key of the node that the check is on.
    pub node: NodeKey,
    /// Id of the check there.
    pub check_id: Text,
}

impl CheckKey {
    /// The key of the check `check_id` on `node`.
    pub fn new(node: impl Into<NodeKey>, check_id: impl Into<Text>) -> CheckKey {
        CheckKey { node: node.into(), check_id: check_id.into() }
    }
}
