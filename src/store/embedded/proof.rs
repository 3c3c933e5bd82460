//! Proves that an engine holds exactly what was committed, while its caller decodes the rows.
//!
//! One thread reads and adds up, the caller decodes the rows: a start keeps two cores busy.
//! The rows arrive in the engine's order, and the caller has taken or refused all of them before the whole is
//! judged. Owns how rows get from one thread to the other, and does not know what they mean.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use super::backend::RowEngine;
use super::engine::EngineFault;
use super::{CHECKSUM_MISSING, CHECKSUM_ROW};
use crate::base::stdx::counted::counted;
use crate::base::sys::runtime;
use crate::core::model::limits::INDEX_MAX;
use crate::store::change::Table;
use crate::store::checksums::{ChecksumIndex, RowChecksum};
use crate::store::rows::RowSink;

/// Bytes of rows handed over at a time. A thread may have to be woken for each piece, which costs as much as some
/// hundred rows do, so less would be felt; more would be memory for nothing.
const PIECE_BYTES: usize = 1 << 20;

/// Pieces that may wait for the caller: enough that neither thread waits for each piece of the other, and no more
/// than 2 MiB of rows beside those that are in place already.
const PIECES_WAITING_MAX: usize = 2;

/// Has [`prove`] done on a thread of its own, while this one hands the rows to `row`.
///
/// # Errors
/// What `row` refuses, else what is wrong with the rows.
pub(super) fn prove_beside(
    engine: &mut impl RowEngine,
    seen: RowChecksum,
    row: &mut RowSink<'_>,
) -> Result<ChecksumIndex, EngineFault> {
    let (sender, receiver) = sync_channel(PIECES_WAITING_MAX);
    let (returner, returned) = channel();
    let read = move || {
        let mut pieces = Pieces { piece: Piece::default(), sender, returned };
        let proved = prove(&*engine, seen, &mut |table, key, value| pieces.put(table, key, value));
        // Also when it ended early: a row before the fault that makes no sense is the first thing that is wrong. A
        // receiver that is gone knows what is wrong.
        let _ = pieces.send();
        proved
    };
    let (proved, taken) = runtime::beside("rows", read, move || take(&receiver, &returner, row))
        .map_err(|error| EngineFault::Disk(format!("no thread to read rows with: {error}")))?;
    taken.map_err(EngineFault::Content)?;
    proved
}

/// Reads every row into `row`, adds up their checksum, and compares it with the one on disk and with `seen`, the last
/// one known to be acknowledged.
///
/// # Errors
/// What `row` refuses, or what is wrong with the rows, whichever comes first.
pub(super) fn prove(
    engine: &impl RowEngine,
    seen: RowChecksum,
    row: &mut RowSink<'_>,
) -> Result<ChecksumIndex, EngineFault> {
    let mut checksums = ChecksumIndex::default();
    for table in Table::ALL {
        let prefix = format!("{}/", table.name());
        engine.each(&prefix, &mut |name, value| {
            checksums.found(name, value);
            row(table, &name[prefix.len()..], value)
        })?;
    }
    let mut committed = None;
    engine.each(CHECKSUM_ROW, &mut |_, text| {
        committed = Some(serde_json::from_slice::<RowChecksum>(text).map_err(|error| error.to_string())?);
        Ok(())
    })?;
    let committed = committed.ok_or_else(|| EngineFault::Content(CHECKSUM_MISSING.into()))?;
    if committed.sequence > INDEX_MAX {
        return Err(EngineFault::Content(format!(
            "it counts {} batches, which no muster comes to",
            committed.sequence
        )));
    }
    let RowChecksum { rows, digest, .. } = checksums.checksum();
    if (RowChecksum { rows, digest, ..committed }) != committed {
        let detail = format!(
            "it holds {} that do not add up to the {} committed",
            counted(rows, "row"),
            committed.rows
        );
        return Err(EngineFault::Content(detail));
    }
    if committed.sequence < seen.sequence || (committed.sequence == seen.sequence && committed != seen) {
        return Err(EngineFault::Content(missing(committed, seen)));
    }
    checksums.commit(committed);
    Ok(checksums)
}

