//! A server under test and a client that sends exact bytes and reads whole responses.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::base::sys::runtime;
use crate::net::http::{BindAddress, Exchange, Handler, Response, Server, ServerConfig, StatsSnapshot};

/// How long a client waits for bytes that must come; reached only by a failing test.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port of loopback, ended with the test.
pub(super) struct TestServer {
    pub(super) server: Server,
    pub(super) address: SocketAddr,
}

impl TestServer {
    pub(super) fn start(handler: impl Handler) -> TestServer {
        TestServer::start_with(ServerConfig::default(), handler)
    }

    pub(super) fn start_with(config: ServerConfig, handler: impl Handler) -> TestServer {
        runtime::start(2);
        let address = BindAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let server = Server::bind(&[address], config).unwrap();
        server.serve(handler).unwrap();
        let [BindAddress::Tcp(address)] = server.local_addresses()[..] else { unreachable!() };
        TestServer { server, address }
    }

    pub(super) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    /// Sends `bytes` on a connection of its own and reads until the server closes it.
    pub(super) fn exchange(&self, bytes: impl AsRef<[u8]>) -> Vec<Reply> {
        let mut client = self.connect();
        client.send(bytes);
        client.replies_until_close()
    }

    pub(super) fn stats(&self) -> StatsSnapshot {
        self.server.stats().snapshot()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.server.shutdown(Duration::ZERO);
    }
}

/// One connection to a server.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    received: Vec<u8>,
}

/// One response, unchunked.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status_line: String,
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(super) fn new(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream, received: Vec::new() }
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that refuses early may close before everything is sent.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    pub(super) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    pub(super) fn reply(&mut self) -> Reply {
        self.reply_to("GET")
    }

    /// The next response, read by the rules for an answer to `method`. Panics if the connection ends first.
    pub(super) fn reply_to(&mut self, method: &str) -> Reply {
        let head = self.read_until(b"\r\n\r\n");
        let head = String::from_utf8(head).unwrap();
        let status_line = head.lines().next().unwrap().to_owned();
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status_line, status, head, body: Vec::new() };
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return reply;
        }
        reply.body = match reply.header("Content-Length") {
            Some(length) => self.read_exactly(length.parse().unwrap()),
            None if reply.header("Transfer-Encoding") == Some("chunked") => self.read_chunks(),
            None => {
                while self.receive() {}
                std::mem::take(&mut self.received)
            }
        };
        reply
    }

    /// Every response until the server closes.
    pub(super) fn replies_until_close(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        while !self.received.is_empty() || self.receive() {
            replies.push(self.reply());
        }
        replies
    }

    /// Whether the server closes without sending another byte.
    pub(super) fn is_closed(&mut self) -> bool {
        self.received.is_empty() && !self.receive()
    }

    fn read_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = String::from_utf8(self.read_until(b"\r\n")).unwrap();
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            body.extend(self.read_exactly(size));
            assert_eq!(self.read_exactly(2), b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    pub(super) fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(position) = self.received.windows(end.len()).position(|window| window == end) {
                return self.received.drain(..position + end.len()).collect();
            }
            assert!(self.receive(), "closed within {:?}", self.received.escape_ascii().to_string());
        }
    }

    fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            assert!(self.receive(), "closed with {} of {length} bytes", self.received.len());
        }
        self.received.drain(..length).collect()
    }

    /// Receives some bytes; false at the end of the connection.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.received.extend_from_slice(&buffer[..length]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came: {error}"),
        }
    }
}

/// Answers with what it was asked: method, path and body.
pub(super) fn echo(exchange: &mut Exchange<'_>) -> Response {
    let request = exchange.request();
    let body = String::from_utf8_lossy(request.body());
    Response::text(200, format!("{} {} {body}", request.method_name(), request.path()))
}
