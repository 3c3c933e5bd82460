//! Putting the transitions of a snapshot among those that are remembered.
//!
//! What happened here stays, since it did happen; what only the snapshot knows comes to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::RwLock;

use super::{History, HistoryEntry, PER_CHECK_MAX};
use crate::core::model::Subject;
use crate::node::registry::rows;
use crate::store::change::RowChange;

/// A history with more in it, and the rows that make it durable.
pub struct Graft {
    /// The history as it will be.
    pub history: History,
    /// What becomes of the rows.
    pub rows: Vec<RowChange>,
}

impl History {
    /// What this history will be with `restored` among it. A transition that is known already, by its place in the one
    /// order of all, is left out; of each check the newest are kept, as ever.
    ///
    /// Cost: a copy of the book, some 10 MB at worst, for as long as the restoration takes.
    pub(in crate::node::registry) fn graft(&self, restored: &[HistoryEntry]) -> Graft {
        let mut book = self.book.read().clone();
        let mut by_subject: BTreeMap<Arc<Subject>, Vec<HistoryEntry>> = BTreeMap::new();
        for entry in restored {
            if !book.order.contains_key(&entry.transition.place()) {
                let of_subject = by_subject.entry(entry.transition.subject.clone()).or_default();
                of_subject.push(HistoryEntry { is_restored: true, ..entry.clone() });
            }
        }
        let mut rows = Vec::new();
        for (subject, entries) in by_subject {
            let before = book.rings.remove(&subject).unwrap_or_default();
            rows.extend(before.iter().map(rows::transition_removal));
            before.iter().for_each(|entry| drop(book.order.remove(&entry.transition.place())));
            let ring = merged(before, entries);
            rows.extend(ring.iter().map(rows::transition_row));
            book.order.extend(ring.iter().map(|entry| (entry.transition.place(), entry.clone())));
            book.rings.insert(subject, ring);
        }
        book.bytes = book.weight();
        while book.is_too_much()
            && let Some((_, oldest)) = book.order.pop_first()
        {
            book.forget(&oldest);
            rows.push(rows::transition_removal(&oldest));
        }
        Graft { history: History { book: RwLock::new(book) }, rows }
    }

    /// Takes over what was made durable with the rows of a [`Graft`].
    pub(in crate::node::registry) fn replace(&self, other: History) {
        *self.book.write() = other.book.into_inner();
    }

    /// Every transition that is kept, in the order in which they happened.
    pub(in crate::node::registry) fn entries(&self) -> Vec<HistoryEntry> {
        self.book.read().order.values().cloned().collect()
    }
}

/// The newest of both, in order, each in a slot of its own.
fn merged(before: VecDeque<HistoryEntry>, restored: Vec<HistoryEntry>) -> VecDeque<HistoryEntry> {
    let mut all: Vec<HistoryEntry> = before.into_iter().chain(restored).collect();
    all.sort_by_key(|entry| entry.transition.place());
    all.dedup_by_key(|entry| entry.transition.place());
    let excess = all.len().saturating_sub(usize::from(PER_CHECK_MAX));
    let newest = all.into_iter().skip(excess);
    newest.zip(0..).map(|(entry, slot)| HistoryEntry { slot, ..entry }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::registry::history::BYTES_MAX;
    use crate::node::registry::history::tests::transition;

    fn entry(index: u64, check: &str) -> HistoryEntry {
        HistoryEntry { transition: Arc::new(transition(index, "s", check)), slot: 0, is_restored: false }
    }

    fn indexes(history: &History) -> Vec<u64> {
        history.entries().iter().map(|entry| entry.transition.index).collect()
    }

    /// What the rows come to, and the history that a restart would read from them.
    fn reread(stored: &mut BTreeMap<String, Vec<u8>>, rows: Vec<RowChange>) -> History {
        for row in rows {
            match row.value {
                Some(value) => drop(stored.insert(row.key, value)),
                None => drop(stored.remove(&row.key)),
            }
        }
        History::restored(stored.iter().map(|(key, value)| rows::transition(key, value).unwrap()).collect())
    }

    #[test]
    fn what_is_restored_is_remembered_over_a_restart_and_no_news() {
        let history = History::restored(Vec::new());
        let mut stored = BTreeMap::new();
        let own: Vec<_> = [5, 9].map(|index| (*entry(index, "a").transition).clone()).into();
        let own = history.place(own);
        let (rows, _) = (rows::of_history(&history, &own), history.absorb(&own));
        reread(&mut stored, rows);

        let graft = history.graft(&[entry(2, "a"), entry(5, "a"), entry(7, "b"), entry(20, "b")]);
        let reread = reread(&mut stored, graft.rows);
        history.replace(graft.history);
        for history in [&history, &reread] {
            assert_eq!(indexes(history), [2, 5, 7, 9, 20]);
            let news: Vec<u64> = history.since(0, 10).iter().map(|it| it.index).collect();
            assert_eq!(news, [5, 9], "the rest was told when it happened");
        }
    }

    #[test]
    fn bounds_hold() {
        let history = History::bounded(vec![entry(1_000, "a")], (100, BYTES_MAX));
        let many: Vec<HistoryEntry> = (0..200).map(|index| entry(index, "a")).collect();
        let graft = history.graft(&many);
        assert_eq!(graft.history.len(), usize::from(PER_CHECK_MAX));
        assert_eq!(graft.history.newest_index(), 1_000);
        let wide: Vec<HistoryEntry> = (0..200).map(|index| entry(index, &format!("c{index}"))).collect();
        let graft = history.graft(&wide);
        assert_eq!(indexes(&graft.history).first(), Some(&101), "the oldest went");
        assert_eq!(graft.history.len(), 100);
        let mut stored = BTreeMap::from([(
            String::from("n1\ts\ta\t0"),
            rows::transition_row(&entry(1_000, "a")).value.unwrap(),
        )]);
        assert_eq!(reread(&mut stored, graft.rows).len(), 100, "in the rows as well");
    }
}
