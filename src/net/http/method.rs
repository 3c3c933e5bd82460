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
    /// How many there are.
    pub const COUNT: usize = Method::Other as usize + 1;

    /// Its name, or `other`: a word out of few, for labels.
    pub fn label(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Other => "other",
        }
    }

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
