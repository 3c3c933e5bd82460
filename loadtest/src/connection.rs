//! One kept connection with at most one request on it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::framing::{self, Answer};

/// How long a server may take to accept; a second lets a lost SYN be sent again.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(3);

/// How long a request may wait for room in the socket. Requests are small, so this is a server that reads nothing.
const SEND_WAIT_MAX: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Bytes of one read.
const READ_BYTES: usize = 256 * 1024;

/// A connection that never blocks on reading.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Memory for an answer that did not come in one read, empty while there is none.
    partial: Vec<u8>,
    /// Bytes of `partial` that have been received.
    filled: usize,
}

impl Connection {
    /// # Errors
    /// The server does not accept in time, or this process has no descriptor left.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_WAIT_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, partial: Vec::new(), filled: 0 })
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

    /// Reads once and hands a whole answer to `take`. `None` while it is incomplete.
    ///
    /// # Errors
    /// The connection ended, or what came is no answer, in words that can be counted. The connection is of no further use.
    pub fn receive<T>(
        &mut self,
        buffers: &mut Buffers,
        take: impl FnOnce(&Answer<'_>) -> T,
    ) -> Result<Option<T>, String> {
        if self.partial.is_empty() {
            let read = self.read(&mut buffers.once)?;
            let input = &buffers.once[..read];
            if read > 0
                && let Some(answer) = whole(input)?
            {
                return Ok(Some(take(&answer)));
            }
            if read > 0 {
                self.partial = buffers.spare.pop().unwrap_or_default();
                let bytes = framing::bytes_expected(input).map_err(|error| error.to_string())?;
                self.grow(bytes.unwrap_or(2 * read));
                self.partial[..read].copy_from_slice(&buffers.once[..read]);
                self.filled = read;
            }
            return Ok(None);
        }
        self.grow(self.filled + 1);
        let (filled, mut partial) = (self.filled, std::mem::take(&mut self.partial));
        let read = self.read(&mut partial[filled..]);
        self.partial = partial;
        self.filled += read?;
        let Some(answer) = whole(&self.partial[..self.filled])? else { return Ok(None) };
        let taken = take(&answer);
        buffers.spare.push(std::mem::take(&mut self.partial));
        Ok(Some(taken))
    }

    /// Makes room for so many bytes, and for as many again as there were.
    fn grow(&mut self, bytes: usize) {
        if self.partial.len() < bytes {
            self.partial.resize(bytes.max(2 * self.partial.len()), 0);
        }
    }
}

/// The answer that `input` is.
fn whole(input: &[u8]) -> Result<Option<Answer<'_>>, String> {
    let answer = Answer::read(input).map_err(|error| error.to_string())?;
    match answer {
        Some(answer) if answer.bytes < input.len() => Err("more bytes than the answer has".into()),
        answer => Ok(answer),
    }
}

/// Memory that the connections of one thread read into. What a large answer took is used for the next one: a fresh
/// piece of memory costs more than all the rest of reading.
pub struct Buffers {
    /// Where each first read of an answer goes; nearly all end there.
    pub once: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { once: vec![0; READ_BYTES], spare: Vec::new() }
    }
}
