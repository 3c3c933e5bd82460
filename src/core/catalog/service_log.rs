//! What has lately become of the instances of a service: enough to say how the service looked at an earlier index.
//!
//! A log is kept only of services that somebody follows ([`Logs::open`]); for all others a change costs one look. It
//! holds the former face of whatever changed, so a service's face at an index is its present one with the younger
//! changes taken back. A log never guesses: it knows since when it is complete and answers nothing for earlier.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::core::catalog::instance::{Instance, Position};
use crate::core::catalog::topic::AffectedTopics;
use crate::core::model::ServiceKey;

/// Changes kept of one service. Whoever has missed more is as well served with everything; fewer would send everything
/// to those who were away for a moment during a deploy.
pub const CHANGES_PER_LOG_MAX: usize = 1_024;

/// Logs kept in one shard of services, of which there are 64. One on which nothing happens costs 200 bytes. Past this
/// the one that was opened longest ago goes, and its followers get everything with the next change.
pub const LOGS_MAX: usize = 256;

/// Bytes of former faces kept in one shard, as estimated: room for one full log, 64 MiB if every shard had one. Past
/// this the largest log of the shard loses its oldest changes.
pub const LOGS_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a former face beside the outputs of its checks: the instance, its share of a service record, the entry.
const FACE_BYTES: usize = 640;

/// Bytes of the taking down of an instance that was not there before.
const ENTRY_BYTES: usize = 128;

/// Bytes of a check beside its output.
const CHECK_BYTES: usize = 192;

/// What a reader looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Instances with their nodes and checks.
    Health,
    /// Instances with their nodes, whatever their checks say.
    Catalog,
}

/// An index for each aspect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AspectIndexes {
    /// For [`Aspect::Health`].
    pub health: u64,
    /// For [`Aspect::Catalog`].
    pub catalog: u64,
}

impl AspectIndexes {
    /// The index for an aspect.
    pub fn of(self, aspect: Aspect) -> u64 {
        match aspect {
            Aspect::Health => self.health,
            Aspect::Catalog => self.catalog,
        }
    }

    /// Raises to `index` what has moved.
    pub fn raise(&mut self, index: u64, moved: AffectedTopics) {
        self.health = if moved.health { self.health.max(index) } else { self.health };
        self.catalog = if moved.service { self.catalog.max(index) } else { self.catalog };
    }
}

/// One change of one instance.
#[derive(Debug)]
struct Entry {
    index: u64,
    moved: AffectedTopics,
    position: Position,
    before: Option<Arc<Instance>>,
    bytes: usize,
}

/// The changes of one service, the oldest first.
#[derive(Debug)]
pub struct ServiceLog {
    /// Every change above these is in here.
    complete_since: AspectIndexes,
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl ServiceLog {
    /// The faces at `index` of the instances that have changed since, `None` for one that was not there; nothing at all
    /// when the log does not reach back that far.
    pub fn faces_at(
        &self,
        aspect: Aspect,
        index: u64,
    ) -> Option<BTreeMap<&Position, Option<&Arc<Instance>>>> {
        if index < self.complete_since.of(aspect) {
            return None;
        }
        // From the youngest to the oldest: the oldest change after the index has the face at the index.
        let since = self.entries.iter().rev().take_while(|entry| entry.index > index);
        Some(since.map(|entry| (&entry.position, entry.before.as_ref())).collect())
    }

    /// The index of the last change up to `index`, as far as known: no change lies between it and `index`.
    pub fn last_change(&self, aspect: Aspect, index: u64) -> u64 {
        let last = self.entries.iter().rev().find(|entry| entry.index <= index);
        last.map_or(0, |entry| entry.index).max(self.complete_since.of(aspect))
    }

    fn record(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        self.entries.push_back(entry);
        if self.entries.len() > CHANGES_PER_LOG_MAX {
            self.forget_oldest();
        }
    }

    /// Forgets the oldest change. Others of the same index stay, and are never used for an earlier one.
    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.bytes;
            self.complete_since.raise(oldest.index, oldest.moved);
        }
    }
}

/// The logs of one shard of services.
#[derive(Debug, Default)]
pub struct Logs {
    by_service: HashMap<ServiceKey, ServiceLog>,
    /// Services in the order in which their logs were opened.
    opened: VecDeque<ServiceKey>,
}

impl Logs {
    /// The log of the service filed under `key`, if it is followed.
    pub fn get(&self, key: &ServiceKey) -> Option<&ServiceLog> {
        self.by_service.get(key)
    }

    /// Follows a service from now on. No change of it lies above `complete_since`.
    pub fn open(&mut self, key: &ServiceKey, complete_since: AspectIndexes) {
        if self.by_service.contains_key(key) {
            return;
        }
        if self.opened.len() >= LOGS_MAX
            && let Some(oldest) = self.opened.pop_front()
        {
            self.by_service.remove(&oldest);
        }
        let log = ServiceLog { complete_since, entries: VecDeque::new(), bytes: 0 };
        self.by_service.insert(key.clone(), log);
        self.opened.push_back(key.clone());
    }

    /// Takes down that the instance at `position` looked like `before` until `index`. Indexes never fall.
    pub fn record(
        &mut self,
        key: &ServiceKey,
        index: u64,
        moved: AffectedTopics,
        position: Position,
        before: Option<Arc<Instance>>,
    ) {
        let Some(log) = self.by_service.get_mut(key) else { return };
        let bytes = before.as_deref().map_or(ENTRY_BYTES, face_bytes);
        log.record(Entry { index, moved, position, before, bytes });
        self.keep_within_bounds();
    }

