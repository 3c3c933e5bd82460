//! What is refused, with which status, and that the connection ends there and nothing of it reaches a
//! handler.

use super::client::{TestServer, echo};
use crate::net::http::ServerConfig;

#[test]
fn every_malformed_request_is_refused_and_closes() {
    let server = TestServer::start(echo);
    let rows = [
        ("GARBAGE\r\n\r\n", 400),
        ("\r\n\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n", 400),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,\r\n\r\n", 400),
        ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n", 413),
        ("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n", 413),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: a-pony\r\n\r\n", 417),
    ];
    for (request, status) in rows {
        let replies = server.exchange(format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        let [reply] = &replies[..] else { panic!("{request:?} has {} replies", replies.len()) };
        assert_eq!(reply.status, status, "{request:?}: {}", reply.text());
        assert_eq!(reply.header("Connection"), Some("close"));
        assert_eq!(reply.header("Content-Type"), Some("text/plain; charset=utf-8"));
        assert!(reply.text().ends_with('.'), "one sentence without a line end: {:?}", reply.text());
    }
    assert_eq!(server.stats().requests, 0);
    assert_eq!(server.stats().requests_refused, rows.len() as u64);
}

#[test]
fn sizes_hold_at_their_bound_and_one_past_it() {
    let config = ServerConfig { body_bytes_max: 1000, ..ServerConfig::default() };
    let (line_max, head_max) = (config.request_line_bytes_max, config.head_bytes_max);
    let server = TestServer::start_with(config, echo);
    let line = |length: usize| format!("GET /{} HTTP/1.1", "x".repeat(length - "GET / HTTP/1.1".len()));
    let with_line = |length| format!("{}\r\nHost: a\r\nConnection: close\r\n\r\n", line(length));
    let start = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ";
    let with_head = |length: usize| format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4));
    let put = "PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let known = |length| format!("{put}Content-Length: {length}\r\n\r\n{}", "x".repeat(length));
    let chunked = |length| {
        format!("{put}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length))
    };
    let with_headers = |count: usize| format!("{put}{}\r\n", "A: b\r\n".repeat(count - 2));
    let rows = [
        ("line", with_line(line_max), 200),
        ("line", with_line(line_max + 1), 414),
        ("head", with_head(head_max), 200),
        ("head", with_head(head_max + 1), 431),
        ("endless line", "x".repeat(1 << 20), 414),
        ("endless head", format!("{start}{}", "x".repeat(1 << 20)), 431),
        ("headers", with_headers(100), 200),
        ("headers", with_headers(101), 431),
        ("known body", known(1000), 200),
        ("known body", known(1001), 413),
        ("chunked body", chunked(1000), 200),
        ("chunked body", chunked(1001), 413),
    ];
    for (what, request, status) in rows {
        let replies = server.exchange(&request);
        assert_eq!(replies.first().map(|reply| reply.status), Some(status), "{what} of {}", request.len());
    }
}

#[test]
fn a_handler_may_allow_larger_bodies_by_path() {
    struct Restore;
    impl crate::net::http::Handler for Restore {
        fn handle(
            &self,
            exchange: &mut crate::net::http::Exchange<'_>,
            response: &mut crate::net::http::Response,
        ) {
            *response = crate::net::http::Response::text(200, exchange.request().body().len().to_string());
        }
        fn body_bound(
            &self,
            method: crate::net::http::Method,
            path: &str,
        ) -> Option<crate::net::http::BodyBound> {
            let (bytes_max, setting) = (2000, "restore_bytes_max");
            let bound = crate::net::http::BodyBound { bytes_max, setting, is_read_by_handler: false };
            (method == crate::net::http::Method::Put && path == "/restore").then_some(bound)
        }
    }
    let server =
        TestServer::start_with(ServerConfig { body_bytes_max: 10, ..ServerConfig::default() }, Restore);
    for (path, length, status) in [("/restore", 2000, 200), ("/restore", 2001, 413), ("/other", 11, 413)] {
        let body = "x".repeat(length);
        let replies = server.exchange(format!(
            "PUT {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        assert_eq!(replies[0].status, status, "{path} {length}");
        if status == 413 {
            let remedy =
                if path == "/other" { "body_bytes_max allows 10" } else { "restore_bytes_max allows 2000" };
            assert!(replies[0].text().contains(remedy), "{}", replies[0].text());
        }
    }
}

#[test]
fn every_answer_tells_browsers_to_keep_it_to_themselves() {
    let config = ServerConfig { body_bytes_max: 1, connections_max: 1, ..ServerConfig::default() };
    let server = TestServer::start_with(config, |exchange: &mut crate::net::http::Exchange<'_>| {
        let status = exchange.request().path().trim_start_matches('/').parse().unwrap_or(200);
        crate::net::http::Response::new(status)
    });
    let first = server.connect();
    let mut turned_away = server.connect();
    let mut replies = turned_away.replies_until_close();
    assert_eq!(replies.first().map(|reply| reply.status), Some(503));
    drop((first, turned_away));
    let rows = [
        ("GET /200 HTTP/1.1\r\nHost: a\r\n", 200),
        ("GET /304 HTTP/1.1\r\nHost: a\r\n", 304),
        ("HEAD /404 HTTP/1.0\r\n", 404),
        ("PUT /200 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", 413),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n", 400),
    ];
    for (head, status) in rows {
        while server.stats().connections_open > 0 {
            std::thread::yield_now();
        }
        let of_row = server.exchange(format!("{head}Connection: close\r\n\r\n"));
        assert_eq!(of_row.first().map(|reply| reply.status), Some(status), "{head}");
        replies.extend(of_row);
    }
    for reply in replies {
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "{}", reply.head);
        assert_eq!(reply.header("Cross-Origin-Resource-Policy"), Some("same-origin"), "{}", reply.head);
    }
}
