//! Errors as clients see them: one table from what went wrong to a status and a sentence.

use std::borrow::Cow;

use crate::core::filter::error::FilterError;
use crate::core::model::CommandRefusal;
use crate::core::model::validate::Violation;
use crate::net::http::Response;
use crate::node::notify::NotifierEnded;
use crate::node::registry::error::WriteError;
use crate::node::registry::snapshot::decoded::{Reason, RestoreError};
use crate::node::registry::topics::TooManyWatchers;
use crate::wire::intake::Invalid;

/// The status of a response that nobody will get: its client has left.
pub const CLIENT_GONE: u16 = 499;

/// See [`ApiError::rights_changed`]; no status of HTTP.
pub const RIGHTS_CHANGED: u16 = 1;

/// An answer other than success: a status and one sentence that says what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status, 4xx when the client is at fault, 5xx when muster is.
    pub status: u16,
    /// Plain text, without a newline at the end, as Consul's are.
    pub message: Cow<'static, str>,
    /// Whether the answer shows the headers of an indexed read, as Consul's does when a read is refused for
    /// what it asks.
    pub of_indexed_read: bool,
    /// Whether trying again later may help, and after how many seconds.
    pub retry_after_seconds: Option<u32>,
}

impl ApiError {
    /// An error with its status.
    pub fn new(status: u16, message: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError { status, message: message.into(), of_indexed_read: false, retry_after_seconds: None }
    }

    /// 400: the request cannot be meant.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(400, message)
    }

    /// 403: what the caller shows is no token, or its time is over.
    pub fn unknown_token() -> ApiError {
        ApiError::new(403, "ACL not found")
    }

    /// What a handler says whose caller may do something else since he began to wait. No client sees it: the request is
    /// looked at once more, without waiting.
    pub fn rights_changed() -> ApiError {
        ApiError::new(RIGHTS_CHANGED, "what the caller may do has changed")
    }

    /// 404: there is no such thing.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(404, message)
    }

    /// 503: all places are taken; trying again in a while may help.
    pub fn busy(message: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError::new(503, message).retry(5)
    }

    /// What a handler says of an answer that its meter did not let it finish. No client sees it: the answer is made
    /// elsewhere, or refused with a reason.
    pub fn unfinished() -> ApiError {
        ApiError::new(503, "this answer takes longer than it may")
    }

    /// The same, with the headers of an indexed read that has nothing to show.
    pub fn on_indexed_read(self) -> ApiError {
        ApiError { of_indexed_read: true, ..self }
    }

    fn retry(self, seconds: u32) -> ApiError {
        ApiError { retry_after_seconds: Some(seconds), ..self }
    }
}

impl From<ApiError> for Response {
    fn from(error: ApiError) -> Response {
        let mut response = Response::text(error.status, error.message.into_owned());
        if error.of_indexed_read {
            response.headers.add("X-Consul-Index", "1");
            response.headers.add("X-Consul-Knownleader", "false");
            response.headers.add("X-Consul-Lastcontact", "0");
        }
        if let Some(seconds) = error.retry_after_seconds {
            response.headers.add("Retry-After", &seconds.to_string());
        }
        response
    }
}

impl From<RestoreError> for ApiError {
    fn from(unfit: RestoreError) -> Self {
        let message = format!("not restored: {unfit}");
        match unfit.reason {
            Reason::Senseless => ApiError::bad_request(message),
            Reason::Size => ApiError::new(413, message),
            Reason::Room => ApiError::new(507, message).retry(60),
            Reason::Memory => ApiError::new(503, message).retry(60),
            Reason::System => ApiError::new(500, message),
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        let message = error.to_string();
        match &error {
            WriteError::Refused(refusal @ CommandRefusal::Full { .. }) => {
                ApiError::new(503, refusal.to_string()).retry(60)
            }
            WriteError::Refused(
                refusal @ (CommandRefusal::TooLarge { .. } | CommandRefusal::PairsTooLarge { .. }),
            ) => ApiError::new(507, refusal.to_string()).retry(60),
            WriteError::Refused(refusal) => ApiError::new(status_of(refusal), message),
            WriteError::Busy { .. } => ApiError::new(503, message).retry(1),
            WriteError::Full { .. } => ApiError::new(507, message).retry(10),
            WriteError::Unavailable { .. } => ApiError::new(503, message).retry(2),
            WriteError::ReadOnly { .. } | WriteError::Exhausted { .. } => {
                ApiError::new(503, message).retry(60)
            }
            WriteError::InDoubt { is_full: true, .. } => ApiError::new(507, message).retry(10),
            WriteError::InDoubt { is_full: false, .. } => ApiError::new(503, message).retry(60),
            WriteError::Oversize { .. } => ApiError::bad_request(message),
            WriteError::Closing => ApiError::new(503, message).retry(1),
        }
    }
}

fn status_of(refusal: &CommandRefusal) -> u16 {
    match refusal {
        // Where Consul's answer is another, the handler knows it.
        CommandRefusal::Acl(_) => 500,
        CommandRefusal::UnknownService { .. } | CommandRefusal::UnknownCheck { .. } => 404,
        CommandRefusal::UnknownNode { .. }
        | CommandRefusal::CheckWithoutService { .. }
        | CommandRefusal::TooMany { .. }
        | CommandRefusal::Full { .. }
        | CommandRefusal::Reserved { .. }
        | CommandRefusal::TooLarge { .. }
        | CommandRefusal::PairsTooLarge { .. }
        | CommandRefusal::NodeConflict { .. } => 400,
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        ApiError::bad_request(invalid.to_string())
    }
}

impl From<Violation> for ApiError {
    fn from(violation: Violation) -> Self {
        ApiError::bad_request(violation.to_string())
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        ApiError::bad_request(error.to_string())
    }
}

impl From<NotifierEnded> for ApiError {
    fn from(error: NotifierEnded) -> Self {
        ApiError::new(503, error.to_string()).retry(1)
    }
}

impl From<TooManyWatchers> for ApiError {
    fn from(error: TooManyWatchers) -> Self {
        ApiError::busy(format!(
            "{} blocking queries are waiting already, as many as limits.blocking_queries_max allows: try again later",
            error.max
        ))
    }
}
