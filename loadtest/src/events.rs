//! A stream of server-sent events inside a chunked answer that does not end.

use memchr::memmem;

use crate::framing::{BodyLength, Head, Malformed, chunk};

/// The longest event accepted: a snapshot of a large service is one.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// What has come of a stream and is not a whole event yet.
#[derive(Debug, Default)]
pub struct Events {
    head: Option<Head>,
    /// Bytes as they came, from the first that is not understood.
    wire: Vec<u8>,
    /// Text of the stream, from the first event that is not whole.
    text: Vec<u8>,
}

impl Events {
    /// Takes what was read, and hands each event that is whole by now to `take`, without its empty line.
    ///
    /// # Errors
    /// The answer is no stream of events.
    pub fn feed(&mut self, read: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), String> {
        self.wire.extend_from_slice(read);
        if self.head.is_none() {
            let Some(head) = Head::read(&self.wire).map_err(|error| error.to_string())? else {
                return Ok(());
            };
            if head.status != 200 || head.body != BodyLength::Chunked {
                return Err(format!("status {} instead of a stream", head.status));
            }
            self.wire.drain(..head.bytes);
            self.head = Some(head);
        }
        self.unchunk().map_err(|error| error.to_string())?;
        let mut from = 0;
        while let Some(end) = memmem::find(&self.text[from..], b"\n\n") {
            take(&self.text[from..from + end]);
            from += end + 2;
        }
        self.text.drain(..from);
        if self.text.len() > EVENT_BYTES_MAX {
            return Err("an event without an end".into());
        }
        if self.text.is_empty() && self.wire.is_empty() {
            // Thousands of these wait at once: nothing is kept between two events.
            (self.text, self.wire) = (Vec::new(), Vec::new());
        }
        Ok(())
    }

    fn unchunk(&mut self) -> Result<(), Malformed> {
        let mut at = 0;
        while let Some((start, length)) = chunk(&self.wire[at..])? {
            let end = at + start + length;
            if end + 2 > self.wire.len() {
                break;
            }
            if length == 0 {
                return Err(Malformed("the stream ended"));
            }
            self.text.extend_from_slice(&self.wire[at + start..end]);
            at = end + 2;
        }
        self.wire.drain(..at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
        9\r\nid: 1\ndat\r\n6\r\na: x\n\n\r\n11\r\nid: 2\n\nid: 3\n\nid:\r\n4\r\n 4\n\n\r\n";

    #[test]
    fn events_come_out_whole_however_they_were_cut() {
        for size in 1..STREAM.len() {
            let (mut events, mut seen) = (Events::default(), Vec::new());
            for piece in STREAM.chunks(size) {
                let taken =
                    events.feed(piece, |event| seen.push(String::from_utf8_lossy(event).into_owned()));
                taken.expect("it is a stream");
            }
            assert_eq!(seen, ["id: 1\ndata: x", "id: 2", "id: 3", "id: 4"], "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_stream_is_said_to_be_none() {
        let rows: [&[u8]; 3] = [
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ];
        for bytes in rows {
            assert!(Events::default().feed(bytes, |_| {}).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
