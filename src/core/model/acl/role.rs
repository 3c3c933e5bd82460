//! A role: what several tokens are to give alike, under a name.

use crate::base::stdx::text::Text;
use crate::core::model::Indexes;
use crate::core::model::acl::grants::Grants;

/// Grants under a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// A UUID.
    pub id: Text,
    /// 1 to 256 letters, digits, `-` and `_`; no other role's in whatever case.
    pub name: Text,
    /// For people.
    pub description: Text,
    /// What it gives; no roles.
    pub grants: Grants,
    /// Position of the role in the order of changes.
    pub indexes: Indexes,
}

impl Role {
    pub(super) fn weight(&self) -> usize {
        self.name.len() + self.description.len() + self.grants.weight()
    }
}
