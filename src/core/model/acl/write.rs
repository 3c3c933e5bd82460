//! One change of access control, as asked for, and why it may be refused.

use std::fmt;

use crate::base::stdx::text::Text;
use crate::core::model::CommandRefusal;
use crate::core::model::acl::record::{AclKind, AclRecord};
use crate::core::model::acl::token::Token;

/// One change of access control, as asked for. Records are complete and hold to their own rules; their indexes are of
/// no account.
#[derive(Clone, Debug, PartialEq)]
pub enum AclWrite {
    /// Have a record that is not there yet.
    Create(AclRecord),
    /// Have a record say something else from now on.
    Replace(AclRecord),
    /// Remove a record. One that is not there is no error.
    Delete {
        /// Its kind.
        kind: AclKind,
        /// Its id.
        id: Text,
    },
    /// Give out the first token of all, which may do everything.
    Bootstrap {
        /// The token.
        token: Token,
        /// The index of the last time, from whoever may write files of the server: then it is given out once more.
        reset_index: Option<u64>,
    },
    /// Remove a token whose time is over. One that is gone, or has been made anew, is left alone.
    Expire {
        /// Its accessor.
        accessor: Text,
    },
}

/// Why a change of access control makes no sense in the present state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AclRefusal {
    /// The sentence that Consul has for it.
    Unfit(String),
    /// The first token was given out already.
    Bootstrapped {
        /// Who names this index may have another.
        reset_index: u64,
    },
    /// The index that was named is not that of the last time.
    WrongReset {
        /// What was named.
        named: u64,
        /// What it is.
        reset_index: u64,
    },
    /// There are too many records, or they are too long.
    TooLarge {
        /// Bytes that they may take.
        bytes_max: usize,
    },
}

impl fmt::Display for AclRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AclRefusal::Unfit(sentence) => f.write_str(sentence),
            AclRefusal::Bootstrapped { reset_index } => {
                write!(f, "Permission denied: ACL bootstrap no longer allowed (reset index: {reset_index})")
            }
            AclRefusal::WrongReset { named, reset_index } => {
                write!(f, "Invalid bootstrap reset index (specified {named}, reset index: {reset_index})")
            }
            AclRefusal::TooLarge { bytes_max } => write!(
                f,
                "policies, roles and tokens may take {bytes_max} bytes together; remove some, or raise \
                 limits.acl_bytes_max"
            ),
        }
    }
}

impl std::error::Error for AclRefusal {}

impl From<AclRefusal> for CommandRefusal {
    fn from(refusal: AclRefusal) -> CommandRefusal {
        CommandRefusal::Acl(refusal)
    }
}
