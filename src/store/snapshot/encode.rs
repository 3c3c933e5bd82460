//! From rows to a snapshot's bytes. Holds one row at a time; where the bytes go is decided by the caller.

use aws_lc_rs::digest::{Context, SHA256};

use crate::store::change::Table;
use crate::store::snapshot::format::{SnapshotHeader, trailer_line};

/// Encodes one snapshot: the header with [`Encoder::begin`], each row with [`Encoder::row`], the trailer with
/// [`Encoder::end`]. Each appends to a buffer that the caller sends on and empties as it likes.
pub struct Encoder {
    digest: Context,
    rows: u64,
    bytes: u64,
}

impl Encoder {
    /// Appends the header.
    pub fn begin(header: &SnapshotHeader, out: &mut Vec<u8>) -> Encoder {
        let mut encoder = Encoder { digest: Context::new(&SHA256), rows: 0, bytes: 0 };
        let start = out.len();
        serde_json::to_writer(&mut *out, header).expect("a header has text keys only, and memory takes all");
        encoder.end_line(start, out);
        encoder
    }

    /// Appends a row. `value` is one JSON document without line feeds.
    pub fn row(&mut self, table: Table, key: &str, value: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"{\"table\":\"");
        out.extend_from_slice(table.name().as_bytes());
        out.extend_from_slice(b"\",\"key\":");
        serde_json::to_writer(&mut *out, key).expect("memory takes every text");
        out.extend_from_slice(b",\"value\":");
        out.extend_from_slice(value);
        out.push(b'}');
        self.rows += 1;
        self.end_line(start, out);
    }

    /// Appends the trailer.
    pub fn end(self, out: &mut Vec<u8>) {
        out.extend_from_slice(trailer_line(self.rows, self.bytes, self.digest.finish().as_ref()).as_bytes());
    }

    fn end_line(&mut self, start: usize, out: &mut Vec<u8>) {
        out.push(b'\n');
        let line = &out[start..];
        self.digest.update(line);
        self.bytes += line.len() as u64;
    }
}
