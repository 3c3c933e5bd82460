//! Parked requests: woken, expired, abandoned, drained.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::client::TestServer;
use crate::net::http::{Body, BodyWriter, Exchange, Response, Wake, Waker};

const NEVER: Duration = Duration::from_secs(3600);

/// Parks each request for what its path says, and tells the test of it.
struct Parking {
    server: TestServer,
    parked: Receiver<Waker>,
    ended: Receiver<Wake>,
}

impl Parking {
    fn start() -> Parking {
        let (parked_sender, parked) = channel();
        let (ended_sender, ended) = channel();
        let senders = Mutex::new((parked_sender, ended_sender));
        let server = TestServer::start(move |exchange: &mut Exchange<'_>| {
            let (parked, ended): (Sender<Waker>, Sender<Wake>) = senders.lock().clone();
            let wait = match exchange.request().path() {
                "/never" => NEVER,
                "/soon" => Duration::from_millis(1),
                path => return Response::text(200, path),
            };
            parked.send(exchange.waker()).unwrap();
            let wake = exchange.park(Instant::now() + wait);
            ended.send(wake).unwrap();
            Response::text(200, format!("{wake:?}"))
        });
        Parking { server, parked, ended }
    }
}

#[test]
fn a_waker_wakes_whether_used_before_or_while_parked() {
    let parking = Parking::start();
    let mut client = parking.server.connect();
    for _ in 0..200 {
        client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
        parking.parked.recv().unwrap().wake();
        assert_eq!(client.reply().text(), "Signal");
    }
}

#[test]
fn a_deadline_ends_a_park() {
    let parking = Parking::start();
    let mut client = parking.server.connect();
    client.send("GET /soon HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().text(), "Deadline");
}

#[test]
fn a_client_that_leaves_or_half_closes_is_noticed_at_once() {
    let parking = Parking::start();
    for half in [false, true] {
        let mut client = parking.server.connect();
        client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
        parking.parked.recv().unwrap();
        if half {
            client.half_close();
            assert_eq!(parking.ended.recv().unwrap(), Wake::ClientGone);
            assert!(client.is_closed(), "nothing is answered");
        } else {
            drop(client);
            assert_eq!(parking.ended.recv().unwrap(), Wake::ClientGone);
        }
    }
    assert_eq!(parking.server.stats().clients_gone, 2);
}

#[test]
fn requests_pipelined_behind_a_park_wait_their_turn() {
    let parking = Parking::start();
    let mut client = parking.server.connect();
    client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\nGET /la");
    assert_eq!(client.reply().text(), "/first", "what was answered before the park is sent before it");
    let waker = parking.parked.recv().unwrap();
    client.send("st HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(parking.ended.try_recv().is_err(), "bytes do not end a park");
    waker.wake();
    assert_eq!(client.reply().text(), "Signal");
    assert_eq!(client.reply().text(), "/last");
}

#[test]
fn a_waker_kept_too_long_harms_nobody() {
    let parking = Parking::start();
    let mut client = parking.server.connect();
    client.send("GET /soon HTTP/1.1\r\nHost: a\r\n\r\n");
    let waker = parking.parked.recv().unwrap();
    client.reply();
    waker.wake();
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().text(), "/next");
    drop(client);
    while parking.server.stats().connections_open > 0 {
        std::thread::yield_now();
    }
    waker.wake();
}

#[test]
fn a_drain_ends_parks_and_idle_connections_and_lets_requests_finish() {
    let parking = Parking::start();
    let mut idle = parking.server.connect();
    idle.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    idle.reply();
    let mut parked = parking.server.connect();
    parked.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    parking.parked.recv().unwrap();
    assert_eq!(parking.server.server.shutdown(NEVER), 0);
    let reply = parked.reply();
    assert_eq!((reply.text(), reply.header("Connection")), ("Draining", Some("close")));
    assert!(parked.is_closed() && idle.is_closed());
    let refused = std::net::TcpStream::connect(parking.server.address).expect_err("it listens no more");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_stream_parks_between_its_pieces() {
    let (sender, wakers) = channel();
    let sender = Mutex::new(sender);
    let server = TestServer::start(move |_: &mut Exchange<'_>| {
        let sender = sender.lock().clone();
        Response::new(200).with_body(Body::Stream(Box::new(move |writer: &mut BodyWriter<'_>| {
            use std::io::Write;
            for number in 0..3 {
                write!(writer, "{number}")?;
                sender.send(writer.waker()).unwrap();
                assert_eq!(writer.park(Instant::now() + NEVER), Wake::Signal);
            }
            Ok(())
        })))
    });
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.read_until(b"\r\n\r\n");
    for number in 0..3 {
        client.read_until(format!("1\r\n{number}\r\n").as_bytes());
        wakers.recv().unwrap().wake();
    }
    client.read_until(b"0\r\n\r\n");
    assert!(client.is_closed());
}

#[test]
fn a_stream_sends_shared_bytes_behind_what_it_has_gathered() {
    let server = TestServer::start(move |_: &mut Exchange<'_>| {
        Response::new(200).with_body(Body::Stream(Box::new(|writer: &mut BodyWriter<'_>| {
            use std::io::Write;
            writer.send_own(b"first")?;
            write!(writer, "ab")?;
            writer.send_own(b"")?;
            write!(writer, "c")?;
            writer.send_shared(&crate::net::http::SharedBody::new([b'x'; 100_000]))?;
            write!(writer, "end")
        })))
    });
    let many = "x".repeat(100_000);
    let chunked = format!("5\r\nfirst\r\n2\r\nab\r\n1\r\nc\r\n186a0\r\n{many}\r\n3\r\nend\r\n0\r\n\r\n");
    for (version, body) in [("1.1", chunked), ("1.0", format!("firstabc{many}end"))] {
        let mut client = server.connect();
        client.send(format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n"));
        client.read_until(b"\r\n\r\n");
        client.read_until(body.as_bytes());
        assert!(client.is_closed(), "{version}");
    }
}
