//! The bytes of one connection in both directions, with everything that can end it: deadlines, the peer, the
//! drain.
//!
//! It knows when to wait, and gives its buffers back before it does. What the bytes mean is left to
//! `connection.rs`.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::http::exchange::Wake;
use crate::http::input::Input;
use crate::http::server::Shared;
use crate::http::spare;
use crate::http::stats::count;
use crate::sys::clock::Deadline;
use crate::sys::park::Waker;
use crate::sys::runtime;
use crate::sys::stream::Stream;

/// Unsent bytes at which responses are sent even though more requests wait in the input. A client that sends
/// requests and does not read makes us hold this much and one response, then we stop reading.
const FLUSH_BYTES: usize = 64 * 1024;

/// Requests served to one client without a wait before others get a turn. Smaller, and pipelining would not
/// pay; without it, one client that always has bytes under way would keep a worker, and every socket of it,
/// to itself.
const TURNS_MAX: u32 = 1024;

/// Why a connection ends without a word, other than by a finished response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The peer has finished or the connection broke.
    Gone,
    /// A deadline passed.
    Timeout,
    /// The server drains, and this connection is between requests.
    Draining,
}

/// What a wait for more input is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaiting {
    /// The next request: nothing is lost if the connection closes.
    NextRequest,
    /// The rest of a request.
    Rest,
}

/// A socket with its two buffers.
pub(crate) struct Transport {
    stream: Stream,
    pub(crate) input: Input,
    /// Responses not yet sent. Without memory while there are none.
    output: Vec<u8>,
    shared: Arc<Shared>,
    /// Requests begun since the last wait.
    turns: u32,
}