/// What is missing of what was acknowledged, by the record of that. Not every batch moves the index: muster's own notes
/// do not.
pub(super) fn missing(committed: RowChecksum, acknowledged: RowChecksum) -> String {
    let batches = acknowledged.sequence - committed.sequence;
    let index = acknowledged.index;
    match batches {
        0 => format!("it says something else than was acknowledged at index {index}"),
        _ if committed.index == index => {
            format!("of what was acknowledged at index {index}, the last {}", are_missing(batches))
        }
        _ => format!(
            "it ends at index {}, but writes up to index {index} were acknowledged: the last {}",
            committed.index,
            are_missing(batches)
        ),
    }
}

fn are_missing(batches: u64) -> String {
    match batches {
        1 => "batch is missing".to_owned(),
        batches => format!("{batches} batches are missing"),
    }
}

/// Hands every row that comes to `row`, and gives the pieces back. Returning early closes the channel, which ends the
/// reading.
fn take(pieces: &Receiver<Piece>, returner: &Sender<Piece>, row: &mut RowSink<'_>) -> Result<(), String> {
    pieces.iter().try_for_each(|piece| {
        piece.hand_out(row)?;
        // The reader may have ended, and needs it no more.
        let _ = returner.send(piece);
        Ok(())
    })
}

/// The sending side: gathers rows into pieces and sends them.
struct Pieces {
    piece: Piece,
    sender: SyncSender<Piece>,
    /// Pieces whose room is free again.
    returned: Receiver<Piece>,
}

impl Pieces {
    fn put(&mut self, table: Table, key: &str, value: &[u8]) -> Result<(), String> {
        self.piece.push(table, key, value);
        if self.piece.keys.len() + self.piece.values.len() < PIECE_BYTES { Ok(()) } else { self.send() }
    }

    /// Sends what was gathered. An `Err` ends the reading and is not shown: the receiver that is gone knows the reason.
    fn send(&mut self) -> Result<(), String> {
        let mut next = self.returned.try_recv().unwrap_or_default();
        next.clear();
        let piece = std::mem::replace(&mut self.piece, next);
        self.sender.send(piece).map_err(|_| "nobody takes the rows any more".to_owned())
    }
}

/// Rows on their way: their keys end to end, and so their values.
#[derive(Default)]
struct Piece {
    keys: String,
    values: Vec<u8>,
    /// The table of each row, and where its key and its value end.
    rows: Vec<(Table, usize, usize)>,
}

