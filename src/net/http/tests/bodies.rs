//! Response bodies: shapes, compression, streams.

use std::io::{Read, Write};

use super::client::{Reply, TestServer};
use crate::net::http::{Body, BodyWriter, Exchange, Response, ServerConfig, SharedBody};

static TEXT: &[u8] = &[b't'; 20_000];

fn shapes(exchange: &mut Exchange<'_>) -> Response {
    let body = match exchange.request().path() {
        "/static" => Body::Static(TEXT),
        "/owned" => Body::Owned(TEXT.to_vec()),
        "/big" => Body::Owned(TEXT.repeat(50)),
        "/shared" => Body::Shared(SharedBody::new(TEXT)),
        "/small" => Body::Static(&TEXT[..100]),
        "/empty" => Body::Empty,
        "/stream" => Body::Stream(Box::new(|writer: &mut BodyWriter<'_>| {
            TEXT.chunks(777).try_for_each(|piece| writer.write_all(piece))
        })),
        "/cut" => Body::Stream(Box::new(|writer: &mut BodyWriter<'_>| {
            writer.write_all(b"a part")?;
            writer.flush()?;
            Err(std::io::ErrorKind::Other.into())
        })),
        path => return Response::new(path[1..].parse().unwrap()).with_body(Body::Static(b"not to be sent")),
    };
    Response::new(200).with_header("Content-Type", "text/plain").with_body(body)
}

fn unzipped(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&reply.body[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn every_shape_arrives_whole_on_one_connection() {
    let server = TestServer::start(shapes);
    let mut client = server.connect();
    for (path, length) in [
        ("/static", 20_000),
        ("/owned", 20_000),
        ("/big", 1_000_000),
        ("/shared", 20_000),
        ("/small", 100),
        ("/empty", 0),
        ("/stream", 20_000),
    ] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let reply = client.reply();
        assert_eq!(reply.body.len(), length, "{path}");
        assert!(reply.body.iter().all(|&byte| byte == b't'));
        let is_stream = path == "/stream";
        assert_eq!(reply.header("Content-Length").is_none(), is_stream);
        assert_eq!(reply.header("Transfer-Encoding"), is_stream.then_some("chunked"));
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let head = client.reply_to("HEAD");
        assert_eq!(head.header("Content-Length"), reply.header("Content-Length"), "{path}");
        assert_eq!(head.header("Transfer-Encoding"), reply.header("Transfer-Encoding"), "{path}");
    }
}

#[test]
fn bodies_worth_it_are_compressed_for_clients_that_accept_it() {
    let config = ServerConfig { gzip_inline_bytes_max: 30_000, ..ServerConfig::default() };
    let server = TestServer::start_with(config, shapes);
    let mut client = server.connect();
    for (path, accept, gzip) in [
        ("/static", "gzip", true),
        ("/owned", "gzip, deflate", true),
        ("/big", "gzip", true),
        ("/shared", "gzip;q=0.3", true),
        ("/shared", "gzip;q=0", false),
        ("/static", "deflate", false),
        ("/small", "gzip", false),
        ("/empty", "gzip", false),
        ("/stream", "gzip", false),
    ] {
        let headers = format!("Host: a\r\nAccept-Encoding: {accept}\r\n\r\n");
        client.send(format!("GET {path} HTTP/1.1\r\n{headers}"));
        let reply = client.reply();
        assert_eq!(reply.header("Content-Encoding"), gzip.then_some("gzip"), "{path} {accept}");
        assert_eq!(reply.header("Vary"), Some("Accept-Encoding"));
        let plain = if gzip { unzipped(&reply) } else { reply.body.clone() };
        assert!(plain.iter().all(|&byte| byte == b't'));
        client.send(format!("HEAD {path} HTTP/1.1\r\n{headers}"));
        assert_eq!(client.reply_to("HEAD").header("Content-Length"), reply.header("Content-Length"));
    }
}

#[test]
fn statuses_without_a_body_have_none() {
    let server = TestServer::start(shapes);
    let mut client = server.connect();
    for status in [204, 304] {
        client.send(format!("GET /{status} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("Content-Length")), (status, None));
    }
    client.send("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().header("Content-Length"), Some("0"));
}

#[test]
fn a_stream_to_http_1_0_ends_with_the_connection() {
    let server = TestServer::start(shapes);
    let mut client = server.connect();
    client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let reply = client.reply();
    assert_eq!(reply.header("Transfer-Encoding"), None);
    assert_eq!(reply.header("Connection"), Some("close"));
    assert_eq!(reply.body, TEXT);
}

#[test]
fn a_stream_that_fails_is_not_mistaken_for_a_whole_one() {
    let server = TestServer::start(shapes);
    let mut client = server.connect();
    client.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_until(b"6\r\na part\r\n");
    assert!(client.is_closed(), "no last chunk");
}
