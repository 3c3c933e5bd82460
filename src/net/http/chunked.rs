//! Decoding a chunked request body (RFC 9112 section 7.1), strictly and within bounds.
//!
//! Extensions and trailers are read and dropped. It does no I/O: bytes in, body bytes out, wherever they are
//! split.

use crate::net::http::fault::{self, RequestFault};
use crate::net::http::framing::is_token_byte;

/// Hexadecimal digits of a chunk's size: enough for 4 GiB, and no room for an overflow.
const SIZE_DIGITS_MAX: usize = 8;
/// Bytes of all extensions of a body, which are used only to make a server read for ever.
const EXTENSION_BYTES_MAX: usize = 4 * 1024;
/// Bytes of all trailers of a body.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Decodes one body. Feed it until it is done.
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    state: State,
    body_bytes_max: usize,
    /// Bytes of the body decoded so far.
    body_bytes: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a size, after this many digits.
    Size {
        size: u64,
        digits: usize,
    },
    /// In the blanks after a size, before its end or an extension.
    Blanks {
        size: u64,
    },
    /// In an extension, up to the carriage return.
    Extension {
        size: u64,
    },
    /// Before the line feed that ends a size line.
    SizeLineFeed {
        size: u64,
    },
    /// In a chunk's data, with this much to come.
    Data {
        left: u64,
    },
    /// Before the carriage return after the data.
    DataCarriageReturn,
    /// Before the line feed after the data.
    DataLineFeed,
    /// At the start of a trailer line, or of the empty line that ends the body.
    TrailerStart,
    /// In a trailer's name.
    TrailerName,
    /// In a trailer's value.
    TrailerValue,
    /// Before the line feed that ends a trailer.
    TrailerLineFeed,
    /// Before the very last line feed.
    LastLineFeed,
    Done,
}

impl ChunkedDecoder {
    pub(crate) fn new(body_bytes_max: usize) -> ChunkedDecoder {
        ChunkedDecoder {
            state: State::Size { size: 0, digits: 0 },
            body_bytes_max,
            body_bytes: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
        }
    }

    /// Whether the body has ended; the bytes after it belong to the next request.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes what it can of `input` onto `body`, and returns how many bytes it used.
    ///
    /// # Errors
    /// 400 for anything malformed, 413 for a body over its bound.
    pub(crate) fn decode(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, RequestFault> {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            if let State::Data { left } = self.state {
                let available = input.len() - used;
                let taken = usize::try_from(left).unwrap_or(available).min(available);
                body.extend_from_slice(&input[used..used + taken]);
                used += taken;
                self.body_bytes += taken;
                let left = left - taken as u64;
                self.state = if left == 0 { State::DataCarriageReturn } else { State::Data { left } };
                continue;
            }
            if self.is_done() {
                break;
            }
            self.state = self.step(byte)?;
            used += 1;
        }
        Ok(used)
    }

    /// The state after one byte outside of data.
    fn step(&mut self, byte: u8) -> Result<State, RequestFault> {
        Ok(match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == SIZE_DIGITS_MAX {
                    return Err(fault::BODY_TOO_LARGE);
                }
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                State::Size { size: size * 16 + u64::from(digit), digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) => return Err(MALFORMED_CHUNK),
            (State::Size { size, .. } | State::Blanks { size } | State::Extension { size }, b'\r') => {
                State::SizeLineFeed { size }
            }
            (State::Size { size, .. } | State::Blanks { size }, b';') => State::Extension { size },
            (State::Size { size, .. } | State::Blanks { size }, b' ' | b'\t') => {
                self.count_extension_byte()?;
                State::Blanks { size }
            }
            (State::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count_extension_byte()?;
                State::Extension { size }
            }
            (State::SizeLineFeed { size: 0 }, b'\n') => State::TrailerStart,
            (State::SizeLineFeed { size }, b'\n') => {
                if size > self.body_bytes_max.saturating_sub(self.body_bytes) as u64 {
                    return Err(fault::BODY_TOO_LARGE);
                }
                State::Data { left: size }
            }
            (State::DataCarriageReturn, b'\r') => State::DataLineFeed,
            (State::DataLineFeed, b'\n') => State::Size { size: 0, digits: 0 },
            (State::TrailerStart, b'\r') => State::LastLineFeed,
            (State::LastLineFeed, b'\n') => State::Done,
            (State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLineFeed, _) => {
                self.trailer_step(byte)?
            }
            _ => return Err(MALFORMED_CHUNK),
        })
    }

    fn count_extension_byte(&mut self) -> Result<(), RequestFault> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX { Err(EXTENSIONS_TOO_LARGE) } else { Ok(()) }
    }

    fn trailer_step(&mut self, byte: u8) -> Result<State, RequestFault> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(TRAILERS_TOO_LARGE);
        }
        match (self.state, byte) {
            (State::TrailerStart | State::TrailerName, _) if is_token_byte(byte) => Ok(State::TrailerName),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::TrailerValue),
            (State::TrailerLineFeed, b'\n') => Ok(State::TrailerStart),
            _ => Err(MALFORMED_TRAILER),
        }
    }
}

