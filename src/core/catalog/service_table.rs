//! Instances by service: the view that discovery reads.

use std::collections::{BTreeMap, HashMap};
use std::ops::BitOrAssign;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::instance::{Instance, Position};
use crate::core::catalog::service_log::{Aspect, AspectIndexes, CHANGES_PER_LOG_MAX, Logs};
use crate::core::catalog::topic::AffectedTopics;
use crate::core::model::{Check, ServiceKey};

/// Services by key, each with its instances in answer order. One shard of all of them.
#[derive(Debug, Default)]
pub struct ServiceTable {
    /// Shared, so that many changes of one service can be made beside the table ([`ServiceTable::replace`]).
    services: HashMap<ServiceKey, Arc<ServiceEntry>>,
    /// What became lately of those that are followed, there or not.
    logs: Logs,
    /// The index of the last change in this shard, known or not.
    newest: u64,
}

/// One service: in the table never without an instance.
#[derive(Clone, Debug, Default)]
pub struct ServiceEntry {
    name: Text,
    instances: BTreeMap<Position, Arc<Instance>>,
    /// Every tag with the number of times it is used.
    tags: BTreeMap<Text, usize>,
    /// The indexes of the last changes.
    changed: AspectIndexes,
}

/// What became of one instance between two indexes.
#[derive(Clone, Debug, Default)]
pub struct InstanceDiff {
    /// At the earlier one; `None` when it was not there.
    pub before: Option<Arc<Instance>>,
    /// At the later one.
    pub after: Option<Arc<Instance>>,
}

impl ServiceTable {
    /// An empty table. What was in it up to `index` is not known.
    pub fn standing_at(index: u64) -> ServiceTable {
        ServiceTable { newest: index, ..ServiceTable::default() }
    }

    /// Puts a service that is not there with all its instances, the one registered last at the end, at the index of a
    /// start.
    ///
    /// What putting one after the other comes to, at a part of the cost: the tree is made of what is in order.
    pub fn fill(&mut self, key: ServiceKey, instances: Vec<(Position, Arc<Instance>)>, index: u64) {
        let Some((_, last)) = instances.last() else { return };
        let mut entry = ServiceEntry { name: last.service.name.clone(), ..ServiceEntry::default() };
        entry.changed.raise(index, compare(None, Some(last)));
        // Instances of one service nearly always have the same tags.
        for alike in instances.chunk_by(|(_, one), (_, next)| one.service.tags == next.service.tags) {
            for tag in &alike[0].1.service.tags {
                *entry.tags.entry(tag.clone()).or_default() += alike.len();
            }
        }
        entry.instances = instances.into_iter().collect();
        self.services.insert(key, Arc::new(entry));
        self.newest = self.newest.max(index);
    }

    /// The service filed under `key`.
    pub fn get(&self, key: &ServiceKey) -> Option<&Arc<ServiceEntry>> {
        self.services.get(key)
    }

