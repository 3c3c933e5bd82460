//! Request methods, as far as anybody here tells them apart.

/// A request's method (RFC 9110 section 9). Names are case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read.
    Get,
    /// Read, without the body.
    Head,
    /// Write.
    Put,
    /// Write, for clients that prefer it.
    Post,
    /// Remove.
    Delete,
    /// Ask what is allowed.
    Options,
    /// Any other; its name is in `Request::method_name`.
    Other,
}

impl Method {
    pub(crate) fn parse(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "PUT" => Method::Put,
            "POST" => Method::Post,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }
}
