//! Writing a response body piece by piece.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use crate::base::sys::park::Waker;
use crate::net::http::framing::Version;
use crate::net::http::pace::PaceLimit;
use crate::net::http::shared_body::{SharedBody, Unsent};
use crate::net::http::transport::Transport;
use crate::net::http::wait::{ConnectionEnd, Wake};

/// Bytes gathered before they are sent as one chunk.
const CHUNK_BYTES: usize = 16 * 1024;

/// The body of a streamed response. Bytes are gathered into chunks; [`Write::flush`] sends what is gathered
/// at once.
///
/// Writing waits for the client to read: hold no lock over it.
pub struct BodyWriter<'a> {
    transport: &'a mut Transport,
    gathered: Vec<u8>,
    is_chunked: bool,
}

impl<'a> BodyWriter<'a> {
    pub(crate) fn new(transport: &'a mut Transport, version: Version) -> BodyWriter<'a> {
        BodyWriter { transport, gathered: Vec::new(), is_chunked: version == Version::Http11 }
    }

    /// What wakes this connection, as `Exchange::waker`.
    pub fn waker(&self) -> Waker {
        self.transport.waker()
    }

    /// Sends what is gathered, then parks as `Exchange::park` does.
    pub fn park(&mut self, deadline: Instant) -> Wake {
        match self.flush() {
            Ok(()) => self.transport.park(deadline),
            Err(_) => Wake::ClientGone,
        }
    }

    /// Demands more of the client from now on: it holds a place that others wait for.
    pub fn hurry(&mut self, haste: PaceLimit) {
        self.transport.hurry(haste);
    }

    /// Sends what is gathered and then `body`, which others may send too, as a chunk of its own and without a copy.
    ///
    /// # Errors
    /// `TimedOut` when the client reads nothing for too long, `BrokenPipe` when it has gone.
    pub fn send_shared(&mut self, body: &Arc<SharedBody>) -> io::Result<()> {
        self.send_around(Unsent::Shared(body.plain(), body))
    }

    /// As [`BodyWriter::send_shared`], of bytes that are for this client alone.
    ///
    /// # Errors
    /// As [`BodyWriter::send_shared`].
    pub fn send_own(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send_around(Unsent::Own(bytes))
    }

    fn send_around(&mut self, unsent: Unsent<'_>) -> io::Result<()> {
        let bytes = unsent.bytes();
        if bytes.is_empty() {
            return self.flush();
        }
        self.gather_chunk();
        let tail: &[u8] = if self.is_chunked {
            // Writing to a vector cannot fail.
            let _ = write!(self.transport.output(), "{:x}\r\n", bytes.len());
            b"\r\n"
        } else {
            b""
        };
        self.transport.flush_around(unsent, tail).map_err(io_error)
    }

    /// Sends the rest and the end.
    pub(crate) fn finish(mut self) -> Result<(), ConnectionEnd> {
        self.send()?;
        if self.is_chunked {
            self.transport.output().extend_from_slice(b"0\r\n\r\n");
        }
        self.transport.flush()
    }

    /// Puts what is gathered, as a chunk, behind what is unsent.
    fn gather_chunk(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let output = self.transport.output();
        if self.is_chunked {
            // Writing to a vector cannot fail.
            let _ = write!(output, "{:x}\r\n", self.gathered.len());
            self.gathered.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(&self.gathered);
        self.gathered.clear();
    }

    fn send(&mut self) -> Result<(), ConnectionEnd> {
        if self.gathered.is_empty() {
            return self.transport.flush();
        }
        if self.is_chunked {
            // Writing to a vector cannot fail.
            let _ = write!(self.transport.output(), "{:x}\r\n", self.gathered.len());
            self.gathered.extend_from_slice(b"\r\n");
        }
        let sent = self.transport.flush_with(Unsent::Own(&self.gathered));
        self.gathered.clear();
        sent
    }
}

impl Write for BodyWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send().map_err(io_error)
    }
}

fn io_error(stop: ConnectionEnd) -> io::Error {
    match stop {
        ConnectionEnd::Timeout => io::ErrorKind::TimedOut.into(),
        _ => io::ErrorKind::BrokenPipe.into(),
    }
}
