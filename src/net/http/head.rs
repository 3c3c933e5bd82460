//! Finding the end of a request head, strictly: lines end in CR LF, and both bounds hold before the end is
//! seen.
//!
//! The scanner remembers how far it has looked, so a head that arrives byte by byte is looked at once. What
//! the lines say is parsed afterwards, in one go.

use crate::net::http::config::ServerConfig;
use crate::net::http::fault::{HEAD_TOO_LARGE, LINE_TOO_LONG, RequestFault};
use crate::net::http::framing::is_token_byte;

/// Looks for the empty line that ends a head. Feed it the same bytes, growing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeadScanner {
    /// Bytes known to hold no further line end.
    scanned: usize,
    /// Where the present line starts; zero while it is the request line.
    line_start: usize,
    /// Whether the request line was found to be one while the rest of the head was waited for.
    is_http: bool,
}

impl HeadScanner {
    /// The length of the head in `bytes`, its final empty line included; `None` while it has not ended.
    ///
    /// # Errors
    /// 400 for a line that ends in LF alone or a head without a request line, 414 and 431 at the bounds.
    pub(crate) fn scan(
        &mut self,
        bytes: &[u8],
        config: &ServerConfig,
    ) -> Result<Option<usize>, RequestFault> {
        while let Some(offset) = memchr::memchr(b'\n', &bytes[self.scanned..]) {
            let line_feed = self.scanned + offset;
            let line = bytes[self.line_start..line_feed].strip_suffix(b"\r").ok_or(BARE_LINE_FEED)?;
            let (is_request_line, is_empty) = (self.line_start == 0, line.is_empty());
            if is_request_line && is_empty {
                return Err(NO_REQUEST_LINE);
            }
            if is_request_line && line.len() > config.request_line_bytes_max {
                return Err(LINE_TOO_LONG);
            }
            (self.scanned, self.line_start) = (line_feed + 1, line_feed + 1);
            if self.scanned > config.head_bytes_max {
                return Err(HEAD_TOO_LARGE);
            }
            if is_empty {
                return Ok(Some(self.scanned));
            }
        }
        self.scanned = bytes.len();
        self.look_at_request_line(bytes)?;
        if self.line_start == 0 && bytes.len() > config.request_line_bytes_max + "\r".len() {
            return Err(LINE_TOO_LONG);
        }
        if bytes.len() > config.head_bytes_max {
            return Err(HEAD_TOO_LARGE);
        }
        Ok(None)
    }
}

/// A client of another protocol is refused before its head has ended, which may be never. A head that is here as a
/// whole is not looked at: its parser finds the same.
impl HeadScanner {
    fn look_at_request_line(&mut self, bytes: &[u8]) -> Result<(), RequestFault> {
        if self.is_http {
            return Ok(());
        }
        if bytes.starts_with(TLS_RECORD) {
            return Err(TLS_ON_PLAIN_PORT);
        }
        let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
        let is_word =
            |byte: &u8| is_token_byte(*byte) || (self.line_start > 0 && matches!(byte, b'\r' | b'\n'));
        if !method.iter().all(is_word) && !matches!(method, [.., b'\r']) {
            return Err(NO_METHOD);
        }
        if self.line_start > 0 {
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
            let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            if line.len() == version.len() || !version.starts_with(b"HTTP/") {
                return Err(NO_VERSION);
            }
            self.is_http = true;
        }
        Ok(())
    }
}

/// How a TLS client begins: a record with its hello, of protocol 3.x.
const TLS_RECORD: &[u8] = b"\x16\x03";

const TLS_ON_PLAIN_PORT: RequestFault = RequestFault::bad_request(
    "This port speaks plain HTTP and was sent a TLS hello: ask with http:// instead of https://.",
);
const NO_METHOD: RequestFault =
    RequestFault::bad_request("What came is no HTTP request: it does not begin with a method.");
const NO_VERSION: RequestFault = RequestFault::bad_request(
    "The request line ends without an HTTP version: HTTP/0.9 is not spoken here, ask with HTTP/1.1.",
);
const BARE_LINE_FEED: RequestFault =
    RequestFault::bad_request("A line of the request head ends without a carriage return.");
