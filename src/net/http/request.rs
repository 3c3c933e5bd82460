//! One request, whole: its head parsed, its body read, the client known.

use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use crate::base::stdx::redact;
use crate::base::sys::listen::Peer;
use crate::net::http::fault::RequestFault;
use crate::net::http::framing::{BodyLength, Framing, FramingReader, Version};
use crate::net::http::method::Method;
use crate::net::http::percent::{Plus, decode};
use crate::net::http::query::{Query, QueryError};
use crate::net::http::request_id::RequestId;

/// Headers of one request at most. A browser with cookies sends about 20, a chain of proxies twice that.
const HEADERS_MAX: usize = 100;

/// Headers for which there is room on the stack of a connection. The room for all of them takes most of a page, which
/// each connection would then hold for its life; those few requests that bring more are parsed a second time.
const HEADERS_USUAL: usize = 16;

/// The longest head whose positions fit the index of headers.
pub(crate) const HEAD_BYTES_CEILING: usize = 60_000;

/// A request as its client sent it, the body included.
///
/// Its memory is kept for the connection's next request, so handlers borrow from it and copy what they keep.
#[derive(Clone, Debug)]
pub struct Request {
    /// The head's bytes, into which the ranges below point.
    head: Vec<u8>,
    method: Method,
    method_name: Range<u16>,
    target: String,
    /// The target is a whole URL, or `*`.
    is_absolute: bool,
    host: Option<Range<u16>>,
    is_marked: bool,
    is_particular: bool,
    version: Version,
    headers: Vec<Header>,
    path: String,
    query: Query,
    pub(crate) body: Vec<u8>,
    peer: Peer,
    id: RequestId,
}

/// Headers by which a client says what it has of the answer, or may have.
const CONDITIONS: [&str; 2] = ["cache-control", "if-none-match"];

/// How the headers begin that say something to the handler, and the one of them that says who asks.
const HANDLER_PREFIXES: [&str; 2] = ["x-consul-", "x-muster-"];
const TOKEN_HEADER: &str = "x-consul-token";

/// Whether a header is meant for the handler alone and asks it for something, whatever that is.
fn is_for_handler(name: &str) -> bool {
    let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
    HANDLER_PREFIXES.into_iter().any(begins) && !name.eq_ignore_ascii_case(TOKEN_HEADER)
}

/// Where one header's name and value stand in the head.
#[derive(Clone, Debug)]
struct Header {
    name: Range<u16>,
    value: Range<u16>,
}

