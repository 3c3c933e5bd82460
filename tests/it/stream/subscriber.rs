//! A reader of server-sent events, as strict as the format: it takes the bytes as they come and hides nothing.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::support::client::{Answer, read_answer};

/// How long an event may take before the test fails: far above any honest pause.
pub const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub kind: String,
    pub id: Option<u64>,
    pub data: Value,
}

/// One stream that is read.
pub struct Subscriber {
    from: BufReader<TcpStream>,
    /// What was unchunked and is no whole event yet.
    text: Vec<u8>,
    /// The id to resume with.
    pub last_id: Option<u64>,
    /// The `retry` that the server asked for, in milliseconds.
    pub retry_ms: Option<u64>,
    pub headers: Vec<(String, String)>,
}

impl Subscriber {
    /// Opens a stream; `query` is what stands behind the question mark.
    ///
    /// # Errors
    /// The answer, when it is not a stream.
    pub fn open(address: SocketAddr, query: &str, last_id: Option<u64>) -> Result<Subscriber, Answer> {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(EVENT_WAIT_MAX)).expect("a timeout above zero");
        let resume = last_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let request = format!("GET /v1/muster/stream?{query} HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n");
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut from = BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = from.read_until(b'\n', &mut head).expect("a head");
            assert!(read > 0, "the server hung up: {}", String::from_utf8_lossy(&head));
        }
        let text = String::from_utf8(head.clone()).expect("a head is text");
        if !text.starts_with("HTTP/1.1 200 ") {
            let mut rest = io::Read::chain(&head[..], from);
            return Err(read_answer(&mut rest, false).expect("an answer").0);
        }
        let headers = text.lines().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Subscriber { from, text: Vec::new(), last_id, retry_ms: None, headers })
    }

    /// The next event; `None` when the stream has ended in order.
    ///
    /// # Errors
    /// `UnexpectedEof` when it was cut.
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                match self.take(&String::from_utf8(block).expect("events are text")) {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            if !self.read_chunk()? {
                assert!(self.text.is_empty(), "a part of an event: {}", String::from_utf8_lossy(&self.text));
                return Ok(None);
            }
        }
    }

    /// The next event of one of these kinds; others are skipped.
    pub fn next_of(&mut self, kinds: &[&str]) -> Event {
        loop {
            let event = self.next().expect("the stream goes on").expect("the stream has not ended");
            if kinds.contains(&event.kind.as_str()) {
                return event;
            }
        }
    }

    fn take(&mut self, block: &str) -> Option<Event> {
        let (mut kind, mut id, mut data) = (None, None, None);
        for line in block.trim_end().lines() {
            match line.split_once(": ").expect("a field and its value") {
                ("event", value) => kind = Some(value.to_owned()),
                ("id", value) => id = Some(value.parse().expect("an index")),
                ("data", value) => data = Some(serde_json::from_str(value).expect("JSON")),
                ("retry", value) => self.retry_ms = Some(value.parse().expect("milliseconds")),
                other => panic!("no field of an event: {other:?}"),
            }
        }
        self.last_id = id.or(self.last_id);
        Some(Event { kind: kind?, id, data: data.expect("every event has data") })
    }

    /// Adds one chunk to the text; `false` for the last one.
    fn read_chunk(&mut self) -> io::Result<bool> {
        let mut size = String::new();
        if self.from.read_line(&mut size)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
        let mut chunk = vec![0; size + 2];
        io::Read::read_exact(&mut self.from, &mut chunk)?;
        assert!(chunk.ends_with(b"\r\n"), "a chunk ends");
        self.text.extend_from_slice(&chunk[..size]);
        Ok(size > 0)
    }
}
