//! One client that wants to know of every change of a service, or below a prefix of keys, in one of four ways.

use std::net::SocketAddr;

use memchr::memmem;
use serde::Deserialize;

use crate::connection::{Buffers, Connection};
use crate::events::Events;

/// How long a server may hold a question that nothing answers.
const WAIT: &str = "120s";

/// How a watcher is told.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It asks for the whole service with the last index, again and again.
    Blocking,
    /// The same, and is sent only what has changed.
    Delta,
    /// It asks once, and events are sent as they happen.
    Stream,
    /// It asks for every key below a prefix with the last index, again and again.
    Prefix,
}

/// A connection and what has been seen on it.
#[derive(Debug)]
pub struct Watcher {
    /// The connection.
    pub connection: Connection,
    /// The number of the latest change seen.
    pub seen: u64,
    how: How,
    index: u64,
    events: Events,
}

/// What came of reading once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing whole yet.
    Nothing,
    /// Something whole, that shows this change as the latest, in so many bytes.
    State {
        /// The number of the change.
        change: u64,
        /// Bytes on the wire.
        bytes: usize,
    },
}

impl Watcher {
    /// A watcher that has seen nothing and asked nothing.
    pub fn new(connection: Connection, how: How) -> Self {
        Self { connection, seen: 0, how, index: 0, events: Events::default() }
    }

    /// Asks for what comes after what was seen. A stream is asked for once only.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn ask(&mut self, address: SocketAddr, service: &str) -> std::io::Result<()> {
        let path = match (self.how, self.index) {
            (How::Stream, 0) => format!("/v1/muster/stream?service={service}"),
            (How::Stream, _) => return Ok(()),
            (How::Prefix, index) => format!("/v1/kv/{service}/?recurse&index={index}&wait={WAIT}"),
            (_, 0) => format!("/v1/health/service/{service}"),
            (How::Blocking, index) => format!("/v1/health/service/{service}?index={index}&wait={WAIT}"),
            (How::Delta, index) => format!("/v1/health/service/{service}?index={index}&wait={WAIT}&delta=1"),
        };
        self.connection.send(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
    }

    /// Reads once.
    ///
    /// # Errors
    /// The connection ended, or what came is not what was asked for.
    pub fn read(&mut self, buffers: &mut Buffers) -> Result<Progress, String> {
        if self.how == How::Stream {
            return self.read_events(&mut buffers.once);
        }
        let latest: fn(&[u8]) -> Option<u64> =
            if self.how == How::Prefix { latest_flags } else { latest_change };
        let answer = self.connection.receive(buffers, |answer| {
            let body = answer.body();
            (answer.head.status, answer.head.index, latest(&body), answer.bytes)
        })?;
        let Some((status, index, change, bytes)) = answer else { return Ok(Progress::Nothing) };
        if status != 200 {
            return Err(format!("status {status} instead of 200"));
        }
        let index = index.filter(|it| *it > 0).ok_or("no X-Consul-Index above 0")?;
        if index < self.index {
            return Err("an index lower than the one before".into());
        }
        self.index = index;
        Ok(Progress::State { change: change.unwrap_or(self.seen), bytes })
    }

    fn read_events(&mut self, buffer: &mut [u8]) -> Result<Progress, String> {
        let read = self.connection.read(buffer)?;
        let mut latest = None;
        self.events.feed(&buffer[..read], |event| latest = latest.max(latest_change(event)))?;
        if latest.is_some() {
            self.index = 1;
        }
        Ok(latest.map_or(Progress::Nothing, |change| Progress::State { change, bytes: read }))
    }
}

/// The highest number of a change in the metadata of the instances in a body.
fn latest_change(body: &[u8]) -> Option<u64> {
    highest_between(body, b"\"change\":\"", b'"')
}

/// The highest number of a change in the flags of the keys in a body.
fn latest_flags(body: &[u8]) -> Option<u64> {
    highest_between(body, b"\"Flags\":", b',')
}

fn highest_between(body: &[u8], before: &[u8], after: u8) -> Option<u64> {
    let numbers = memmem::find_iter(body, before).filter_map(|at| {
        let rest = &body[at + before.len()..];
        let digits = &rest[..memchr::memchr(after, rest)?];
        std::str::from_utf8(digits).ok()?.parse().ok()
    });
    numbers.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_change_is_the_highest() {
        let rows: [(&str, Option<u64>); 4] = [
            ("[]", None),
            (r#"[{"Meta":{"change":"7"}},{"Meta":{"change":"12"}},{"Meta":{"change":"0"}}]"#, Some(12)),
            (r#"{"change":"x"}"#, None),
            (r#"{"change":"3"#, None),
        ];
        for (body, change) in rows {
            assert_eq!(latest_change(body.as_bytes()), change, "{body}");
        }
        assert_eq!(latest_flags(br#"[{"Key":"a","Flags":3,"Value":""},{"Flags":2,"x":1}]"#), Some(3));
    }
}
