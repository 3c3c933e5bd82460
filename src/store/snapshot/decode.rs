//! From a snapshot's bytes back to rows, believing nothing: only what is whole, unaltered and in order comes through.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use aws_lc_rs::digest::{Context, SHA256};
use flate2::bufread::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::core::model::limits::INDEX_MAX;
use crate::store::change::{KEY_BYTES_MAX, Table};
use crate::store::rows::RowSink;
use crate::store::snapshot::error::SnapshotError;
use crate::store::snapshot::format::{
    FORMAT, OPENING, SnapshotHeader, TABLES, TRAILER_OPENING, trailer_line,
};

/// How gzip streams begin. A compressed snapshot is read as it is.
pub(super) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What the archive that Consul's snapshots are begins with: the name of its first file.
pub(super) const CONSUL_OPENING: &[u8] = b"meta.json\0";

/// Memory for reading ahead.
const BUFFER_BYTES: usize = 64 * 1024;

/// How many times its packed bytes a snapshot may have. A hundred thousand instances that differ in nothing but a
/// number come to 22 times, twenty thousand of three kilobytes each to 107; repeated bytes come to a thousand,
/// and cost their sender nothing.
const RATIO_MAX: u64 = 300;

/// Bytes that may come out of few packed ones all the same: less than a moment's work.
const UNPACKED_BYTES_FREE: u64 = 4 << 20;

/// How much is read of a snapshot from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeBounds {
    /// The longest line, in bytes. It is held in memory as a whole.
    pub line_bytes_max: usize,
    /// The most that all lines together may have, in bytes: a small compressed stream may become a large one.
    pub bytes_max: u64,
}

/// A snapshot being read: the header is known, the rows are to come.
pub struct Decoder<'a> {
    lines: Lines<'a>,
    header: SnapshotHeader,
}

/// What a snapshot turned out to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The first line.
    pub header: SnapshotHeader,
    /// Bytes of all lines, uncompressed.
    pub bytes: u64,
    /// Their SHA-256 in hexadecimal, as in the last line.
    pub sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    #[serde(borrow)]
    table: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The part of the first line that every format, past and future, must be able to show.
#[derive(Deserialize)]
struct FormatOnly {
    muster_snapshot: u64,
}

impl<'a> Decoder<'a> {
    /// Reads the first line of `input`, plain or compressed with gzip.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn open(input: impl Read + 'a, bounds: DecodeBounds) -> Result<Decoder<'a>, SnapshotError> {
        let packed = Rc::new(Cell::new(0));
        let counted = Counted { input, count: packed.clone() };
        let mut input = BufReader::with_capacity(BUFFER_BYTES, counted);
        let is_gzip = input.fill_buf().map_err(SnapshotError::Io)?.starts_with(&GZIP_MAGIC);
        let input: Box<dyn BufRead + 'a> = match is_gzip {
            true => Box::new(BufReader::with_capacity(BUFFER_BYTES, GzDecoder::new(input))),
            false => Box::new(input),
        };
        let digest = Context::new(&SHA256);
        let mut lines = Lines { input, packed, bounds, line: Vec::new(), number: 0, bytes: 0, digest };
        lines.refuse_other_formats()?;
        if !lines.next()? {
            return Err(SnapshotError::Cut { lines: 0 });
        }
        let damaged = |error: serde_json::Error| SnapshotError::damaged(1, error);
        let FormatOnly { muster_snapshot: found } = serde_json::from_slice(&lines.line).map_err(damaged)?;
        if found > u64::from(FORMAT) {
            return Err(SnapshotError::Newer { found });
        }
        if found != u64::from(FORMAT) {
            return Err(SnapshotError::damaged(1, format!("there is no format {found}")));
        }
        let header: SnapshotHeader = serde_json::from_slice(&lines.line).map_err(damaged)?;
        if header.index > INDEX_MAX {
            return Err(SnapshotError::Senseless(format!(
                "its index {} is above {INDEX_MAX}, which no registry comes to",
                header.index
            )));
        }
        if let Some(name) = header.rows.keys().find(|name| table(name).is_none()) {
            return Err(SnapshotError::damaged(1, format!("there is no table {name:?}")));
        }
        lines.count();
        Ok(Decoder { lines, header })
    }

    /// The first line. Whether it is unaltered is known only once all rows are read.
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Hands every row to `row`. What was handed out means nothing when this returns an error.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn rows(self, row: &mut RowSink) -> Result<Contents, SnapshotError> {
        let Decoder { mut lines, header } = self;
        let (mut rows, mut left) = (0, header.rows.clone());
        let mut last = TABLES[0];
        loop {
            if !lines.next()? {
                return Err(SnapshotError::Cut { lines: lines.number });
            }
            if lines.line.starts_with(TRAILER_OPENING.as_bytes()) {
                break;
            }
            let number = lines.number;
            let Row { table: name, key, value } =
                serde_json::from_slice(&lines.line).map_err(|error| SnapshotError::damaged(number, error))?;
            let table = table(&name)
                .ok_or_else(|| SnapshotError::damaged(number, format!("there is no table {name:?}")))?;
            if table < last {
                return Err(SnapshotError::damaged(number, format!("{name} come too late")));
            }
            if key.len() > KEY_BYTES_MAX {
                return Err(SnapshotError::damaged(number, format!("a key of {} bytes", key.len())));
            }
            take_one(&mut left, &name, number)?;
            row(table, &key, value.get().as_bytes())
                .map_err(|detail| SnapshotError::damaged(number, detail))?;
            (last, rows) = (table, rows + 1);
            lines.count();
        }
        let (number, bytes) = (lines.number, lines.bytes);
        let digest = std::mem::replace(&mut lines.digest, Context::new(&SHA256)).finish();
        let trailer = trailer_line(rows, bytes, digest.as_ref());
        if lines.line != trailer.as_bytes() {
            return Err(SnapshotError::damaged(number, "the lines before do not add up to what it says"));
        }
        if left.values().any(|count| *count > 0) {
            return Err(SnapshotError::damaged(1, "it promises more rows than there are"));
        }
        if lines.next()? {
            return Err(SnapshotError::damaged(number + 1, "something follows its end"));
        }
        let sha256 = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Contents { header, bytes: bytes + trailer.len() as u64, sha256 })
    }
}

