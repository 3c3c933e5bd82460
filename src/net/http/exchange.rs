//! The border to the code that answers requests: a handler, and the exchange it is given.

use std::time::Instant;

use crate::base::stdx::text::Text;
use crate::base::sys::park::Waker;
use crate::net::http::body_reader::{BodyError, UnreadBody};
use crate::net::http::config::BodyBound;
use crate::net::http::method::Method;
use crate::net::http::pace::PaceLimit;
use crate::net::http::request::Request;
use crate::net::http::response::Response;
use crate::net::http::transport::Transport;
use crate::net::http::wait::Wake;
use crate::net::tls::named_client;

/// Answers requests. Called from many coroutines at once.
///
/// It must not block its thread, and must hold no lock while it parks. A panic is answered with 500 and
/// closes that connection alone.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request into `response`, which is an empty 200 until then.
    ///
    /// It is the largest value on the way from a connection to the code that answers, and a request that waits keeps
    /// the stack of that way: so it has one place, at its upper end.
    fn handle(&self, exchange: &mut Exchange<'_>, response: &mut Response);

    /// How many bytes the body of a request may have and who reads it, where that is not in memory and not
    /// `ServerConfig::body_bytes_max`.
    ///
    /// Asked before the body is read, with the method and the decoded path.
    fn body_bound(&self, _method: Method, _path: &str) -> Option<BodyBound> {
        None
    }

    /// Whether a request only asks if the server lives: such are answered also when no connection is left.
    ///
    /// Asked with the method and the decoded path.
    fn is_vital(&self, _method: Method, _path: &str) -> bool {
        false
    }

    /// Whether a read of this decoded path needs what one process alone can have: the store, or a thread that writes
    /// to it. It waits while another process is about to take over. Whatever is no read always does.
    fn needs_store(&self, _path: &str) -> bool {
        false
    }
}

impl<F: Fn(&mut Exchange<'_>) -> Response + Send + Sync + 'static> Handler for F {
    fn handle(&self, exchange: &mut Exchange<'_>, response: &mut Response) {
        *response = self(exchange);
    }
}

/// One request and the connection it came on.
pub struct Exchange<'a> {
    request: &'a Request,
    /// `None` when there is no client.
    transport: Option<&'a mut Transport>,
    /// The body, where the handler reads it. On the heap: hardly any request has one.
    unread: Option<Box<UnreadBody>>,
    client_gone: bool,
    has_waited: bool,
    is_for_successor: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(
        request: &'a Request,
        transport: &'a mut Transport,
        unread: Option<Box<UnreadBody>>,
    ) -> Exchange<'a> {
        let (client_gone, has_waited, is_for_successor) = (false, false, false);
        Exchange { request, transport: Some(transport), unread, client_gone, has_waited, is_for_successor }
    }

    /// A request without a client: what becomes of it is wanted for its own sake. It cannot wait.
    pub fn detached(request: &'a Request) -> Exchange<'a> {
        let (client_gone, has_waited, is_for_successor) = (false, false, false);
        Exchange { request, transport: None, unread: None, client_gone, has_waited, is_for_successor }
    }

    /// Whether there is no client.
    pub fn is_detached(&self) -> bool {
        self.transport.is_none()
    }

    /// The request. It does not borrow the exchange, so it can be held over a park.
    pub fn request(&self) -> &'a Request {
        self.request
    }

    /// Who sent the request, as text.
    pub fn peer_text(&self) -> Text {
        let peer = self.request.peer();
        let formatted = || peer.to_string().into();
        self.transport.as_ref().map_or_else(formatted, |transport| transport.peer_text(peer))
    }

    /// Whether the connection came in by the gate of the operators: a Unix socket, or an address that is set apart.
    pub fn is_operators(&self) -> bool {
        self.transport.as_ref().is_some_and(|transport| transport.is_operators)
    }

    /// Whom the certificate names that the client has shown: by a URI, as SPIFFE does, or else by its common name.
    /// `None` without one. Read anew at each call.
    pub fn client_name(&self) -> Option<String> {
        named_client(self.transport.as_ref()?.link.client_certificate()?)
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
        self.has_waited = true;
        let wake = transport.park(deadline);
        self.client_gone = wake == Wake::ClientGone;
        wake
    }

    /// Leaves the request to the process that takes over, if there is one, where it begins anew; tells whether that is
    /// so. Whatever the handler returns is not sent then. For requests that change nothing when they are repeated.
    pub fn leave_to_successor(&mut self) -> bool {
        let is_moving = self.transport.as_ref().is_some_and(|transport| transport.is_moving());
        self.is_for_successor = is_moving && self.unread.is_none();
        self.is_for_successor
    }

    /// Waits for the next piece of a body that the handler reads itself, and appends it to `into`, some 16 KiB at a
    /// time; nothing is appended once it is over.
    ///
    /// # Errors
    /// See [`BodyError`]; the body is then not whole.
    pub fn read_body(&mut self, into: &mut Vec<u8>) -> Result<(), BodyError> {
        let (Some(unread), Some(transport)) = (&mut self.unread, &mut self.transport) else { return Ok(()) };
        self.has_waited = true;
        let read = unread.read(transport, into);
        self.client_gone |= read == Err(BodyError::ClientGone);
        read
    }

    /// For a handler that is about to do much: lets others go first when sockets have waited for long enough, and tells
    /// whether they did.
    pub fn take_turn(&mut self) -> bool {
        self.transport.as_mut().is_some_and(|transport| transport.take_turn())
    }

    /// Whether the handler has waited: parked, or read the body piece by piece.
    pub fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// How many bytes of the body are to come, where the client has announced that.
    pub fn announced_bytes(&self) -> Option<u64> {
        self.unread.as_deref().and_then(UnreadBody::announced_bytes)
    }

    /// Demands more of a client whose body the handler reads: it holds a place that others wait for.
    pub fn hurry(&mut self, haste: PaceLimit) {
        if let (Some(transport), Some(unread)) = (&mut self.transport, &mut self.unread) {
            transport.raise_rate(haste.rate_bytes_min);
            unread.hurry(haste);
        }
    }

    /// Waits until the waker is used, for work that goes on elsewhere whatever the server is about to do. False once
    /// the client has left: the work is of no use any more.
    pub fn attend(&mut self) -> bool {
        let Some(transport) = &mut self.transport else { return false };
        self.has_waited = true;
        self.client_gone = self.client_gone || !transport.attend();
        !self.client_gone
    }

    /// Begins to change something for a request whose body the handler has read; waits while nothing may be changed.
    /// False when another process has taken over meanwhile: nothing may be changed any more.
    pub fn begin_write(&mut self) -> bool {
        self.transport.as_mut().is_none_or(|transport| transport.begin_late_write())
    }

    /// Has it said in the log that the request was refused at a bound, if not too much is said already.
    pub fn note_bound(&self, status: u16, sentence: &str) {
        if let Some(transport) = &self.transport {
            transport.shared().stats.refusals.note_bound(status, sentence, self.request);
        }
    }

    /// Whether the next request begins where the input does.
    pub(crate) fn has_read_all(&self) -> bool {
        self.unread.as_deref().is_none_or(UnreadBody::is_done)
    }

    pub(crate) fn is_for_successor(&self) -> bool {
        self.is_for_successor
    }

    pub(crate) fn is_client_gone(&self) -> bool {
        self.client_gone
    }
}
