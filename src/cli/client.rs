//! The smallest HTTP client that can ask an agent how it is: one GET over a plain socket.
//!
//! It blocks its thread and speaks HTTP/1.0, so that an answer ends where the connection does.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::stdx::shown;

/// Bytes of an answer that are read. An agent's word about itself has a few hundred.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Where the agent is looked for when nothing says otherwise.
pub const ADDRESS_DEFAULT: &str = "127.0.0.1:8500";

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientResponse {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// The address says nothing that can be connected to.
    Address(String),
    /// Nothing answers there.
    Unreachable(String, io::Error),
    /// Something answers, but not HTTP.
    NotHttp(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Address(address) if address.starts_with("https://") => {
                write!(
                    formatter,
                    "`{address}` is no address here: muster speaks plain HTTP, so write http://HOST:PORT"
                )
            }
            ClientError::Address(address) => {
                write!(
                    formatter,
                    "`{address}` is no address: write HOST:PORT, http://HOST:PORT or unix:///PATH"
                )
            }
            ClientError::Unreachable(address, error) => {
                write!(
                    formatter,
                    "no agent answers at {address} ({error}): start one, or name its address with --http-addr"
                )
            }
            ClientError::NotHttp(address) => {
                write!(formatter, "what answers at {address} does not speak HTTP")
            }
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClientError::Unreachable(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Asks the agent at `address` for `path`, and waits up to `wait_max` for all of the answer.
///
/// # Errors
/// See [`ClientError`].
pub fn get(address: &str, path: &str, wait_max: Duration) -> Result<ClientResponse, ClientError> {
    let deadline = Instant::now() + wait_max;
    let unreachable = |error| ClientError::Unreachable(shown::url(address), error);
    let mut bytes = Vec::new();
    if let Some(socket_path) = address.strip_prefix("unix://") {
        let mut socket = UnixStream::connect(socket_path).map_err(unreachable)?;
        socket.set_write_timeout(Some(wait_max)).map_err(unreachable)?;
        send(&mut socket, "localhost", path).map_err(unreachable)?;
        receive(&mut bytes, deadline, |buffer, wait| {
            socket.set_read_timeout(Some(wait))?;
            socket.read(buffer)
        })
        .map_err(unreachable)?;
    } else {
        let host = connectable(address).ok_or_else(|| ClientError::Address(shown::url(address)))?;
        let mut socket = connect(&host, wait_max).map_err(unreachable)?;
        socket.set_write_timeout(Some(wait_max)).map_err(unreachable)?;
        send(&mut socket, &host, path).map_err(unreachable)?;
        receive(&mut bytes, deadline, |buffer, wait| {
            socket.set_read_timeout(Some(wait))?;
            socket.read(buffer)
        })
        .map_err(unreachable)?;
    }
    parse(&bytes).ok_or_else(|| ClientError::NotHttp(shown::url(address)))
}

/// `HOST:PORT` out of an address as a listener or a client writes it; a wildcard is reached over the
/// loopback.
fn connectable(address: &str) -> Option<String> {
    let bare = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    let (host, port) = bare.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let host = match host {
        "" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        _ if host.contains('/') => return None,
        _ => host,
    };
    Some(format!("{host}:{port}"))
}

/// Connects to the first of the host's addresses that answers.
fn connect(host: &str, wait_max: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, wait_max) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn send(socket: &mut impl Write, host: &str, path: &str) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let head =
        format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: muster/{version}\r\nAccept: */*\r\n\r\n");
    socket.write_all(head.as_bytes())
}

/// Reads until the peer closes, the bound is reached or the time is over.
fn receive(
    bytes: &mut Vec<u8>,
    deadline: Instant,
    mut read: impl FnMut(&mut [u8], Duration) -> io::Result<usize>,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while bytes.len() < ANSWER_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer in time"));
        }
        match read(&mut buffer, left) {
            Ok(0) => return Ok(()),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer in time"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Status and body of a whole answer; `None` if it is none.
fn parse(bytes: &[u8]) -> Option<ClientResponse> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    Some(ClientResponse { status: words.next()?.parse().ok()?, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_listeners_and_clients_are_understood() {
        let rows = [
            ("127.0.0.1:8500", Some("127.0.0.1:8500")),
            ("http://consul.example:8500/", Some("consul.example:8500")),
            ("0.0.0.0:8500", Some("127.0.0.1:8500")),
            ("[::]:8500", Some("[::1]:8500")),
            (":8500", Some("127.0.0.1:8500")),
            ("https://localhost:8501", None),
            ("localhost", None),
        ];
        for (address, expected) in rows {
            assert_eq!(connectable(address).as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn answers_are_parsed_or_refused() {
        let ready = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready");
        assert_eq!(ready, Some(ClientResponse { status: 200, body: "ready".to_owned() }));
        for bytes in [&b"SSH-2.0-x\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 ok\r\n\r\n", b""] {
            assert_eq!(parse(bytes), None);
        }
    }

    #[test]
    fn a_read_that_never_ends_is_cut() {
        let late = receive(&mut Vec::new(), Instant::now(), |_, _| Ok(1));
        assert_eq!(late.expect_err("the time is over").kind(), io::ErrorKind::TimedOut);
        let mut bytes = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(3600);
        receive(&mut bytes, deadline, |buffer, _| Ok(buffer.len())).expect("the bound ends it");
        assert_eq!(bytes.len(), ANSWER_BYTES_MAX);
    }
}