impl Request {
    /// A request without content, to be filled by [`Request::read_head`].
    pub(crate) fn empty() -> Request {
        Request {
            head: Vec::new(),
            method: Method::Other,
            method_name: 0..0,
            target: String::new(),
            is_absolute: false,
            host: None,
            is_marked: false,
            is_particular: false,
            version: Version::Http11,
            headers: Vec::new(),
            path: String::new(),
            query: Query::default(),
            body: Vec::new(),
            peer: Peer::Tcp(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)),
            id: RequestId::numbered(0, 0),
        }
    }

    /// A request for `target` as a client would make it; `None` when it is no target.
    pub fn get(target: &str) -> Option<Request> {
        let is_line = target.len() < HEAD_BYTES_CEILING / 2 && !target.contains(['\r', '\n', ' ']);
        is_line
            .then(|| Request::of_head(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")))
            .flatten()
    }

    /// The request with this head, its final empty line included; `None` when it is none.
    pub(crate) fn of_head(head: &str) -> Option<Request> {
        let mut request = Request::empty();
        request.read_head(head.as_bytes()).ok().map(|_| request)
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method as it was sent, for a sentence about it.
    pub fn method_name(&self) -> &str {
        self.text(&self.method_name)
    }

    /// The path, percent-decoded once; `+` stays `+`, an encoded `/` is a `/`. Starts with `/`, or is `*`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The request target as it was sent.
    pub fn raw_target(&self) -> &str {
        &self.target
    }

    /// What was asked for as the log may show it: the path, without what may be a key in it.
    pub fn path_for_logs(&self) -> String {
        redact::request_path(self.raw_target())
    }

    /// The value of `Host`; HTTP/1.0 may be without.
    pub fn host(&self) -> Option<&[u8]> {
        self.host.as_ref().map(|range| self.bytes(range))
    }

    /// The host with its port, where the target is a whole URL; what stands before an `@` is left out.
    pub fn target_authority(&self) -> Option<&[u8]> {
        if !self.is_absolute {
            return None;
        }
        let (_, rest) = self.raw_target().split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Some(authority.rsplit('@').next().unwrap_or_default().as_bytes())
    }

    /// Whether there is a header by which a browser says what its page sends: `Origin`, `Sec-Fetch-Site` or
    /// `Content-Type`.
    pub(crate) fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// Whether there is a header that may make the answer another than that of other requests for the target.
    pub fn is_particular(&self) -> bool {
        self.is_particular
    }

    /// The headers that may make the answer another: by which a client says what it has of it, or may have, and
    /// whatever is meant for the handler alone. Who asks is not among them: the handler knows the headers for that.
    pub fn particulars(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers().filter(|(name, _)| {
            CONDITIONS.iter().any(|it| it.eq_ignore_ascii_case(name)) || is_for_handler(name)
        })
    }

    /// The path and the query as they were sent, not decoded; what a URL in the request line says before is left out.
    pub fn path_and_query_sent(&self) -> (&str, &str) {
        split_target(self.raw_target()).unwrap_or_default()
    }

    /// The parameters after `?`.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// What was wrong with the query, if anything; the caller decides whether that matters.
    pub fn query_error(&self) -> Option<QueryError> {
        self.query.error()
    }

    /// The protocol version the client speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The first header named `name`, compared without case; `None` also when its value is no UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers().filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
        found.next().and_then(|(_, value)| str::from_utf8(value).ok())
    }

    /// Every header, in order, as it was sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|header| (self.text(&header.name), self.bytes(&header.value)))
    }

    /// The request as it was sent, without its body where that is unread. A body that came in chunks is one chunk now.
    pub(crate) fn as_sent(&self, framing: &Framing, is_unread: bool) -> Vec<u8> {
        let mut bytes = self.head.clone();
        match framing.body {
            _ if is_unread => {}
            BodyLength::Known(_) => bytes.extend_from_slice(&self.body),
            BodyLength::Chunked => {
                if !self.body.is_empty() {
                    bytes.extend_from_slice(format!("{:x}\r\n", self.body.len()).as_bytes());
                    bytes.extend_from_slice(&self.body);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }

    /// The body, whole; empty if there was none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Who sent it.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Its id: the client's, or ours.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Forgets the last request but not its memory. `id` stands unless the client brings one.
    pub(crate) fn begin(&mut self, peer: Peer, id: RequestId) {
        (self.peer, self.id, self.method) = (peer, id, Method::Other);
        self.head.clear();
        (self.method_name, self.host) = (0..0, None);
        (self.is_absolute, self.is_marked, self.is_particular) = (false, false, false);
        self.target.clear();
        self.headers.clear();
        self.path.clear();
        self.query.clear();
        self.body.clear();
    }

    /// Takes over a complete head.
    ///
    /// # Errors
    /// The [`RequestFault`] to answer with.
    pub(crate) fn read_head(&mut self, head: &[u8]) -> Result<Framing, RequestFault> {
        self.head.extend_from_slice(head);
        match self.parse::<HEADERS_USUAL>() {
            Err(fault) if fault == TOO_MANY_HEADERS => self.parse::<HEADERS_MAX>(),
            read => read,
        }
    }

    /// Parses the head, with room for so many headers. A function of its own, so that the room that is not needed does
    /// not lie on the stack.
    #[inline(never)]
    fn parse<const HEADERS: usize>(&mut self) -> Result<Framing, RequestFault> {
        let head = &self.head[..];
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(head, &mut headers) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err(MALFORMED_HEAD),
            Err(error) => return Err(fault_of(error, head)),
        }
        self.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
        self.method = Method::parse(method);
        self.method_name = range_in(head, method.as_bytes());
        self.target.push_str(target);
        let mut framing = FramingReader::default();
        for header in parsed.headers.iter() {
            let value = header.value.trim_ascii();
            framing.header(header.name, value)?;
            // One look at the first letter passes over most headers.
            if matches!(header.name.as_bytes(), [b'x' | b'X', ..]) {
                if header.name.eq_ignore_ascii_case("x-request-id") {
                    self.id = RequestId::from_client(value).unwrap_or(self.id);
                }
                framing.is_particular |= is_for_handler(header.name);
            }
            let header =
                Header { name: range_in(head, header.name.as_bytes()), value: range_in(head, value) };
            self.headers.push(header);
        }
        self.is_absolute = !target.starts_with('/');
        self.host = framing.host.map(|host| range_in(head, host));
        (self.is_marked, self.is_particular) = (framing.is_marked, framing.is_particular);
        let (path, query) = split_target(target)?;
        self.path.push_str(&decode(path, Plus::Literal).map_err(|_| MALFORMED_PATH)?);
        self.query.refill(query);
        framing.finish(self.version)
    }

    fn text(&self, range: &Range<u16>) -> &str {
        str::from_utf8(self.bytes(range)).unwrap_or_default()
    }

    fn bytes(&self, range: &Range<u16>) -> &[u8] {
        &self.head[usize::from(range.start)..usize::from(range.end)]
    }
}

/// Where `part`, a slice of `whole`, stands in it. Positions fit, for a head ends before
/// [`HEAD_BYTES_CEILING`].
fn range_in(whole: &[u8], part: &[u8]) -> Range<u16> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len());
    start as u16..(start + part.len()).min(whole.len()) as u16
}

