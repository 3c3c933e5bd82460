//! Malformed HTTP: request lines, line ends, headers, lengths, sizes, and messages that end before they are whole.

use super::row::{HARMLESS, Row, bare, put};

/// A write that must never happen, as others might read it out of a message.
pub const SMUGGLED: &str = "PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n\
                            {\"Name\":\"evil\"}";

/// The body of that write.
pub const EVIL: &str = r#"{"Name":"evil"}"#;

/// Defaults of `limits.head_bytes_max` and `limits.body_bytes_max`, and the request line's bound.
const LINE_BYTES_MAX: usize = 8 * 1024;
const HEAD_BYTES_MAX: usize = 32 * 1024;
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Headers of one request at most.
const HEADERS_MAX: usize = 100;

/// What is sent past a bound that no sane client reaches: enough to see that the server does not read on for ever.
const FLOOD_BYTES: usize = 4 * 1024 * 1024;

pub fn rows() -> Vec<Row> {
    [
        request_lines(),
        targets(),
        line_ends(),
        headers(),
        hosts(),
        lengths(),
        codings(),
        sizes(),
        unfinished(),
        bodies(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A request whose line is as given, to the letter.
fn with_line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// A harmless request with these header lines.
fn with_headers(lines: &str) -> Vec<u8> {
    format!("GET {HARMLESS} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").into_bytes()
}

/// A registration with these header lines, and a body of 15 bytes.
fn with_framing(lines: &str) -> Vec<u8> {
    format!("PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{EVIL}").into_bytes()
}

fn request_lines() -> Vec<Row> {
    let line = "The request line is malformed.";
    let rows = [
        ("one word", "GARBAGE", 400, line),
        ("no version, as in HTTP/0.9", "GET /v1/status/leader", 400, line),
        ("two blanks", "GET  /v1/status/leader HTTP/1.1", 400, line),
        ("tabs for blanks", "GET\t/v1/status/leader\tHTTP/1.1", 400, line),
        ("a blank before the method", " GET /v1/status/leader HTTP/1.1", 400, line),
        ("no method", "/v1/status/leader HTTP/1.1", 400, line),
        ("a fourth word", "GET /v1/status/leader HTTP/1.1 HTTP/1.1", 400, line),
        ("a blank after the version", "GET /v1/status/leader HTTP/1.1 ", 400, line),
        ("a version in small letters", "GET /v1/status/leader http/1.1", 400, line),
        ("a version without a digit", "GET /v1/status/leader HTTP/1.", 400, line),
        ("a version without a dot", "GET /v1/status/leader HTTP/11", 400, line),
        ("another protocol", "GET /v1/status/leader ICAP/1.0", 400, line),
        ("HTTP/1.2", "GET /v1/status/leader HTTP/1.2", 505, "HTTP/1.1"),
        ("HTTP/2.0", "GET /v1/status/leader HTTP/2.0", 505, "HTTP/1.1"),
        ("HTTP/2's preface", "PRI * HTTP/2.0", 505, "HTTP/1.1"),
        ("NUL in the method", "G\0T /v1/status/leader HTTP/1.1", 400, line),
        ("a bracket in the method", "G(T /v1/status/leader HTTP/1.1", 400, line),
        ("a letter beyond ASCII in the method", "GÉT /v1/status/leader HTTP/1.1", 400, line),
    ];
    let mut rows: Vec<Row> =
        rows.map(|(what, line, status, says)| Row::malformed(what, with_line(line), status, says)).into();
    rows.push(Row::malformed("empty lines only", "\r\n\r\n\r\n", 400, "no request line"));
    rows.push(Row::malformed("a TLS greeting", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 400, line));
    rows.push(Row::answered(
        "one empty line before the request",
        [b"\r\n", &bare("GET", HARMLESS)[..]].concat(),
        200,
    ));
    rows
}

fn targets() -> Vec<Row> {
    let target = "The request target must be a path or an http URL.";
    let escape = "write % as %25";
    let line = "The request line is malformed.";
    let rows = [
        ("a target without a slash", "GET v1/status/leader HTTP/1.1", target),
        ("another scheme", "GET ftp://localhost/v1/status/leader HTTP/1.1", target),
        ("a URL without an authority", "GET http:///v1/status/leader HTTP/1.1", target),
        ("an authority alone", "CONNECT localhost:1 HTTP/1.1", target),
        ("NUL in the target", "GET /v1/\0 HTTP/1.1", line),
        ("DEL in the target", "GET /v1/\x7f HTTP/1.1", line),
        ("a bell in the target", "GET /v1/\x07 HTTP/1.1", line),
        ("an escape that is none", "GET /v1/catalog/service/%zz HTTP/1.1", escape),
        ("half an escape", "GET /v1/catalog/service/%4 HTTP/1.1", escape),
        ("an escape cut off", "GET /v1/catalog/service/% HTTP/1.1", escape),
        ("an escape with a sign", "GET /v1/catalog/service/%+1 HTTP/1.1", escape),
        ("a percent sign as it is", "GET /v1/catalog/service/100%rest HTTP/1.1", escape),
        ("escapes that are no UTF-8", "GET /v1/catalog/service/%FF HTTP/1.1", "not UTF-8"),
        ("an overlong escape of a slash", "GET /v1/catalog/service/%C0%AF HTTP/1.1", "not UTF-8"),
        ("an escaped surrogate", "GET /v1/catalog/service/%ED%A0%80 HTTP/1.1", "not UTF-8"),
    ];
    let mut rows: Vec<Row> =
        rows.map(|(what, line, says)| Row::malformed(what, with_line(line), 400, says)).into();
    let raw = b"GET /v1/catalog/service/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n";
    rows.push(Row::malformed("a byte that is no UTF-8", raw, 400, line));
    // The target's host counts as the header's does (RFC 9112 section 3.2.2), and no port chooses what is served.
    let absolute = with_line("GET http://127.0.0.1:1/v1/status/leader HTTP/1.1");
    rows.push(Row::answered("a URL with another port", absolute, 200));
    let absolute = with_line("GET http://elsewhere.example/v1/status/leader HTTP/1.1");
    rows.push(Row::malformed("a URL with another host", absolute, 421, "allowed_hosts"));
    let absolute = with_line("PUT http://localhost HTTP/1.1");
    rows.push(Row::refused("a URL without a path", absolute, 405, "method PUT not allowed"));
    rows
}

fn line_ends() -> Vec<Row> {
    let bare_line_feed = "without a carriage return";
    let rows = [
        (
            "LF after the request line",
            "GET /v1/status/leader HTTP/1.1\nHost: localhost\r\n\r\n",
            bare_line_feed,
        ),
        ("LF after a header", "GET /v1/status/leader HTTP/1.1\r\nHost: localhost\n\r\n", bare_line_feed),
        ("LF for the empty line", "GET /v1/status/leader HTTP/1.1\r\nHost: localhost\r\n\n", bare_line_feed),
        ("LF throughout", "GET /v1/status/leader HTTP/1.1\nHost: localhost\n\n", bare_line_feed),
        (
            "LF before the request",
            "\nGET /v1/status/leader HTTP/1.1\r\nHost: localhost\r\n\r\n",
            bare_line_feed,
        ),
        (
            "CR in the request line",
            "GET /v1/status\r/leader HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "malformed",
        ),
        (
            "CR in a header",
            "GET /v1/status/leader HTTP/1.1\r\nHost: localhost\r\nA: b\rC: d\r\n\r\n",
            "malformed",
        ),
        ("CR CR LF", "GET /v1/status/leader HTTP/1.1\r\nHost: localhost\r\r\n\r\n", "malformed"),
    ];
    rows.map(|(what, request, says)| Row::malformed(what, request, 400, says)).into()
}

fn headers() -> Vec<Row> {
    let header = "A request header is malformed.";
    let rows = [
        ("a header folded with a blank", "A: b\r\n c\r\n"),
        ("a header folded with a tab", "A: b\r\n\tc\r\n"),
        ("a header that begins with a blank", " A: b\r\n"),
        ("a blank before the colon", "A : b\r\n"),
        ("a tab before the colon", "A\t: b\r\n"),
        ("no colon", "A\r\n"),
        ("no name", ": b\r\n"),
        ("NUL in a name", "A\0B: c\r\n"),
        ("a bracket in a name", "A(B): c\r\n"),
        ("a letter beyond ASCII in a name", "É: c\r\n"),
        ("NUL in a value", "A: b\0c\r\n"),
        ("a control character in a value", "A: b\x01c\r\n"),
        ("DEL in a value", "A: b\x7fc\r\n"),
    ];
    let mut rows: Vec<Row> =
        rows.map(|(what, lines)| Row::malformed(what, with_headers(lines), 400, header)).into();
    let only_100_continue = "The only expectation this server meets is 100-continue.";
    for (what, lines) in [
        ("an expectation nobody knows", "Expect: a-pony\r\n"),
        ("two expectations", "Expect: 100-continue, a-pony\r\n"),
        ("an expectation of nothing", "Expect: \r\n"),
    ] {
        rows.push(Row::malformed(what, with_headers(lines), 417, only_100_continue));
    }
    rows
}

fn hosts() -> Vec<Row> {
    let one = "exactly one Host";
    let host = "The Host header is not a host";
    let rows = [
        ("no Host", "", one),
        ("two Hosts", "Host: localhost\r\nHost: localhost\r\n", one),
        ("two different Hosts", "Host: localhost\r\nhost: elsewhere\r\n", one),
        ("a blank in Host", "Host: local host\r\n", host),
        ("a path in Host", "Host: localhost/v1\r\n", host),
        ("a user in Host", "Host: me@localhost\r\n", host),
        ("a list in Host", "Host: \"localhost\"\r\n", host),
    ];
    let request = |lines: &str| format!("GET {HARMLESS} HTTP/1.1\r\n{lines}\r\n");
    rows.map(|(what, lines, says)| Row::malformed(what, request(lines), 400, says)).into()
}

fn lengths() -> Vec<Row> {
    let decimal = "Content-Length must be a decimal number.";
    let rows = [
        ("a length in letters", "Content-Length: abc\r\n", decimal),
        ("no length", "Content-Length:\r\n", decimal),
        ("a negative length", "Content-Length: -15\r\n", decimal),
        ("a length with a sign", "Content-Length: +15\r\n", decimal),
        ("a hexadecimal length", "Content-Length: 0xf\r\n", decimal),
        ("a length with a fraction", "Content-Length: 15.0\r\n", decimal),
        ("a length with a blank", "Content-Length: 1 5\r\n", decimal),
        ("a list of equal lengths", "Content-Length: 15, 15\r\n", decimal),
        ("a length beyond 64 bits", "Content-Length: 18446744073709551631\r\n", decimal),
        ("two lengths", "Content-Length: 15\r\nContent-Length: 0\r\n", "two different Content-Length"),
        ("a length and chunks", "Content-Length: 15\r\nTransfer-Encoding: chunked\r\n", "send one of them"),
        ("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n", "send one of them"),
    ];
    rows.map(|(what, lines, says)| Row::malformed(what, with_framing(lines), 400, says)).into()
}

fn codings() -> Vec<Row> {
    let malformed = "The Transfer-Encoding header is malformed.";
    let only_chunked = "The only transfer coding this server reads is chunked.";
    let rows = [
        ("a coding nobody asked for", "gzip", 501, only_chunked),
        ("a coding before chunks", "gzip, chunked", 501, only_chunked),
        ("chunks that are not last", "chunked, gzip", 501, only_chunked),
        ("identity", "identity", 501, only_chunked),
        ("a coding that ends as chunked does", "xchunked", 501, only_chunked),
        ("chunks with a parameter", "chunked;q=1", 400, malformed),
        ("chunked in quotes", "\"chunked\"", 400, malformed),
        ("chunks twice", "chunked, chunked", 400, malformed),
        ("a list of nothing", ",", 400, malformed),
        ("no coding", "", 400, malformed),
        ("a vertical tab before the coding", "\x0bchunked", 400, "malformed"),
        ("a coding on the next line", "\r\n chunked", 400, "malformed"),
    ];
    let mut rows: Vec<Row> = rows
        .map(|(what, coding, status, says)| {
            Row::malformed(what, with_framing(&format!("Transfer-Encoding: {coding}\r\n")), status, says)
        })
        .into();
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    rows.push(Row::malformed("two headers of chunks", with_framing(twice), 400, malformed));
    let blank = "Transfer-Encoding : chunked\r\n";
    rows.push(Row::malformed("a blank before a coding's colon", with_framing(blank), 400, "malformed"));
    let old = "PUT /v1/agent/service/register HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n";
    rows.push(Row::malformed("chunks in HTTP/1.0", [old, EVIL, "\r\n0\r\n\r\n"].concat(), 400, "HTTP/1.0"));
    rows
}

fn sizes() -> Vec<Row> {
    let line = |length: usize| {
        let rest = length - "GET /v1/status/leader? HTTP/1.1".len();
        with_line(&format!("GET /v1/status/leader?{} HTTP/1.1", "x".repeat(rest)))
    };
    let head = |length: usize| {
        let rest = length - with_headers("A: \r\n").len();
        with_headers(&format!("A: {}\r\n", "x".repeat(rest)))
    };
    // `Host` is one of them.
    let count = |headers: usize| with_headers(&"A: b\r\n".repeat(headers - 1));
    let flood = "x".repeat(FLOOD_BYTES);
    let header_flood = "A: b\r\n".repeat(FLOOD_BYTES / "A: b\r\n".len());
    let too_long = "The request line is longer";
    let too_large = "The request head is larger";
    vec![
        Row::answered("a line at its bound", line(LINE_BYTES_MAX), 200),
        Row::malformed("a line past its bound", line(LINE_BYTES_MAX + 1), 414, too_long),
        Row::malformed("a line without an end", &flood, 414, too_long),
        Row::answered("a head at its bound", head(HEAD_BYTES_MAX), 200),
        Row::malformed("a head past its bound", head(HEAD_BYTES_MAX + 1), 431, too_large),
        Row::malformed("a header without an end", with_headers(&format!("A: {flood}")), 431, too_large),
        Row::malformed("headers without an end", with_headers(&header_flood), 431, too_large),
        Row::answered("as many headers as may be", count(HEADERS_MAX), 200),
        Row::malformed("a header more than may be", count(HEADERS_MAX + 1), 431, "more headers"),
    ]
}

/// Requests whose client hangs up early. What would be a whole request with another length must not be executed.
fn unfinished() -> Vec<Row> {
    let coding = "Transfer-Encoding: chunked\r\n";
    let chunked = |chunks: &str| {
        format!("PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\n{coding}\r\n{chunks}")
    };
    vec![
        Row::silence("nothing", ""),
        Row::silence("half a request line", "GET /v1/sta"),
        Row::silence("a head without its last line", "GET /v1/status/leader HTTP/1.1\r\nHost: localhost\r\n"),
        Row::silence("a body that is announced and does not come", with_framing("Content-Length: 16\r\n")),
        Row::silence("a body at the bound that does not come", with_framing("Content-Length: 1048576\r\n")),
        Row::silence("half a chunk", chunked("10\r\n{\"Name\":\"evil\"}")),
        Row::silence("chunks without the last", chunked("f\r\n{\"Name\":\"evil\"}\r\n")),
        Row::silence("a last chunk cut off", chunked("f\r\n{\"Name\":\"evil\"}\r\n0\r\n")),
        Row::silence("a trailer cut off", chunked("f\r\n{\"Name\":\"evil\"}\r\n0\r\nA: b\r\n")),
    ]
}

/// Bodies where none is expected, with a write in them: a server that leaves them unread takes it for the next request.
fn bodies() -> Vec<Row> {
    let with_body = |method: &str, target: &str| {
        let length = SMUGGLED.len();
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}")
    };
    let with_chunk = |method: &str, target: &str| {
        let length = SMUGGLED.len();
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        format!("{head}{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n")
    };
    let announced = |headers: &str| {
        format!("PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{SMUGGLED}")
    };
    let too_large = "The request body is larger";
    vec![
        Row::answered("a GET with a body", with_body("GET", HARMLESS), 200),
        Row::answered("a GET with a chunked body", with_chunk("GET", HARMLESS), 200),
        Row::answered("a HEAD with a body", with_body("HEAD", HARMLESS), 200),
        Row::refused("a body for a path that is not there", with_body("PUT", "/v1/nobody"), 404, ""),
        Row::refused(
            "a body with a method that is not allowed",
            with_body("DELETE", HARMLESS),
            405,
            "DELETE",
        ),
        Row::malformed(
            "a body larger than all",
            announced("Content-Length: 99999999999\r\n"),
            413,
            too_large,
        ),
        Row::malformed(
            "a body larger than all, asked for first",
            announced("Content-Length: 99999999999\r\nExpect: 100-continue\r\n"),
            413,
            too_large,
        ),
        Row::malformed(
            "a body one past the bound",
            put("/v1/agent/service/register", " ".repeat(BODY_BYTES_MAX + 1)),
            413,
            too_large,
        ),
    ]
}
