//! Reading one request: its head, what is let in, and its body as far as the handler does not read it itself.

use crate::base::sys::clock::Deadline;
use crate::net::http::body_reader::UnreadBody;
use crate::net::http::chunked::ChunkedDecoder;
use crate::net::http::config::{BodyBound, ServerConfig};
use crate::net::http::connection::Connection;
use crate::net::http::fault::{self, RequestFault};
use crate::net::http::framing::{BodyLength, Framing};
use crate::net::http::head::HeadScanner;
use crate::net::http::request::Request;
use crate::net::http::wait::{Awaiting, ConnectionEnd};

/// Body memory set aside at once on a client's word; more comes as its bytes do.
const BODY_RESERVED_BYTES_MAX: usize = 64 * 1024;

/// Why no request came: the client is refused with a sentence, or the connection just ends.
pub(super) enum NoRequest {
    Refused(RequestFault),
    Stopped(ConnectionEnd),
}

impl From<RequestFault> for NoRequest {
    fn from(fault: RequestFault) -> NoRequest {
        NoRequest::Refused(fault)
    }
}

impl From<ConnectionEnd> for NoRequest {
    fn from(stop: ConnectionEnd) -> NoRequest {
        NoRequest::Stopped(stop)
    }
}

impl Connection {
    /// How many bytes the request's body may have.
    pub(super) fn body_bound(&self, request: &Request) -> BodyBound {
        let bound = self.handler.body_bound(request.method(), request.path());
        bound.unwrap_or_else(|| self.transport.shared().config.body_bound())
    }

    /// Reads one request, head and body; or the head alone, where the handler reads the body.
    pub(super) fn read_request(
        &mut self,
        request: &mut Request,
    ) -> Result<(Framing, Option<Box<UnreadBody>>), NoRequest> {
        let head_length = self.read_head()?;
        let framing = request.read_head(&self.transport.input.filled()[..head_length])?;
        self.transport.input.consume(head_length);
        let config = &self.transport.shared().config;
        config.door.check(request, &mut self.let_in)?;
        if framing.body == BodyLength::Known(0) {
            return Ok((framing, None));
        }
        let bound = self.body_bound(request);
        if matches!(framing.body, BodyLength::Known(length) if length > bound.bytes_max as u64) {
            return Err(fault::BODY_TOO_LARGE.into());
        }
        if bound.is_read_by_handler {
            let unread = Box::new(UnreadBody::new(&framing, bound));
            return Ok((framing, Some(unread)));
        }
        let deadline = Deadline::after(config.body_timeout);
        if framing.expects_continue && self.transport.input.is_empty() {
            self.transport.output().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let body_read = match framing.body {
            BodyLength::Known(length) => self.read_known_body(length as usize, deadline, &mut request.body),
            BodyLength::Chunked => self.read_chunked_body(bound.bytes_max, deadline, &mut request.body),
        };
        body_read.map(|()| (framing, None))
    }

    /// The length of the head at the start of the input, once it is there.
    fn read_head(&mut self) -> Result<usize, NoRequest> {
        let deadline = Deadline::after(self.transport.shared().config.head_timeout);
        let mut scanner = HeadScanner::default();
        loop {
            let config: &ServerConfig = &self.transport.shared().config;
            if let Some(length) = scanner.scan(self.transport.input.filled(), config)? {
                return Ok(length);
            }
            self.fill_rest(deadline, fault::HEAD_TIMEOUT, 0)?;
        }
    }

    fn read_known_body(
        &mut self,
        length: usize,
        deadline: Deadline,
        body: &mut Vec<u8>,
    ) -> Result<(), NoRequest> {
        body.reserve(length.min(BODY_RESERVED_BYTES_MAX));
        loop {
            let available = self.transport.input.filled();
            let taken = available.len().min(length - body.len());
            body.extend_from_slice(&available[..taken]);
            self.transport.input.consume(taken);
            if body.len() == length {
                return Ok(());
            }
            self.fill_rest(deadline, fault::BODY_TIMEOUT, body.capacity())?;
        }
    }

    fn read_chunked_body(
        &mut self,
        body_bytes_max: usize,
        deadline: Deadline,
        body: &mut Vec<u8>,
    ) -> Result<(), NoRequest> {
        let mut decoder = ChunkedDecoder::new(body_bytes_max);
        loop {
            let used = decoder.decode(self.transport.input.filled(), body)?;
            self.transport.input.consume(used);
            if decoder.is_done() {
                return Ok(());
            }
            self.fill_rest(deadline, fault::BODY_TIMEOUT, body.capacity())?;
        }
    }

    /// Waits for more of a request that has begun. A client that is too slow is refused.
    fn fill_rest(
        &mut self,
        deadline: Deadline,
        timeout: RequestFault,
        body_bytes: usize,
    ) -> Result<(), NoRequest> {
        self.transport.fill_holding(Awaiting::Rest, deadline, body_bytes).map_err(|stop| match stop {
            ConnectionEnd::Timeout => NoRequest::Refused(timeout),
            ConnectionEnd::OverBudget => NoRequest::Refused(fault::REQUESTS_OVER_BUDGET),
            ConnectionEnd::Gone | ConnectionEnd::Draining | ConnectionEnd::PlainHttp => {
                NoRequest::Stopped(stop)
            }
        })
    }
}
