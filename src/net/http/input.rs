//! Bytes received and not yet understood.

use crate::net::http::buffer_pool;

/// A buffer between the socket and the parsers. It holds memory only while it holds bytes or is being read
/// into.
#[derive(Default)]
pub(crate) struct Input {
    /// Empty, or memory of which `start..end` is filled.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// The bytes received and not yet consumed.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes of memory it holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Drops the first `length` bytes, which were understood.
    pub(crate) fn consume(&mut self, length: usize) {
        self.start = self.start.saturating_add(length).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room to read into; followed by [`Input::advance`]. It grows only while a single head does not fit,
    /// which the bound of heads bounds.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = buffer_pool::take_input();
        }
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// Takes `length` bytes of the room as received.
    pub(crate) fn advance(&mut self, length: usize) {
        self.end = (self.end + length).min(self.buffer.len());
    }

    /// Appends bytes that the client has sent to another process.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let length = room.len().min(bytes.len());
            room[..length].copy_from_slice(&bytes[..length]);
            self.advance(length);
            bytes = &bytes[length..];
        }
    }

    /// Gives the memory back if it holds nothing.
    pub(crate) fn release_if_empty(&mut self) {
        if self.is_empty() && !self.buffer.is_empty() {
            buffer_pool::give_input(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_over_compaction_and_growth() {
        let (mut input, mut expected, mut next) = (Input::default(), Vec::new(), 0u8);
        for round in 0..40 {
            let room = input.room();
            assert!(!room.is_empty());
            for byte in room.iter_mut() {
                (*byte, next) = (next, next.wrapping_add(7));
                expected.push(*byte);
            }
            let length = room.len();
            input.advance(length);
            let used = (input.filled().len() / 2) + round;
            assert_eq!(&input.filled()[..used], &expected[..used]);
            input.consume(used);
            expected.drain(..used);
        }
        assert_eq!(input.filled(), expected);
        input.consume(expected.len());
        input.release_if_empty();
        assert!(input.is_empty() && input.buffer.is_empty());
    }
}