    /// All services of this shard, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &ServiceEntry> {
        self.services.values().map(Arc::as_ref)
    }

    /// Number of services in this shard.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// Whether this shard holds no service.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Puts, or with `None` removes, the instance at `position` of the service filed under `key`. `index` is that of
    /// the batch, which never falls.
    pub fn put(
        &mut self,
        key: &ServiceKey,
        position: Position,
        instance: Option<Arc<Instance>>,
        index: u64,
    ) -> AffectedTopics {
        let entry = Arc::make_mut(self.services.entry(key.clone()).or_default());
        let before = match &instance {
            Some(instance) => entry.instances.insert(position.clone(), instance.clone()),
            None => entry.instances.remove(&position),
        };
        let moved = entry.changes(before.as_deref(), instance.as_deref(), index);
        if entry.instances.is_empty() {
            self.services.remove(key);
        }
        if moved.health {
            self.newest = self.newest.max(index);
            self.logs.record(key, index, moved, position, before);
        }
        moved
    }

    /// Puts what was made beside the table in the place of the service filed under `key`; gives what stood there, to be
    /// dropped where nobody waits.
    pub fn replace(&mut self, key: &ServiceKey, replacement: Replacement) -> Option<Arc<ServiceEntry>> {
        let Replacement { entry, former, is_complete, moved, index } = replacement;
        let before = match entry.instances.is_empty() {
            true => self.services.remove(key),
            false => self.services.insert(key.clone(), Arc::new(entry)),
        };
        if moved.health {
            self.newest = self.newest.max(index);
            self.logs.record_all(key, index, former, (!is_complete).then_some(moved));
        }
        before
    }

    /// Keeps a log of the service from now on, so that [`ServiceTable::at`] and [`ServiceTable::touched`] have an
    /// answer for every index from the last change on.
    pub fn follow(&mut self, key: &ServiceKey) {
        // Of a service that is not there it is not known when it went, only that it has.
        let gone = AspectIndexes { health: self.newest, catalog: self.newest };
        let complete_since = self.services.get(key).map_or(gone, |entry| entry.changed);
        self.logs.open(key, complete_since);
    }

    /// Whether a log of the service is kept.
    pub fn is_followed(&self, key: &ServiceKey) -> bool {
        self.logs.get(key).is_some()
    }

    /// The instances at `index`, in answer order; `None` when the log does not reach back that far.
    pub fn at(&self, key: &ServiceKey, aspect: Aspect, index: u64) -> Option<Vec<(Position, Arc<Instance>)>> {
        let faces = self.logs.get(key)?.faces_at(aspect, index)?;
        let present = self.services.get(key).into_iter().flat_map(|entry| &entry.instances);
        let untouched = present.filter(|(position, _)| !faces.contains_key(position));
        let former = faces.iter().filter_map(|(position, face)| Some((*position, (*face)?)));
        let mut instances: Vec<(Position, Arc<Instance>)> = untouched
            .chain(former)
            .map(|(position, instance)| (position.clone(), instance.clone()))
            .collect();
        if !faces.is_empty() {
            instances.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        }
        Some(instances)
    }

    /// What became, between the indexes `from` and `to`, of the instances that changed, in answer order; `None` when
    /// the log does not reach back that far.
    pub fn touched(&self, key: &ServiceKey, aspect: Aspect, from: u64, to: u64) -> Option<Vec<InstanceDiff>> {
        let log = self.logs.get(key)?;
        let (at_from, at_to) = (log.faces_at(aspect, from)?, log.faces_at(aspect, to)?);
        let present = |position: &Position| self.services.get(key)?.instances.get(position);
        let touched = at_from.into_iter().map(|(position, before)| {
            let after = at_to.get(position).copied().unwrap_or_else(|| present(position));
            InstanceDiff { before: before.cloned(), after: after.cloned() }
        });
        Some(touched.collect())
    }

    /// The index of the last change up to `index` of a service that is followed: nothing of it changed between the two.
    pub fn last_change(&self, key: &ServiceKey, aspect: Aspect, index: u64) -> Option<u64> {
        Some(self.logs.get(key)?.last_change(aspect, index))
    }
}

/// Many changes of one service at one index, made beside the table while readers go on with what they have.
#[derive(Debug)]
pub struct Replacement {
    entry: ServiceEntry,
    /// How the instances that changed last looked before: no more than a log keeps.
    former: Vec<(AffectedTopics, Position, Option<Arc<Instance>>)>,
    /// Whether that is all of them.
    is_complete: bool,
    moved: AffectedTopics,
    index: u64,
}

impl Replacement {
    /// What each of `changed` being put, in answer order and at `index`, makes of a service as the table has it.
    ///
    /// The two are walked side by side, so that no place is sought.
    pub fn of(
        entry: Option<&ServiceEntry>,
        changed: Vec<(Position, Option<Arc<Instance>>)>,
        index: u64,
    ) -> Replacement {
        let mut made = entry.map_or_else(ServiceEntry::default, ServiceEntry::without_instances);
        let mut present = entry.into_iter().flat_map(|entry| &entry.instances).peekable();
        let mut instances = Vec::with_capacity(present.size_hint().0 + changed.len());
        let kept_from = changed.len().saturating_sub(CHANGES_PER_LOG_MAX);
        let (mut former, mut moved_at_all) = (Vec::new(), AffectedTopics::default());
        for (at, (position, instance)) in changed.into_iter().enumerate() {
            while let Some((position, instance)) = present.next_if(|(other, _)| **other < position) {
                instances.push((position.clone(), instance.clone()));
            }
            let before = present.next_if(|(other, _)| **other == position).map(|(_, before)| before.clone());
            let moved = made.changes(before.as_deref(), instance.as_deref(), index);
            moved_at_all |= moved;
            if moved.health && at >= kept_from {
                former.push((moved, position.clone(), before));
            }
            instances.extend(instance.map(|instance| (position, instance)));
        }
        instances.extend(present.map(|(position, instance)| (position.clone(), instance.clone())));
        made.instances = instances.into_iter().collect();
        Replacement { entry: made, former, is_complete: kept_from == 0, moved: moved_at_all, index }
    }

    /// How many instances the service has now.
    pub fn instances(&self) -> usize {
        self.entry.instances.len()
    }

