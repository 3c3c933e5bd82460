//! One datagram to somewhere, and what comes back.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::base::sys::clock::Deadline;
use crate::base::sys::recall::RecallableDeadline;
use crate::base::sys::stream::Stream;

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramOutcome {
    /// A datagram from there.
    Reply,
    /// Nothing until the time was over.
    Silence,
}

/// Sends `payload`, which may be empty, to `address` and waits for a datagram from there as long as `until` lasts,
/// whose end is noticed up to a tick of the coarse clock late. Waits as a coroutine does.
///
/// # Errors
/// The operating system's; `ConnectionRefused` when the host there said that nobody listens.
pub fn exchange(
    address: SocketAddr,
    payload: &[u8],
    until: &RecallableDeadline,
) -> io::Result<DatagramOutcome> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    // A connected socket gets refusals, and nothing that others send.
    socket.connect(&address.into())?;
    socket.send(payload)?;
    let mut stream = Stream::new(socket)?;
    let (deadline, waker) = (Deadline::at(until.deadline), stream.waker());
    until.recall.on_ask(move || waker.wake());
    loop {
        match stream.read(&mut [0; 1])? {
            Some(_) => return Ok(DatagramOutcome::Reply),
            None if deadline.is_past() || until.recall.is_asked() => return Ok(DatagramOutcome::Silence),
            None => stream.wait(deadline),
        }
    }
}
