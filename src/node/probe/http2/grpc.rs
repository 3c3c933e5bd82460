//! gRPC checks: the health service that gRPC servers have (`grpc.health.v1.Health/Check`), which must answer `SERVING`.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>, and `PROTOCOL-HTTP2.md` beside it. Question and
//! answer are one field each, so they are written and read here by hand.

use std::borrow::Cow;
use std::future::poll_fn;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, StatusCode, Version, header};

use crate::base::stdx::redact;
use crate::base::sys::recall::RecallableDeadline;
use crate::core::model::{Observation, ProbeTls, Status};
use crate::net::http::percent::{self, Plus};
use crate::node::probe::connector::{ConnectorError, TargetConnector};
use crate::node::probe::critical;
use crate::node::probe::http2::drive::drive;
use crate::node::probe::http2::{Http2Error, PROTOCOL};

/// Where the question goes.
const PATH: &str = "/grpc.health.v1.Health/Check";

/// Bytes of an answer that are taken; an honest one has seven.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// The tag of field 1 as text, and as a number (Protocol Buffers, "Encoding").
const FIELD_1_TEXT: u8 = 1 << 3 | 2;
const FIELD_1_NUMBER: u64 = 1 << 3;

/// `HealthCheckResponse.ServingStatus.SERVING`.
const SERVING: u64 = 1;

/// Asks the server at `address` (`host:port`) how `service` is; empty means the server as a whole.
pub fn run(
    reach: &TargetConnector<'_>,
    address: &str,
    service: &str,
    security: Option<&ProbeTls>,
) -> Observation {
    match check_health(reach, address, service, security) {
        Ok(SERVING) => {
            let target = if service.is_empty() { address.to_owned() } else { format!("{address}/{service}") };
            let output = format!("gRPC check {}: success", redact::url(&target)).into();
            Observation { status: Status::Passing, output }
        }
        Ok(_) => critical("gRPC application didn't report service healthy"),
        Err(Fault { code, sentence }) => critical(format!("rpc error: code = {code} desc = {sentence}")),
    }
}

/// The status that the server reports.
fn check_health(
    reach: &TargetConnector<'_>,
    address: &str,
    service: &str,
    security: Option<&ProbeTls>,
) -> Result<u64, Fault> {
    let mut channel = reach.open(address, security, Some(PROTOCOL)).map_err(Fault::unreached)?;
    let request = request(address, security.is_some(), reach.until)?;
    let message = message(service);
    let answer = drive(&mut channel, |requests, _| exchange(requests, request, message));
    answer.map_err(Fault::broken)?.status()
}

fn request(address: &str, is_tls: bool, until: &RecallableDeadline) -> Result<Request<()>, Fault> {
    let scheme = if is_tls { "https" } else { "http" };
    let left_ms = until.left().as_millis();
    Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(format!("{scheme}://{address}{PATH}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, "Consul Health Check")
        .header("grpc-timeout", format!("{left_ms}m"))
        .body(())
        .map_err(|error| Fault::new("Internal", format!("the target is no address: {error}")))
}

/// `HealthCheckRequest { service }` with its prefix.
fn message(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(FIELD_1_TEXT);
        push_number(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.append(&mut message);
    framed.into()
}

/// Seven bits a byte, lowest first, the eighth says that more follow.
fn push_number(into: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// What the server said, as far as it said it.
struct Answer {
    http_status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

async fn exchange(
    requests: SendRequest<Bytes>,
    request: Request<()>,
    message: Bytes,
) -> Result<Answer, h2::Error> {
    let mut requests = requests.ready().await?;
    let (response, mut body) = requests.send_request(request, false)?;
    body.send_data(message, true)?;
    let (parts, mut stream) = response.await?.into_parts();
    let mut answer =
        Answer { http_status: parts.status, headers: parts.headers, body: Vec::new(), trailers: None };
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        // Never released: a server that goes on runs into the end of its window, and the check into its timeout.
        let room = ANSWER_BYTES_MAX.saturating_sub(answer.body.len());
        answer.body.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    answer.trailers = poll_fn(|context| stream.poll_trailers(context)).await?;
    Ok(answer)
}

impl Answer {
    /// The status in it, if the call succeeded.
    fn status(&self) -> Result<u64, Fault> {
        let Some(code) = self.trailer("grpc-status") else { return Err(self.without_status()) };
        if code != "0" {
            let message = self.trailer("grpc-message").unwrap_or_default();
            return Err(Fault::new(code_name(code), readable(message)));
        }
        let Some((prefix, rest)) = self.body.split_at_checked(PREFIX_BYTES) else {
            return Err(Fault::new("Internal", "the server sent no message".to_owned()));
        };
        if prefix[0] != 0 {
            return Err(Fault::new("Internal", "the server compressed its message unasked".to_owned()));
        }
        let length = prefix[1..].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let status = rest.get(..length).and_then(read_status);
        status.ok_or_else(|| Fault::new("Internal", "the server's message cannot be read".to_owned()))
    }

    /// A trailer, which stands among the headers when there is nothing else.
    fn trailer(&self, name: &str) -> Option<&str> {
        let trailers = self.trailers.as_ref().unwrap_or(&self.headers);
        trailers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What is wrong with an answer that is none of gRPC's.
    fn without_status(&self) -> Fault {
        let code = match self.http_status.as_u16() {
            200 => return Fault::new("Unknown", "the server sent no gRPC status".to_owned()),
            401 => "Unauthenticated",
            403 => "PermissionDenied",
            404 => "Unimplemented",
            429 | 502 | 503 | 504 => "Unavailable",
            _ => "Unknown",
        };
        let (number, reason) =
            (self.http_status.as_u16(), self.http_status.canonical_reason().unwrap_or_default());
        let sentence = format!("unexpected HTTP status code received from server: {number} ({reason})");
        Fault::new(code, sentence)
    }
}

/// Field 1 of `HealthCheckResponse`; absent means 0. `None`: this is no message of Protocol Buffers.
fn read_status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let tag = take_number(&mut message)?;
        match tag & 7 {
            0 => {
                let number = take_number(&mut message)?;
                status = if tag == FIELD_1_NUMBER { number } else { status };
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(take_number(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn take_number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Why there is no status: gRPC's code for it, and a sentence.
struct Fault {
    code: &'static str,
    sentence: String,
}

impl Fault {
    fn new(code: &'static str, sentence: String) -> Fault {
        Fault { code, sentence }
    }

    fn unreached(error: ConnectorError) -> Fault {
        if error.is_timeout() {
            return Fault::new("DeadlineExceeded", "context deadline exceeded".to_owned());
        }
        let sentence = format!("connection error: desc = \"transport: Error while dialing {error}\"");
        Fault::new("Unavailable", sentence)
    }

    fn broken(error: Http2Error) -> Fault {
        if error.is_timeout() {
            return Fault::new("DeadlineExceeded", "context deadline exceeded".to_owned());
        }
        Fault::new("Unavailable", format!("connection error: desc = \"transport: {error}\""))
    }
}

/// A message as it was before it was encoded for a header; as it is, if that cannot be told.
fn readable(message: &str) -> String {
    percent::decode(message, Plus::Literal).unwrap_or(Cow::Borrowed(message)).into_owned()
}

/// gRPC's name for the number of a status (its documentation's list of status codes).
fn code_name(number: &str) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    number.parse().ok().and_then(|number: usize| NAMES.get(number)).copied().unwrap_or("Unknown")
}
