//! One request with what must come of it. Knows how bytes are put together, and nothing of what they mean.

/// A path that is always there and always answers the same: for requests whose fault lies elsewhere.
pub const HARMLESS: &str = "/v1/status/leader";

/// Bytes sent on a connection of their own, and what must happen then.
pub struct Row {
    /// What is wrong with it, for whoever reads the failure.
    pub what: String,
    pub sent: Vec<u8>,
    pub expected: Expected,
}

/// What must come of a request.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// It is refused, and nothing is stored.
    Refused {
        status: u16,
        /// A part of the body, the one that helps; the empty text where there is none to be had.
        says: &'static str,
        then: Then,
    },
    /// It is answered, and nothing is stored: odd, but not wrong.
    Answered { status: u16, says: &'static str },
    /// It is carried out: it stands exactly at a bound.
    Stored,
    /// The client hung up before its request was whole: no answer, nothing stored.
    Silence,
}

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next request on it is answered.
    Open,
    /// It is closed: where the next request would begin is unknown.
    Closed,
}

impl Row {
    /// Refused, and the connection closed: the message itself is malformed.
    pub fn malformed(what: &str, sent: impl AsRef<[u8]>, status: u16, says: &'static str) -> Row {
        Row::new(what, sent, Expected::Refused { status, says, then: Then::Closed })
    }

    /// Refused on a connection that stays open: the message is sound, what it asks is not.
    pub fn refused(what: &str, sent: impl AsRef<[u8]>, status: u16, says: &'static str) -> Row {
        Row::new(what, sent, Expected::Refused { status, says, then: Then::Open })
    }

    pub fn answered(what: &str, sent: impl AsRef<[u8]>, status: u16) -> Row {
        Row::answered_with(what, sent, status, "")
    }

    pub fn answered_with(what: &str, sent: impl AsRef<[u8]>, status: u16, says: &'static str) -> Row {
        Row::new(what, sent, Expected::Answered { status, says })
    }

    pub fn stored(what: &str, sent: impl AsRef<[u8]>) -> Row {
        Row::new(what, sent, Expected::Stored)
    }

    pub fn silence(what: &str, sent: impl AsRef<[u8]>) -> Row {
        Row::new(what, sent, Expected::Silence)
    }

    fn new(what: &str, sent: impl AsRef<[u8]>, expected: Expected) -> Row {
        Row { what: what.to_owned(), sent: sent.as_ref().to_vec(), expected }
    }
}

/// A whole request without a body.
pub fn bare(method: &str, target: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// A whole PUT with a body of known length.
pub fn put(target: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("PUT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Enough of a request to find it in its table.
pub fn shown(bytes: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 200;
    let text = bytes[..bytes.len().min(SHOWN_BYTES_MAX)].escape_ascii().to_string();
    if bytes.len() > SHOWN_BYTES_MAX { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}
