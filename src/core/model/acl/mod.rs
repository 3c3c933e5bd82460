//! What access control is made of: policies, roles and tokens, each a record with an id, and what can be asked of them.
//!
//! What their rules mean is `core::acl`'s business.

pub mod grants;
pub mod policy;
pub mod record;
pub mod role;
pub mod token;
pub mod write;

pub use grants::{Grants, NodeIdentity, ServiceIdentity};
pub use policy::{MANAGEMENT_ID, Policy};
pub use record::{AclKind, AclRecord};
pub use role::Role;
pub use token::{ANONYMOUS_ACCESSOR, ANONYMOUS_SECRET, Token, TokenSecret};
pub use write::{AclRefusal, AclWrite};
