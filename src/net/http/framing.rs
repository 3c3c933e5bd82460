//! What a request's headers say about the message itself: where its body ends and whether the connection
//! stays.
//!
//! Every rule here closes a door to request smuggling (RFC 9112 sections 3.2, 6 and 9.3): a message that two
//! readers could split differently is refused.

use crate::net::http::accept_encoding::accepts_gzip;
use crate::net::http::fault::RequestFault;

/// The protocol version a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: closes by default, knows no chunks.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// This many bytes; zero for no body.
    Known(u64),
    /// Until the last chunk.
    Chunked,
}

/// The message's frame, and what its client can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framing {
    pub(crate) body: BodyLength,
    pub(crate) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    pub(crate) accepts_gzip: bool,
}

/// Gathers the framing headers of one request as they come.
#[derive(Default)]
pub(crate) struct FramingReader<'h> {
    /// The value of `Host`.
    pub(crate) host: Option<&'h [u8]>,
    /// Whether there is a header by which a browser says what its page sends.
    pub(crate) is_marked: bool,
    /// Whether there is one that may make the answer another.
    pub(crate) is_particular: bool,
    content_length: Option<u64>,
    is_chunked: bool,
    hosts: usize,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    accepts_gzip: bool,
}

impl<'h> FramingReader<'h> {
    /// Looks at one header.
    ///
    /// # Errors
    /// 400, 417 or 501, as the message would be read differently by others or not at all by us.
    pub(crate) fn header(&mut self, name: &str, value: &'h [u8]) -> Result<(), RequestFault> {
        // Told apart by length first: most headers are none of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                self.hosts += 1;
                check_host(value)?;
                self.host = Some(value);
            }
            6 if name.eq_ignore_ascii_case("expect") => self.expect(value)?,
            6 if name.eq_ignore_ascii_case("origin") => self.is_marked = true,
            10 if name.eq_ignore_ascii_case("connection") => self.connection(value),
            12 if name.eq_ignore_ascii_case("content-type") => self.is_marked = true,
            13 if name.eq_ignore_ascii_case("cache-control") => self.is_particular = true,
            13 if name.eq_ignore_ascii_case("if-none-match") => self.is_particular = true,
            14 if name.eq_ignore_ascii_case("content-length") => self.content_length(value)?,
            14 if name.eq_ignore_ascii_case("sec-fetch-site") => self.is_marked = true,
            15 if name.eq_ignore_ascii_case("accept-encoding") => self.accepts_gzip |= accepts_gzip(value),
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.transfer_encoding(value)?,
            _ => {}
        }
        Ok(())
    }

    /// The frame, once every header was seen.
    ///
    /// # Errors
    /// 400 when headers contradict each other or the version.
    pub(crate) fn finish(self, version: Version) -> Result<Framing, RequestFault> {
        if self.hosts > 1 || (self.hosts == 0 && version == Version::Http11) {
            return Err(HOST_COUNT);
        }
        let body = match (self.is_chunked, self.content_length) {
            (true, Some(_)) => return Err(BOTH_LENGTHS),
            (true, None) if version == Version::Http10 => return Err(CHUNKED_IN_HTTP10),
            (true, None) => BodyLength::Chunked,
            (false, length) => BodyLength::Known(length.unwrap_or(0)),
        };
        let keep_alive = !self.close && (version == Version::Http11 || self.keep_alive);
        let expects_continue =
            self.expects_continue && version == Version::Http11 && body != BodyLength::Known(0);
        Ok(Framing { body, keep_alive, expects_continue, accepts_gzip: self.accepts_gzip })
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), RequestFault> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(EXPECTATION);
        }
        self.expects_continue = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for token in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), RequestFault> {
        let length = parse_decimal(value).ok_or(CONTENT_LENGTH)?;
        if self.content_length.replace(length).is_some_and(|before| before != length) {
            return Err(CONTENT_LENGTHS_DIFFER);
        }
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), RequestFault> {
        let codings = || value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        let is_token = |coding: &[u8]| !coding.is_empty() && coding.iter().all(|&byte| is_token_byte(byte));
        let chunked = codings().filter(|coding| coding.eq_ignore_ascii_case(b"chunked")).count();
        if !codings().all(is_token) || chunked + usize::from(self.is_chunked) > 1 {
            return Err(TRANSFER_ENCODING);
        }
        if chunked != 1 || codings().count() != 1 {
            return Err(TRANSFER_CODING);
        }
        self.is_chunked = true;
        Ok(())
    }
}

/// Digits only: no sign, no blank, no list.
fn parse_decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// A character of a token (RFC 9110 section 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

fn check_host(value: &[u8]) -> Result<(), RequestFault> {
    // Unreserved and sub-delims of RFC 3986, and what a port, an IPv6 address or an escape needs.
    let is_host_byte = |&byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.' | b':' | b'_' | b'~' | b'!' | b'$'..=b',' | b';' | b'=' | b'[' | b']'
            )
    };
    if value.iter().all(is_host_byte) { Ok(()) } else { Err(HOST_VALUE) }
}

const HOST_COUNT: RequestFault = RequestFault::bad_request("The request must have exactly one Host header.");
const HOST_VALUE: RequestFault =
    RequestFault::bad_request("The Host header is not a host with an optional port.");
const BOTH_LENGTHS: RequestFault =
    RequestFault::bad_request("The request has both Content-Length and Transfer-Encoding; send one of them.");
const CHUNKED_IN_HTTP10: RequestFault =
    RequestFault::bad_request("HTTP/1.0 has no Transfer-Encoding; send Content-Length.");
