//! A request that is refused before any handler sees it: the status and the sentence its client gets.

/// Why a request was refused. The connection closes after each, since what follows it can no longer be told
/// apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestFault {
    /// The HTTP status.
    pub(crate) status: u16,
    /// One sentence for the author of the client.
    pub(crate) sentence: &'static str,
}

impl RequestFault {
    pub(crate) const fn new(status: u16, sentence: &'static str) -> RequestFault {
        RequestFault { status, sentence }
    }

    pub(crate) const fn bad_request(sentence: &'static str) -> RequestFault {
        RequestFault::new(400, sentence)
    }
}

pub(crate) const BODY_TOO_LARGE: RequestFault =
    RequestFault::new(413, "The request body is larger than this server accepts.");
pub(crate) const LINE_TOO_LONG: RequestFault =
    RequestFault::new(414, "The request line is longer than this server reads.");
pub(crate) const HEAD_TOO_LARGE: RequestFault =
    RequestFault::new(431, "The request head is larger than this server reads.");
pub(crate) const HEAD_TIMEOUT: RequestFault =
    RequestFault::new(408, "The request head did not arrive in time.");
pub(crate) const BODY_TIMEOUT: RequestFault =
    RequestFault::new(408, "The request body did not arrive in time.");
pub(crate) const HANDLER_PANICKED: RequestFault =
    RequestFault::new(500, "The server failed on this request by its own fault; its log has the request id.");
pub(crate) const REQUESTS_OVER_BUDGET: RequestFault = RequestFault::new(
    503,
    "The server holds as many bytes of unfinished requests as it may (half of limits.transit_bytes_max); try again \
     later.",
);
pub(crate) const ANSWERS_OVER_BUDGET: RequestFault = RequestFault::new(
    503,
    "The server holds as many bytes of unread answers as it may (half of limits.transit_bytes_max); try again later, \
     or ask for less at a time.",
);
pub(crate) const TAKEN_OVER: RequestFault =
    RequestFault::new(503, "Another process has taken over while the request body came in; send it again.");
pub(crate) const MOVED: RequestFault = RequestFault::new(
    503,
    "Another process has taken over while the request waited, and nothing was changed; send it again.",
);
pub(crate) const PLAIN_HTTP: RequestFault = RequestFault::bad_request(
    "This is plain HTTP, and TLS is spoken at this port: ask by https://, or at an address of http_addr.",
);
pub(crate) const CONNECTIONS_EXHAUSTED: RequestFault =
    RequestFault::new(503, "The server holds as many connections as it may; try again later.");
pub(crate) const CONNECTIONS_OF_CLIENT_EXHAUSTED: RequestFault =
    RequestFault::new(429, "Your address holds as many connections as one client may; reuse or close some.");
