//! An open connection to a target, plain or encrypted, which may outlive the run that opened it.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::{ClientConnection, StreamOwned};

use crate::base::sys::dial::Dialed;
use crate::base::sys::recall::RecallableDeadline;

/// A connection as bytes go over it.
pub enum Channel {
    /// As it is.
    Plain(Dialed),
    /// Through TLS.
    Tls(Box<StreamOwned<ClientConnection, Dialed>>),
}

/// A connection that a run left open. It is for its owner to hold and, by its descriptor, to watch for its end; nothing
/// is sent over it any more. Dropping it closes it.
///
/// Memory: about half a kilobyte; with TLS the session and its buffers; and what the kernel holds for a socket.
#[derive(Debug)]
pub struct IdleConnection(pub(in crate::node::probe) Channel);

impl AsFd for IdleConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.dialed().as_fd()
    }
}

impl Channel {
    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Channel::Tls(_))
    }

    /// The connection below.
    pub fn dialed(&self) -> &Dialed {
        match self {
            Channel::Plain(dialed) => dialed,
            Channel::Tls(stream) => &stream.sock,
        }
    }

    fn dialed_mut(&mut self) -> &mut Dialed {
        match self {
            Channel::Plain(dialed) => dialed,
            Channel::Tls(stream) => &mut stream.sock,
        }
    }

    /// Waits as long as `until` lasts: whether the target leaves the connection open for so long, whatever it sends.
    pub fn is_open_for(&mut self, until: &RecallableDeadline) -> bool {
        self.dialed_mut().resume(until);
        let mut received = [0; 512];
        loop {
            match self.read(&mut received) {
                Ok(0) => return false,
                Ok(_) => {}
                // A target that sends more than is read is there.
                Err(error) => return matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::FileTooLarge),
            }
        }
    }
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Channel::Plain(dialed) => dialed.read(buffer),
            Channel::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Channel::Plain(dialed) => dialed.write(bytes),
            Channel::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Channel::Plain(dialed) => dialed.flush(),
            Channel::Tls(stream) => stream.flush(),
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_tls() { "Tls" } else { "Plain" })
    }
}
