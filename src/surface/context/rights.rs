//! What a caller may do: whom he shows himself to be, what that lets him see and change, and how he is refused.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::acl::authorizer::Reach;
use crate::core::acl::resource::{Access, Resource};
use crate::core::model::acl::{ANONYMOUS_ACCESSOR, ANONYMOUS_SECRET};
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
        let (shown, now_ms) = (shown_token(request), now_ms());
        match access.rights(shown, now_ms) {
            Some(rights) if !rights.is_of_agent || is_of_agent(request.path()) => Rights::Of(rights),
            _ => Rights::of_unknown(access, now_ms),
        }
    }

    /// Those of whoever shows what is no token: nobody's in particular while that is only noted.
    #[inline(never)]
    fn of_unknown(access: &AccessControl, now_ms: u64) -> Rights {
        access.denials().note(&Text::default(), None, "", now_ms);
        let anonymous = access.rights(Some(ANONYMOUS_SECRET), now_ms).filter(|it| it.is_permissive);
        anonymous.map_or(Rights::Unknown, Rights::Of)
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
    pub fn key_of(&self, mut entries: impl Iterator<Item = Resource>) -> RightsKey {
        let sees_all = |resource| self.reach(resource, Access::Read) == Reach::Everything;
        if entries.all(sees_all) { RightsKey::WHOLE } else { self.key() }
    }

    /// Whether access to the one of that name is among them, be it let pass or not.
    pub fn include(&self, resource: Resource, name: &str, access: Access) -> bool {
        match self {
            Rights::Everything => true,
            Rights::Of(rights) => rights.authorizer.decide(resource, name, access).is_allowed,
            Rights::Unknown => false,
        }
    }

    /// Whether the one of that name may be seen.
    pub fn sees(&self, resource: Resource, name: &str) -> bool {
        self.include(resource, name, Access::Read) || self.lets_pass(resource, name, Access::Read)
    }

    /// Whether what is not among them is only noted. What concerns access control itself never is: whoever finds out
    /// what to allow does not want anybody to allow it to himself.
    fn lets_pass(&self, resource: Resource, name: &str, access: Access) -> bool {
        match self {
            Rights::Of(rights) if rights.is_permissive && resource != Resource::Acl => {
                rights.note_denial(resource, name, access);
                true
            }
            _ => false,
        }
    }

    /// How much of a list of these there is for him.
    pub fn reach(&self, resource: Resource, access: Access) -> Reach {
        match self {
            Rights::Everything => Reach::Everything,
            Rights::Of(rights) => rights.authorizer.reach(resource, access),
            Rights::Unknown => Reach::Nothing,
        }
    }

    /// That all keys that begin with `prefix` may be written.
    ///
    /// # Errors
    /// As [`Rights::require`].
    pub fn require_key_tree(&self, prefix: &str) -> Result<(), ApiError> {
        match self {
            Rights::Everything => Ok(()),
            Rights::Of(rights) if rights.authorizer.decide_key_tree(prefix).is_allowed => Ok(()),
            Rights::Of(_) | Rights::Unknown => self.deny(Resource::Key, prefix, Access::Write),
        }
    }

    /// That access to the one of that name is allowed.
    ///
    /// # Errors
    /// 403 that names whose token lacks what.
    pub fn require(&self, resource: Resource, name: &str, access: Access) -> Result<(), ApiError> {
        if self.include(resource, name, access) { Ok(()) } else { self.deny(resource, name, access) }
    }

    /// Notes that the caller lacks that, and refuses him if that is not all. The sentence is that of later Consuls,
    /// which name what is missing.
    #[inline(never)]
    fn deny(&self, resource: Resource, name: &str, access: Access) -> Result<(), ApiError> {
        if self.lets_pass(resource, name, access) {
            return Ok(());
        }
        let Rights::Of(rights) = self else { return Err(ApiError::unknown_token()) };
        rights.note_denial(resource, name, access);
        let lacks = format!("lacks permission '{}:{}'", resource.name(), access.word());
        let on = if resource.is_sole() { String::new() } else { format!(" on {name:?}") };
        let sentence = match rights.accessor.as_str() {
            ANONYMOUS_ACCESSOR => format!(
                "Permission denied: anonymous token {lacks}{on}. The anonymous token is used implicitly when a request \
                 does not specify a token."
            ),
            accessor => format!("Permission denied: token with AccessorID '{accessor}' {lacks}{on}"),
        };
        Err(ApiError::new(403, sentence))
    }
}

/// Whether a path is of what the agent says of itself.
fn is_of_agent(path: &str) -> bool {
    path.starts_with("/v1/agent/") || matches!(path, "/v1/internal/acl/authorize" | "/metrics")
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
