//! Connections as a whole: bounds on their number, panics, other listeners, want of descriptors, the end.

use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::{TestServer, echo};
use crate::base::sys::runtime;
use crate::net::http::{BindAddress, Exchange, Response, Server, ServerConfig};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn one_connection_too_many_is_told_and_the_others_go_on() {
    let server = TestServer::start_with(ServerConfig { connections_max: 2, ..ServerConfig::default() }, echo);
    let mut kept = [server.connect(), server.connect()];
    for client in &mut kept {
        client.send(GET);
        assert_eq!(client.reply().status, 200);
    }
    let mut refused = server.connect();
    let reply = refused.reply();
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("try again later. limits.connections_max") && refused.is_closed());
    kept[0].send(GET);
    assert_eq!(kept[0].reply().status, 200);
    drop(kept);
    while server.stats().connections_open > 0 {
        std::thread::yield_now();
    }
    let mut next = server.connect();
    next.send(GET);
    assert_eq!(next.reply().status, 200);
    assert_eq!(server.stats().connections_refused, 1);
}

#[test]
fn a_panic_is_answered_counted_and_noticed_by_nobody_else() {
    let server = TestServer::start(|exchange: &mut Exchange<'_>| {
        assert!(exchange.request().path() != "/panic", "expected by the test");
        Response::text(200, "well")
    });
    let mut other = server.connect();
    other.send(GET);
    other.reply();
    let replies = server.exchange(format!("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n{GET}"));
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [500]);
    assert_eq!(replies[0].header("Connection"), Some("close"));
    assert_eq!(server.stats().panics, 1);
    other.send(GET);
    assert_eq!(other.reply().text(), "well");
}

#[test]
fn a_unix_socket_and_ipv6_serve_like_tcp() {
    runtime::start(2);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http.sock");
    let addresses = [BindAddress::Unix(path.clone()), BindAddress::Tcp("[::1]:0".parse().unwrap())];
    let server = Server::bind(&addresses, ServerConfig::default()).unwrap();
    server
        .serve(|exchange: &mut Exchange<'_>| Response::text(200, exchange.request().peer().to_string()))
        .unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    std::io::Write::write_all(&mut stream, b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut stream, &mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.0 200 OK\r\n") && reply.ends_with("\r\n\r\nunix"), "{reply}");
    let [_, BindAddress::Tcp(address)] = server.local_addresses()[..] else { unreachable!() };
    let mut client = super::client::Client::new(std::net::TcpStream::connect(address).unwrap());
    client.send(GET);
    assert!(client.reply().text().starts_with("[::1]:"));
    drop(client);
    assert_eq!(server.shutdown(Duration::from_secs(3600)), 0);
}

#[test]
fn what_a_drain_cannot_end_is_cut_off() {
    let (sender, started) = std::sync::mpsc::channel();
    let sender = parking_lot::Mutex::new(sender);
    let server = TestServer::start(move |exchange: &mut Exchange<'_>| {
        sender.lock().send(()).unwrap();
        exchange.park(Instant::now());
        Response::text(200, "x".repeat(50 << 20))
    });
    let mut client = server.connect();
    client.send(GET);
    started.recv().unwrap();
    assert_eq!(server.server.shutdown(Duration::from_millis(1)), 1, "its client does not read");
    assert_eq!(server.stats().connections_open, 0);
}

/// Runs the next test in a process of its own that may open 64 descriptors.
#[test]
fn want_of_descriptors_is_survived() {
    let this = std::env::current_exe().unwrap();
    let next = format!("{}::with_64_descriptors", module_path!().trim_start_matches("muster::"));
    let script = "ulimit -n 64 && exec \"$0\" --exact \"$1\" --ignored";
    let output = Command::new("sh").args(["-c", script]).arg(this).arg(next).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "needs a process with few descriptors, which the test above makes"]
fn with_64_descriptors() {
    let server =
        TestServer::start_with(ServerConfig { connections_max: 1000, ..ServerConfig::default() }, echo);
    let mut first = server.connect();
    first.send(GET);
    first.reply();
    let mut others = Vec::new();
    while server.stats().accept_errors == 0 {
        others.extend(std::net::TcpStream::connect(server.address).ok());
    }
    first.send(GET);
    assert_eq!(first.reply().status, 200, "connections already open are served");
    drop(others);
    let mut next = loop {
        // Until the closed ones are accepted and gone there may be no descriptor for our own end.
        if let Ok(stream) = std::net::TcpStream::connect(server.address) {
            break super::client::Client::new(stream);
        }
    };
    next.send(GET);
    assert_eq!(next.reply().status, 200, "new connections are served once there are descriptors again");
}
