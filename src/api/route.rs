//! One row of the table of routes: what muster knows of a path before anybody asks for it.

use crate::api::absent;
use crate::api::call::{Call, HandlerResult};
use crate::http::Method;

/// Answers a request that found its row.
pub type RouteHandler = fn(&mut Call<'_, '_>) -> HandlerResult;

/// One row.
pub struct Route {
    /// How the path reads, or how it begins when it ends in `/`.
    pub path: &'static str,
    /// Which methods are meant.
    pub verb: Verb,
    /// Answers the request.
    pub handler: RouteHandler,
    /// What it does, in a few words, for people; of a path that is not served, what Consul has there.
    pub about: &'static str,
    /// What a caller has to be allowed.
    pub permission: Permission,
    /// Whether answers are kept and given to others that ask the same.
    pub is_cacheable: bool,
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

/// What a caller has to be allowed, in the words of Consul's rules
/// (<https://developer.hashicorp.com/consul/docs/security/acl/acl-rules>). A route with several methods asks for
/// `read` where it reads and for `write` where it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: it shows and changes nothing that is registered.
    Public,
    /// So much of the agent's own node: `agent "NODE"`.
    Agent(Access),
    /// So much of what concerns the server as a whole: `operator`.
    Operator(Access),
    /// Everything: what is shown or written are all records, secrets among them.
    Management,
    /// So much of the node or service that the path, or the body, names; of a list, what of it may be read is shown.
    Catalog(Access),
    /// So much of the keys that the path names or begins: `key`, `key_prefix`.
    Key(Access),
}

/// How much of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To see it.
    Read,
    /// To change it, and to see it.
    Write,
    /// To see it, and to change it with a method that changes.
    ByMethod,
}

impl Route {
    pub(super) const fn get(path: &'static str, handler: RouteHandler, about: &'static str) -> Route {
        Route::of(path, Verb::Get, handler, about)
    }

    pub(super) const fn put(path: &'static str, handler: RouteHandler, about: &'static str) -> Route {
        Route::of(path, Verb::Put, handler, about)
    }

    pub(super) const fn any(path: &'static str, handler: RouteHandler, about: &'static str) -> Route {
        Route::of(path, Verb::Any, handler, about)
    }

    pub(super) const fn get_or_put(path: &'static str, handler: RouteHandler, about: &'static str) -> Route {
        Route::of(path, Verb::GetOrPut, handler, about)
    }

    pub(super) const fn get_put_or_delete(
        path: &'static str,
        handler: RouteHandler,
        about: &'static str,
    ) -> Route {
        Route::of(path, Verb::GetPutOrDelete, handler, about)
    }

    /// A path of Consul's that is not served: clients are told so, for they read 404 as "there is no such key".
    pub(super) const fn absent(path: &'static str, what: &'static str) -> Route {
        Route { is_served: false, ..Route::of(path, Verb::Any, absent::answer, what) }
    }

    const fn of(path: &'static str, verb: Verb, handler: RouteHandler, about: &'static str) -> Route {
        let (permission, is_cacheable, is_served) = (Permission::Public, false, true);
        Route { path, verb, handler, about, permission, is_cacheable, is_served }
    }

    /// With what a caller has to be allowed.
    pub(super) const fn needs(self, permission: Permission) -> Route {
        Route { permission, ..self }
    }

    /// With answers that are kept for others.
    pub(super) const fn cached(self) -> Route {
        Route { is_cacheable: true, ..self }
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
