//! What a handler answers: a status, headers and a body in one of the shapes that cost least.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::net::http::body_writer::BodyWriter;
use crate::net::http::fault::RequestFault;
use crate::net::http::header_block::HeaderBlock;
use crate::net::http::shared_body::SharedBody;

/// A response. The server adds what belongs to the connection and the exchange: `Content-Length` or the
/// transfer coding, `Connection`, `Date`, `Vary`, `Content-Encoding`, `X-Request-Id`. A handler sets none of
/// these, except `Content-Encoding` for a body that is encoded already.
#[derive(Debug)]
pub struct Response {
    /// The status code, 200 to 599.
    pub status: u16,
    /// The handler's own headers.
    pub headers: HeaderBlock,
    /// The body.
    pub body: Body,
}

impl Response {
    /// A response without headers and body.
    pub fn new(status: u16) -> Response {
        Response { status, headers: HeaderBlock::default(), body: Body::Empty }
    }

    /// One sentence as plain text: the form of every error of this server.
    pub fn text(status: u16, sentence: impl Into<String>) -> Response {
        Response::new(status)
            .with_header("Content-Type", TEXT)
            .with_body(Body::Owned(sentence.into().into_bytes()))
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Response {
        self.headers.add(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: Body) -> Response {
        self.body = body;
        self
    }
}

impl From<RequestFault> for Response {
    fn from(fault: RequestFault) -> Response {
        Response::new(fault.status)
            .with_header("Content-Type", TEXT)
            .with_body(Body::Static(fault.sentence.as_bytes()))
    }
}

/// The content type of a sentence.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// Headers of every answer, up to where the request's id follows: a browser shall take none for something else than it
/// says it is, and give none to a page of another origin.
pub(crate) const ON_EVERY_ANSWER: &[u8] = b"X-Content-Type-Options: nosniff\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\nVary: Accept-Encoding\r\nX-Request-Id: ";

/// What writes a streamed body; it runs once the head is on its way, and an error closes the connection so
/// that the client sees the body cut.
pub type StreamBody = Box<dyn FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send>;

/// A response's body.
pub enum Body {
    /// None.
    Empty,
    /// Bytes of the program.
    Static(&'static [u8]),
    /// Bytes made for this response.
    Owned(Vec<u8>),
    /// Bytes shared with other responses, sent without a copy.
    Shared(Arc<SharedBody>),
    /// Written piece by piece, its length unknown.
    Stream(StreamBody),
}

impl Body {
    /// The bytes, unless they are yet to be written.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Body::Empty => Some(&[]),
            Body::Static(bytes) => Some(bytes),
            Body::Owned(bytes) => Some(bytes),
            Body::Shared(shared) => Some(shared.plain()),
            Body::Stream(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes() {
            Some(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            None => f.write_str("Body(stream)"),
        }
    }
}

/// A status line's reason phrase (RFC 9110 section 15), empty for codes that are not registered.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}
