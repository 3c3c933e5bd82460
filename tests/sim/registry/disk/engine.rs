//! An engine as engines are: a journal that is synced with every batch, a table that takes its place now and then, and
//! a habit of dropping in silence what does not read at the journal's end.
//!
//! A record of the journal, and the table as a whole: length (4 bytes), XXH3 of what follows (8 bytes), rows. A row:
//! length of its name, name, 0 for its end or 1 and the length of its value and the value.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use muster::store::embedded::backend::{NamedRow, NewRow, RowEngine, RowReceiver};
use muster::store::embedded::engine::EngineFault;
use xxhash_rust::xxh3::xxh3_64;

use crate::registry::disk::Disk;
use crate::registry::tally::Kind;

/// The journal's file.
pub const JOURNAL: &str = "rows/journal";

/// The table's file, and its name before it is one.
pub const TABLE: &str = "rows/table";
const TABLE_UNFINISHED: &str = "rows/table.new";

/// A longer journal is turned into a table.
const JOURNAL_BYTES_MAX: usize = 6_000;

/// Rows in a page at most, so that a life has some of them.
const PAGE_ROWS: usize = 5;

const HEAD_BYTES: usize = 12;

/// A disk that several hold.
pub type SharedDisk = Arc<Mutex<Disk>>;

/// What a faulty engine does to the rows that it gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    /// One is left out.
    Gone,
    /// One is there that is not there.
    TooMany,
    /// One has lost its last byte but one.
    Altered,
}

/// An open engine.
pub struct ModelEngine {
    disk: SharedDisk,
    inner: Mutex<Inner>,
    slip: Option<Slip>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<String, Vec<u8>>,
    journal_bytes: usize,
    is_stopped: bool,
}

impl ModelEngine {
    /// Opens what is on the disk, or begins anew.
    ///
    /// # Errors
    /// When the disk fails, or the table does not read.
    pub fn open(disk: &SharedDisk, slip: Option<Slip>) -> Result<ModelEngine, EngineFault> {
        let mut inner = Inner::default();
        let mut on = hold(disk);
        if let Some(bytes) = on.read(TABLE).map_err(|error| of_disk(&error))? {
            let (rows, length) =
                record(&bytes).ok_or_else(|| EngineFault::Content("the table does not read".into()))?;
            if length != bytes.len() {
                return Err(EngineFault::Content("the table has something behind its end".into()));
            }
            inner.apply(rows);
        }
        if let Some(bytes) = on.read(JOURNAL).map_err(|error| of_disk(&error))? {
            let mut at = 0;
            while let Some((rows, length)) = record(&bytes[at..]) {
                inner.apply(rows);
                at += length;
            }
            if at < bytes.len() {
                on.set_length(JOURNAL, at).map_err(|error| of_disk(&error))?;
            }
            inner.journal_bytes = at;
        } else {
            let begin = |on: &mut Disk| {
                on.set_length(JOURNAL, 0)?;
                on.sync(JOURNAL)?;
                on.sync_names()
            };
            begin(&mut on).map_err(|error| of_disk(&error))?;
        }
        drop(on);
        Ok(ModelEngine { disk: disk.clone(), inner: Mutex::new(inner), slip })
    }

    /// Every row on a disk, past every fault.
    pub fn rows_on(disk: &Disk) -> BTreeMap<String, Vec<u8>> {
        let mut inner = Inner::default();
        for name in [TABLE, JOURNAL] {
            let mut bytes = disk.look(name).unwrap_or_default();
            while let Some((rows, length)) = record(bytes) {
                inner.apply(rows);
                bytes = &bytes[length..];
            }
        }
        inner.rows
    }

    /// Writes the table anew and empties the journal.
    fn compact(inner: &mut Inner, disk: &mut Disk) -> io::Result<()> {
        let rows: Vec<NewRow<'_>> =
            inner.rows.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
        disk.set_length(TABLE_UNFINISHED, 0)?;
        disk.write(TABLE_UNFINISHED, 0, &encode(&rows))?;
        disk.sync(TABLE_UNFINISHED)?;
        disk.rename(TABLE_UNFINISHED, TABLE)?;
        disk.sync_names()?;
        disk.set_length(JOURNAL, 0)?;
        disk.sync(JOURNAL)?;
        inner.journal_bytes = 0;
        Ok(())
    }
}

