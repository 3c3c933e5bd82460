//! The history of transitions: what became of each check, when and why, also of those that are gone by now.
//!
//! Bounded in three ways: the newest [`PER_CHECK_MAX`] transitions of each check, the newest [`TRANSITIONS_MAX`] of
//! all, and no more than take [`BYTES_MAX`] of memory. Every transition is a row of the store, written in the batch
//! that makes the change itself durable; a check's rows are [`PER_CHECK_MAX`] slots that are written round and round,
//! so one more transition writes one row however long the check's history is. Registrations write none.
//!
//! Memory: some 300 bytes a transition, and as much again for each check that has any, so that a hundred thousand
//! instances that came and went once take more than as many transitions of a thousand checks.

pub mod entry;
mod graft;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::base::stdx::meter::Meter;
use crate::base::stdx::text::Text;
use crate::core::model::{NodeKey, Subject, Transition};

pub use entry::{HistoryEntry, PER_CHECK_MAX};

/// Transitions kept in all; the oldest go first. Room for each of ten thousand checks to fail and recover five times.
pub const TRANSITIONS_MAX: usize = 100_000;

/// Transitions, or checks, looked at under the lock at a time: some tens of microseconds.
const SLICE: usize = 2_048;

/// Bytes of memory that all of them may take, about; the oldest go first.
pub const BYTES_MAX: usize = 50_000_000;

/// What a transition takes without its output, and what a check does that has one: the records themselves, their
/// places in two trees, and what an allocation costs beyond what was asked for. Measured with 77,000 of them.
const TRANSITION_BYTES: usize = 300;
const SUBJECT_BYTES: usize = 480;

