//! What is answered to which bytes: methods, versions, framing, refusals.

use super::client::{TestServer, echo};

#[test]
fn each_method_is_answered_and_the_connection_kept() {
    let server = TestServer::start(echo);
    let mut client = server.connect();
    for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"] {
        client.send(format!("{method} /p%20q?x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"));
        let reply = client.reply_to(method);
        assert_eq!(reply.status_line, "HTTP/1.1 200 OK");
        assert_eq!(reply.header("Content-Length"), Some((method.len() + 8).to_string().as_str()));
        let expected = if method == "HEAD" { String::new() } else { format!("{method} /p q hi") };
        assert_eq!(reply.text(), expected);
        assert!(reply.header("Date").is_some_and(|date| date.ends_with(" GMT")));
        assert!(reply.header("X-Request-Id").is_some());
        assert_eq!(reply.header("Vary"), Some("Accept-Encoding"));
        assert_eq!(reply.header("Connection"), None);
    }
    assert_eq!(server.stats().connections_accepted, 1);
    assert_eq!(server.stats().requests, 7);
}

#[test]
fn versions_and_connection_headers_decide_whether_it_stays() {
    let server = TestServer::start(echo);
    let rows = [
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK", Some("close")),
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK", Some("close")),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.0 200 OK", Some("keep-alive")),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK", None),
    ];
    for (head, status_line, connection) in rows {
        let mut client = server.connect();
        client.send(head);
        let reply = client.reply();
        assert_eq!(reply.status_line, status_line, "{head}");
        assert_eq!(reply.header("Connection"), connection, "{head}");
        if connection == Some("close") {
            assert!(client.is_closed(), "{head}");
        } else {
            client.send(head);
            assert_eq!(client.reply().status, 200, "{head}");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_however_they_are_split() {
    let server = TestServer::start(echo);
    let requests = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\
                    PUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
                    PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n0\r\nT: x\r\n\r\n\r\n\
                    GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let expected = ["GET /1 ", "PUT /2 hello", "PUT /3 abc", "GET /4 "];
    for split in 0..requests.len() {
        let mut client = server.connect();
        client.stream.set_nodelay(true).unwrap();
        let (first, second) = requests.split_at(split);
        client.send(first);
        client.send(second);
        let replies = client.replies_until_close();
        assert_eq!(
            replies.iter().map(|reply| reply.text()).collect::<Vec<_>>(),
            expected,
            "split at {split}"
        );
    }
}

#[test]
fn a_body_that_looks_like_a_request_is_not_one() {
    let server = TestServer::start(echo);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = smuggled.len();
    let replies = server.exchange(format!(
        "GET /outer HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{smuggled}"
    ));
    assert_eq!(replies.len(), 1);
    assert_eq!(server.stats().requests, 1);
}

#[test]
fn a_request_before_a_half_close_is_answered() {
    let server = TestServer::start(echo);
    let mut client = server.connect();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.half_close();
    assert_eq!(client.replies_until_close().len(), 2);
}

#[test]
fn a_truncated_body_is_never_executed() {
    let server = TestServer::start(echo);
    for request in [
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this",
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Le",
    ] {
        let mut client = server.connect();
        client.send(request);
        client.half_close();
        assert!(client.is_closed(), "{request}");
    }
    assert_eq!(server.stats().requests, 0);
}

#[test]
fn continue_is_said_only_to_a_client_that_waits_for_it() {
    let server = TestServer::start(echo);
    let mut client = server.connect();
    let head = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    client.send(head);
    assert_eq!(client.reply().status_line, "HTTP/1.1 100 Continue");
    client.send("hi");
    assert_eq!(client.reply().text(), "PUT / hi");
    client.send(format!("{head}hi"));
    assert_eq!(client.reply().text(), "PUT / hi", "the body had come with the head");
    client.send("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.reply().text(), "GET / ", "there is no body to wait for");
}

#[test]
fn request_ids_are_echoed_or_made() {
    let server = TestServer::start(|exchange: &mut crate::net::http::Exchange<'_>| {
        crate::net::http::Response::text(200, exchange.request().id().to_string())
    });
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: trace.me-1\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.header("X-Request-Id"), reply.text()), (Some("trace.me-1"), "trace.me-1"));
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: not good\r\n\r\n");
        let reply = client.reply();
        assert_eq!(reply.header("X-Request-Id"), Some(reply.text()));
        assert!(seen.insert(reply.text().to_owned()));
    }
}

#[test]
fn handlers_know_their_peer() {
    let server = TestServer::start(|exchange: &mut crate::net::http::Exchange<'_>| {
        crate::net::http::Response::text(200, exchange.request().peer().to_string())
    });
    let mut client = server.connect();
    let address = client.stream.local_addr().unwrap();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().text(), address.to_string());
}

#[test]
fn a_client_with_endless_requests_gets_them_all_answered() {
    let server = TestServer::start(echo);
    let mut client = server.connect();
    let requests = 5000;
    let mut sender = client.stream.try_clone().unwrap();
    let sending = crate::base::sys::runtime::thread("test client", move || {
        let bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requests);
        std::io::Write::write_all(&mut sender, bytes.as_bytes()).unwrap();
    });
    for _ in 0..requests {
        assert_eq!(client.reply().text(), "GET / ");
    }
    sending.unwrap().join().unwrap();
    assert_eq!(server.stats().requests, requests as u64);
}

#[test]
fn one_line_end_between_requests_is_forgiven() {
    let server = TestServer::start(echo);
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let statuses =
        |bytes: String| server.exchange(bytes).iter().map(|reply| reply.status).collect::<Vec<_>>();
    assert_eq!(statuses(format!("\r\n{get}\r\n{get}GET / HTTP/1.0\r\n\r\n")), [200, 200, 200]);
    assert_eq!(statuses(format!("{get}\r\n\r\n{get}")), [200, 400]);
}