fn table(name: &str) -> Option<Table> {
    TABLES.into_iter().find(|table| table.name() == name)
}

/// Counts one row off those that the header promises.
fn take_one(left: &mut BTreeMap<String, u64>, name: &str, number: u64) -> Result<(), SnapshotError> {
    match left.get_mut(name) {
        Some(count) if *count > 0 => {
            *count -= 1;
            Ok(())
        }
        _ => Err(SnapshotError::damaged(number, format!("more {name} than its first line says"))),
    }
}

/// Counts the bytes that are read.
struct Counted<R> {
    input: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.count.set(self.count.get() + length as u64);
        Ok(length)
    }
}

/// The lines of a stream, summed up as they are taken for good.
struct Lines<'a> {
    input: Box<dyn BufRead + 'a>,
    /// Bytes read so far as they came, packed or not.
    packed: Rc<Cell<u64>>,
    bounds: DecodeBounds,
    /// The line at hand, its line feed included.
    line: Vec<u8>,
    /// Its number, from 1.
    number: u64,
    /// Bytes of the lines before it.
    bytes: u64,
    digest: Context,
}

impl Lines<'_> {
    /// Looks at the first bytes before they are taken for lines.
    fn refuse_other_formats(&mut self) -> Result<(), SnapshotError> {
        let start = self.input.fill_buf().map_err(unreadable)?;
        let opening = OPENING.as_bytes();
        match start.len() {
            _ if start.starts_with(opening) => Ok(()),
            _ if start.starts_with(CONSUL_OPENING) => Err(SnapshotError::OfConsul),
            length if length < opening.len() && opening.starts_with(start) => {
                Err(SnapshotError::Cut { lines: 0 })
            }
            _ => Err(SnapshotError::NotASnapshot),
        }
    }

    /// Reads the next line; false at the end.
    fn next(&mut self) -> Result<bool, SnapshotError> {
        self.line.clear();
        let DecodeBounds { line_bytes_max, bytes_max } = self.bounds;
        let mut bounded = (&mut self.input).take(line_bytes_max as u64);
        let length = bounded.read_until(b'\n', &mut self.line).map_err(unreadable)?;
        if length == 0 {
            return Ok(false);
        }
        self.number += 1;
        let unpacked = self.bytes.saturating_add(length as u64);
        if unpacked > bytes_max {
            return Err(SnapshotError::TooLarge { bytes_max });
        }
        if unpacked > self.packed.get().saturating_mul(RATIO_MAX).max(UNPACKED_BYTES_FREE) {
            return Err(SnapshotError::TooDense { ratio_max: RATIO_MAX });
        }
        match self.line.last() {
            Some(b'\n') => Ok(true),
            _ if length == line_bytes_max => {
                Err(SnapshotError::TooLong { line: self.number, line_bytes_max })
            }
            _ => Err(SnapshotError::Cut { lines: self.number - 1 }),
        }
    }

    /// Adds the line at hand to the sum.
    fn count(&mut self) {
        self.digest.update(&self.line);
        self.bytes += self.line.len() as u64;
    }
}

/// What an error while reading means: of a compressed stream it may speak of the bytes and not of the disk.
fn unreadable(error: io::Error) -> SnapshotError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => SnapshotError::Cut { lines: 0 },
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            SnapshotError::damaged(1, format!("it does not decompress: {error}"))
        }
        _ => SnapshotError::Io(error),
    }
}
