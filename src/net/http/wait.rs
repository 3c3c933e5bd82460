//! What a connection waits for, and how a wait ends.

/// What a wait for more input is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaiting {
    /// The next request: nothing is lost if the connection closes.
    NextRequest,
    /// The rest of a request.
    Rest,
    /// More of a body that its handler reads: another process that takes over does not wait for it.
    Body,
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
    /// The server shuts down or is taken over; answer with what there is. Every later park returns this at once.
    Draining,
}

/// Why a connection ends without a word, other than by a finished response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// The peer has finished or the connection broke.
    Gone,
    /// A deadline passed.
    Timeout,
    /// The server drains, and this connection is between requests.
    Draining,
    /// The account of bytes has no room for what this client has sent.
    OverBudget,
    /// The client spoke HTTP where TLS is spoken. It can be told: from now on nothing is encrypted.
    PlainHttp,
}