const MALFORMED_CHUNK: RequestFault = RequestFault::bad_request("The chunked request body is malformed.");
const MALFORMED_TRAILER: RequestFault =
    RequestFault::bad_request("A trailer of the chunked request body is malformed.");
const EXTENSIONS_TOO_LARGE: RequestFault =
    RequestFault::bad_request("The chunk extensions are larger than this server reads.");
const TRAILERS_TOO_LARGE: RequestFault =
    RequestFault::new(431, "The trailers are larger than this server reads.");

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(Vec<u8>, usize), RequestFault>;

    /// Decodes `input` whole and at every split point; all must agree. `Ok` only when the body ended.
    fn decode(input: &[u8], body_bytes_max: usize) -> Outcome {
        let whole = decode_in_pieces(&[input], body_bytes_max);
        for split in 0..=input.len() {
            let (first, second) = input.split_at(split);
            assert_eq!(decode_in_pieces(&[first, second], body_bytes_max), whole, "split at {split}");
        }
        let single: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(decode_in_pieces(&single, body_bytes_max), whole, "byte by byte");
        whole
    }

    fn decode_in_pieces(pieces: &[&[u8]], body_bytes_max: usize) -> Outcome {
        let (mut decoder, mut body, mut used) = (ChunkedDecoder::new(body_bytes_max), Vec::new(), 0);
        for piece in pieces {
            used += decoder.decode(piece, &mut body)?;
        }
        if decoder.is_done() { Ok((body, used)) } else { Err(RequestFault::new(0, "unfinished")) }
    }

    #[test]
    fn bodies_are_decoded_wherever_they_are_split() {
        let rows: [(&[u8], &[u8], usize); 7] = [
            (b"0\r\n\r\n", b"", 5),
            (b"3\r\nabc\r\n0\r\n\r\nGET /", b"abc", 13),
            (b"3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n", b"abc0123456789", 30),
            (b"1;ext=\"v\"\r\na\r\n0;x\r\n\r\n", b"a", 21),
            (b"1 \r\na\r\n0\r\n\r\n", b"a", 12),
            (b"1 \t;x=y\r\na\r\n0 ;z\r\n\r\n", b"a", 20),
            (b"1\r\na\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", b"a", 25),
        ];
        for (input, body, used) in rows {
            assert_eq!(decode(input, 64), Ok((body.to_vec(), used)), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let rows: [(&[u8], u16); 20] = [
            (b"\r\n", 400),
            (b"g\r\n", 400),
            (b"0x1\r\na\r\n", 400),
            (b"+1\r\na\r\n", 400),
            (b"-1\r\n", 400),
            (b" 1\r\na\r\n", 400),
            (b"1_0\r\n", 400),
            (b"3 junk\r\nabc\r\n0\r\n\r\n", 400),
            (b"3 3\r\nabc\r\n0\r\n\r\n", 400),
            (b"3\tjunk;x\r\nabc\r\n0\r\n\r\n", 400),
            (b"0 junk\r\n\r\n", 400),
            (b"1\na\r\n0\r\n\r\n", 400),
            (b"1\r\nab\r\n0\r\n\r\n", 400),
            (b"1\r\na\n0\r\n\r\n", 400),
            (b"1;\x00\r\na\r\n", 400),
            (b"0\r\n\n", 400),
            (b"0\r\nX\r\n\r\n", 400),
            (b"0\r\nX: a\nb\r\n\r\n", 400),
            (b"0\r\nX : a\r\n\r\n", 400),
            (b"FFFFFFFFFFFFFFFFF\r\n", 413),
        ];
        for (input, status) in rows {
            assert_eq!(decode(input, 64).unwrap_err().status, status, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn each_bound_holds_at_the_limit_and_one_past_it() {
        assert!(decode(b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", 4).is_ok());
        assert_eq!(decode(b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", 4), Err(fault::BODY_TOO_LARGE));
        let whole = |bytes: &[u8]| decode_in_pieces(&[bytes], 4);
        let extension = |length: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(length));
        assert!(whole(extension(EXTENSION_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(whole(extension(EXTENSION_BYTES_MAX + 1).as_bytes()), Err(EXTENSIONS_TOO_LARGE));
        let blanks = |length: usize| format!("1{}\r\na\r\n0\r\n\r\n", " ".repeat(length));
        assert!(whole(blanks(EXTENSION_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(whole(blanks(EXTENSION_BYTES_MAX + 1).as_bytes()), Err(EXTENSIONS_TOO_LARGE));
        let trailer = |length: usize| format!("0\r\nX:{}\r\n\r\n", "y".repeat(length - "X:\r\n".len()));
        assert!(whole(trailer(TRAILER_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(whole(trailer(TRAILER_BYTES_MAX + 1).as_bytes()), Err(TRAILERS_TOO_LARGE));
    }
}
