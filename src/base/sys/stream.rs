//! A connected socket as a coroutine uses it: read, write, wait.
//!
//! Reads and writes never wait by themselves; waiting is one call, [`Stream::wait`], that returns for data,
//! for room, for a wake by the [`Waker`], for the deadline and for the peer's end of file alike, and
//! sometimes for nothing.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use socket2::Socket;

use crate::base::sys::clock::Deadline;
use crate::base::sys::deadline_timer;
use crate::base::sys::park::{WakeState, Waker};
use crate::base::sys::registered::Registered;

/// Bits of epoll as the runtime reports them.
const EPOLL_IN: usize = 0x1;
const EPOLL_ERR: usize = 0x8;
const EPOLL_HUP: usize = 0x10;
const EPOLL_RDHUP: usize = 0x2000;
const HANG_UP: usize = EPOLL_ERR | EPOLL_HUP | EPOLL_RDHUP;

/// One end of a TCP or Unix connection, owned by the coroutine that serves it.
///
/// Dropping it ends what we send at once (the peer sees end of file) and closes the descriptor one to two
/// ticks later.
pub struct Stream {
    socket: Arc<Registered>,
    wake_state: Arc<WakeState>,
    /// Whether a read may find something. Edges are reported once, so this is cleared only by a read that
    /// came back short or empty-handed, and never after the peer hung up: then reads go on until the end of
    /// file.
    readable: bool,
    /// The peer has shut down its sending side, or the connection broke.
    hung_up: bool,
    /// Another process goes on with the connection, so its end here says nothing to the peer.
    is_released: bool,
}

impl Stream {
    /// Takes a connected socket into the runtime.
    ///
    /// # Errors
    /// The operating system's, from registering it.
    pub fn new(socket: Socket) -> io::Result<Stream> {
        let socket = Arc::new(Registered::new(socket)?);
        let wake_state = Arc::new(WakeState::new(socket.waker()));
        deadline_timer::watch(wake_state.clone());
        Ok(Stream { socket, wake_state, readable: true, hung_up: false, is_released: false })
    }

    /// Whether a connection that was begun has come about. `false`: not yet, wait first.
    ///
    /// # Errors
    /// The operating system's, when it has failed.
    pub(crate) fn has_connected(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The address of this end; none of a Unix socket.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// Whether a read may find something without a wait before it.
    pub fn may_read(&self) -> bool {
        self.readable
    }

    /// Reads what is there. `None`: nothing now, wait first. `Some(0)`: the peer has finished sending.
    ///
    /// # Errors
    /// The operating system's; the connection is broken.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.readable {
            return Ok(None);
        }
        loop {
            match (&**self.socket).read(into) {
                Ok(0) => {
                    self.hung_up = true;
                    return Ok(Some(0));
                }
                Ok(length) => {
                    self.readable = length == into.len() || self.hung_up;
                    return Ok(Some(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(None);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes what fits. `None`: no room now, wait first.
    ///
    /// # Errors
    /// The operating system's; the connection is broken.
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        loop {
            match (&**self.socket).write_vectored(slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => return Ok(Some(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until something may have changed, at the latest shortly after `deadline`. The caller looks what
    /// it was.
    pub fn wait(&mut self, deadline: Deadline) {
        deadline_timer::arm(&self.wake_state, deadline);
        let bits = self.socket.wait_io();
        self.wake_state.set_deadline(Deadline::NEVER);
        self.readable |= bits & (EPOLL_IN | HANG_UP) != 0;
        self.hung_up |= bits & HANG_UP != 0;
    }

    /// Whether the peer has shut down its sending side or the connection broke, as far as seen by a wait or a
    /// read.
    pub fn has_hung_up(&self) -> bool {
        self.hung_up
    }

    /// What wakes this connection's present or next wait.
    pub fn waker(&self) -> Waker {
        Waker::new(self.wake_state.clone())
    }

    /// Has the next read look, whatever is known: something may have come between two waits.
    pub(crate) fn look_again(&mut self) {
        self.readable = true;
    }

    /// Gives the connection away: what is returned is a descriptor of it, and dropping this stream no longer ends what
    /// is sent.
    ///
    /// # Errors
    /// The operating system's, for want of a descriptor; the connection is then this stream's as before.
    pub(crate) fn release(&mut self) -> io::Result<OwnedFd> {
        let given = self.socket.as_fd().try_clone_to_owned()?;
        self.is_released = true;
        Ok(given)
    }

    /// Takes a wake, if there was one since the last time.
    pub fn take_wake(&self) -> bool {
        self.wake_state.take_wake()
    }

    /// Ends what we send; the peer reads end of file, and may go on sending.
    pub fn finish(&self) {
        // The peer may be gone already, which is as good.
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.is_released {
            self.finish();
        }
        self.wake_state.close();
        deadline_timer::close_later(self.socket.clone());
    }
}
