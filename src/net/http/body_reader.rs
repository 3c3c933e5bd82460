//! Reading a request body piece by piece, for a handler that does not want it in memory.

use std::borrow::Cow;

use crate::net::http::chunked::ChunkedDecoder;
use crate::net::http::config::BodyBound;
use crate::net::http::fault::{self, RequestFault};
use crate::net::http::framing::{BodyLength, Framing};
use crate::net::http::pace::{ClientPace, PaceLimit};
use crate::net::http::transport::Transport;
use crate::net::http::wait::ConnectionEnd;

/// A body of which some is still on its way.
#[derive(Debug)]
pub(crate) struct UnreadBody {
    rest: Rest,
    bound: BodyBound,
    /// The client waits for `100 Continue`, which is sent once the handler begins to read.
    expects_continue: bool,
    /// How slowly it comes.
    pace: ClientPace,
}

#[derive(Debug)]
enum Rest {
    Known { left: u64 },
    Chunked(ChunkedDecoder),
}

/// Why no more of a body comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The client sent something that is refused: answer with this status and sentence.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What is wrong; of a body that is too long, also how long one may be.
        sentence: Cow<'static, str>,
    },
    /// The client has closed its side or the connection broke. Whatever is answered is not seen.
    ClientGone,
}

impl UnreadBody {
    pub(crate) fn new(framing: &Framing, bound: BodyBound) -> UnreadBody {
        let rest = match framing.body {
            BodyLength::Known(left) => Rest::Known { left },
            BodyLength::Chunked => Rest::Chunked(ChunkedDecoder::new(bound.bytes_max)),
        };
        UnreadBody { rest, bound, expects_continue: framing.expects_continue, pace: ClientPace::default() }
    }

    /// How many bytes are to come, where the client has announced that.
    pub(crate) fn announced_bytes(&self) -> Option<u64> {
        match &self.rest {
            Rest::Known { left } => Some(*left),
            Rest::Chunked(_) => None,
        }
    }

    /// Demands that all of it comes in time.
    pub(crate) fn hurry(&mut self, haste: PaceLimit) {
        self.pace.hurry(haste);
    }

    /// Whether all of it was read.
    pub(crate) fn is_done(&self) -> bool {
        match &self.rest {
            Rest::Known { left } => *left == 0,
            Rest::Chunked(decoder) => decoder.is_done(),
        }
    }

    /// Waits for some of the body and appends it to `into`; nothing is appended when the body is over. Between two
    /// pieces a client may take `ServerConfig::body_timeout`, and it must keep to the least rate.
    pub(crate) fn read(&mut self, transport: &mut Transport, into: &mut Vec<u8>) -> Result<(), BodyError> {
        let length_before = into.len();
        while into.len() == length_before && !self.is_done() {
            if transport.input.is_empty() {
                if std::mem::take(&mut self.expects_continue) {
                    transport.output().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                transport.fill_in_pace(&mut self.pace).map_err(|stop| match stop {
                    ConnectionEnd::Timeout => self.refused(fault::BODY_TIMEOUT),
                    ConnectionEnd::OverBudget => self.refused(fault::REQUESTS_OVER_BUDGET),
                    ConnectionEnd::Draining => self.refused(fault::TAKEN_OVER),
                    ConnectionEnd::Gone | ConnectionEnd::PlainHttp => BodyError::ClientGone,
                })?;
            }
            self.decode(transport, into).map_err(|fault| self.refused(fault))?;
        }
        Ok(())
    }

    fn refused(&self, fault: RequestFault) -> BodyError {
        let sentence = match fault {
            fault::BODY_TOO_LARGE => Cow::Owned(self.bound.sentence()),
            _ => Cow::Borrowed(fault.sentence),
        };
        BodyError::Refused { status: fault.status, sentence }
    }

    fn decode(&mut self, transport: &mut Transport, into: &mut Vec<u8>) -> Result<(), RequestFault> {
        let available = transport.input.filled();
        let used = match &mut self.rest {
            Rest::Known { left } => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(available.len());
                into.extend_from_slice(&available[..taken]);
                *left -= taken as u64;
                taken
            }
            Rest::Chunked(decoder) => decoder.decode(available, into)?,
        };
        transport.input.consume(used);
        Ok(())
    }
}