/// Whose transitions are asked for.
#[derive(Clone, Debug)]
pub enum Of<'a> {
    /// Those of everything on a node, by its key.
    Node(&'a NodeKey),
    /// Those of one instance's checks.
    Service(&'a NodeKey, &'a Text),
    /// Those of one check, by its node and id: every check of the node is looked at.
    Check(&'a NodeKey, &'a Text),
    /// Those of one check, by its node, its instance and its id; nothing else is looked at.
    CheckOf(&'a NodeKey, &'a Text, &'a Text),
}

/// All transitions that are kept. Only the writer adds to them; readers copy pointers out under a short lock.
#[derive(Debug)]
pub struct History {
    book: RwLock<Book>,
}

#[derive(Clone, Debug)]
struct Book {
    transitions_max: usize,
    bytes_max: usize,
    /// Bytes that all of it takes, about.
    bytes: usize,
    /// Each check's transitions, the oldest first. No ring is empty.
    rings: BTreeMap<Arc<Subject>, VecDeque<HistoryEntry>>,
    /// All of them in the order in which they happened.
    order: BTreeMap<(u64, u32), HistoryEntry>,
    /// Rows of transitions that went for want of room, to be removed with the next batch that is written.
    stale: Vec<HistoryEntry>,
}

impl History {
    /// A history of `entries`, as they were stored, in any order.
    pub fn restored(entries: Vec<HistoryEntry>) -> History {
        History::bounded(entries, (TRANSITIONS_MAX, BYTES_MAX))
    }

    fn bounded(mut entries: Vec<HistoryEntry>, (transitions_max, bytes_max): (usize, usize)) -> History {
        entries.sort_by_key(|entry| entry.transition.place());
        let (rings, order, stale) = Default::default();
        let mut book = Book { transitions_max, bytes_max, bytes: 0, rings, order, stale };
        entries.into_iter().for_each(|entry| book.insert(entry));
        History { book: RwLock::new(book) }
    }

    /// The newest transitions with an index above `since`, the newest first, at most `limit`.
    ///
    /// Cost: a look at each check that stands near those asked for, and a step for each transition that is newer than
    /// what was found before; [`SLICE`] checks at a time, so that the writer waits for no more than a slice. Once the
    /// meter is exhausted, what was found means nothing.
    pub fn newest_within(
        &self,
        meter: &Meter<'_>,
        of: &Of<'_>,
        since: u64,
        limit: usize,
    ) -> Vec<Arc<Transition>> {
        let mut newest = BTreeMap::new();
        let mut from = Bound::Included(Arc::new(of.first_subject()));
        loop {
            let book = self.book.read();
            let mut slice = book.rings.range((from, Bound::Unbounded)).take(SLICE);
            let mut last = None;
            let near = slice.by_ref().take_while(|(subject, _)| of.is_near(subject) && meter.spend(1));
            for (subject, ring) in near {
                last = Some(subject.clone());
                if of.is_meant(subject) {
                    take_newest(&mut newest, ring.iter().rev().take_while(|_| meter.spend(1)), since, limit);
                }
            }
            match last {
                Some(last) if !meter.is_exhausted() => from = Bound::Excluded(last),
                _ => return newest.into_values().rev().collect(),
            }
        }
    }

    /// The newest transitions with an index above `since` of every instance, on whatever node, that has this id or
    /// whose service has this name (in any case); the newest first, at most `limit`.
    ///
    /// Cost: a look at everything that is remembered, [`SLICE`] transitions at a time, so that the writer waits for no
    /// more than a slice. Once the meter is exhausted, what was found means nothing.
    pub fn newest_named_within(
        &self,
        meter: &Meter<'_>,
        named: &str,
        since: u64,
        limit: usize,
    ) -> Vec<Arc<Transition>> {
        let is_meant = |transition: &Transition| {
            !transition.subject.service_id.is_empty()
                && (transition.subject.service_id == *named
                    || transition.service_name.eq_ignore_ascii_case(named))
        };
        let (mut found, mut below) = (Vec::new(), (u64::MAX, u32::MAX));
        loop {
            let book = self.book.read();
            let older = (Bound::Excluded((since, u32::MAX)), Bound::Excluded(below));
            if (since, u32::MAX) >= below {
                return found;
            }
            let mut looked = 0;
            let slice = book.order.range(older).rev().take(SLICE);
            for (place, entry) in slice.take_while(|_| meter.spend(1)) {
                (below, looked) = (*place, looked + 1);
                if is_meant(&entry.transition) {
                    found.push(entry.transition.clone());
                }
                if found.len() >= limit {
                    return found;
                }
            }
            if looked < SLICE {
                return found;
            }
        }
    }

    /// As [`History::newest_within`], for a test.
    #[cfg(test)]
    pub fn newest(&self, of: &Of<'_>, since: u64, limit: usize) -> Vec<Arc<Transition>> {
        self.newest_within(&Meter::boundless(), of, since, limit)
    }

    /// Every transition with an index above `index` that is kept, in the order in which they happened, those of checks
    /// that are gone among them; at most `limit`, the oldest of them. What came out of a snapshot happened before it
    /// was restored, and is not among them.
    ///
    /// It is complete as long as no more than [`TRANSITIONS_MAX`] happened since, and no more than [`PER_CHECK_MAX`] of
    /// any one check.
    pub fn since(&self, index: u64, limit: usize) -> Vec<Arc<Transition>> {
        let after = (Bound::Excluded((index, u32::MAX)), Bound::Unbounded);
        let book = self.book.read();
        let happened = book.order.range(after).filter(|(_, entry)| !entry.is_restored);
        happened.take(limit).map(|(_, entry)| entry.transition.clone()).collect()
    }

    /// The index of the newest transition; 0 when there is none.
    pub fn newest_index(&self) -> u64 {
        self.book.read().order.last_key_value().map_or(0, |((index, _), _)| *index)
    }

    /// How many transitions are kept.
    pub fn len(&self) -> usize {
        self.book.read().order.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives each transition the slot in which it will be kept. For the writer, before a batch is written.
    pub(super) fn place(&self, transitions: Vec<Transition>) -> Vec<HistoryEntry> {
        let book = self.book.read();
        let mut next: HashMap<Arc<Subject>, u8> = HashMap::new();
        let entry = |mut transition: Transition| {
            let newest = book.rings.get(&transition.subject).and_then(VecDeque::back);
            if let Some(newest) = newest {
                transition.share(&newest.transition);
            }
            let slot = next.entry(transition.subject.clone()).or_insert_with(|| newest.map_or(0, after));
            let entry = HistoryEntry { transition: Arc::new(transition), slot: *slot, is_restored: false };
            *slot = after(&entry);
            entry
        };
        transitions.into_iter().map(entry).collect()
    }

    /// Transitions that went for want of room, whose rows are to be removed with the next batch.
    pub(super) fn stale(&self) -> Vec<HistoryEntry> {
        self.book.read().stale.clone()
    }

    /// Takes over what was made durable with [`rows::of_history`](crate::node::registry::rows::of_history).
    pub(super) fn absorb(&self, entries: &[HistoryEntry]) {
        if entries.is_empty() {
            return;
        }
        let mut book = self.book.write();
        book.stale.clear();
        entries.iter().for_each(|entry| book.insert(entry.clone()));
    }
}

impl Book {
    /// Puts a transition, the newest so far, in the place of what was in its slot.
    fn insert(&mut self, entry: HistoryEntry) {
        let subject = &entry.transition.subject;
        self.bytes += entry.bytes();
        if !self.rings.contains_key(subject) {
            self.bytes += subject_bytes(subject);
        }
        let ring = self.rings.entry(subject.clone()).or_default();
        if let Some(at) = ring.iter().position(|other| other.slot == entry.slot)
            && let Some(gone) = ring.remove(at)
        {
            self.order.remove(&gone.transition.place());
            self.bytes -= gone.bytes();
        }
        ring.push_back(entry.clone());
        self.order.insert(entry.transition.place(), entry);
        while self.is_too_much()
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.forget(&oldest);
            self.stale.push(oldest);
        }
    }

    fn is_too_much(&self) -> bool {
        self.order.len() > self.transitions_max || self.bytes > self.bytes_max
    }

    /// What all of it takes of memory, about, counted anew.
    fn weight(&self) -> usize {
        let transitions: usize = self.order.values().map(HistoryEntry::bytes).sum();
        transitions + self.rings.keys().map(|subject| subject_bytes(subject)).sum::<usize>()
    }

    /// Takes out one that is not among the `order` any more.
    fn forget(&mut self, entry: &HistoryEntry) {
        self.bytes -= entry.bytes();
        let subject = &entry.transition.subject;
        let Some(ring) = self.rings.get_mut(subject) else { return };
        ring.retain(|other| other.transition.place() != entry.transition.place());
        if ring.is_empty() {
            self.rings.remove(subject);
            self.bytes -= subject_bytes(subject);
        }
    }
}

/// Adds to the `newest` those of a check that belong there; its own come the newest first.
fn take_newest<'a>(
    newest: &mut BTreeMap<(u64, u32), Arc<Transition>>,
    of_check: impl Iterator<Item = &'a HistoryEntry>,
    since: u64,
    limit: usize,
) {
    for HistoryEntry { transition, .. } in of_check.take_while(|entry| entry.transition.index > since) {
        let is_older = |(oldest, _): (&(u64, u32), _)| transition.place() < *oldest;
        if newest.len() >= limit && newest.first_key_value().is_none_or(is_older) {
            return;
        }
        newest.insert(transition.place(), transition.clone());
        if newest.len() > limit {
            newest.pop_first();
        }
    }
}

