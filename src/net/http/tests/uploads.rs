//! Bodies that a handler reads itself, piece by piece.

use super::client::TestServer;
use crate::net::http::{BodyBound, BodyError, Exchange, Handler, Method, Response};

/// Counts the body's bytes, and never holds more than a piece; `/half` stops at the first piece.
struct Counting;

const BODY_BYTES_MAX: usize = 1_000_000;

impl Handler for Counting {
    fn handle(&self, exchange: &mut Exchange<'_>, response: &mut Response) {
        *response = counted(exchange);
    }

    fn body_bound(&self, method: Method, _: &str) -> Option<BodyBound> {
        let is_read_by_handler = method == Method::Put;
        Some(BodyBound { bytes_max: BODY_BYTES_MAX, setting: "counted_bytes_max", is_read_by_handler })
    }
}

fn counted(exchange: &mut Exchange<'_>) -> Response {
    let (mut piece, mut count) = (Vec::new(), 0);
    loop {
        piece.clear();
        match exchange.read_body(&mut piece) {
            Ok(()) if piece.is_empty() => return Response::text(200, format!("{count} bytes")),
            Ok(()) => count += piece.len(),
            Err(BodyError::Refused { status, sentence }) => return Response::text(status, sentence),
            Err(BodyError::ClientGone) => return Response::new(500),
        }
        if exchange.request().path() == "/half" {
            return Response::text(409, "enough");
        }
    }
}

fn put(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("PUT {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes(), body].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in body.chunks(70_001) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[test]
fn a_body_read_to_its_end_leaves_the_connection_to_the_next_request() {
    let server = TestServer::start(Counting);
    let mut client = server.connect();
    let body = vec![b'x'; BODY_BYTES_MAX];
    let length = format!("Content-Length: {BODY_BYTES_MAX}\r\n");
    for round in [put("/", &length, &body), put("/", "Transfer-Encoding: chunked\r\n", &chunked(&body))] {
        client.send(round);
        assert_eq!(client.reply().text(), "1000000 bytes");
    }
    client.send(put("/", "Content-Length: 0\r\n", b""));
    assert_eq!(client.reply().text(), "0 bytes");
}

#[test]
fn bodies_past_the_bound_are_refused() {
    let server = TestServer::start(Counting);
    let body = vec![b'x'; BODY_BYTES_MAX + 1];
    let length = format!("Content-Length: {}\r\n", body.len());
    for request in [put("/", &length, b""), put("/", "Transfer-Encoding: chunked\r\n", &chunked(&body))] {
        let replies = server.exchange(request);
        assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [413]);
        let sentence =
            "The request body is larger than this server accepts. counted_bytes_max allows 1000000 bytes.";
        assert_eq!(replies[0].text(), sentence);
    }
}

#[test]
fn what_is_left_unread_ends_the_connection_after_the_answer() {
    let server = TestServer::start(Counting);
    let body = vec![b'x'; 900_000];
    let replies = server.exchange(put("/half", "Content-Length: 900000\r\n", &body));
    assert_eq!(replies.len(), 1);
    assert_eq!((replies[0].status, replies[0].header("Connection")), (409, Some("close")));
}

#[test]
fn a_client_that_waits_for_leave_to_send_is_told() {
    let server = TestServer::start(Counting);
    let mut client = server.connect();
    client.send(put("/", "Content-Length: 3\r\nExpect: 100-continue\r\n", b""));
    assert_eq!(client.reply().status, 100);
    client.send(b"abc");
    assert_eq!(client.reply().text(), "3 bytes");
}
