//! An open connection to a target, plain or encrypted, which may outlive the run that opened it.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustls::{ClientConnection, StreamOwned};

use crate::probe::target::TargetRules;
use crate::sys::dial::Dialed;

/// Bytes that an idle encrypted connection may have received meanwhile and still be used again: session tickets and new
/// keys come unasked, an answer or an alert does not.
const UNASKED_BYTES_MAX: usize = 64 * 1024;

/// A connection as bytes go over it.
pub enum Channel {
    /// As it is.
    Plain(Dialed),
    /// Through TLS.
    Tls(Box<StreamOwned<ClientConnection, Dialed>>),
}

/// A connection that a run left open, for the next run of the same probe. Idle it is for its owner to hold and, by its
/// descriptor, to watch for its end. Dropping it closes it.
///
/// Memory: about half a kilobyte; with TLS the session and its buffers; and what the kernel holds for a socket.
#[derive(Debug)]
pub struct Kept(pub(in crate::probe) Channel);

impl Kept {
    /// Takes the connection up again, if it is as the last run left it and its target may still be probed. It is not
    /// when the target has ended it, or has said something that nobody asked for.
    pub(in crate::probe) fn resume(self, rules: &TargetRules, deadline: Instant) -> Option<Channel> {
        let Kept(mut channel) = self;
        let dialed = channel.dialed_mut();
        dialed.resume(deadline);
        let permitted = dialed.peer_address().is_ok_and(|address| rules.check_connection(address).is_ok());
        (permitted && channel.is_unchanged()).then_some(channel)
    }
}

impl AsFd for Kept {
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

    /// Waits until `moment`: whether the target leaves the connection open for so long, whatever it says.
    pub fn is_open_until(&mut self, moment: Instant) -> bool {
        self.dialed_mut().resume(moment);
        let mut said = [0; 512];
        loop {
            match self.read(&mut said) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::TimedOut,
            }
        }
    }

    /// Whether the target has neither ended the connection nor said anything that nobody asked for.
    fn is_unchanged(&mut self) -> bool {
        let Channel::Tls(stream) = self else { return self.dialed().is_quiet() };
        let StreamOwned { conn: session, sock: dialed } = &mut **stream;
        let mut unasked_bytes = 0;
        // Reading waits for nothing here: there is something to read, or the connection has ended.
        while !dialed.is_quiet() {
            let amount = session.read_tls(dialed).unwrap_or(0);
            let state = session.process_new_packets();
            let is_clean =
                state.is_ok_and(|state| state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed());
            unasked_bytes += amount;
            if amount == 0 || !is_clean || unasked_bytes > UNASKED_BYTES_MAX {
                return false;
            }
        }
        true
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
