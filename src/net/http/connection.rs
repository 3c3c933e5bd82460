//! The life of one connection: read a request, have it answered, send the response, until either side ends
//! it.

mod handover;
mod outline;
mod reading;
mod vital;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::base::sys::clock::{self, Deadline};
use crate::base::sys::listen::Peer;
use crate::base::sys::runtime;
use crate::net::http::body_reader::UnreadBody;
use crate::net::http::body_writer::BodyWriter;
use crate::net::http::buffer_pool;
use crate::net::http::connection::outline::Outline;
use crate::net::http::connection::reading::NoRequest;
use crate::net::http::date::DateText;
use crate::net::http::door::LetIn;
use crate::net::http::exchange::{Exchange, Handler};
use crate::net::http::fault::{self, RequestFault};
use crate::net::http::framing::{BodyLength, Framing, Version};
use crate::net::http::method::Method;
use crate::net::http::pace::PaceLimit;
use crate::net::http::payload::Payload;
use crate::net::http::request::Request;
use crate::net::http::request_id::RequestId;
use crate::net::http::response::{Body, Response, StreamBody};
use crate::net::http::server_shared::ServerShared;
use crate::net::http::shared_body::Unsent;
use crate::net::http::stats::count;
use crate::net::http::transport::Transport;
use crate::net::http::wait::{Awaiting, ConnectionEnd};
use crate::net::tls::Link;

/// Bodies up to this size are copied behind their head when another request is waiting, so that the responses
/// of a pipelining client leave together; larger ones go out uncopied.
const COPIED_BODY_BYTES_MAX: usize = 16 * 1024;

/// Bodies beyond this are counted in the account of bytes before they are sent; smaller ones once their client is found
/// not to read.
const HELD_BODY_BYTES_MIN: usize = 64 * 1024;

/// How long a body of those may be on its way, in write timeouts, ...
const LARGE_ANSWER_TIMEOUTS: u32 = 15;

/// ... and a second more for each so many bytes that are sent: a slow line takes them.
const LARGE_ANSWER_BYTES_A_SECOND: usize = 64 * 1024;

/// One connection, run to its end by [`Connection::run`].
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    handler: Arc<dyn Handler>,
    peer: Peer,
    let_in: LetIn,
    /// The connection's number in this process, and of its present request.
    number: u64,
    request_number: u64,
    date: DateText,
    /// A request that was read here and is to be answered by another process, as its client sent it.
    unanswered: Vec<u8>,
    /// The refusal of every request that is not vital, when there is no place for more.
    only_vital: Option<RequestFault>,
}

/// What comes after a response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Request,
    Close,
    /// Another process goes on with the connection.
    Move,
}

impl Connection {
    pub(crate) fn new(
        link: Link,
        peer: Peer,
        number: u64,
        shared: Arc<ServerShared>,
        handler: Arc<dyn Handler>,
        only_vital: Option<RequestFault>,
    ) -> Connection {
        let transport = Transport::new(link, shared);
        let date = DateText::new(clock::coarse_unix_seconds());
        let (let_in, unanswered) = (LetIn::default(), Vec::new());
        let request_number = 0;
        Connection { transport, handler, peer, let_in, number, request_number, date, unanswered, only_vital }
    }

    /// Serves the connection until it ends.
    pub(crate) fn run(mut self: Box<Self>) {
        if let Some(fault) = self.only_vital {
            // However it ends, it ends here.
            let _ = self.serve_vital(fault);
            return;
        }
        loop {
            match self.await_request() {
                Ok(()) => {}
                Err(ConnectionEnd::Draining) if self.transport.is_moving() => break,
                Err(ConnectionEnd::PlainHttp) => return self.refuse_plain(),
                Err(_) => return,
            }
            self.request_number += 1;
            let mut request = buffer_pool::take_request();
            request.begin(self.peer, RequestId::numbered(self.number, self.request_number));
            let next = self.serve_one(&mut request);
            if let Err(stop) = next {
                self.transport.shared().stats.refusals.note_end(stop, &request);
            }
            buffer_pool::give_request(request);
            match next {
                Ok(Next::Request) => self.transport.end_write(),
                Ok(Next::Move) => break,
                Ok(Next::Close) | Err(_) => return,
            }
        }
        self.transport.depart(std::mem::take(&mut self.unanswered));
    }

    /// Waits for the first byte of the next request, holding no memory for it.
    fn await_request(&mut self) -> Result<(), ConnectionEnd> {
        self.transport.take_turns();
        if self.transport.is_moving() {
            return Err(ConnectionEnd::Draining);
        }
        let config = &self.transport.shared().config;
        let timeout = if self.request_number == 0 { config.head_timeout } else { config.idle_timeout };
        let deadline = Deadline::after(timeout);
        // Some clients end a body with a line end too many (RFC 9112 section 2.2); one is forgiven.
        let mut is_forgiving = true;
        loop {
            match self.transport.input.filled() {
                [b'\r', b'\n', ..] if is_forgiving => {
                    self.transport.input.consume(2);
                    is_forgiving = false;
                }
                [] | [b'\r'] => self.transport.fill(Awaiting::NextRequest, deadline)?,
                _ => return Ok(()),
            }
        }
    }