impl Transport {
    pub(crate) fn new(stream: Stream, shared: Arc<Shared>) -> Transport {
        Transport { stream, input: Input::default(), output: Vec::new(), shared, turns: 0 }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Counts a request, and lets others run when this connection has had many without a wait between them.
    pub(crate) fn take_turns(&mut self) {
        self.turns += 1;
        if self.turns >= TURNS_MAX {
            self.turns = 0;
            runtime::pause();
        }
    }

    /// Waits for input and adds it to `input`. Whatever is unsent is sent first.
    pub(crate) fn fill(&mut self, awaiting: Awaiting, deadline: Deadline) -> Result<(), Stop> {
        self.flush()?;
        let mut has_looked_again = false;
        loop {
            if self.stream.may_read() {
                match self.stream.read(self.input.room()) {
                    Ok(Some(0)) | Err(_) => return Err(Stop::Gone),
                    Ok(Some(length)) => {
                        self.input.advance(length);
                        self.shared.stats.bytes_in.fetch_add(length as u64, Ordering::Relaxed);
                        return Ok(());
                    }
                    Ok(None) => {}
                }
            }
            if self.shared.is_aborting() {
                return Err(Stop::Gone);
            }
            if awaiting == Awaiting::NextRequest && self.shared.is_draining() {
                if has_looked_again {
                    return Err(Stop::Draining);
                }
                // A request may be there of which no event has told yet: it is answered still.
                has_looked_again = true;
                self.stream.look_again();
                continue;
            }
            if deadline.is_past() {
                count(&self.shared.stats.timeouts);
                return Err(Stop::Timeout);
            }
            self.input.release_if_empty();
            self.turns = 0;
            self.stream.wait(deadline);
        }
    }

    /// The buffer of unsent bytes, to be appended to.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        if self.output.capacity() == 0 {
            self.output = spare::take_output();
        }
        &mut self.output
    }

    /// Sends what is unsent if it has become much.
    pub(crate) fn flush_if_large(&mut self) -> Result<(), Stop> {
        if self.output.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Sends what is unsent.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        if self.output.is_empty() { Ok(()) } else { self.flush_with(&[]) }
    }

    /// Sends what is unsent and then `body`, in one call to the kernel if it takes them.
    pub(crate) fn flush_with(&mut self, body: &[u8]) -> Result<(), Stop> {
        self.flush_around(body, &[])
    }

    /// Sends what is unsent, then `body`, then `tail`, in one call to the kernel if it takes them.
    pub(crate) fn flush_around(&mut self, body: &[u8], tail: &[u8]) -> Result<(), Stop> {
        let head = std::mem::take(&mut self.output);
        let sent = self.write_all(&head, body, tail);
        spare::give_output(head);
        sent
    }

    fn write_all(&mut self, head: &[u8], body: &[u8], tail: &[u8]) -> Result<(), Stop> {
        let (total, mut sent, mut deadline) = (head.len() + body.len() + tail.len(), 0, None);
        while sent < total {
            let mut done = sent;
            let slices = [head, body, tail].map(|slice| {
                let rest = &slice[done.min(slice.len())..];
                done = done.saturating_sub(slice.len());
                IoSlice::new(rest)
            });
            let slices = if slices[0].is_empty() { &slices[1..] } else { &slices[..] };
            let slices = if tail.is_empty() { &slices[..slices.len() - 1] } else { slices };
            match self.stream.write_vectored(slices) {
                Ok(Some(length)) => {
                    sent += length;
                    deadline = None;
                    self.shared.stats.bytes_out.fetch_add(length as u64, Ordering::Relaxed);
                }
                Ok(None) => self.wait_for_room(&mut deadline)?,
                Err(_) => return Err(Stop::Gone),
            }
        }
        Ok(())
    }

    /// Waits for the peer to read. The deadline starts with the first wait after progress.
    fn wait_for_room(&mut self, deadline: &mut Option<Deadline>) -> Result<(), Stop> {
        if self.shared.is_aborting() {
            return Err(Stop::Gone);
        }
        let deadline = *deadline.get_or_insert_with(|| Deadline::after(self.shared.config.write_timeout));
        if deadline.is_past() {
            count(&self.shared.stats.timeouts);
            return Err(Stop::Timeout);
        }
        self.stream.wait(deadline);
        Ok(())
    }

    /// Waits for a ring, a deadline, the peer's leaving or the drain. See `Exchange::park`.
    pub(crate) fn park(&mut self, deadline: Instant) -> Wake {
        if self.flush().is_err() {
            return self.client_gone();
        }
        let deadline = Deadline::at(deadline);
        loop {
            if self.stream.has_hung_up() {
                return self.client_gone();
            }
            if self.stream.take_ring() {
                return Wake::Signal;
            }
            if self.shared.is_draining() {
                return Wake::Draining;
            }
            if deadline.is_past() {
                return Wake::Deadline;
            }
            self.input.release_if_empty();
            self.stream.wait(deadline);
        }
    }

    fn client_gone(&self) -> Wake {
        count(&self.shared.stats.clients_gone);
        Wake::ClientGone
    }

    pub(crate) fn waker(&self) -> Waker {
        self.stream.waker()
    }

    /// Ends the connection after a refusal: says so to the peer, then reads and drops what it still sends,
    /// for a while.
    ///
    /// Closing with unread bytes resets the connection, and a reset can overtake the response the peer is to
    /// read.
    pub(crate) fn linger(&mut self) {
        /// Bytes dropped at most; who sends more after our end of file deserves the reset.
        const DROPPED_BYTES_MAX: usize = 256 * 1024;
        self.stream.finish();
        let deadline = Deadline::after(self.shared.config.linger_timeout);
        let mut dropped = 0;
        while dropped < DROPPED_BYTES_MAX && !deadline.is_past() && !self.shared.is_draining() {
            self.input.consume(usize::MAX);
            match self.stream.read(self.input.room()) {
                Ok(Some(0)) | Err(_) => return,
                Ok(Some(length)) => dropped += length,
                Ok(None) => self.stream.wait(deadline),
            }
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.input.consume(usize::MAX);
        self.input.release_if_empty();
        spare::give_output(std::mem::take(&mut self.output));
    }
}
