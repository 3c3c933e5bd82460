//! Where `ureq` puts the bytes of one exchange. Its own buffers are a quarter of a megabyte that is cleared for every
//! request, which was most of the cost of a probe.

use ureq::unversioned::transport::Buffers;

/// Room for what is sent at a time. A single header line must fit into it.
const OUTPUT_BYTES: usize = 16 * 1024;

/// Room for what is received, at first. Most answers of a health check fit into it.
const INPUT_BYTES: usize = 4 * 1024;

/// Scratch room for a request's body.
const SCRATCH_BYTES: usize = 4 * 1024;

/// The buffers of one exchange.
#[derive(Debug)]
pub struct ExchangeBuffers {
    output: Vec<u8>,
    /// Only used for the bodies of requests.
    scratch: Vec<u8>,
    /// What is received: consumed up to `start`, filled up to `end`.
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Most bytes of input that may wait unconsumed: the longest head, and then some of the body.
    input_bytes_max: usize,
    /// Whether the last look at the input took something from it; if not, looking again is of no use.
    progress: bool,
}

impl ExchangeBuffers {
    /// Empty buffers that hold up to `input_bytes_max` of an answer at a time.
    pub fn new(input_bytes_max: usize) -> ExchangeBuffers {
        ExchangeBuffers {
            output: vec![0; OUTPUT_BYTES],
            scratch: Vec::new(),
            input: vec![0; INPUT_BYTES.min(input_bytes_max)],
            start: 0,
            end: 0,
            input_bytes_max,
            progress: false,
        }
    }
}

impl Buffers for ExchangeBuffers {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.input.len() {
            self.input.resize((self.end * 2).min(self.input_bytes_max), 0);
        }
        &mut self.input[self.end..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.end += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.start += amount;
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.scratch.resize(SCRATCH_BYTES, 0);
        (&mut self.scratch, &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.progress && self.start < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(buffers: &mut ExchangeBuffers, bytes: &[u8]) -> usize {
        let room = buffers.input_append_buf();
        let amount = room.len().min(bytes.len());
        room[..amount].copy_from_slice(&bytes[..amount]);
        buffers.input_appended(amount);
        amount
    }

    #[test]
    fn input_grows_to_its_bound_and_moves_up() {
        let mut buffers = ExchangeBuffers::new(INPUT_BYTES * 3);
        let bytes: Vec<u8> = (0..INPUT_BYTES * 4).map(|at| at as u8).collect();
        let mut received = 0;
        for room in [INPUT_BYTES, INPUT_BYTES, INPUT_BYTES, 0] {
            assert_eq!(receive(&mut buffers, &bytes[received..]), room);
            received += room;
        }
        assert!(buffers.input() == &bytes[..received]);
        assert!(!buffers.can_use_input(), "nothing was taken from it yet");
        buffers.input_consume(1000);
        assert!(buffers.can_use_input());
        assert_eq!(receive(&mut buffers, &bytes[received..]), 1000);
        assert!(buffers.input() == &bytes[1000..received + 1000]);
        buffers.input_consume(received);
        assert!(buffers.input().is_empty() && !buffers.can_use_input());
    }
}
