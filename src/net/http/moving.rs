//! Connections on their way to another process: what goes, where it waits to be sent, and what must be done before.
//!
//! It knows no process and no message: `server` sends what comes out of here.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::sys::runtime;

/// The longest wait for a connection before it is looked whether all have gone.
pub(crate) const DEPARTURE_WAIT: Duration = Duration::from_millis(5);

/// A connection that another process goes on with.
#[derive(Debug)]
pub struct Departure {
    /// The connection.
    pub socket: OwnedFd,
    /// What its client has sent and no process has answered: nothing, a part of a request, or requests.
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

    /// Gives a connection away. It is closed when no process takes it.
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
    pub(crate) fn wait_until_none_writes(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while self.writes.load(Ordering::Acquire) > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            runtime::pause();
        }
        true
    }
}
