//! Targets that always have another byte: they are read in turns and up to a bound, so that nobody else waits for them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::check_types::registry::Registry;
use crate::instance::certificates::{Certificates, GOOD};
use crate::instance::tls;

/// Targets of each kind: more than there are workers, whatever the machine.
const EACH: usize = 4;

/// Longest time that anybody may wait for an answer meanwhile. Promised is a tenth of a second; the floods of this test
/// take the processor as well.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Bytes that are written at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// A name, what the target says once, what it says for ever, and the check of it.
type Row<'a> = (&'a str, &'static [u8], &'static [u8], &'a dyn Fn(SocketAddr) -> Value);

/// Serves every connection: reads a request, says `begin`, and then `more` for ever.
pub fn flooding(begin: &'static [u8], more: &'static [u8]) -> SocketAddr {
    serving(move |mut stream| {
        let _request = stream.read(&mut [0; 4096]);
        let block = more.repeat(BLOCK_BYTES / more.len());
        let mut sent = stream.write_all(begin);
        while sent.is_ok() {
            sent = stream.write_all(&block);
        }
    })
}

fn serving(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A server that speaks TLS in records of one byte.
fn flooding_through_tls(certificates: &Certificates) -> SocketAddr {
    let config = tls::config(certificates.directory(), GOOD);
    serving(move |stream| {
        let session = ServerConnection::new(config.clone()).expect("a session");
        let mut stream = StreamOwned::new(session, stream);
        let _request = stream.read(&mut [0; 4096]);
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while sent.is_ok() {
            sent = (0..1000).try_for_each(|_| stream.conn.writer().write_all(b"x"));
            sent = sent.and_then(|()| stream.flush());
        }
    })
}

/// An empty frame of HTTP/2: settings of the server, which must come first.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0abcdefgh";
const UNKNOWN: &[u8] = b"\0\0\x01\xbb\0\0\0\0\0x";

#[test]
fn targets_that_never_stop_hold_nobody_up() {
    let mut registry = Registry::start();
    let http = |at: SocketAddr| json!({"HTTP": format!("http://{at}/")});
    let ping = |at: SocketAddr| json!({"H2PING": at.to_string(), "H2PingUseTLS": false});
    let grpc = |at: SocketAddr| json!({"GRPC": at.to_string()});
    let rows: [Row<'_>; 9] = [
        ("head", b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", &http),
        ("line", b"HTTP/1.1 200 OK\r\na: ", b"b", &http),
        ("interim", b"", b"HTTP/1.1 100 Continue\r\n\r\n", &http),
        ("body", b"HTTP/1.1 200 OK\r\n\r\n", b"body", &http),
        ("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", &http),
        ("trailers", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n", &http),
        ("pings", SETTINGS, PING, &grpc),
        ("settings", SETTINGS, SETTINGS, &grpc),
        ("unknown frames", SETTINGS, UNKNOWN, &ping),
    ];
    for (name, begin, more, check) in rows {
        for at in 0..EACH {
            let mut check = check(flooding(begin, more));
            check["Timeout"] = json!("5m");
            registry.check(&format!("{name} {at}"), check);
        }
    }
    let certificates = Certificates::create();
    let at = flooding_through_tls(&certificates);
    registry
        .check("records", json!({"HTTP": format!("https://{at}/"), "TLSSkipVerify": true, "Timeout": "5m"}));
    let well = serving(|mut stream| {
        let _request = stream.read(&mut [0; 4096]);
        let _left = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    let mut client = registry.process.client();
    let mut worst = Duration::ZERO;
    for turn in 0..100 {
        let since = Instant::now();
        assert_eq!(client.get("/livez").expect("an answer").status, 200);
        worst = worst.max(since.elapsed());
        assert!(worst <= WAIT_MAX, "ask {turn}: {worst:?}");
        thread::sleep(Duration::from_millis(20));
    }
    eprintln!("beside targets that never stop, the slowest answer took {worst:?}");
    registry.check("well", json!({"HTTP": format!("http://{well}/")}));
    registry.wait_for("well", "passing", "200 OK");
    // What is never over is no answer, and said to be none; of a body there is enough to judge.
    for name in ["interim 0", "pings 0", "settings 0"] {
        registry.wait_for(name, "critical", "the target sends more than a check reads");
    }
    for name in ["body 0", "chunks 0", "trailers 0"] {
        registry.wait_for(name, "passing", "200 OK");
    }
    registry.wait_for("records", "passing", "200 OK");
}
