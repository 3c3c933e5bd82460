//! Response headers as they will stand on the wire.
//!
//! A header is written once, when it is set; sending a response copies the block. Up to 256 bytes need no
//! allocation.

use std::fmt;
use std::io::Write;

/// Bytes kept in the block itself: the handful of headers of a usual answer.
const INLINE_BYTES: usize = 256;

/// Lines `Name: value CR LF`, in the order they were added.
pub struct HeaderBlock {
    inline: [u8; INLINE_BYTES],
    inline_length: usize,
    /// What did not fit, after the inline lines.
    spilled: Vec<u8>,
}

impl Default for HeaderBlock {
    fn default() -> HeaderBlock {
        HeaderBlock { inline: [0; INLINE_BYTES], inline_length: 0, spilled: Vec::new() }
    }
}

impl Clone for HeaderBlock {
    fn clone(&self) -> HeaderBlock {
        let mut clone = HeaderBlock::default();
        clone.clone_from(self);
        clone
    }

    /// Only what there is is copied.
    fn clone_from(&mut self, other: &HeaderBlock) {
        self.inline[..other.inline_length].copy_from_slice(&other.inline[..other.inline_length]);
        self.inline_length = other.inline_length;
        self.spilled.clone_from(&other.spilled);
    }
}

impl HeaderBlock {
    /// Adds a header. Control characters in `value` (a line break above all) become blanks, so that no value
    /// can add a header of its own.
    pub fn add(&mut self, name: &'static str, value: &str) {
        self.add_bytes(name, value.as_bytes());
    }

    /// Adds a header with a decimal number.
    pub fn add_number(&mut self, name: &'static str, value: u64) {
        let mut digits = itoa::Buffer::new();
        self.add_bytes(name, digits.format(value).as_bytes());
    }

    /// Adds a header with a value that formats itself.
    pub fn add_display(&mut self, name: &'static str, value: impl fmt::Display) {
        let mut text = Vec::with_capacity(64);
        // Writing to a vector fails only if the value's own formatting does, and then nothing useful can be
        // said.
        if write!(text, "{value}").is_ok() {
            self.add_bytes(name, &text);
        }
    }

    /// The first value of `name`, compared without case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut lines = self.pieces().into_iter().flat_map(|piece| piece.split(|&byte| byte == b'\n'));
        lines.find_map(|line| {
            let (found, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b": ")?;
            found.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii_end())
        })
    }

    /// The block's bytes: two pieces that follow each other.
    pub(crate) fn pieces(&self) -> [&[u8]; 2] {
        [&self.inline[..self.inline_length], &self.spilled]
    }

    fn add_bytes(&mut self, name: &'static str, value: &[u8]) {
        debug_assert!(
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        );
        let length = name.len() + ": ".len() + value.len() + "\r\n".len();
        if self.spilled.is_empty() && self.inline_length + length <= INLINE_BYTES {
            let line = &mut self.inline[self.inline_length..][..length];
            let (start, rest) = line.split_at_mut(name.len());
            start.copy_from_slice(name.as_bytes());
            rest[..2].copy_from_slice(b": ");
            rest[2..2 + value.len()].copy_from_slice(value);
            blank_controls(&mut rest[2..2 + value.len()]);
            rest[2 + value.len()..].copy_from_slice(b"\r\n");
            self.inline_length += length;
        } else {
            self.spilled.extend_from_slice(name.as_bytes());
            self.spilled.extend_from_slice(b": ");
            let value_start = self.spilled.len();
            self.spilled.extend_from_slice(value);
            blank_controls(&mut self.spilled[value_start..]);
            self.spilled.extend_from_slice(b"\r\n");
        }
    }
}

fn blank_controls(value: &mut [u8]) {
    value.iter_mut().filter(|byte| byte.is_ascii_control()).for_each(|byte| *byte = b' ');
}

impl fmt::Debug for HeaderBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [inline, spilled] = self.pieces();
        write!(f, "{}{}", inline.escape_ascii(), spilled.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_in_order_and_cannot_be_broken() {
        let mut headers = HeaderBlock::default();
        headers.add("Content-Type", "application/json");
        headers.add_number("X-Consul-Index", 42);
        headers.add("X-Evil", "a\r\nSet-Cookie: b");
        headers.add_display("X-Address", std::net::Ipv4Addr::LOCALHOST);
        let text = headers.pieces().concat();
        let expected = "Content-Type: application/json\r\nX-Consul-Index: 42\r\nX-Evil: a  Set-Cookie: b\r\n\
                        X-Address: 127.0.0.1\r\n";
        assert_eq!(str::from_utf8(&text).unwrap(), expected);
        assert_eq!(headers.get("content-TYPE"), Some(&b"application/json"[..]));
        assert_eq!(headers.get("Set-Cookie"), None);
    }

    #[test]
    fn what_does_not_fit_spills_in_order() {
        let mut headers = HeaderBlock::default();
        for value in ["a".repeat(200), "b".repeat(100), "c".to_owned()] {
            headers.add("X", &value);
        }
        let expected = format!("X: {}\r\nX: {}\r\nX: c\r\n", "a".repeat(200), "b".repeat(100));
        assert_eq!(headers.pieces().concat(), expected.as_bytes());
        assert_eq!(headers.get("x").map(<[u8]>::len), Some(200));
    }
}