    /// Which answers are different.
    pub fn moved(&self) -> AffectedTopics {
        self.moved
    }
}

impl BitOrAssign for AffectedTopics {
    fn bitor_assign(&mut self, other: AffectedTopics) {
        self.services |= other.services;
        self.service |= other.service;
        self.checks |= other.checks;
        self.health |= other.health;
    }
}

impl ServiceEntry {
    /// All but the instances.
    fn without_instances(&self) -> ServiceEntry {
        let (name, tags, changed) = (self.name.clone(), self.tags.clone(), self.changed);
        ServiceEntry { name, instances: BTreeMap::new(), tags, changed }
    }

    /// Takes over that one instance looked like `before` until `index` and like `after` since; gives what moved.
    fn changes(&mut self, before: Option<&Instance>, after: Option<&Instance>, index: u64) -> AffectedTopics {
        self.recount(before, after);
        let moved = compare(before, after);
        self.changed.raise(index, moved);
        moved
    }

    /// The name as the instance registered last writes it.
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The instances, by node and id.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = &Arc<Instance>> {
        self.instances.values()
    }

    /// The union of the instances' tags, in byte order.
    pub fn tags(&self) -> impl Iterator<Item = &Text> {
        self.tags.keys()
    }

    /// The indexes of the last changes.
    pub fn changed(&self) -> AspectIndexes {
        self.changed
    }

    fn recount(&mut self, before: Option<&Instance>, after: Option<&Instance>) {
        if let Some(after) = after {
            self.name = after.service.name.clone();
        }
        let (before, after) = (tags_of(before), tags_of(after));
        if before == after {
            return;
        }
        after.iter().for_each(|tag| *self.tags.entry(tag.clone()).or_default() += 1);
        for tag in before {
            match self.tags.get_mut(tag) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.tags.remove(tag)),
            }
        }
    }
}

fn tags_of(instance: Option<&Instance>) -> &[Text] {
    instance.map_or(&[], |it| &it.service.tags)
}

fn compare(before: Option<&Instance>, after: Option<&Instance>) -> AffectedTopics {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (None, None) => return AffectedTopics::default(),
        (Some(only), None) | (None, Some(only)) => {
            return AffectedTopics {
                services: true,
                service: true,
                checks: own_checks(only).next().is_some(),
                health: true,
            };
        }
    };
    let same_node = Arc::ptr_eq(&before.node, &after.node);
    let same_service = Arc::ptr_eq(&before.service, &after.service);
    let same_labels = before.service.tags == after.service.tags && before.service.name == after.service.name;
    let same_checks = before.checks.iter().map(Arc::as_ptr).eq(after.checks.iter().map(Arc::as_ptr));
    AffectedTopics {
        services: !same_labels || before.node.meta != after.node.meta,
        service: !same_node || !same_service,
        checks: !same_labels || !own_checks(before).eq(own_checks(after)),
        health: !same_node || !same_service || !same_checks,
    }
}

