//! What is made in a lane: who waits for it, and what comes of it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;

use crate::base::stdx::meter::Meter;
use crate::net::http::{Body, BodyWriter, Exchange, HeaderBlock, Response, SharedBody, Wake, Waker};
use crate::surface::answers::body_history::Rendering;
use crate::surface::context::error::ApiError;

/// Who takes turns: an address, of IPv6 its network; `None` for all who come by Unix sockets.
pub(super) type LaneClient = Option<IpAddr>;

/// One making under way.
pub(super) struct Making {
    /// Connections that wait for it.
    pub(super) readers: AtomicUsize,
    /// What wakes them. Locked to add one, and to wake all.
    pub(super) wakers: Mutex<Vec<Waker>>,
    /// Clients in whose turn it would be made; the first turn that comes makes it.
    pub(super) clients: Mutex<Vec<LaneClient>>,
    /// Turns of theirs that have not come.
    pub(super) turns: AtomicUsize,
    pub(super) has_begun: AtomicBool,
    pub(super) made: OnceLock<Made>,
}

/// How a lane makes something.
pub(super) type Make = Box<dyn FnOnce(&Meter<'_>) -> Made + Send>;

/// What came of it.
#[derive(Clone)]
pub(super) enum Made {
    Answer(Box<Answer>),
    /// Events of a stream; `None` where they could not be made.
    Events(Option<Rendering>),
    Refused(ApiError),
}

/// An answer that many can send.
#[derive(Clone)]
pub(super) struct Answer {
    status: u16,
    headers: HeaderBlock,
    body: Option<Arc<SharedBody>>,
}

/// Why a client that has waited for a lane has nothing.
#[derive(Debug)]
pub enum Unmade {
    /// It has left.
    Gone,
    /// What it is told.
    Refused(ApiError),
}

/// A connection that can wait.
pub trait Waiting {
    /// What wakes it.
    fn waker(&self) -> Waker;

    /// As [`Exchange::park`].
    fn park(&mut self, deadline: Instant) -> Wake;
}

impl Waiting for Exchange<'_> {
    fn waker(&self) -> Waker {
        Exchange::waker(self)
    }

    fn park(&mut self, deadline: Instant) -> Wake {
        Exchange::park(self, deadline)
    }
}

impl Waiting for BodyWriter<'_> {
    fn waker(&self) -> Waker {
        BodyWriter::waker(self)
    }

    fn park(&mut self, deadline: Instant) -> Wake {
        BodyWriter::park(self, deadline)
    }
}

/// A place among the readers of an answer, until dropped.
pub(super) struct Reader(pub(super) Arc<Making>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Default for Making {
    fn default() -> Making {
        Making {
            readers: AtomicUsize::new(0),
            wakers: Mutex::default(),
            clients: Mutex::default(),
            turns: AtomicUsize::new(0),
            has_begun: AtomicBool::new(false),
            made: OnceLock::new(),
        }
    }
}

impl Making {
    /// Takes what was made, if it has nothing, and tells whoever waits.
    pub(super) fn settle(&self, made: impl FnOnce() -> Made) {
        self.made.get_or_init(made);
        self.wakers.lock().drain(..).for_each(|waker| waker.wake());
    }
}

impl Made {
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Made::Answer(answer) => answer.status >= 500,
            Made::Events(events) => events.is_none(),
            Made::Refused(_) => true,
        }
    }
}

impl Answer {
    pub(super) fn of(response: Response) -> Answer {
        let body = match response.body {
            Body::Empty | Body::Stream(_) => None,
            Body::Shared(shared) => Some(shared),
            Body::Static(bytes) => Some(SharedBody::new(bytes)),
            Body::Owned(bytes) => Some(SharedBody::new(bytes)),
        };
        Answer { status: response.status, headers: response.headers, body }
    }

    pub(super) fn response(&self) -> Response {
        let body = self.body.as_ref().map_or(Body::Empty, |body| Body::Shared(body.clone()));
        Response { status: self.status, headers: self.headers.clone(), body }
    }
}
