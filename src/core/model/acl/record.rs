//! What access control is made of: policies, roles and tokens, each a record with an id.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::model::Indexes;
use crate::core::model::acl::policy::Policy;
use crate::core::model::acl::role::Role;
use crate::core::model::acl::token::Token;

/// A kind of record. They stand in the order of their names, which is that of their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AclKind {
    /// That the first token of all was given out.
    Bootstrap,
    /// Texts of rules.
    Policy,
    /// Grants with a name.
    Role,
    /// What callers show.
    Token,
}

impl AclKind {
    /// All of them: what is referred to comes before what refers to it.
    pub const ALL: [AclKind; 4] = [AclKind::Bootstrap, AclKind::Policy, AclKind::Role, AclKind::Token];

    /// Its name on disk, which never changes.
    pub const fn name(self) -> &'static str {
        match self {
            AclKind::Policy => "policy",
            AclKind::Role => "role",
            AclKind::Token => "token",
            AclKind::Bootstrap => "bootstrap",
        }
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AclRecord {
    /// See [`Policy`].
    Policy(Arc<Policy>),
    /// See [`Role`].
    Role(Arc<Role>),
    /// See [`Token`].
    Token(Arc<Token>),
    /// That the first token was given out, with the index at which it last was: who names that may have another.
    Bootstrap(Indexes),
}

impl AclRecord {
    /// Its kind.
    pub fn kind(&self) -> AclKind {
        match self {
            AclRecord::Policy(_) => AclKind::Policy,
            AclRecord::Role(_) => AclKind::Role,
            AclRecord::Token(_) => AclKind::Token,
            AclRecord::Bootstrap(_) => AclKind::Bootstrap,
        }
    }

    /// Its id, which no other of its kind has: of a token that of which no secret is made, its accessor.
    pub fn id(&self) -> Text {
        match self {
            AclRecord::Policy(policy) => policy.id.clone(),
            AclRecord::Role(role) => role.id.clone(),
            AclRecord::Token(token) => token.accessor.clone(),
            AclRecord::Bootstrap(_) => Text::default(),
        }
    }

    /// What people call it, and no other of its kind in whatever case; empty where it has no name.
    pub fn name(&self) -> &str {
        match self {
            AclRecord::Policy(policy) => &policy.name,
            AclRecord::Role(role) => &role.name,
            AclRecord::Token(_) | AclRecord::Bootstrap(_) => "",
        }
    }

    /// Position in the order of changes.
    pub fn indexes(&self) -> Indexes {
        match self {
            AclRecord::Policy(policy) => policy.indexes,
            AclRecord::Role(role) => role.indexes,
            AclRecord::Token(token) => token.indexes,
            AclRecord::Bootstrap(indexes) => *indexes,
        }
    }

    /// The same, changed at other indexes.
    pub fn at(&self, indexes: Indexes) -> AclRecord {
        match self {
            AclRecord::Policy(policy) => {
                AclRecord::Policy(Arc::new(Policy { indexes, ..Policy::clone(policy) }))
            }
            AclRecord::Role(role) => AclRecord::Role(Arc::new(Role { indexes, ..Role::clone(role) })),
            AclRecord::Token(token) => AclRecord::Token(Arc::new(Token { indexes, ..Token::clone(token) })),
            AclRecord::Bootstrap(_) => AclRecord::Bootstrap(indexes),
        }
    }

    /// Bytes that it takes in memory, near enough to bound them.
    pub fn weight(&self) -> usize {
        /// Its own fields, and its places in the state and among what readers see.
        const RECORD_BYTES: usize = 640;
        RECORD_BYTES
            + match self {
                AclRecord::Policy(policy) => policy.weight(),
                AclRecord::Role(role) => role.weight(),
                AclRecord::Token(token) => token.weight(),
                AclRecord::Bootstrap(_) => 0,
            }
    }
}
