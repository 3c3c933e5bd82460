//! A socket that the runtime watches, and that leaves the runtime before its descriptor is closed.
//!
//! The runtime's own wrapper closes first and deregisters by number afterwards. Between the two another
//! thread may be given the same number for a new connection, which is then deregistered instead and
//! never gets an event again: no request, and no end of its client.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use may::io::{CoIo, WaitIo, WaitIoWaker};
use socket2::Socket;

/// A socket in the runtime. Fields are dropped in their order, and the order is the point.
pub(crate) struct Registered {
    /// Its registration in the runtime; dropping it deregisters the descriptor.
    io: CoIo<Arc<Socket>>,
    /// The last reference to the socket; dropping it closes the descriptor.
    socket: Arc<Socket>,
}

impl Registered {
    /// Makes the socket non-blocking and has the runtime watch it.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn new(socket: Socket) -> io::Result<Registered> {
        let socket = Arc::new(socket);
        let io = CoIo::new(socket.clone()).map_err(io::Error::from)?;
        Ok(Registered { io, socket })
    }

    /// Waits for an event and takes the bits of all that there were since the last time. Call it from a
    /// coroutine.
    pub(crate) fn wait_io(&self) -> usize {
        self.io.wait_io()
    }

    /// What ends the present or next [`Registered::wait_io`].
    pub(crate) fn waker(&self) -> WaitIoWaker {
        self.io.waker()
    }
}

impl Deref for Registered {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::base::sys::runtime;

    /// Sockets that come while others go; the two threads use the same few descriptor numbers in turn.
    const SOCKETS: usize = 20_000;

    /// When a socket counts as forgotten; hearing of the byte takes microseconds.
    const SILENCE_MAX: Duration = Duration::from_secs(30);

    fn pair() -> (Registered, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Registered::new(OwnedFd::from(ours).into()).unwrap(), theirs)
    }

    #[test]
    fn the_descriptor_outlives_its_registration() {
        runtime::start(2);
        let (registered, _theirs) = pair();
        let Registered { io, socket, .. } = registered;
        let descriptor = socket.as_raw_fd();
        drop(io);
        let is_open = std::fs::exists(format!("/proc/self/fd/{descriptor}"));
        assert!(is_open.unwrap() && Arc::strong_count(&socket) == 1);
    }

    #[test]
    fn a_socket_that_takes_over_a_number_is_heard_of() {
        runtime::start(2);
        let (end, ended) = mpsc::sync_channel(64);
        let closing = std::thread::spawn(move || ended.into_iter().for_each(drop::<Registered>));
        for _ in 0..SOCKETS {
            let (ours, mut theirs) = pair();
            let (heard, hears) = mpsc::channel();
            runtime::spawn("test", move || {
                // Until the byte is there: a socket that is new has room to write, which is an event too.
                while ours.recv(&mut [std::mem::MaybeUninit::uninit()]).is_err() {
                    ours.wait_io();
                }
                let _ = heard.send(ours);
            })
            .unwrap();
            theirs.write_all(b"x").unwrap();
            end.send(hears.recv_timeout(SILENCE_MAX).expect("the socket hears of its byte")).unwrap();
        }
        drop(end);
        closing.join().unwrap();
    }
}