impl RowEngine for ModelEngine {
    fn write(&self, rows: &[NewRow<'_>]) -> Result<(), EngineFault> {
        let (mut inner, mut disk) = (self.inner.lock().expect("nothing panics here"), hold(&self.disk));
        if inner.is_stopped || disk.begins_batch().map_err(|error| of_disk(&error))? {
            inner.is_stopped = true;
            return Err(EngineFault::Stopped);
        }
        let bytes = encode(rows);
        let at = inner.journal_bytes;
        let written = disk.write(JOURNAL, at, &bytes).and_then(|()| disk.sync(JOURNAL));
        if let Err(error) = written {
            inner.is_stopped = true;
            return Err(of_disk(&error));
        }
        inner.journal_bytes += bytes.len();
        inner.apply(rows.iter().map(|(name, value)| (name.to_string(), value.map(<[u8]>::to_vec))).collect());
        if inner.journal_bytes > JOURNAL_BYTES_MAX && ModelEngine::compact(&mut inner, &mut disk).is_err() {
            inner.is_stopped = true;
        }
        Ok(())
    }

    fn each(&self, prefix: &str, row: &mut RowReceiver<'_>) -> Result<(), EngineFault> {
        let inner = self.inner.lock().expect("nothing panics here");
        let rows: Vec<_> = inner.rows.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
        let is_struck = prefix == "services/" && !rows.is_empty();
        for (number, (name, value)) in rows.iter().enumerate() {
            let slip = self.slip.filter(|_| is_struck && number == 0);
            match slip {
                Some(Slip::Gone) => {
                    Kind::RowGone.count();
                    continue;
                }
                Some(Slip::TooMany) => {
                    Kind::RowTooMany.count();
                    row(&format!("{name}-again"), value).map_err(EngineFault::Content)?;
                }
                Some(Slip::Altered) => {
                    Kind::RowAltered.count();
                    let altered = String::from_utf8_lossy(value).replacen("\"port\":", "\"port\":1", 1);
                    row(name, altered.as_bytes()).map_err(EngineFault::Content)?;
                    continue;
                }
                None => {}
            }
            row(name, value).map_err(EngineFault::Content)?;
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, EngineFault> {
        Ok(self.inner.lock().expect("nothing panics here").rows.get(name).cloned())
    }

    fn page(&self, after: &str, rows_max: usize, bytes_max: usize) -> Result<Vec<NamedRow>, EngineFault> {
        let inner = self.inner.lock().expect("nothing panics here");
        let mut bytes = 0;
        let fits = |(name, value): &(&String, &Vec<u8>)| {
            let is_first = bytes == 0;
            bytes += name.len() + value.len();
            is_first || bytes <= bytes_max
        };
        let later = inner.rows.range(format!("{after}\0")..).take(rows_max.min(PAGE_ROWS));
        Ok(later.take_while(fits).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn sync(&self) -> Result<(), EngineFault> {
        hold(&self.disk).sync(JOURNAL).map_err(|error| of_disk(&error))
    }
}

impl Inner {
    /// Puts the rows of one record in place.
    fn apply(&mut self, rows: Vec<(String, Option<Vec<u8>>)>) {
        for (name, value) in rows {
            match value {
                Some(value) => self.rows.insert(name, value),
                None => self.rows.remove(&name),
            };
        }
    }
}

/// Locks the disk for a call. Nothing waits under it.
pub fn hold(disk: &SharedDisk) -> MutexGuard<'_, Disk> {
    disk.lock().expect("no holder panics")
}

fn of_disk(error: &io::Error) -> EngineFault {
    match error.kind() {
        io::ErrorKind::StorageFull => EngineFault::Full(error.to_string()),
        _ => EngineFault::Disk(error.to_string()),
    }
}

fn encode(rows: &[NewRow<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; HEAD_BYTES];
    let length = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
    for (name, value) in rows {
        bytes.extend(length(name.as_bytes()));
        bytes.extend(name.as_bytes());
        bytes.push(u8::from(value.is_some()));
        if let Some(value) = value {
            bytes.extend(length(value));
            bytes.extend(*value);
        }
    }
    let (body, sum) = (length(&bytes[HEAD_BYTES..]), xxh3_64(&bytes[HEAD_BYTES..]));
    bytes[..4].copy_from_slice(&body);
    bytes[4..HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
    bytes
}

type Rows = Vec<(String, Option<Vec<u8>>)>;

/// The record at the beginning of `bytes` with its length; `None` when it does not read.
fn record(bytes: &[u8]) -> Option<(Rows, usize)> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let end = HEAD_BYTES.checked_add(length)?;
    let mut body = bytes.get(HEAD_BYTES..end)?;
    if xxh3_64(body) != u64::from_le_bytes(bytes.get(4..HEAD_BYTES)?.try_into().ok()?) {
        return None;
    }
    let mut take = |count: usize| {
        let (taken, rest) = body.split_at_checked(count)?;
        body = rest;
        Some(taken)
    };
    let mut rows = Vec::new();
    loop {
        let Some(length) = take(4) else { return Some((rows, end)) };
        let name = take(u32::from_le_bytes(length.try_into().ok()?) as usize)?;
        let name = String::from_utf8(name.to_vec()).ok()?;
        let value = match take(1)? {
            [0] => None,
            _ => {
                let length = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
                Some(take(length)?.to_vec())
            }
        };
        rows.push((name, value));
    }
}
