//! The name of one request, the same in the response, in the log and at the client.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// Longest id taken over from a client.
const LENGTH_MAX: usize = 64;

/// What this process's ids begin with, by which they are told from those of another: 32 random bits, since ids
/// meet in a log of many machines.
static PROCESS: LazyLock<[u8; 9]> = LazyLock::new(|| {
    let mut start = RequestId { bytes: [0; LENGTH_MAX], length: 0 };
    start.push_hex(RandomState::new().hash_one(std::process::id()) & u64::from(u32::MAX), 8);
    start.push(b'-');
    std::array::from_fn(|at| start.bytes[at])
});

/// 1 to 64 characters of `[A-Za-z0-9._-]`: the client's own `X-Request-Id`, or else
/// `process-connection-request` in hexadecimal.
#[derive(Clone, Copy)]
pub struct RequestId {
    bytes: [u8; LENGTH_MAX],
    length: u8,
}

impl RequestId {
    /// The id of the `request`th request on the `connection`th connection of this process.
    pub(crate) fn numbered(connection: u64, request: u64) -> RequestId {
        // At most 8 + 16 + 16 digits and two dashes, which fit. Written by hand: formatting took an eighth of
        // the instructions of a small request.
        let mut id = RequestId { bytes: [0; LENGTH_MAX], length: 9 };
        id.bytes[..9].copy_from_slice(&*PROCESS);
        id.push_hex(connection, 1);
        id.push(b'-');
        id.push_hex(request, 1);
        id
    }

    /// Appends `number` in hexadecimal, with at least `digits_min` digits.
    fn push_hex(&mut self, number: u64, digits_min: u32) {
        let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(digits_min);
        for place in (0..digits).rev() {
            self.push(b"0123456789abcdef"[(number >> (place * 4) & 0xf) as usize]);
        }
    }

    fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.length)] = byte;
        self.length += 1;
    }

    /// The client's own id, if it is one that can go into a log as it is.
    pub(crate) fn from_client(text: &[u8]) -> Option<RequestId> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if text.is_empty() || text.len() > LENGTH_MAX || !text.iter().all(is_plain) {
            return None;
        }
        let mut bytes = [0; LENGTH_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Some(RequestId { bytes, length: text.len() as u8 })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The id as it stands in a header.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_taken_over() {
        let long = "x".repeat(65);
        let rows = [
            ("a", true),
            ("A-z_0.9", true),
            (&long[..64], true),
            (&long, false),
            ("", false),
            ("a b", false),
        ];
        for (text, taken) in rows {
            assert_eq!(
                RequestId::from_client(text.as_bytes()).is_some_and(|id| id.as_str() == text),
                taken,
                "{text}"
            );
        }
        assert!(RequestId::from_client("é".as_bytes()).is_none());
    }

    #[test]
    fn own_ids_fit_and_differ() {
        let (first, last) = (RequestId::numbered(1, 1), RequestId::numbered(u64::MAX, u64::MAX));
        assert!(first.as_str().ends_with("-1-1"));
        assert_eq!(last.as_str().len(), 8 + 1 + 16 + 1 + 16);
    }
}
