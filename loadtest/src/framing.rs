//! Where an HTTP/1.1 answer ends, and the three things of its head that matter here.
//!
//! Reading holds no state: an answer that is not whole yet is looked at again from its first byte when more has come. That
//! costs little, because what is walked over is the head and the lengths of chunks, never the body.

use std::fmt;

/// Headers of one answer; servers here send about ten.
const HEADERS_MAX: usize = 64;

/// What was understood of an answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// `X-Consul-Index`, if there is one.
    pub index: Option<u64>,
    /// Whether the server closes the connection after this answer.
    pub close: bool,
    /// Whether the body is compressed by gzip.
    pub gzip: bool,
    /// How the body ends.
    pub body: BodyLength,
    /// Bytes of the head, the empty line included.
    pub bytes: usize,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// After so many bytes.
    Known(usize),
    /// With a chunk of length 0.
    Chunked,
}

/// A whole answer, as it stands in the buffer it was read into.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its head.
    pub head: Head,
    /// The body with its chunk lines, if it is chunked.
    raw: &'a [u8],
    /// Bytes from the first of the head to the last of the body.
    pub bytes: usize,
}

/// Bytes that are no answer, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the answer is no HTTP: {}", self.0)
    }
}

impl Head {
    /// The head at the front of `input`, or nothing while it is incomplete. Interim answers are not expected by anybody
    /// here, since no request asks for one.
    ///
    /// # Errors
    /// What stands there is no head, or one of a body without a length.
    pub fn read(input: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        let bytes = match parsed.parse(input) {
            Ok(httparse::Status::Complete(bytes)) => bytes,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed("its head cannot be read")),
        };
        let status = parsed.code.ok_or(Malformed("it has no status"))?;
        let (mut index, mut close, mut gzip, mut length) = (None, parsed.version == Some(0), false, None);
        for header in parsed.headers.iter() {
            let value = header.value.trim_ascii();
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("Content-Length") {
                length = Some(BodyLength::Known(number(value).ok_or(Malformed("its length is no number"))?));
            } else if is("Transfer-Encoding") && value.eq_ignore_ascii_case(b"chunked") {
                length = Some(BodyLength::Chunked);
            } else if is("X-Consul-Index") {
                index = number(value).map(|it| it as u64);
            } else if is("Connection") {
                close = value.eq_ignore_ascii_case(b"close");
            } else if is("Content-Encoding") {
                gzip = value.eq_ignore_ascii_case(b"gzip");
            }
        }
        let without_body = matches!(status, 204 | 304).then_some(BodyLength::Known(0));
        let body = without_body.or(length).ok_or(Malformed("it does not say how long its body is"))?;
        Ok(Some(Self { status, index, close, gzip, body, bytes }))
    }
}

impl<'a> Answer<'a> {
    /// The answer at the front of `input`, or nothing while it is incomplete.
    ///
    /// # Errors
    /// What stands there is no answer.
    pub fn read(input: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let Some(head) = Head::read(input)? else { return Ok(None) };
        let rest = &input[head.bytes..];
        let length = match head.body {
            BodyLength::Known(length) => (rest.len() >= length).then_some(length),
            BodyLength::Chunked => chunked_length(rest)?,
        };
        Ok(length.map(|length| Self { head, raw: &rest[..length], bytes: head.bytes + length }))
    }

    /// The body, in as many pieces as it was sent in.
    pub fn pieces(&self) -> impl Iterator<Item = &'a [u8]> {
        let (mut rest, chunked) = (self.raw, self.head.body == BodyLength::Chunked);
        std::iter::from_fn(move || {
            if !chunked {
                return (!rest.is_empty()).then(|| std::mem::take(&mut rest));
            }
            // The chunks were walked over before, so none of this fails.
            let (start, length) = chunk(rest).ok().flatten()?;
            let piece = &rest[start..start + length];
            rest = &rest[start + length + 2..];
            (length > 0).then_some(piece)
        })
    }

    /// The body in one piece; what was sent in one is not copied.
    pub fn body(&self) -> std::borrow::Cow<'a, [u8]> {
        match self.head.body {
            BodyLength::Known(_) => self.raw.into(),
            BodyLength::Chunked => self.pieces().collect::<Vec<_>>().concat().into(),
        }
    }
}

/// How long the answer at the front of `input` is going to be, if its head says so.
///
/// # Errors
/// What stands there is no answer.
pub fn bytes_expected(input: &[u8]) -> Result<Option<usize>, Malformed> {
    let head = Head::read(input)?;
    Ok(head.and_then(|head| match head.body {
        BodyLength::Known(length) => Some(head.bytes + length),
        BodyLength::Chunked => None,
    }))
}

/// Bytes of a whole chunked body, its last empty line included; nothing while it is incomplete.
fn chunked_length(input: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut at = 0;
    loop {
        let Some((start, length)) = chunk(&input[at..])? else { return Ok(None) };
        at += start + length + 2;
        if at > input.len() {
            return Ok(None);
        }
        if length == 0 {
            return Ok(Some(at));
        }
    }
}

/// Where the data of the chunk at the front of `input` starts, and how long it is.
pub fn chunk(input: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    match httparse::parse_chunk_size(input) {
        Ok(httparse::Status::Complete((start, length))) => Ok(Some((start, length as usize))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(Malformed("a chunk has no length")),
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_at_its_last_byte_and_not_before() {
        type Row = (&'static [u8], u16, Option<u64>, &'static [u8]);
        let rows: [Row; 4] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Consul-Index: 7\r\n\r\n[]", 200, Some(7), b"[]"),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
                200,
                None,
                b"abc0123456789",
            ),
            (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, None, b""),
            (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 500, None, b""),
        ];
        for (bytes, status, index, body) in rows {
            for end in 0..bytes.len() {
                assert!(Answer::read(&bytes[..end]).expect("it is an answer").is_none(), "cut at {end}");
            }
            let followed = [bytes, b"HTTP/1.1 2"].concat();
            let answer = Answer::read(&followed).expect("it is an answer").expect("it is whole");
            assert_eq!((answer.head.status, answer.head.index, answer.bytes), (status, index, bytes.len()));
            assert_eq!(answer.body(), body);
            assert_eq!(answer.pieces().collect::<Vec<_>>().concat(), body);
        }
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        let rows: [&[u8]; 4] = [
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        ];
        for bytes in rows {
            assert!(Answer::read(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
