//! A request that is refused before any handler sees it: the status and the sentence its client gets.

/// Why a request was refused. The connection closes after each, since what follows it can no longer be told
/// apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The HTTP status.
    pub(crate) status: u16,
    /// One sentence for whoever wrote the client.
    pub(crate) sentence: &'static str,
}

impl Fault {
    pub(crate) const fn new(status: u16, sentence: &'static str) -> Fault {
        Fault { status, sentence }
    }

    pub(crate) const fn bad_request(sentence: &'static str) -> Fault {
        Fault::new(400, sentence)
    }
}

pub(crate) const BODY_TOO_LARGE: Fault =
    Fault::new(413, "The request body is larger than this server accepts.");
pub(crate) const HEAD_TIMEOUT: Fault = Fault::new(408, "The request head did not arrive in time.");
pub(crate) const BODY_TIMEOUT: Fault = Fault::new(408, "The request body did not arrive in time.");
pub(crate) const HANDLER_PANICKED: Fault =
    Fault::new(500, "The server failed on this request by its own fault; its log has the request id.");
pub(crate) const CONNECTIONS_EXHAUSTED: Fault =
    Fault::new(503, "The server holds as many connections as it may; try again later.");
pub(crate) const CONNECTIONS_OF_CLIENT_EXHAUSTED: Fault =
    Fault::new(429, "Your address holds as many connections as one client may; reuse or close some.");