impl Piece {
    fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
        self.rows.clear();
    }

    fn push(&mut self, table: Table, key: &str, value: &[u8]) {
        self.keys.push_str(key);
        self.values.extend_from_slice(value);
        self.rows.push((table, self.keys.len(), self.values.len()));
    }

    fn hand_out(&self, row: &mut RowSink<'_>) -> Result<(), String> {
        let (mut key_at, mut value_at) = (0, 0);
        for &(table, key_end, value_end) in &self.rows {
            row(table, &self.keys[key_at..key_end], &self.values[value_at..value_end])?;
            (key_at, value_at) = (key_end, value_end);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::backend::{NamedRow, NewRow, RowReceiver};

    /// Rows in memory with their checksum, and how many of them can be read.
    struct Rows {
        services: Vec<NamedRow>,
        checksum: RowChecksum,
        sound: usize,
    }

    impl Rows {
        fn new(count: usize, value_bytes: usize) -> Rows {
            let services = (0..count).map(|it| (format!("services/{it:06}"), vec![it as u8; value_bytes]));
            let services: Vec<_> = services.collect();
            let mut checksums = ChecksumIndex::default();
            services.iter().for_each(|(name, value)| checksums.record(name, Some(value)));
            Rows { checksum: checksums.close(7), sound: services.len(), services }
        }
    }

    impl RowEngine for Rows {
        fn write(&self, _: &[NewRow<'_>]) -> Result<(), EngineFault> {
            unreachable!("nothing is written here")
        }

        fn each(&self, prefix: &str, row: &mut RowReceiver<'_>) -> Result<(), EngineFault> {
            if prefix == CHECKSUM_ROW {
                return row(CHECKSUM_ROW, &serde_json::to_vec(&self.checksum).unwrap())
                    .map_err(EngineFault::Content);
            }
            let found = self.services.iter().filter(|(name, _)| name.starts_with(prefix));
            for (number, (name, value)) in found.enumerate() {
                if number == self.sound {
                    return Err(EngineFault::Disk("it reads no further".into()));
                }
                row(name, value).map_err(EngineFault::Content)?;
            }
            Ok(())
        }

        fn get(&self, _: &str) -> Result<Option<Vec<u8>>, EngineFault> {
            unreachable!("a proof reads in order")
        }

        fn page(&self, _: &str, _: usize, _: usize) -> Result<Vec<NamedRow>, EngineFault> {
            unreachable!("a proof reads in order")
        }

        fn sync(&self) -> Result<(), EngineFault> {
            Ok(())
        }
    }

    /// The outcome, and the rows that were handed out before `refused` and it.
    fn prove_until(rows: &mut Rows, refused: usize) -> (Result<ChecksumIndex, EngineFault>, Vec<NamedRow>) {
        let mut taken = Vec::new();
        let outcome = prove_beside(rows, RowChecksum::default(), &mut |table, key, value| {
            if taken.len() == refused {
                return Err(format!("row {key:?} makes no sense"));
            }
            taken.push((format!("{}/{key}", table.name()), value.to_vec()));
            Ok(())
        });
        (outcome, taken)
    }

    #[test]
    fn rows_come_in_order_however_many_pieces_they_make() {
        for (count, value_bytes) in [(0, 0), (1, 0), (1, 3 * PIECE_BYTES), (40, PIECE_BYTES), (20_000, 200)] {
            let mut rows = Rows::new(count, value_bytes);
            let (outcome, taken) = prove_until(&mut rows, usize::MAX);
            assert_eq!(outcome.unwrap().checksum(), rows.checksum, "{count} x {value_bytes}");
            assert!(taken == rows.services, "{count} x {value_bytes}");
        }
    }

    #[test]
    fn the_first_thing_that_is_wrong_is_said_and_nothing_after_it_is_handed_out() {
        let count = 20_000;
        for refused in [0, 1, count / 2, count - 1] {
            let mut rows = Rows::new(count, 200);
            rows.checksum.digest += 1;
            let (outcome, taken) = prove_until(&mut rows, refused);
            let named = format!("row \"{refused:06}\" makes no sense");
            assert!(matches!(outcome, Err(EngineFault::Content(detail)) if detail == named), "{refused}");
            assert_eq!(taken.len(), refused);
        }
        for sound in [1, count / 2, count - 1] {
            let mut rows = Rows { sound, ..Rows::new(count, 200) };
            let (outcome, taken) = prove_until(&mut rows, usize::MAX);
            assert!(matches!(outcome, Err(EngineFault::Disk(_))) && taken.len() == sound, "{sound}");
            let (outcome, _) = prove_until(&mut rows, sound - 1);
            assert!(matches!(outcome, Err(EngineFault::Content(_))), "{sound}: the row before the fault");
        }
    }

    #[test]
    fn a_receiver_that_panics_does_not_leave_the_reader_waiting() {
        let mut rows = Rows::new(20_000, 200);
        let panics =
            || prove_beside(&mut rows, RowChecksum::default(), &mut |_, _, _| panic!("expected by the test"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    }
}
