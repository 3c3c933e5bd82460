//! Malformed chunked bodies. Each would register a service if it were forgiven.

use super::message::{BODY_BYTES_MAX, EVIL};
use super::row::Row;

/// Bytes of all chunk extensions, and of all trailers, of one body.
const EXTENSION_BYTES_MAX: usize = 4 * 1024;
const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// What is sent past a bound that no sane client reaches.
const FLOOD_BYTES: usize = 4 * 1024 * 1024;

/// A registration with this as its chunked body.
fn chunked(chunks: impl AsRef<str>) -> String {
    let head =
        "PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{}", chunks.as_ref())
}

pub fn rows() -> Vec<Row> {
    malformed().into_iter().chain(bounds()).collect()
}

fn malformed() -> Vec<Row> {
    let whole = |size: &str| format!("{size}\r\n{EVIL}\r\n0\r\n\r\n");
    let after = |end: &str| format!("f\r\n{EVIL}{end}");
    let chunk = "malformed";
    let rows = [
        ("a size in letters", whole("zz"), chunk),
        ("no size", whole(""), chunk),
        ("a size with a prefix", whole("0xf"), chunk),
        ("a size with a sign", whole("+f"), chunk),
        ("a negative size", whole("-f"), chunk),
        ("a size with an underscore", whole("0_f"), chunk),
        ("a blank before the size", whole(" f"), chunk),
        ("a size in full-width digits", whole("Ｆ"), chunk),
        ("LF after the size", format!("f\n{EVIL}\r\n0\r\n\r\n"), chunk),
        ("CR after the size", format!("f\r{EVIL}\r\n0\r\n\r\n"), chunk),
        ("NUL in an extension", whole("f;a=\0"), chunk),
        ("LF in an extension", whole("f;a\n=b"), chunk),
        ("a chunk longer than its size", whole("e"), chunk),
        ("a chunk shorter than its size", whole("10"), chunk),
        ("LF after the data", after("\n0\r\n\r\n"), chunk),
        ("nothing after the data", after("0\r\n\r\n"), chunk),
        ("LF after the last chunk", after("\r\n0\r\n\n"), chunk),
        ("a trailer without a colon", after("\r\n0\r\nA\r\n\r\n"), chunk),
        ("a trailer with a blank before the colon", after("\r\n0\r\nA : b\r\n\r\n"), chunk),
        ("a folded trailer", after("\r\n0\r\nA: b\r\n c\r\n\r\n"), chunk),
        ("a trailer with LF", after("\r\n0\r\nA: b\nC: d\r\n\r\n"), chunk),
        ("a trailer with NUL", after("\r\n0\r\nA: \0\r\n\r\n"), chunk),
    ];
    rows.map(|(what, chunks, says)| Row::malformed(what, chunked(chunks), 400, says)).into()
}

fn bounds() -> Vec<Row> {
    let too_large = "The request body is larger";
    let extension = |length: usize| chunked(format!("f;{}\r\n{EVIL}\r\n0\r\n\r\n", "x".repeat(length)));
    let trailer = |length: usize| {
        let value = "x".repeat(length - "A:\r\n".len());
        chunked(format!("f\r\n{EVIL}\r\n0\r\nA:{value}\r\n\r\n"))
    };
    // Blanks behind the JSON count as much as JSON does.
    let body = |length: usize| {
        let rest = length - EVIL.len();
        chunked(format!("f\r\n{EVIL}\r\n{rest:x}\r\n{}\r\n0\r\n\r\n", " ".repeat(rest)))
    };
    let small = "1\r\n \r\n".repeat(BODY_BYTES_MAX + 1);
    vec![
        Row::stored("extensions at their bound", extension(EXTENSION_BYTES_MAX)),
        Row::malformed("extensions past their bound", extension(EXTENSION_BYTES_MAX + 1), 400, "extensions"),
        Row::malformed("an extension without an end", extension(FLOOD_BYTES), 400, "extensions"),
        Row::stored("trailers at their bound", trailer(TRAILER_BYTES_MAX)),
        Row::malformed("trailers past their bound", trailer(TRAILER_BYTES_MAX + 1), 431, "trailers"),
        Row::malformed("a trailer without an end", trailer(FLOOD_BYTES), 431, "trailers"),
        Row::stored("a body at its bound", body(BODY_BYTES_MAX)),
        Row::malformed("a body past its bound", body(BODY_BYTES_MAX + 1), 413, too_large),
        Row::malformed("a body past its bound in chunks of a byte", chunked(small), 413, too_large),
        Row::malformed("a chunk past the bound", chunked("FFFFFFFF\r\n"), 413, too_large),
        Row::malformed("a size beyond 64 bits", chunked("FFFFFFFFFFFFFFFFF\r\n"), 413, too_large),
        Row::malformed(
            "a size that would wrap around to 15",
            chunked(format!("1000000000000000f\r\n{EVIL}\r\n0\r\n\r\n")),
            413,
            too_large,
        ),
    ]
}
