//! What merged rules say of the names of one resource: a table in the order of segments.

use std::collections::BTreeMap;

use crate::base::stdx::text::Text;
use crate::core::acl::resource::{Access, Disposition, Matching};

/// Stands for no entry.
const NONE: u32 = u32::MAX;

/// What counts for a segment, and whose rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How much.
    pub disposition: Disposition,
    /// The position of the rules it stems from among those that were merged; the first of them.
    pub policy: u32,
}

/// Merged rules, by segment and by what they match.
pub type MergedRules = BTreeMap<(Text, Matching), Grant>;

/// Finds the rule that counts for a name, by halving, and then from prefix to shorter prefix.
///
/// For a name that is no segment, every prefix of it among the segments is one of the entry that stands before the
/// place of the name. So the rule that counts is found along `covering` from there: the first whose segment is no
/// longer than what the name and that entry have in common.
#[derive(Debug, Default)]
pub struct SegmentTable(Box<[SegmentEntry]>);

#[derive(Debug)]
struct SegmentEntry {
    segment: Text,
    exact: Option<Grant>,
    prefix: Option<Grant>,
    /// The entry with the longest other prefix of this segment that has a rule for all below it, or [`NONE`].
    covering: u32,
    /// The first entry, from this one on, with a rule that does not allow to write, or [`NONE`].
    next_unwritable: u32,
}

/// A rule of a table.
pub type FoundRule<'t> = (Matching, &'t str, Grant);

impl SegmentEntry {
    fn exact_rule(&self) -> Option<FoundRule<'_>> {
        Some((Matching::Exact, &self.segment, self.exact?))
    }

    fn prefix_rule(&self) -> Option<FoundRule<'_>> {
        Some((Matching::Prefix, &self.segment, self.prefix?))
    }

    fn rules(&self) -> impl Iterator<Item = FoundRule<'_>> {
        self.exact_rule().into_iter().chain(self.prefix_rule())
    }

    fn unwritable_rule(&self) -> Option<FoundRule<'_>> {
        self.rules().find(|(.., grant)| !grant.disposition.allows(Access::Write))
    }
}

impl SegmentTable {
    /// That of merged rules. Of what there is but one, the rule is that for all names.
    pub fn of(merged: MergedRules) -> SegmentTable {
        let mut entries: Vec<SegmentEntry> = Vec::new();
        for ((segment, matching), grant) in merged {
            if entries.last().is_none_or(|last| last.segment != segment) {
                let (exact, prefix) = (None, None);
                entries.push(SegmentEntry { segment, exact, prefix, covering: NONE, next_unwritable: NONE });
            }
            let Some(entry) = entries.last_mut() else { continue };
            match matching {
                Matching::Exact => entry.exact = Some(grant),
                Matching::Sole | Matching::Prefix => entry.prefix = Some(grant),
            }
        }
        // The entries with a rule for all below them, around the one that is looked at.
        let mut around: Vec<usize> = Vec::new();
        for at in 0..entries.len() {
            while let Some(outer) = around.last()
                && !entries[at].segment.starts_with(entries[*outer].segment.as_str())
            {
                around.pop();
            }
            entries[at].covering = around.last().map_or(NONE, |outer| *outer as u32);
            if entries[at].prefix.is_some() {
                around.push(at);
            }
        }
        let mut next = NONE;
        for (at, entry) in entries.iter_mut().enumerate().rev() {
            if entry.unwritable_rule().is_some() {
                next = at as u32;
            }
            entry.next_unwritable = next;
        }
        SegmentTable(entries.into())
    }

    fn entry(&self, at: u32) -> Option<&SegmentEntry> {
        self.0.get(at as usize)
    }

    /// The rule that counts for `name`: its own, or else the one for the longest prefix of it.
    pub fn find(&self, name: &str) -> Option<FoundRule<'_>> {
        match self.0.binary_search_by(|entry| entry.segment.as_str().cmp(name)) {
            Ok(at) => self.0[at].exact_rule().or_else(|| self.covering(&self.0[at], name)),
            Err(at) => self.covering(self.0.get(at.checked_sub(1)?)?, name),
        }
    }

    /// The rule for the longest prefix of `name`, where `nearest` is the entry of it or the one before it.
    fn covering<'t>(&'t self, nearest: &'t SegmentEntry, name: &str) -> Option<FoundRule<'t>> {
        let pairs = nearest.segment.bytes().zip(name.bytes());
        let common = pairs.take_while(|(one, other)| one == other).count();
        let mut entry = nearest;
        loop {
            if entry.prefix.is_some() && entry.segment.len() <= common {
                return entry.prefix_rule();
            }
            entry = self.entry(entry.covering)?;
        }
    }

    /// The rule that decides whether everything that begins with `prefix` may be written: one that speaks of some of it
    /// and does not allow it, or else the one for the longest prefix of `prefix`.
    pub fn find_for_tree(&self, prefix: &str) -> Option<FoundRule<'_>> {
        let first = self.0.partition_point(|entry| entry.segment.as_str() < prefix);
        let unwritable = self.0.get(first).and_then(|entry| self.entry(entry.next_unwritable));
        if let Some(entry) = unwritable.filter(|entry| entry.segment.starts_with(prefix)) {
            return entry.unwritable_rule();
        }
        let nearest = self.0.get(first).filter(|entry| entry.segment.as_str() == prefix);
        self.covering(nearest.or_else(|| self.0.get(first.checked_sub(1)?))?, prefix)
    }

    /// All rules, in one order.
    pub fn rules(&self) -> impl Iterator<Item = FoundRule<'_>> {
        self.0.iter().flat_map(SegmentEntry::rules)
    }
}
