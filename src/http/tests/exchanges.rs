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