    /// As [`Logs::record`], for the last of many changes at one index; with what the others came to, where there were
    /// more.
    pub fn record_all(
        &mut self,
        key: &ServiceKey,
        index: u64,
        changes: Vec<(AffectedTopics, Position, Option<Arc<Instance>>)>,
        others: Option<AffectedTopics>,
    ) {
        let Some(log) = self.by_service.get_mut(key) else { return };
        for (moved, position, before) in changes {
            let bytes = before.as_deref().map_or(ENTRY_BYTES, face_bytes);
            log.record(Entry { index, moved, position, before, bytes });
        }
        if let Some(moved) = others {
            log.complete_since.raise(index, moved);
        }
        self.keep_within_bounds();
    }

    fn keep_within_bounds(&mut self) {
        while self.bytes() > LOGS_BYTES_MAX
            && let Some(largest) = self.by_service.values_mut().max_by_key(|log| log.bytes)
        {
            largest.forget_oldest();
        }
    }

    fn bytes(&self) -> usize {
        self.by_service.values().map(|log| log.bytes).sum()
    }
}

fn face_bytes(instance: &Instance) -> usize {
    let checks = instance.checks.iter().map(|check| CHECK_BYTES + check.output.len());
    FACE_BYTES + checks.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Check;

    const HEALTH: AffectedTopics =
        AffectedTopics { services: false, service: false, checks: true, health: true };

    fn position(id: &str) -> Position {
        Position::new("n".into(), id.into())
    }

    fn instance(output: &str) -> Option<Arc<Instance>> {
        let check = Check { output: output.into(), ..Check::default() };
        let (node, service) = Default::default();
        Some(Arc::new(Instance { node, service, checks: Box::new([Arc::new(check)]) }))
    }

    fn output_at(logs: &Logs, name: &str, id: &str, index: u64) -> Option<Option<String>> {
        let faces = logs.get(&name.into())?.faces_at(Aspect::Health, index)?;
        let face = faces.get(&position(id))?;
        Some(face.map(|instance| instance.checks[0].output.to_string()))
    }

    #[test]
    fn it_knows_how_things_looked_and_since_when_it_knows() {
        let mut logs = Logs::default();
        let name = ServiceKey::from("web");
        logs.record(&name, 4, HEALTH, position("a"), None);
        assert!(logs.get(&name).is_none(), "nobody follows it");
        logs.open(&name, AspectIndexes { health: 5, catalog: 5 });
        logs.record(&name, 6, HEALTH, position("a"), None);
        logs.record(&name, 7, HEALTH, position("a"), instance("first"));
        logs.record(&name, 7, HEALTH, position("b"), instance("other"));
        logs.record(&name, 9, HEALTH, position("a"), instance("second"));
        let rows = [
            (4, None),
            (5, Some(None)),
            (6, Some(Some("first"))),
            (7, Some(Some("second"))),
            (8, Some(Some("second"))),
            (9, None),
        ];
        for (index, output) in rows {
            let output = output.map(|output| output.map(str::to_owned));
            assert_eq!(output_at(&logs, "web", "a", index), output, "{index}");
        }
        let log = logs.get(&name).unwrap();
        let last = [5, 6, 7, 8, 9, 99].map(|index| log.last_change(Aspect::Health, index));
        assert_eq!(last, [5, 6, 7, 7, 9, 9]);
    }

    #[test]
    fn changes_are_bounded_and_what_is_forgotten_is_not_guessed() {
        let mut logs = Logs::default();
        let name = ServiceKey::from("web");
        logs.open(&name, AspectIndexes::default());
        let last = CHANGES_PER_LOG_MAX as u64 + 10;
        (1..=last).for_each(|index| logs.record(&name, index, HEALTH, position("a"), None));
        let log = logs.get(&name).unwrap();
        assert_eq!(log.entries.len(), CHANGES_PER_LOG_MAX);
        assert_eq!(
            log.complete_since,
            AspectIndexes { health: 10, catalog: 0 },
            "checks are not the catalog's"
        );
        assert!(log.faces_at(Aspect::Health, 9).is_none() && log.faces_at(Aspect::Health, 10).is_some());
        assert!(log.faces_at(Aspect::Catalog, 0).is_some());
    }

    #[test]
    fn bytes_are_bounded_and_the_largest_log_gives_way() {
        let mut logs = Logs::default();
        let (small, large) = (ServiceKey::from("small"), ServiceKey::from("large"));
        logs.open(&small, AspectIndexes::default());
        logs.open(&large, AspectIndexes::default());
        logs.record(&small, 1, HEALTH, position("a"), instance("x"));
        let output = "x".repeat(4_096);
        (2..500).for_each(|index| logs.record(&large, index, HEALTH, position("a"), instance(&output)));
        assert!(logs.bytes() <= LOGS_BYTES_MAX && logs.bytes() > LOGS_BYTES_MAX / 2);
        assert!(logs.get(&small).unwrap().faces_at(Aspect::Health, 0).is_some());
        assert!(logs.get(&large).unwrap().faces_at(Aspect::Health, 1).is_none());
        let left: usize = logs.get(&large).unwrap().entries.iter().map(|entry| entry.bytes).sum();
        assert_eq!(left, logs.get(&large).unwrap().bytes);
    }

    #[test]
    fn the_log_opened_longest_ago_goes_first() {
        let mut logs = Logs::default();
        for number in 0..=LOGS_MAX {
            let name = ServiceKey::from(format!("s{number}").as_str());
            logs.open(&name, AspectIndexes::default());
            logs.open(&name, AspectIndexes { health: 9, catalog: 9 });
        }
        let [first, second] = ["s0", "s1"].map(|name| logs.get(&name.into()));
        assert_eq!((logs.by_service.len(), logs.opened.len()), (LOGS_MAX, LOGS_MAX));
        assert!(first.is_none());
        assert_eq!(second.unwrap().complete_since, AspectIndexes::default(), "once open it stays");
    }
}
