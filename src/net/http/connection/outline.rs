//! The head of a response: what the handler set, and what belongs to the connection and the exchange.

use crate::base::sys::clock;
use crate::net::http::connection::Connection;
use crate::net::http::framing::{BodyLength, Version};
use crate::net::http::request_id::RequestId;
use crate::net::http::response::{ON_EVERY_ANSWER, Response, reason};

/// What the head of a response says beside the handler's own headers.
pub(super) struct Outline<'a> {
    pub(super) version: Version,
    pub(super) id: &'a RequestId,
    pub(super) length: BodyLength,
    pub(super) is_gzip: bool,
    pub(super) connection: Option<&'static str>,
}

impl Connection {
    /// Appends a response's head to the output.
    pub(super) fn put_head(&mut self, response: &Response, outline: &Outline<'_>) {
        let mut digits = itoa::Buffer::new();
        let date = self.date.at(clock::coarse_unix_seconds());
        let output = self.transport.output();
        if (response.status, outline.version) == (200, Version::Http11) {
            output.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        } else {
            put_status_line(output, response.status, outline.version);
        }
        let pieces = response.headers.pieces();
        pieces.iter().filter(|piece| !piece.is_empty()).for_each(|piece| output.extend_from_slice(piece));
        match outline.length {
            _ if matches!(response.status, 100..=199 | 204 | 304) => {}
            BodyLength::Known(length) => {
                put_header(output, b"Content-Length: ", digits.format(length).as_bytes())
            }
            BodyLength::Chunked if outline.version == Version::Http11 => {
                put_header(output, b"Transfer-Encoding: ", b"chunked");
            }
            BodyLength::Chunked => {}
        }
        if outline.is_gzip {
            put_header(output, b"Content-Encoding: ", b"gzip");
        }
        put_header(output, ON_EVERY_ANSWER, outline.id.as_bytes());
        if let Some(connection) = outline.connection {
            put_header(output, b"Connection: ", connection.as_bytes());
        }
        output.extend_from_slice(date);
    }
}

#[inline(never)]
fn put_status_line(output: &mut Vec<u8>, status: u16, version: Version) {
    output.extend_from_slice(if version == Version::Http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    output.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    output.push(b' ');
    output.extend_from_slice(reason(status).as_bytes());
    output.extend_from_slice(b"\r\n");
}

/// Inlined, so that names, whose lengths are known, are copied without a call.
#[inline(always)]
fn put_header(output: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    output.extend_from_slice(name);
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}
