//! A connection for which there is no place but that of a vital question.

use std::time::Duration;

use crate::base::sys::clock::Deadline;
use crate::net::http::connection::{Connection, Next};
use crate::net::http::fault::RequestFault;
use crate::net::http::framing::{BodyLength, Framing};
use crate::net::http::head::HeadScanner;
use crate::net::http::request::Request;
use crate::net::http::request_id::RequestId;
use crate::net::http::response::Response;
use crate::net::http::stats::count;
use crate::net::http::wait::{Awaiting, ConnectionEnd};

/// How long the head of a vital question may take: it fits one packet, and others wait for the place.
const VITAL_HEAD_TIMEOUT: Duration = Duration::from_secs(1);

impl Connection {
    /// Serves one request if it is vital, and says to everything else why there is no place for it. A client that
    /// takes its time is refused as well: others wait for the place.
    #[inline(never)]
    pub(super) fn serve_vital(&mut self, fault: RequestFault) -> Result<Next, ConnectionEnd> {
        self.request_number = 1;
        let mut request = Request::empty();
        request.begin(self.peer, RequestId::numbered(self.number, 1));
        let deadline = Deadline::after(VITAL_HEAD_TIMEOUT);
        let mut scanner = HeadScanner::default();
        let head_length = loop {
            match scanner.scan(self.transport.input.filled(), &self.transport.shared().config) {
                Ok(Some(length)) => break Some(length),
                Ok(None) => {}
                Err(_) => break None,
            }
            match self.transport.fill(Awaiting::Rest, deadline) {
                Ok(()) => {}
                Err(ConnectionEnd::Timeout | ConnectionEnd::PlainHttp) => break None,
                Err(stop) => return Err(stop),
            }
        };
        let framing = head_length.and_then(|length| {
            let framing = request.read_head(&self.transport.input.filled()[..length]).ok();
            self.transport.input.consume(length);
            framing.filter(|framing| framing.body == BodyLength::Known(0))
        });
        let is_vital = self.handler.is_vital(request.method(), request.path());
        let Some(framing) = framing.filter(|_| is_vital) else {
            count(&self.transport.shared().stats.connections_refused);
            return self.refuse(fault, &mut request);
        };
        let mut response = Response::new(200);
        self.ask_handler(&request, None, &mut response);
        self.respond(&request, Framing { keep_alive: false, ..framing }, &mut response)
    }
}