impl Of<'_> {
    /// The first check that may be meant, in the order of [`Subject`]s.
    fn first_subject(&self) -> Subject {
        let (node, service_id, check_id) = match *self {
            Of::Node(node) | Of::Check(node, _) => (node.clone(), Text::default(), Text::default()),
            Of::Service(node, service_id) => (node.clone(), service_id.clone(), Text::default()),
            Of::CheckOf(node, service_id, check_id) => (node.clone(), service_id.clone(), check_id.clone()),
        };
        Subject { node, service_id, check_id }
    }

    /// Whether a check stands among those that may be meant: they stand together.
    fn is_near(&self, subject: &Subject) -> bool {
        match *self {
            Of::Node(node) | Of::Check(node, _) => subject.node == *node,
            Of::Service(node, service_id) => subject.node == *node && subject.service_id == *service_id,
            Of::CheckOf(node, service_id, check_id) => {
                subject.node == *node && subject.service_id == *service_id && subject.check_id == *check_id
            }
        }
    }

    /// Whether a check that is near is meant.
    fn is_meant(&self, subject: &Subject) -> bool {
        match *self {
            Of::Check(_, check_id) => subject.check_id == *check_id,
            Of::Node(_) | Of::Service(..) | Of::CheckOf(..) => true,
        }
    }
}

impl HistoryEntry {
    /// What it takes of memory, about.
    pub fn bytes(&self) -> usize {
        let Transition { output, caller, .. } = &*self.transition;
        TRANSITION_BYTES + output.len() + caller.by.len() + caller.request_id.len()
    }
}

/// What a check takes of memory that has any transition, about: its ids, and its names, which are about as long.
pub fn subject_bytes(subject: &Subject) -> usize {
    SUBJECT_BYTES + 2 * (subject.service_id.len() + subject.check_id.len())
}

/// The slot after that of a check's newest transition.
fn after(newest: &HistoryEntry) -> u8 {
    (newest.slot + 1) % PER_CHECK_MAX
}

#[cfg(test)]
mod tests;