    #[inline(never)]
    fn serve_one(&mut self, request: &mut Request) -> Result<Next, ConnectionEnd> {
        let (framing, unread) = match self.read_request(request) {
            Ok(read) => read,
            Err(NoRequest::Stopped(stop)) => return Err(stop),
            Err(NoRequest::Refused(fault)) => return self.refuse(fault, request),
        };
        let must_move = match &unread {
            None => self.must_move(request)?,
            // Its client may take its time; the handler says when it is about to change something.
            Some(_) => self.transport.shared().is_moving(),
        };
        if must_move && !self.transport.is_moving() {
            return self.refuse(fault::MOVED, request);
        }
        if must_move {
            self.unanswered = request.as_sent(&framing, unread.is_some());
            return Ok(Next::Move);
        }
        count(&self.transport.shared().stats.requests);
        self.transport.begin_answer();
        // The handler may wait for long, for a write to be durable or for a change.
        self.transport.input.release_if_empty();
        let mut response = Response::new(200);
        match self.ask_handler(request, unread, &mut response) {
            Answer::Whole => self.respond(request, framing, &mut response),
            Answer::Unread => {
                self.respond(request, Framing { keep_alive: false, ..framing }, &mut response)?;
                self.transport.linger();
                Ok(Next::Close)
            }
            Answer::Elsewhere => {
                self.unanswered = request.as_sent(&framing, false);
                Ok(Next::Move)
            }
            Answer::ClientGone => Err(ConnectionEnd::Gone),
            Answer::Panicked => {
                put_fault(fault::HANDLER_PANICKED, &mut response);
                self.respond(request, Framing { keep_alive: false, ..framing }, &mut response)
            }
        }
    }

    /// Tells the client why its bytes were no request, and ends the connection: where the next request would
    /// begin is unknown.
    #[inline(never)]
    fn refuse(&mut self, fault: RequestFault, request: &mut Request) -> Result<Next, ConnectionEnd> {
        // What came of a body is of no use any more, and its client may take a second to leave.
        request.body = Vec::new();
        self.transport.forget_unread();
        let (shared, id) = (self.transport.shared(), request.id());
        let sentence = shared.config.sentence_of(fault, self.body_bound(request));
        count(&shared.stats.requests_refused);
        // A head that was not understood is still where it came.
        let wants_head =
            request.method() == Method::Head || self.transport.input.filled().starts_with(b"HEAD ");
        let misdirected = (fault.status == 421).then_some(request);
        let host = misdirected.and_then(|it| it.target_authority().or(it.host()));
        let of = host.map(|host| format!(" a request for {}", host.escape_ascii())).unwrap_or_default();
        shared.stats.refusals.note(fault.status, &sentence, self.peer, &of);
        let outline = Outline {
            version: Version::Http11,
            id: &id,
            length: BodyLength::Known(sentence.len() as u64),
            is_gzip: false,
            connection: Some("close"),
        };
        self.put_head(&fault.into(), &outline);
        if !wants_head {
            self.transport.output().extend_from_slice(sentence.as_bytes());
        }
        self.transport.flush()?;
        self.transport.linger();
        Ok(Next::Close)
    }

    /// Tells a client that speaks no TLS that it is to.
    #[inline(never)]
    fn refuse_plain(&mut self) {
        let mut request = Request::empty();
        request.begin(self.peer, RequestId::numbered(self.number, 1));
        // However it ends, it ends here.
        let _ = self.refuse(fault::PLAIN_HTTP, &mut request);
    }

    /// Has the handler answer into `response`; a panic stays in this request.
    fn ask_handler(
        &mut self,
        request: &Request,
        unread: Option<Box<UnreadBody>>,
        response: &mut Response,
    ) -> Answer {
        let mut exchange = Exchange::new(request, &mut self.transport, unread);
        let handled = catch_unwind(AssertUnwindSafe(|| self.handler.handle(&mut exchange, response)));
        match handled {
            Ok(()) if exchange.is_client_gone() => Answer::ClientGone,
            Ok(()) if exchange.is_for_successor() => Answer::Elsewhere,
            Ok(()) if !exchange.has_read_all() => Answer::Unread,
            Ok(()) => Answer::Whole,
            Err(panic) if runtime::is_cancellation(panic.as_ref()) => resume_unwind(panic),
            Err(panic) => {
                count(&self.transport.shared().stats.panics);
                let text = runtime::panic_text(panic.as_ref());
                log::error!(
                    "handler panicked on {} {}: {text}",
                    request.method_name(),
                    request.path_for_logs()
                );
                Answer::Panicked
            }
        }
    }