const CONTENT_LENGTH: RequestFault = RequestFault::bad_request("Content-Length must be a decimal number.");
const CONTENT_LENGTHS_DIFFER: RequestFault =
    RequestFault::bad_request("The request has two different Content-Length headers.");
const TRANSFER_ENCODING: RequestFault =
    RequestFault::bad_request("The Transfer-Encoding header is malformed.");
const TRANSFER_CODING: RequestFault =
    RequestFault::new(501, "The only transfer coding this server reads is chunked.");
const EXPECTATION: RequestFault =
    RequestFault::new(417, "The only expectation this server meets is 100-continue.");

#[cfg(test)]
mod tests {
    use super::*;
    use Version::{Http10, Http11};

    fn read(version: Version, headers: Headers<'_>) -> Result<Framing, RequestFault> {
        let mut reader = FramingReader::default();
        for (name, value) in headers {
            reader.header(name, value.as_bytes())?;
        }
        reader.finish(version)
    }

    type Headers<'a> = &'a [(&'a str, &'a str)];

    const HOST: (&str, &str) = ("Host", "a:8500");

    #[test]
    fn lengths_are_unambiguous_or_refused() {
        let length = |value| ("Content-Length", value);
        let coding = |value| ("Transfer-Encoding", value);
        let rows: [(Version, Headers<'_>, Result<BodyLength, RequestFault>); 20] = [
            (Http11, &[HOST], Ok(BodyLength::Known(0))),
            (Http11, &[HOST, length("0")], Ok(BodyLength::Known(0))),
            (Http11, &[HOST, length("007")], Ok(BodyLength::Known(7))),
            (Http11, &[HOST, length("5"), length("5")], Ok(BodyLength::Known(5))),
            (Http11, &[HOST, length("5"), length("6")], Err(CONTENT_LENGTHS_DIFFER)),
            (Http11, &[HOST, length("5, 5")], Err(CONTENT_LENGTH)),
            (Http11, &[HOST, length("")], Err(CONTENT_LENGTH)),
            (Http11, &[HOST, length("+5")], Err(CONTENT_LENGTH)),
            (Http11, &[HOST, length("0x5")], Err(CONTENT_LENGTH)),
            (Http11, &[HOST, length("18446744073709551616")], Err(CONTENT_LENGTH)),
            (Http11, &[HOST, coding("chunked")], Ok(BodyLength::Chunked)),
            (Http11, &[HOST, coding("Chunked")], Ok(BodyLength::Chunked)),
            (Http11, &[HOST, coding("chunked"), length("5")], Err(BOTH_LENGTHS)),
            (Http10, &[HOST, coding("chunked")], Err(CHUNKED_IN_HTTP10)),
            (Http11, &[HOST, coding("gzip, chunked")], Err(TRANSFER_CODING)),
            (Http11, &[HOST, coding("identity")], Err(TRANSFER_CODING)),
            (Http11, &[HOST, coding("xchunked")], Err(TRANSFER_CODING)),
            (Http11, &[HOST, coding("chunked, chunked")], Err(TRANSFER_ENCODING)),
            (Http11, &[HOST, coding("chunked"), coding("chunked")], Err(TRANSFER_ENCODING)),
            (Http11, &[HOST, coding("\"chunked\"")], Err(TRANSFER_ENCODING)),
        ];
        for (version, headers, expected) in rows {
            assert_eq!(read(version, headers).map(|framing| framing.body), expected, "{headers:?}");
        }
    }

    #[test]
    fn connections_stay_as_the_version_and_the_client_say() {
        let connection = |value| ("Connection", value);
        let rows: [(Version, Headers<'_>, bool); 7] = [
            (Http11, &[HOST], true),
            (Http11, &[HOST, connection("close")], false),
            (Http11, &[HOST, connection("Upgrade, Close")], false),
            (Http11, &[HOST, connection("keep-alive")], true),
            (Http10, &[], false),
            (Http10, &[connection("Keep-Alive")], true),
            (Http10, &[connection("keep-alive, close")], false),
        ];
        for (version, headers, expected) in rows {
            assert_eq!(read(version, headers).map(|framing| framing.keep_alive), Ok(expected), "{headers:?}");
        }
    }

    #[test]
    fn hosts_are_counted_and_checked() {
        let rows: [(Version, Headers<'_>, Option<RequestFault>); 7] = [
            (Http11, &[], Some(HOST_COUNT)),
            (Http11, &[HOST, HOST], Some(HOST_COUNT)),
            (Http10, &[], None),
            (Http10, &[HOST, HOST], Some(HOST_COUNT)),
            (Http11, &[("Host", "")], None),
            (Http11, &[("Host", "[::1]:8500")], None),
            (Http11, &[("Host", "a b")], Some(HOST_VALUE)),
        ];
        for (version, headers, expected) in rows {
            assert_eq!(read(version, headers).err(), expected, "{headers:?}");
        }
    }

    #[test]
    fn only_one_expectation_is_met_and_only_for_a_body() {
        let expect = ("Expect", "100-Continue");
        let body = ("Content-Length", "3");
        assert!(read(Http11, &[HOST, expect, body]).unwrap().expects_continue);
        assert!(!read(Http11, &[HOST, expect]).unwrap().expects_continue);
        assert!(!read(Http10, &[HOST, expect, body]).unwrap().expects_continue);
        assert_eq!(read(Http11, &[HOST, ("Expect", "a-pony")]), Err(EXPECTATION));
    }
}