/// The path and the query of a target in origin form, absolute form or `*` (RFC 9112 section 3.2).
fn split_target(target: &str) -> Result<(&str, &str), RequestFault> {
    let origin = match target.as_bytes() {
        [b'/', ..] | b"*" => target,
        _ => strip_authority(target).ok_or(MALFORMED_TARGET)?,
    };
    let bytes = origin.as_bytes();
    let path_end = memchr::memchr2(b'?', b'#', bytes).unwrap_or(bytes.len());
    let (path, rest) = origin.split_at(path_end);
    let query = rest.strip_prefix('?').unwrap_or_default();
    let query_end = memchr::memchr(b'#', query.as_bytes()).unwrap_or(query.len());
    Ok((if path.is_empty() { "/" } else { path }, &query[..query_end]))
}

fn strip_authority(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority_length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    (authority_length > 0).then(|| &rest[authority_length..])
}

fn fault_of(error: httparse::Error, head: &[u8]) -> RequestFault {
    match error {
        httparse::Error::TooManyHeaders => TOO_MANY_HEADERS,
        httparse::Error::Version if names_another_version(head) => UNSUPPORTED_VERSION,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => MALFORMED_HEADER,
        _ => MALFORMED_HEAD,
    }
}

/// Whether the request line is well formed but for a version (`HTTP/digit.digit`) that is not ours.
fn names_another_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ').skip(2);
    let version = words.next().unwrap_or_default();
    words.next().is_none()
        && matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
}

const MALFORMED_HEAD: RequestFault = RequestFault::bad_request("The request line is malformed.");
const MALFORMED_HEADER: RequestFault = RequestFault::bad_request("A request header is malformed.");
const MALFORMED_TARGET: RequestFault =
    RequestFault::bad_request("The request target must be a path or an http URL.");
const MALFORMED_PATH: RequestFault =
    RequestFault::bad_request("The path has a bad percent escape or is not UTF-8; write % as %25.");
const TOO_MANY_HEADERS: RequestFault =
    RequestFault::new(431, "The request has more headers than this server reads.");
