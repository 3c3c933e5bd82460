//! A blocking client for what is asked around a run: seeding, waiting until a server serves, fetching a body.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::framing::Answer;

/// How long an answer may take. Consul needs many seconds to be elected and for its largest answers.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

const READ_BYTES: usize = 64 * 1024;

/// One connection, opened when first needed.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// `X-Consul-Index`, if there is one.
    pub index: Option<u64>,
    /// The body as it was sent, without chunk lines.
    pub body: Vec<u8>,
    /// Bytes on the wire, the head included.
    pub bytes: usize,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a whole request and reads its answer.
    ///
    /// # Errors
    /// The server does not accept, does not answer in time, or answers no HTTP. The next call connects anew.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<Fetched> {
        let outcome = self.exchange(request);
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// Those of [`Client::ask`].
    pub fn get(&mut self, path: &str, headers: &str) -> io::Result<Fetched> {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.address).as_bytes())
    }

    /// Puts a body.
    ///
    /// # Errors
    /// Those of [`Client::ask`].
    pub fn put(&mut self, path: &str, body: &str) -> io::Result<Fetched> {
        let host = self.address;
        let length = body.len();
        self.ask(
            format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}")
                .as_bytes(),
        )
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Fetched> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect_timeout(&self.address, ANSWER_WAIT_MAX)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
                none.insert(stream)
            }
        };
        stream.write_all(request)?;
        let (mut received, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
        loop {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            received.extend_from_slice(&buffer[..read]);
            let invalid = |error| io::Error::new(ErrorKind::InvalidData, format!("{error}"));
            if let Some(answer) = Answer::read(&received).map_err(invalid)? {
                let Answer { head, bytes, .. } = answer;
                let fetched = Fetched {
                    status: head.status,
                    index: head.index,
                    body: answer.body().into_owned(),
                    bytes,
                };
                if head.close {
                    self.stream = None;
                }
                return Ok(fetched);
            }
        }
    }
}
