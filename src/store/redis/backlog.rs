//! Batches that are durable here and not yet in Redis, in order, up to a bound. Pure: the clock is an argument.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::store::change::RowChange;
use crate::store::checksums::RowChecksum;

/// Bytes of rows that may wait in memory. They are on the local disk all the while: past the bound they are forgotten
/// here, and Redis is brought up to date by comparing row by row, which costs more once but nothing for each further
/// batch.
pub const BYTES_MAX: usize = 64 << 20;

/// What a batch costs beside its rows.
const OVERHEAD_BYTES: usize = 128;

/// One batch.
#[derive(Debug)]
pub struct BacklogEntry {
    /// The checksum of all rows after it.
    pub checksum: RowChecksum,
    /// Its changes, in order.
    pub changes: Vec<RowChange>,
    /// When it was made durable.
    pub since: Instant,
}

impl BacklogEntry {
    fn bytes(&self) -> usize {
        let of = |change: &RowChange| {
            change.key.len() + change.value.as_ref().map_or(0, Vec::len) + OVERHEAD_BYTES
        };
        self.changes.iter().map(of).sum::<usize>() + OVERHEAD_BYTES
    }
}

/// The batches that wait.
#[derive(Debug, Default)]
pub struct Backlog {
    entries: VecDeque<Arc<BacklogEntry>>,
    bytes: usize,
    /// The last batch that Redis is known to hold.
    confirmed: RowChecksum,
    /// Since when Redis has missed something that is no longer kept here.
    gap_since: Option<Instant>,
    /// The last batch pushed.
    last: u64,
}

impl Backlog {
    /// Nothing waits, and Redis has the rows of `confirmed`.
    pub fn new(confirmed: RowChecksum) -> Self {
        Self { confirmed, last: confirmed.sequence, ..Self::default() }
    }

    /// Adds a batch. Past the bound everything that waits is forgotten, and there is a gap.
    pub fn push(&mut self, entry: BacklogEntry) {
        self.last = entry.checksum.sequence;
        if entry.checksum.sequence <= self.confirmed.sequence {
            return;
        }
        if self.gap_since.is_some() {
            return;
        }
        self.bytes += entry.bytes();
        self.entries.push_back(Arc::new(entry));
        if self.bytes > BYTES_MAX {
            self.gap_since = self.entries.front().map(|oldest| oldest.since);
            self.forget();
        }
    }

    /// The first batches, as many as have about `bytes_max` together, at least one.
    pub fn first(&self, bytes_max: usize) -> Vec<Arc<BacklogEntry>> {
        let mut bytes = 0;
        let fits = |entry: &&Arc<BacklogEntry>| {
            let is_first = bytes == 0;
            bytes += entry.bytes();
            is_first || bytes <= bytes_max
        };
        self.entries.iter().take_while(fits).cloned().collect()
    }

    /// Redis has every batch up to this checksum.
    pub fn confirm(&mut self, checksum: RowChecksum) {
        while self.entries.front().is_some_and(|entry| entry.checksum.sequence <= checksum.sequence) {
            let entry = self.entries.pop_front();
            self.bytes -= entry.map_or(0, |entry| entry.bytes());
        }
        self.confirmed = checksum;
    }

    /// Takes back the batch pushed last, which was refused after all.
    pub fn withdraw(&mut self, sequence: u64) {
        if self.entries.back().is_some_and(|entry| entry.checksum.sequence == sequence) {
            let entry = self.entries.pop_back();
            self.bytes -= entry.map_or(0, |entry| entry.bytes());
        }
        self.last = sequence - 1;
    }

    /// Redis is about to be compared row by row with the rows of `checksum`: what that includes need not wait.
    pub fn begin_anew(&mut self, checksum: RowChecksum) {
        self.gap_since = None;
        self.confirm(checksum);
    }

    /// Whether nothing waits and nothing was forgotten.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.gap_since.is_none()
    }

    /// Whether something that Redis misses is no longer kept here.
    pub fn has_gap(&self) -> bool {
        self.gap_since.is_some()
    }

    /// The last batch that Redis is known to hold.
    pub fn confirmed(&self) -> RowChecksum {
        self.confirmed
    }

    /// Whether Redis is where one of the batches that wait would leave it, or where it was left.
    pub fn knows(&self, checksum: RowChecksum) -> bool {
        self.confirmed == checksum || self.entries.iter().any(|entry| entry.checksum == checksum)
    }

    /// Batches that Redis lacks, whether they are kept here or not.
    pub fn depth(&self) -> u64 {
        self.last.saturating_sub(self.confirmed.sequence)
    }

    /// Bytes kept here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when Redis has lacked something.
    pub fn since(&self) -> Option<Instant> {
        self.gap_since.or_else(|| self.entries.front().map(|entry| entry.since))
    }

    fn forget(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::change::Table;

    fn checksum(sequence: u64) -> RowChecksum {
        RowChecksum { sequence, index: sequence, rows: 1, digest: sequence }
    }

    fn entry(sequence: u64, bytes: usize) -> BacklogEntry {
        let changes = vec![RowChange::put(Table::Nodes, "n", vec![b'x'; bytes])];
        BacklogEntry { checksum: checksum(sequence), changes, since: Instant::now() }
    }

    fn sequences(entries: &[Arc<BacklogEntry>]) -> Vec<u64> {
        entries.iter().map(|entry| entry.checksum.sequence).collect()
    }

    #[test]
    fn batches_leave_in_order_when_they_are_confirmed() {
        let mut backlog = Backlog::new(checksum(3));
        (3..=6).for_each(|sequence| backlog.push(entry(sequence, 10)));
        assert_eq!(sequences(&backlog.first(usize::MAX)), [4, 5, 6], "Redis had the third");
        assert_eq!(sequences(&backlog.first(0)), [4], "at least one");
        assert_eq!(
            (backlog.depth(), backlog.knows(checksum(3)), backlog.knows(checksum(5))),
            (3, true, true)
        );
        backlog.confirm(checksum(5));
        assert_eq!((sequences(&backlog.first(usize::MAX)), backlog.depth()), (vec![6], 1));
        assert!(!backlog.knows(checksum(4)));
        backlog.confirm(checksum(6));
        assert_eq!((backlog.is_empty(), backlog.bytes(), backlog.since()), (true, 0, None));
    }

    #[test]
    fn past_the_bound_there_is_a_gap_until_everything_was_compared() {
        let mut backlog = Backlog::new(checksum(0));
        let at_the_bound = BYTES_MAX - 2 * OVERHEAD_BYTES - 1;
        backlog.push(entry(1, at_the_bound));
        assert!(!backlog.has_gap());
        backlog.push(entry(2, 1));
        assert!(backlog.has_gap() && backlog.first(usize::MAX).is_empty() && backlog.since().is_some());
        backlog.push(entry(3, 1));
        assert_eq!((backlog.bytes(), backlog.depth(), backlog.is_empty()), (0, 3, false));
        backlog.begin_anew(checksum(3));
        backlog.push(entry(4, 1));
        assert_eq!((sequences(&backlog.first(usize::MAX)), backlog.depth()), (vec![4], 1));
    }

    #[test]
    fn a_batch_that_was_refused_is_taken_back() {
        let mut backlog = Backlog::new(checksum(7));
        backlog.push(entry(8, 1));
        backlog.withdraw(8);
        assert_eq!((backlog.is_empty(), backlog.depth(), backlog.bytes()), (true, 0, 0));
    }
}
