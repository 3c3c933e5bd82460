//! A change: one record of access control that is different now, with both its faces.

use crate::base::stdx::text::Text;
use crate::core::model::acl::record::{AclKind, AclRecord};

/// One record before and after a command. `None` before means created, `None` after means removed.
#[derive(Clone, Debug)]
pub struct AclChange {
    /// Its kind.
    pub kind: AclKind,
    /// Its id.
    pub id: Text,
    /// The index of the change: what the record's own says if it is still there.
    pub index: u64,
    /// Before the command.
    pub before: Option<AclRecord>,
    /// After it.
    pub after: Option<AclRecord>,
}
