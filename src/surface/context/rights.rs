//! What a caller may do: whom he shows himself to be, what that lets him see and change, and how he is refused.

use std::sync::Arc;

use crate::core::acl::authorizer::Reach;
use crate::core::acl::resource::{Access, Resource};
use crate::core::model::acl::ANONYMOUS_ACCESSOR;
use crate::net::http::Request;
use crate::node::registry::access::{AccessControl, TokenRights};
use crate::surface::context::error::ApiError;

/// What a caller may do.
#[derive(Clone, Debug)]
pub enum Rights {
    /// Everything: nobody is told from anybody else.
    Everything,
    /// What his token gives, or that of whoever shows none.
    Of(Arc<TokenRights>),
    /// Nothing that asks for a right: what he shows is no token.
    Unknown,
}

/// Stands for what a caller may do: answers are shared by callers with the same rights, and by no others.
///
/// Part of every key under which anything of an answer is kept, so no way to an answer goes around access control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RightsKey(u64);

impl RightsKey {
    /// Of an answer in which nothing is left out.
    pub const WHOLE: RightsKey = RightsKey(0);

    /// Of whoever shows what is no token. No answer is kept for him.
    const UNKNOWN: RightsKey = RightsKey(u64::MAX);

    /// That of some other caller.
    #[cfg(test)]
    pub const fn numbered(number: u64) -> RightsKey {
        RightsKey(number)
    }

    /// A number that is another one for other rights; 0 for [`RightsKey::WHOLE`].
    pub fn fingerprint(self) -> u64 {
        self.0
    }
}

impl Rights {
    /// Those of a caller who sees everything but these.
    #[cfg(test)]
    pub fn hiding(hidden: &[(Resource, &str)]) -> Rights {
        Rights::Of(Arc::new(TokenRights::hiding(hidden)))
    }

    /// Those of whoever sent `request`.
    pub fn of(request: &Request, access: &AccessControl, now_ms: impl FnOnce() -> u64) -> Rights {
        if !access.is_enabled() {
            return Rights::Everything;
        }
        access.rights(shown_token(request), now_ms()).map_or(Rights::Unknown, Rights::Of)
    }

    /// Those that the same caller has by now, if they are others.
    pub fn changed(&self, access: &AccessControl, now_ms: impl FnOnce() -> u64) -> Option<Rights> {
        let Rights::Of(before) = self else { return None };
        match access.renewed(before, now_ms()) {
            Some(now) if now.number == before.number => None,
            now => Some(now.map_or(Rights::Unknown, Rights::Of)),
        }
    }

    /// What tells them from others.
    pub fn key(&self) -> RightsKey {
        match self {
            Rights::Everything => RightsKey::WHOLE,
            Rights::Of(rights) => RightsKey(rights.number),
            Rights::Unknown => RightsKey::UNKNOWN,
        }
    }

    /// What tells an answer made of such entries from those for others: nothing, where all of them are seen.
    pub fn key_of(&self, entries: &[Resource]) -> RightsKey {
        let sees_all = |resource: &Resource| self.reach(*resource, Access::Read) == Reach::Everything;
        if entries.iter().all(sees_all) { RightsKey::WHOLE } else { self.key() }
    }

    /// Whether access to the one of that name is allowed.
    pub fn allows(&self, resource: Resource, name: &str, access: Access) -> bool {
        match self {
            Rights::Everything => true,
            Rights::Of(rights) => rights.authorizer.decide(resource, name, access).is_allowed,
            Rights::Unknown => false,
        }
    }

    /// Whether the one of that name may be seen.
    pub fn sees(&self, resource: Resource, name: &str) -> bool {
        self.allows(resource, name, Access::Read)
    }

    /// How much of a list of these there is for him.
    pub fn reach(&self, resource: Resource, access: Access) -> Reach {
        match self {
            Rights::Everything => Reach::Everything,
            Rights::Of(rights) => rights.authorizer.reach(resource, access),
            Rights::Unknown => Reach::Nothing,
        }
    }

    /// Whether all keys that begin with `prefix` may be written.
    pub fn allows_key_tree(&self, prefix: &str) -> bool {
        match self {
            Rights::Everything => true,
            Rights::Of(rights) => rights.authorizer.decide_key_tree(prefix).is_allowed,
            Rights::Unknown => false,
        }
    }

    /// That access to the one of that name is allowed.
    ///
    /// # Errors
    /// 403 that names whose token lacks what.
    pub fn require(&self, resource: Resource, name: &str, access: Access) -> Result<(), ApiError> {
        if self.allows(resource, name, access) { Ok(()) } else { Err(self.refusal(resource, name, access)) }
    }

    /// 403: the caller lacks that. The sentence is that of later Consuls, which name what is missing.
    pub fn refusal(&self, resource: Resource, name: &str, access: Access) -> ApiError {
        let Rights::Of(rights) = self else { return ApiError::unknown_token() };
        let lacks = format!("lacks permission '{}:{}'", resource.name(), access.word());
        let on = if resource.is_sole() { String::new() } else { format!(" on {name:?}") };
        ApiError::new(
            403,
            match rights.accessor.as_str() {
                ANONYMOUS_ACCESSOR => format!(
                    "Permission denied: anonymous token {lacks}{on}. The anonymous token is used implicitly when a \
                     request does not specify a token."
                ),
                accessor => format!("Permission denied: token with AccessorID '{accessor}' {lacks}{on}"),
            },
        )
    }
}

/// The token that a request shows: in its query, in a header of Consul's, or as a bearer's.
pub fn shown_token(request: &Request) -> Option<&str> {
    let in_query = || request.query().first("token");
    let in_header = || request.header("x-consul-token");
    in_query().filter(is_shown).or_else(|| in_header().filter(is_shown)).or_else(|| bearer(request))
}

fn is_shown(token: &&str) -> bool {
    !token.is_empty()
}

fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start()).filter(is_shown)
}
