//! A policy: a text of rules under a name.

use crate::base::stdx::text::Text;
use crate::core::model::Indexes;

/// The id of the policy that gives everything. It is always there, and its rules cannot be changed.
pub const MANAGEMENT_ID: &str = "00000000-0000-0000-0000-000000000001";

/// A text of rules under a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// A UUID.
    pub id: Text,
    /// 1 to 128 letters, digits, `-` and `_`; no other policy's in whatever case.
    pub name: Text,
    /// For people.
    pub description: Text,
    /// The rules, as they were written.
    pub rules: Text,
    /// Where it counts; everywhere if it names none.
    pub datacenters: Vec<Text>,
    /// Position of the policy in the order of changes.
    pub indexes: Indexes,
}

impl Policy {
    pub(super) fn weight(&self) -> usize {
        let datacenters: usize = self.datacenters.iter().map(|it| size_of::<Text>() + it.len()).sum();
        self.name.len() + self.description.len() + self.rules.len() + datacenters
    }
}
