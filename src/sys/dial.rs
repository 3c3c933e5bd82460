//! Outgoing connections that keep a deadline over everything done with them.
//!
//! Waits as a coroutine waits, so no worker is blocked by a peer that says nothing. Names are not looked up here: that
//! would block; addresses come from above.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use crate::sys::clock::Deadline;
use crate::sys::stream::Stream;

/// Linux's `EINPROGRESS`: what `connect` says on a socket that does not block, when it has only begun.
const IN_PROGRESS: i32 = 115;

/// A TCP connection that was opened from here. Every read and write ends by the deadline, however the peer drips.
///
/// The deadline is noticed up to a tick of the coarse clock late. It is the reaper's: the runtime's own socket timeouts
/// resume a coroutine on a worker that is about to wait for events, and whatever it then leaves in that worker's queue,
/// itself after a yield included, stays there until the next event (seen to take 5 s, the timeout of another socket).
pub struct Dialed {
    stream: Stream,
    deadline: Deadline,
}

impl Dialed {
    /// Connects to `address` by `connected_by`; from then on everything ends by `deadline`.
    ///
    /// # Errors
    /// The operating system's, and `TimedOut`.
    pub fn connect(address: SocketAddr, connected_by: Instant, deadline: Instant) -> io::Result<Dialed> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => return Err(error),
            _ => {}
        }
        let mut dialed = Dialed { stream: Stream::new(socket)?, deadline: Deadline::at(connected_by) };
        while !dialed.stream.has_connected()? {
            dialed.check_deadline()?;
            dialed.stream.wait(dialed.deadline);
        }
        dialed.deadline = Deadline::at(deadline);
        Ok(dialed)
    }

    /// Has everything from now on end by `deadline`. For a connection that has rested since its last use, so the next
    /// read looks for what came meanwhile.
    pub fn resume(&mut self, deadline: Instant) {
        self.deadline = Deadline::at(deadline);
        self.stream.look_again();
    }

    /// Whether the peer has neither sent anything that is not read yet nor ended the connection.
    pub fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    /// The other end.
    ///
    /// # Errors
    /// The operating system's, when the connection is broken.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.stream.peer_address()
    }

    /// Gives up once the deadline is past, also with a peer that always has another byte.
    fn check_deadline(&self) -> io::Result<()> {
        if self.deadline.is_past() { Err(ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl Read for Dialed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.check_deadline()?;
            match self.stream.read(buffer)? {
                Some(length) => return Ok(length),
                None => self.stream.wait(self.deadline),
            }
        }
    }
}

impl Write for Dialed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.check_deadline()?;
            match self.stream.write_vectored(&[IoSlice::new(bytes)])? {
                Some(length) => return Ok(length),
                None => self.stream.wait(self.deadline),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Dialed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl fmt::Debug for Dialed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Dialed").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
