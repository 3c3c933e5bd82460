//! One kept connection with at most one request on it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::framing::Answer;

/// How long a server may take to accept; a second lets a lost SYN be sent again.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(3);

/// How long a request may wait for room in the socket. Requests are small, so this is a server that reads nothing.
const SEND_WAIT_MAX: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Memory kept between two answers; what a large answer took beyond it is given back.
const RECEIVED_KEPT_BYTES: usize = 16 * 1024;

/// A connection that never blocks on reading.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// The beginning of an answer that did not come in one read.
    received: Vec<u8>,
}

impl Connection {
    /// # Errors
    /// The server does not accept in time, or this process has no descriptor left.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_WAIT_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// The socket, to be waited for.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends a whole request.
    ///
    /// # Errors
    /// The connection is gone, or the server does not read.
    pub fn send(&mut self, mut request: &[u8]) -> io::Result<()> {
        while !request.is_empty() {
            match self.stream.write(request) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => request = &request[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut room = [PollFd::new(&self.stream, PollFlags::OUT)];
                    if poll(&mut room, Some(&SEND_WAIT_MAX))? == 0 {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once; 0 bytes when there is nothing to read now.
    ///
    /// # Errors
    /// The connection ended, in words that can be counted.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        match self.stream.read(buffer) {
            Ok(0) => Err("the connection ended before the answer".into()),
            Ok(read) => Ok(read),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(error) => Err(format!("the connection broke: {}", error.kind())),
        }
    }

    /// Reads once, through `buffer`, and hands a whole answer to `take`. `None` while it is incomplete.
    ///
    /// # Errors
    /// The connection ended, or what came is no answer, in words that can be counted. The connection is of no further use.
    pub fn receive<T>(
        &mut self,
        buffer: &mut [u8],
        take: impl FnOnce(&Answer<'_>) -> T,
    ) -> Result<Option<T>, String> {
        let read = self.read(buffer)?;
        if read == 0 {
            return Ok(None);
        }
        if !self.received.is_empty() {
            self.received.extend_from_slice(&buffer[..read]);
        }
        let input = if self.received.is_empty() { &buffer[..read] } else { &self.received[..] };
        let Some(answer) = Answer::read(input).map_err(|error| error.to_string())? else {
            if self.received.is_empty() {
                self.received.extend_from_slice(&buffer[..read]);
            }
            return Ok(None);
        };
        if answer.bytes < input.len() {
            return Err("more bytes than the answer has".into());
        }
        let taken = take(&answer);
        self.received.clear();
        self.received.shrink_to(RECEIVED_KEPT_BYTES);
        Ok(Some(taken))
    }
}