    /// Sends a response, or leaves it to be sent with the next one.
    ///
    /// A function of its own, as is the parsing of a head, so that neither lies on the stack of a handler that waits.
    #[inline(never)]
    fn respond(
        &mut self,
        request: &Request,
        framing: Framing,
        response: &mut Response,
    ) -> Result<Next, ConnectionEnd> {
        let shared = self.transport.shared();
        let body = std::mem::replace(&mut response.body, Body::Empty);
        let has_body = !matches!(response.status, 100..=199 | 204 | 304);
        let payload = match body {
            _ if !has_body => Payload::Plain(Body::Empty),
            body if framing.accepts_gzip => {
                Payload::gzip(body, &response.headers, &shared.compressor, &shared.config)
            }
            body => Payload::Plain(body),
        };
        let is_large = payload.bytes().is_some_and(|bytes| bytes.len() > HELD_BODY_BYTES_MIN);
        if is_large && request.method() != Method::Head && !self.has_room_for(&payload) {
            put_fault(fault::ANSWERS_OVER_BUDGET, response);
            return self.respond(request, framing, response);
        }
        let is_stream = payload.bytes().is_none();
        let keeps = framing.keep_alive
            && !self.transport.is_leaving()
            && !(is_stream && request.version() == Version::Http10 && request.method() != Method::Head);
        let outline = Outline {
            version: request.version(),
            id: &request.id(),
            length: payload
                .bytes()
                .map_or(BodyLength::Chunked, |bytes| BodyLength::Known(bytes.len() as u64)),
            is_gzip: payload.is_gzip(),
            connection: match (keeps, request.version()) {
                (false, _) => Some("close"),
                (true, Version::Http10) => Some("keep-alive"),
                (true, Version::Http11) => None,
            },
        };
        self.put_head(response, &outline);
        match payload {
            _ if request.method() == Method::Head => self.transport.flush_if_large()?,
            Payload::Plain(Body::Stream(stream)) => self.send_stream(stream, request)?,
            payload => self.send_bytes(payload.unsent())?,
        }
        if is_large {
            self.transport.end_answer();
        }
        if keeps {
            return Ok(Next::Request);
        }
        self.transport.flush()?;
        if !self.transport.input.is_empty() {
            self.transport.linger();
        }
        Ok(Next::Close)
    }

    /// Counts a large body before its head is on the way: afterwards its client could only be cut off. As long as it is
    /// held others may be refused, so all of it has a time. A body that a fault has replaced is not large.
    #[inline(never)]
    fn has_room_for(&mut self, payload: &Payload) -> bool {
        let config = &self.transport.shared().config;
        let time_max = config.write_timeout.saturating_mul(LARGE_ANSWER_TIMEOUTS);
        let haste = PaceLimit { rate_bytes_min: 0, time_max, bytes_a_second: LARGE_ANSWER_BYTES_A_SECOND };
        if config.rate_bytes_min > 0 {
            self.transport.hurry(haste);
        }
        self.transport.hold_unsent(0, payload.unsent()).is_ok()
    }

    /// Sends a body behind its head: copied when small and another request waits, otherwise from where it is.
    fn send_bytes(&mut self, unsent: Unsent<'_>) -> Result<(), ConnectionEnd> {
        let (bytes, more_waits) = (unsent.bytes(), !self.transport.input.is_empty());
        if bytes.is_empty() || (more_waits && bytes.len() <= COPIED_BODY_BYTES_MAX) {
            self.transport.output().extend_from_slice(bytes);
            self.transport.flush_if_large()
        } else {
            self.transport.flush_with(unsent)
        }
    }

    /// Lets the body write itself. When it fails the connection ends without the body's end, so that nobody
    /// takes the part for the whole.
    fn send_stream(&mut self, stream: StreamBody, request: &Request) -> Result<(), ConnectionEnd> {
        let mut writer = BodyWriter::new(&mut self.transport, request.version());
        let outcome = catch_unwind(AssertUnwindSafe(|| stream(&mut writer)));
        if let Ok(Ok(())) = outcome {
            return writer.finish();
        }
        self.transport.link.cut_short();
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                log::debug!("streamed response to {} cut short: {error}", request.path_for_logs());
                Err(if error.kind() == io::ErrorKind::TimedOut {
                    ConnectionEnd::Timeout
                } else {
                    ConnectionEnd::Gone
                })
            }
            Err(panic) if runtime::is_cancellation(panic.as_ref()) => resume_unwind(panic),
            Err(panic) => {
                count(&self.transport.shared().stats.panics);
                log::error!(
                    "streaming {} panicked: {}",
                    request.path_for_logs(),
                    runtime::panic_text(panic.as_ref())
                );
                Err(ConnectionEnd::Gone)
            }
        }
    }
}

/// Answers with a fault. A function of its own, so that no second response lies on the stack of a handler that waits.
#[inline(never)]
fn put_fault(fault: RequestFault, response: &mut Response) {
    *response = fault.into();
}

/// What a handler came to.
enum Answer {
    /// A response.
    Whole,
    /// A response, and some of the request's body was left where it is.
    Unread,
    /// Another process is to answer.
    Elsewhere,
    ClientGone,
    Panicked,
}