const UNSUPPORTED_VERSION: RequestFault = RequestFault::new(505, "This server speaks HTTP/1.1 and HTTP/1.0.");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<Request, RequestFault> {
        let mut request = Request::empty();
        request.begin(Peer::Unix, RequestId::numbered(1, 2));
        request.read_head(head.as_bytes())?;
        Ok(request)
    }

    #[test]
    fn targets_are_split_and_decoded_once() {
        let rows = [
            ("/", Ok(("/", ""))),
            ("/v1/kv/a%2Fb+c?x=1+2", Ok(("/v1/kv/a/b+c", "1 2"))),
            ("/a?x=1?x=2", Ok(("/a", "1?x=2"))),
            ("http://h:1/v1/x?x=3", Ok(("/v1/x", "3"))),
            ("HTTP://h?x=4", Ok(("/", "4"))),
            ("https://h", Ok(("/", ""))),
            ("*", Ok(("*", ""))),
            ("//double/slash", Ok(("//double/slash", ""))),
            ("/%C3%A9", Ok(("/é", ""))),
            ("/%zz", Err(MALFORMED_PATH)),
            ("/%FF", Err(MALFORMED_PATH)),
            ("relative", Err(MALFORMED_TARGET)),
            ("ftp://h/x", Err(MALFORMED_TARGET)),
            ("http:///x", Err(MALFORMED_TARGET)),
        ];
        for (target, expected) in rows {
            let request = read(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let got =
                request.as_ref().map(|request| (request.path(), request.query().first("x").unwrap_or("")));
            assert_eq!(got.map_err(|fault| *fault), expected, "{target}");
        }
    }

    #[test]
    fn the_path_as_sent_is_without_authority_query_and_fragment() {
        let rows = [
            ("/a%2Fb?x=%20#f", ("/a%2Fb", "x=%20")),
            ("/a#f?x=1", ("/a", "")),
            ("http://h:1//a/../b?x=1", ("//a/../b", "x=1")),
            ("http://h", ("/", "")),
            ("*", ("*", "")),
        ];
        for (target, expected) in rows {
            let request = read(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
            assert_eq!(request.path_and_query_sent(), expected, "{target}");
        }
    }

    #[test]
    fn malformed_heads_are_refused() {
        let rows = [
            ("GARBAGE\r\n\r\n", 400),
            ("GET /\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
            ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\n", 505),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\0\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\x01Y: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\r\nEmpty:\r\n\r\n", 200),
        ];
        for (head, status) in rows {
            let got = read(head).map_or_else(|fault| fault.status, |_| 200);
            assert_eq!(got, status, "{}", head.escape_debug());
        }
    }

    #[test]
    fn a_hundred_headers_fit_and_one_more_does_not() {
        let head =
            |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
        assert_eq!(read(&head(HEADERS_MAX)).unwrap().headers().count(), HEADERS_MAX);
        assert_eq!(read(&head(HEADERS_MAX + 1)).unwrap_err(), TOO_MANY_HEADERS);
    }

    #[test]
    fn headers_are_found_without_case_and_trimmed() {
        let request =
            read("PATCH / HTTP/1.1\r\nhost: a\r\nX-Token:  s3cret \r\nX-Request-Id: mine-1\r\n\r\n").unwrap();
        assert_eq!(request.header("x-TOKEN"), Some("s3cret"));
        assert_eq!(request.header("x-absent"), None);
        assert_eq!((request.method(), request.method_name()), (Method::Other, "PATCH"));
        assert_eq!(request.id().as_str(), "mine-1");
        let request = read("GET / HTTP/1.1\r\nhost: a\r\nX-Request-Id: not mine\r\n\r\n").unwrap();
        assert!(request.id().as_str().ends_with("-1-2"));
    }

    #[test]
    fn a_refilled_request_keeps_nothing_of_the_last_one() {
        let mut request = read("GET /a?x=1 HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n\r\n").unwrap();
        request.body.extend_from_slice(b"body");
        request.begin(Peer::Unix, RequestId::numbered(1, 3));
        request.read_head(b"GET /b HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!((request.path(), request.version(), request.body()), ("/b", Version::Http10, &b""[..]));
        assert!(!request.query().has("x") && request.headers().count() == 0);
    }
}
