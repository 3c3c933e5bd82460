//! A token: what a caller shows, and what it gives him.

use std::fmt;

use crate::base::stdx::text::Text;
use crate::core::model::Indexes;
use crate::core::model::acl::grants::Grants;

/// The accessor of the token of whoever shows none. It is always there.
pub const ANONYMOUS_ACCESSOR: &str = "00000000-0000-0000-0000-000000000002";

/// What may be shown in the place of showing none.
pub const ANONYMOUS_SECRET: &str = "anonymous";

/// What a caller shows, and what it gives him.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    /// A UUID by which people and logs speak of it.
    pub accessor: Text,
    /// What is shown.
    pub secret: TokenSecret,
    /// For people.
    pub description: Text,
    /// What it gives.
    pub grants: Grants,
    /// Whether it counts in its own datacenter only.
    pub is_local: bool,
    /// The name of the auth method whose login made it; empty if none did.
    pub auth_method: Text,
    /// From when on it counts no more, in milliseconds of Unix time.
    pub expires_ms: Option<u64>,
    /// When it was made, in milliseconds of Unix time.
    pub created_ms: u64,
    /// Position of the token in the order of changes.
    pub indexes: Indexes,
}

impl Token {
    /// Whether it counts no more at `now_ms` of Unix time.
    pub fn has_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }

    pub(super) fn weight(&self) -> usize {
        self.secret.0.len() + self.description.len() + self.auth_method.len() + self.grants.weight()
    }
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenSecret(Text);

impl TokenSecret {
    /// That of a text.
    pub fn new(text: impl Into<Text>) -> TokenSecret {
        TokenSecret(text.into())
    }

    /// The text, for whoever compares it, seals it, or shows it to who may see it.
    pub fn reveal(&self) -> &Text {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret")
    }
}