const NO_REQUEST_LINE: RequestFault = RequestFault::bad_request("The request has no request line.");

#[cfg(test)]
mod tests {
    use super::*;

    type Scanned = Result<Option<usize>, RequestFault>;

    /// Scans `bytes` whole and at every split point; all must agree.
    fn scan(bytes: &[u8], config: &ServerConfig) -> Scanned {
        let whole = HeadScanner::default().scan(bytes, config);
        for split in 0..bytes.len() {
            let mut scanner = HeadScanner::default();
            let first = scanner.scan(&bytes[..split], config);
            if first == Ok(None) {
                assert_eq!(scanner.scan(bytes, config), whole, "split at {split}");
            } else {
                assert_eq!(first, whole, "decided at {split}");
            }
        }
        whole
    }

    #[test]
    fn the_end_is_found_wherever_the_bytes_are_split() {
        let config = ServerConfig::default();
        let rows: [(&[u8], Scanned); 9] = [
            (b"", Ok(None)),
            (b"GET / HTTP/1.1\r\n\r\n", Ok(Some(18))),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", Ok(Some(27))),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", Ok(None)),
            (b"GET / HTTP/1.1\nHost: a\r\n\r\n", Err(BARE_LINE_FEED)),
            (b"GET / HTTP/1.1\r\nHost: a\n\r\n", Err(BARE_LINE_FEED)),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Err(BARE_LINE_FEED)),
            (b"\n", Err(BARE_LINE_FEED)),
            (b"\r\nGET / HTTP/1.1\r\n\r\n", Err(NO_REQUEST_LINE)),
        ];
        for (bytes, expected) in rows {
            assert_eq!(scan(bytes, &config), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn other_protocols_are_told_before_their_head_ends() {
        let config = ServerConfig::default();
        let rows: [(&[u8], Scanned); 9] = [
            (b"\x16\x03\x01\x02\x00\x01", Err(TLS_ON_PLAIN_PORT)),
            (b"\x16", Err(NO_METHOD)),
            (b"\x00\x01\x02", Err(NO_METHOD)),
            (b"{\"Name\":", Err(NO_METHOD)),
            (b"GET /\r\n", Err(NO_VERSION)),
            (b"GET / \r\n", Err(NO_VERSION)),
            (b"GET\r\n", Err(NO_VERSION)),
            (b"GET / HTTP/1.1\r\n", Ok(None)),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: y z\r\n", Ok(None)),
        ];
        for (bytes, expected) in rows {
            let said = HeadScanner::default().scan(bytes, &config);
            assert_eq!(said, expected, "{}", bytes.escape_ascii());
        }
        for split in 0.."GET / HTTP/1.1\r\n".len() {
            assert_eq!(
                HeadScanner::default().scan(&b"GET / HTTP/1.1\r\n"[..split], &config),
                Ok(None),
                "{split}"
            );
        }
    }

    #[test]
    fn both_bounds_hold_at_the_limit_and_one_past_it() {
        let config =
            ServerConfig { request_line_bytes_max: 20, head_bytes_max: 40, ..ServerConfig::default() };
        let line = |length: usize| format!("{} HTTP/1.1\r\n\r\n", "x".repeat(length - " HTTP/1.1".len()));
        assert_eq!(scan(line(20).as_bytes(), &config), Ok(Some(24)));
        assert_eq!(scan(line(21).as_bytes(), &config), Err(LINE_TOO_LONG));
        assert_eq!(scan("x".repeat(22).as_bytes(), &config), Err(LINE_TOO_LONG));
        let head = |length: usize| format!("GET HTTP/1\r\n{}\r\n\r\n", "x".repeat(length - 16));
        assert_eq!(scan(head(40).as_bytes(), &config), Ok(Some(40)));
        assert_eq!(scan(head(41).as_bytes(), &config), Err(HEAD_TOO_LARGE));
    }
}
