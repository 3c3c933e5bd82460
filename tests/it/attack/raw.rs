//! Connections as an attacker uses them: bytes out, and whether anybody reads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How long an attacker waits for anything before it gives up; only a server that hangs makes it wait so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the kernel keeps of what a small client does not read.
const SMALL_BUFFER_BYTES: usize = 64 << 10;

/// A fresh connection.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout above zero");
    stream
}

/// A GET as bytes, with further header lines, each ended by CR LF.
pub fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
}

/// A fresh connection on which so much was said and nothing is read.
pub fn silent(address: SocketAddr, said: &[u8]) -> TcpStream {
    let mut stream = connect(address);
    // A server may have hung up on it already, which is its right.
    let _ = stream.write_all(said);
    stream
}

/// As [`silent`], and the kernel keeps little of what is not read, however much the machine would let it.
pub fn silent_and_small(address: SocketAddr, said: &[u8]) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(SMALL_BUFFER_BYTES).expect("its buffer may be small");
    socket.connect(&address.into()).expect("the server listens");
    let mut stream = TcpStream::from(socket);
    let _ = stream.write_all(said);
    stream
}

/// Everything the server says until it closes. What was read until an error is given too.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    said
}

/// Asks on a connection of its own and reads to the end.
pub fn ask(address: SocketAddr, target: &str) -> Vec<u8> {
    let mut stream = silent(address, &get(target, "Connection: close\r\n"));
    read_to_end(&mut stream)
}

/// The status of an answer; 0 when there is none.
pub fn status(answer: &[u8]) -> u16 {
    let digits = answer.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}
