//! A route: what muster knows of a path before anybody asks for it, and who answers apart.

use crate::net::http::Method;
use crate::surface::dispatch::body_limit::BodyLimit;
use crate::surface::dispatch::permission::Permission;

/// The version in which all routes began but those that say another.
const FIRST_VERSION: &str = "0.1.0";

/// A route.
pub struct Route {
    /// How the path reads, or how it begins when it ends in `/`.
    pub path: &'static str,
    /// Which methods are meant.
    pub verb: Verb,
    /// What it does, in a few words, for people; of a path that is not served, what Consul has there.
    pub about: &'static str,
    /// What a caller has to be allowed. Nothing asks for it yet.
    pub permission: Permission,
    /// How large the body may be.
    pub body_limit: BodyLimit,
    /// What of the request makes no other answer.
    pub neutral: Neutral,
    /// Whether answers are kept and given to others that ask the same.
    pub is_cacheable: bool,
    /// The version of muster that answered it first.
    pub since: &'static str,
    /// Whether it is answered; what is not has a row all the same, so that clients hear why.
    pub is_served: bool,
}

/// What a route does with the registry, in Consul's methods. Where Consul takes PUT, POST is taken too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads: GET and HEAD.
    Get,
    /// Writes: PUT and POST.
    Put,
    /// Reads and writes; the handler tells them apart.
    GetOrPut,
    /// Reads, writes and removes; the handler tells them apart.
    GetPutOrDelete,
    /// Whatever the method, the answer is the same.
    Any,
}

/// What of a request makes no other answer than its absence would: it says when to answer, or how, or what is the same
/// here whatever it says. Everything else may make another answer, also what is not known yet.
#[derive(Debug)]
pub struct Neutral {
    /// Parameters.
    pub parameters: &'static [&'static str],
    /// Headers, in lower case.
    pub headers: &'static [&'static str],
}

impl Neutral {
    /// Nothing.
    pub const NOTHING: Neutral = Neutral { parameters: &[], headers: &[] };

    /// What is common to reads with an index. A token says who asks, which counts by what he may do; a scope or a
    /// datacenter that is not ours is refused, and so is a header that cannot be read.
    pub const IN_READS: Neutral = Neutral {
        parameters: &[
            "index",
            "wait",
            "cached",
            "stale",
            "consistent",
            "max_stale",
            "leader",
            "dc",
            "token",
            "ns",
            "partition",
            "peer",
            "sg",
            "sameness-group",
        ],
        headers: &["cache-control", "if-none-match"],
    };
}

impl Route {
    pub(super) const fn get(path: &'static str, permission: Permission, about: &'static str) -> Route {
        Route::of(path, Verb::Get, permission, about)
    }

    pub(super) const fn put(path: &'static str, permission: Permission, about: &'static str) -> Route {
        Route::of(path, Verb::Put, permission, about)
    }

    pub(super) const fn any(path: &'static str, permission: Permission, about: &'static str) -> Route {
        Route::of(path, Verb::Any, permission, about)
    }

    pub(super) const fn get_or_put(path: &'static str, permission: Permission, about: &'static str) -> Route {
        Route::of(path, Verb::GetOrPut, permission, about)
    }

    pub(super) const fn get_put_or_delete(
        path: &'static str,
        permission: Permission,
        about: &'static str,
    ) -> Route {
        Route::of(path, Verb::GetPutOrDelete, permission, about)
    }

    /// A path of Consul's that is not served: clients are told so, for they read 404 as "there is no such key".
    pub(super) const fn absent(path: &'static str, what: &'static str) -> Route {
        Route { is_served: false, ..Route::of(path, Verb::Any, Permission::Public, what) }
    }

    const fn of(path: &'static str, verb: Verb, permission: Permission, about: &'static str) -> Route {
        Route {
            path,
            verb,
            permission,
            about,
            body_limit: BodyLimit::General,
            neutral: Neutral::NOTHING,
            is_cacheable: false,
            since: FIRST_VERSION,
            is_served: true,
        }
    }

    /// With answers that are kept for others, whatever is neutral in their requests.
    pub(super) const fn cached(self, neutral: Neutral) -> Route {
        Route { is_cacheable: true, neutral, ..self }
    }

    /// With parts of answers that are shared, whatever is neutral in their requests.
    pub(super) const fn shared(self, neutral: Neutral) -> Route {
        Route { neutral, ..self }
    }

    /// With bodies of another size.
    pub(super) const fn takes(self, body_limit: BodyLimit) -> Route {
        Route { body_limit, ..self }
    }

    /// Whether refusals to read it look as those of an indexed read: keys have none of its headers.
    pub fn is_indexed(&self) -> bool {
        (self.is_cacheable && self.verb == Verb::Get) || self.path.starts_with("/v1/acl/")
    }

    /// Whether the route answers `method`.
    pub fn accepts(&self, method: Method) -> bool {
        match self.verb {
            Verb::Get => matches!(method, Method::Get | Method::Head),
            Verb::Put => matches!(method, Method::Put | Method::Post),
            Verb::GetOrPut => {
                matches!(method, Method::Get | Method::Head | Method::Put | Method::Post)
            }
            Verb::GetPutOrDelete => method != Method::Options && method != Method::Other,
            Verb::Any => method != Method::Options,
        }
    }

    /// What stands in `Allow`.
    pub fn allowed(&self) -> &'static str {
        match self.verb {
            Verb::Get => "OPTIONS,GET,HEAD",
            Verb::Put => "OPTIONS,PUT,POST",
            Verb::GetOrPut => "OPTIONS,GET,HEAD,PUT,POST",
            Verb::GetPutOrDelete | Verb::Any => "OPTIONS,GET,HEAD,PUT,POST,DELETE",
        }
    }
}

impl Verb {
    /// The method, or the methods, as the documentation names them.
    pub fn label(self) -> &'static str {
        match self {
            Verb::Put => "PUT",
            Verb::GetOrPut => "GET|PUT",
            Verb::GetPutOrDelete => "GET|PUT|DELETE",
            Verb::Get | Verb::Any => "GET",
        }
    }
}
