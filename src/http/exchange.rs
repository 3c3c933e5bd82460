//! The border to whoever answers requests: a handler, and the exchange it is given.

use std::time::Instant;

use crate::http::body_reader::{BodyError, UnreadBody};
use crate::http::method::Method;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::transport::Transport;
use crate::sys::park::Waker;

/// Answers requests. Called from many coroutines at once.
///
/// It must not block its thread, and must hold no lock while it parks. A panic is answered with 500 and
/// closes that connection alone.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request into `response`, which is an empty 200 until then.
    ///
    /// It is the largest value on the way from a connection to whoever answers, and a request that waits keeps the
    /// stack of that way: so it has one place, at its upper end.
    fn handle(&self, exchange: &mut Exchange<'_>, response: &mut Response);

    /// How many bytes the body of a request may have, where that is not `ServerConfig::body_bytes_max`.
    ///
    /// Asked before the body is read, with the method and the decoded path.
    fn body_bytes_max(&self, _method: Method, _path: &str) -> Option<usize> {
        None
    }

    /// Whether the handler reads the body itself, with [`Exchange::read_body`], rather than have it in memory.
    ///
    /// Asked before the body is read, with the method and the decoded path. What the handler leaves unread ends the
    /// connection.
    fn reads_body(&self, _method: Method, _path: &str) -> bool {
        false
    }
}

impl<F: Fn(&mut Exchange<'_>) -> Response + Send + Sync + 'static> Handler for F {
    fn handle(&self, exchange: &mut Exchange<'_>, response: &mut Response) {
        *response = self(exchange);
    }
}

/// Why a parked request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Its waker was used since the last park, by whomever; look at the condition again.
    Signal,
    /// The deadline has passed.
    Deadline,
    /// The client has closed its side. Whatever the handler returns is not sent.
    ClientGone,
    /// The server shuts down; answer with what there is. Every later park returns this at once.
    Draining,
}

/// One request and the connection it came on.
pub struct Exchange<'a> {
    request: &'a Request,
    /// `None` when nobody is there to be answered.
    transport: Option<&'a mut Transport>,
    /// The body, where the handler reads it.
    unread: Option<UnreadBody>,
    client_gone: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(
        request: &'a Request,
        transport: &'a mut Transport,
        unread: Option<UnreadBody>,
    ) -> Exchange<'a> {
        Exchange { request, transport: Some(transport), unread, client_gone: false }
    }

    /// A request without a client: what becomes of it is wanted for its own sake. It cannot wait.
    pub fn detached(request: &'a Request) -> Exchange<'a> {
        Exchange { request, transport: None, unread: None, client_gone: false }
    }

    /// Whether there is no client.
    pub fn is_detached(&self) -> bool {
        self.transport.is_none()
    }

    /// The request. It does not borrow the exchange, so it can be held over a park.
    pub fn request(&self) -> &'a Request {
        self.request
    }

    /// What wakes this connection. Register it where the awaited change will look, before checking the
    /// condition, and remove it when done.
    pub fn waker(&self) -> Waker {
        self.transport.as_ref().map_or_else(Waker::without_socket, |transport| transport.waker())
    }

    /// Parks until the waker is used, `deadline` passes, the client leaves or the server drains.
    ///
    /// A use of the waker at any time since the last park counts, so none is lost between a check and the
    /// park:
    ///
    /// ```ignore
    /// let _registered = watchers.register(topic, exchange.waker());
    /// while !changed() && exchange.park(deadline) == Wake::Signal {}
    /// ```
    ///
    /// Requests the client sends meanwhile stay where they are. Buffers are given back; a parked request
    /// costs its coroutine's stack.
    pub fn park(&mut self, deadline: Instant) -> Wake {
        if self.client_gone {
            return Wake::ClientGone;
        }
        let Some(transport) = &mut self.transport else { return Wake::Draining };
        let wake = transport.park(deadline);
        self.client_gone = wake == Wake::ClientGone;
        wake
    }

    /// Waits for the next piece of a body that the handler reads itself, and appends it to `into`, some 16 KiB at a
    /// time; nothing is appended once it is over.
    ///
    /// # Errors
    /// See [`BodyError`]; the body is then not whole.
    pub fn read_body(&mut self, into: &mut Vec<u8>) -> Result<(), BodyError> {
        let (Some(unread), Some(transport)) = (&mut self.unread, &mut self.transport) else { return Ok(()) };
        let read = unread.read(transport, into);
        self.client_gone |= read == Err(BodyError::ClientGone);
        read
    }

    /// Whether the next request begins where the input does.
    pub(crate) fn has_read_all(&self) -> bool {
        self.unread.as_ref().is_none_or(UnreadBody::is_done)
    }

    pub(crate) fn is_client_gone(&self) -> bool {
        self.client_gone
    }
}