/// The instance's checks apart from its node's, told apart by where they are: a check that changed is another.
fn own_checks(instance: &Instance) -> impl Iterator<Item = *const Check> {
    instance.checks.iter().filter(|check| !check.is_node_level()).map(Arc::as_ptr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Node, Service};

    /// A small generator of numbers (xorshift): the same for the same seed.
    fn next(seed: &mut u64) -> usize {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        (*seed >> 32) as usize
    }

    fn face(instances: &[(Position, Arc<Instance>)]) -> Vec<(Position, *const Instance)> {
        instances.iter().map(|(position, instance)| (position.clone(), Arc::as_ptr(instance))).collect()
    }

    /// At every index of a random life, the log's answers for all earlier indexes are what was seen then.
    #[test]
    fn earlier_faces_are_what_was_seen_then() {
        for seed in 1..=40u64 {
            let (mut seed, name, node) = (seed, ServiceKey::from("web"), Arc::<Node>::default());
            let mut table = ServiceTable::default();
            let change = |seed: &mut u64| {
                let id = Text::from(format!("i{}", next(seed) % 6));
                let service = Arc::new(Service { id: id.clone(), ..Service::default() });
                let checks: Box<[_]> = Box::new([Arc::new(Check::default())]);
                let instance = Arc::new(Instance { node: node.clone(), service, checks });
                let is_there = !next(seed).is_multiple_of(3);
                (Position::new("n".into(), id), is_there.then_some(instance))
            };
            for index in 1..10 {
                let (position, instance) = change(&mut seed);
                table.put(&name, position, instance, index);
            }
            table.follow(&name);
            let present = |table: &ServiceTable| {
                let instances = table.get(&name).into_iter().flat_map(|entry| &entry.instances);
                face(&instances.map(|(position, it)| (position.clone(), it.clone())).collect::<Vec<_>>())
            };
            // Nothing changed between the last change and now, whichever that was.
            let mut seen = vec![(9, present(&table))];
            for batch in 0..40 {
                let index = 10 + 3 * batch;
                let is_beside = next(&mut seed).is_multiple_of(2);
                let changes: BTreeMap<_, _> = (0..next(&mut seed) % 3).map(|_| change(&mut seed)).collect();
                if is_beside {
                    let (present, changes) = (table.get(&name).cloned(), changes.into_iter().collect());
                    let replacement = Replacement::of(present.as_deref(), changes, index);
                    table.replace(&name, replacement);
                } else {
                    for (position, instance) in changes {
                        table.put(&name, position, instance, index);
                    }
                }
                seen.push((index, present(&table)));
                for (from, expected) in &seen {
                    let at = table.at(&name, Aspect::Health, *from).expect("all of it is kept");
                    assert_eq!(face(&at), *expected, "at {from} of {index}");
                    let mut patched: BTreeMap<Text, *const Instance> =
                        at.iter().map(|(_, it)| (it.service.id.clone(), Arc::as_ptr(it))).collect();
                    for touched in table.touched(&name, Aspect::Health, *from, index).expect("kept") {
                        let id = touched.before.as_ref().or(touched.after.as_ref()).map(|it| &it.service.id);
                        // Put and removed within one batch: it was never there.
                        let Some(id) = id.cloned() else { continue };
                        let before = patched.remove(&id);
                        assert_eq!(before, touched.before.as_ref().map(Arc::as_ptr));
                        touched.after.map(|after| patched.insert(id, Arc::as_ptr(&after)));
                    }
                    let mut now: Vec<_> = present(&table).into_iter().map(|(_, it)| it).collect();
                    let mut patched: Vec<_> = patched.into_values().collect();
                    now.sort_unstable();
                    patched.sort_unstable();
                    assert_eq!(patched, now, "from {from} to {index}");
                }
            }
        }
    }

    /// A log keeps the last of many changes, and knows that there were more.
    #[test]
    fn of_more_changes_than_a_log_keeps_the_last_are_kept() {
        for changes in [CHANGES_PER_LOG_MAX - 1, CHANGES_PER_LOG_MAX, CHANGES_PER_LOG_MAX + 1] {
            let (mut table, name) = (ServiceTable::standing_at(3), ServiceKey::from("web"));
            table.follow(&name);
            let instance =
                Arc::new(Instance { node: Arc::default(), service: Arc::default(), checks: Box::new([]) });
            let position = |at| Position::new("n".into(), format!("{at:05}").into());
            let changed = (0..changes).map(|at| (position(at), Some(instance.clone()))).collect();
            let replacement = Replacement::of(None, changed, 5);
            assert_eq!((replacement.instances(), replacement.moved().service), (changes, true));
            assert!(table.replace(&name, replacement).is_none());
            assert_eq!(table.get(&name).map(|entry| entry.instances().len()), Some(changes));
            let before = table.touched(&name, Aspect::Health, 4, 5).map(|touched| touched.len());
            assert_eq!(before, (changes <= CHANGES_PER_LOG_MAX).then_some(changes), "of {changes}");
            assert_eq!(table.touched(&name, Aspect::Health, 5, 9).map(|touched| touched.len()), Some(0));
        }
    }

    #[test]
    fn a_service_that_is_gone_is_known_from_now_on_only() {
        let (mut table, name) = (ServiceTable::standing_at(3), ServiceKey::from("web"));
        let other = "other".into();
        table.follow(&other);
        let instance =
            Arc::new(Instance { node: Arc::default(), service: Arc::default(), checks: Box::new([]) });
        table.put(&name, Position::new("n".into(), "i".into()), Some(instance), 5);
        table.put(&name, Position::new("n".into(), "i".into()), None, 7);
        assert!(table.at(&name, Aspect::Health, 9).is_none(), "nobody follows it");
        table.follow(&name);
        assert!(table.is_followed(&name) && table.at(&name, Aspect::Health, 6).is_none());
        assert_eq!(table.at(&name, Aspect::Health, 7).map(|it| it.len()), Some(0));
        assert_eq!(table.last_change(&name, Aspect::Catalog, 9), Some(7));
        assert!(table.at(&other, Aspect::Health, 2).is_none(), "it may have been there before");
        assert_eq!(table.at(&other, Aspect::Health, 3).map(|it| it.len()), Some(0));
    }
}
