//! Connections on their way to another process: what goes, where it waits to be sent, and what must be done before.
//!
//! It knows no process and no message: `server` sends what comes out of here.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::http::exchange::Handler;
use crate::http::method::Method;
use crate::http::request::Request;
use crate::http::transport::{ConnectionEnd, Transport};
use crate::sys::runtime;

/// The longest wait for a connection before it is looked whether all have gone.
pub(crate) const DEPARTURE_WAIT: Duration = Duration::from_millis(5);

/// A connection that another process goes on with.
#[derive(Debug)]
pub struct Departure {
    /// The connection.
    pub socket: OwnedFd,
    /// What its client has sent and nobody has answered: nothing, a part of a request, or requests.
    pub unanswered: Vec<u8>,
}

/// What a server counts and keeps for the move.
#[derive(Default)]
pub(crate) struct Moving {
    /// Requests under way that may change something.
    writes: AtomicUsize,
    /// Where connections go. Locked to take a copy; nothing waits under it.
    departures: Mutex<Option<Sender<Departure>>>,
}

impl Moving {
    /// Connections can go from now on, and come out of what is returned.
    pub(crate) fn begin(&self) -> Receiver<Departure> {
        let (sender, receiver) = channel();
        *self.departures.lock() = Some(sender);
        receiver
    }

    /// Gives a connection away. It is closed when nobody takes it.
    pub(crate) fn depart(&self, departure: Departure) {
        if let Some(departures) = &*self.departures.lock() {
            // Nobody receives any more once time is up.
            let _ = departures.send(departure);
        }
    }

    /// A request that may change something begins.
    pub(crate) fn begin_write(&self) {
        self.writes.fetch_add(1, Ordering::AcqRel);
    }

    /// It has changed what it would.
    pub(crate) fn end_write(&self) {
        self.writes.fetch_sub(1, Ordering::AcqRel);
    }

    /// Waits until no request that may change something is under way; tells whether that came about in time. Blocks
    /// this thread.
    pub(crate) fn wait_until_none_writes(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.writes.load(Ordering::Acquire) > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            runtime::pause();
        }
        true
    }
}

impl Transport {
    /// Has the input begin with bytes that its client has sent to another process.
    pub(crate) fn begin_with(&mut self, mut unanswered: &[u8]) {
        while !unanswered.is_empty() {
            let room = self.input.room();
            let length = room.len().min(unanswered.len());
            room[..length].copy_from_slice(&unanswered[..length]);
            self.input.advance(length);
            unanswered = &unanswered[length..];
        }
    }

    /// Begins to change something for a request whose body its handler has read; waits while nothing may be changed.
    /// False when that is another process's from now on, or the server has ended.
    pub(crate) fn begin_late_write(&mut self) -> bool {
        while !self.shared().is_moving() && !self.shared().is_aborting() {
            if self.begin_write() {
                return true;
            }
            self.wait_for_phase();
        }
        false
    }

    /// Whether another process is to answer the request. Waits while that is open and the request needs the store.
    pub(crate) fn must_move(
        &mut self,
        request: &Request,
        handler: &dyn Handler,
    ) -> Result<bool, ConnectionEnd> {
        let is_read = matches!(request.method(), Method::Get | Method::Head | Method::Options);
        if is_read && !self.shared().is_holding() {
            return Ok(false);
        }
        self.pass_the_hold(request, handler, is_read)
    }

    /// What [`Transport::must_move`] does with the few that are no plain read.
    #[inline(never)]
    fn pass_the_hold(
        &mut self,
        request: &Request,
        handler: &dyn Handler,
        is_read: bool,
    ) -> Result<bool, ConnectionEnd> {
        let needs_store = !is_read || handler.needs_store(request.path());
        loop {
            let shared = self.shared();
            if shared.is_aborting() {
                return Err(ConnectionEnd::Gone);
            }
            if shared.is_moving() {
                return Ok(true);
            }
            let may_go_on = match is_read {
                true => !needs_store || !shared.is_holding(),
                false => self.begin_write(),
            };
            if may_go_on {
                return Ok(false);
            }
            self.wait_for_phase();
        }
    }
}
