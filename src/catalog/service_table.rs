//! Instances by service: the view that discovery reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::instance::{Instance, Position};
use crate::catalog::service_log::{Aspect, AspectIndexes, Logs};
use crate::catalog::topic::AffectedTopics;
use crate::model::Check;
use crate::stdx::text::Text;

/// Services by name, each with its instances in answer order. One shard of all of them.
#[derive(Debug, Default)]
pub struct ServiceTable {
    services: HashMap<Text, ServiceEntry>,
    /// What became lately of those that are followed, there or not.
    logs: Logs,
    /// The index of the last change in this shard, known or not.
    newest: u64,
}

/// One service: never without an instance.
#[derive(Debug, Default)]
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
    pub fn fill(&mut self, name: Text, instances: Vec<(Position, Arc<Instance>)>, index: u64) {
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
        self.services.insert(name, entry);
        self.newest = self.newest.max(index);
    }

    /// The service called `name` (in lower case).
    pub fn get(&self, name: &str) -> Option<&ServiceEntry> {
        self.services.get(name)
    }

    /// All services of this shard, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &ServiceEntry> {
        self.services.values()
    }

    /// Number of services in this shard.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// Whether this shard holds no service.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Puts, or with `None` removes, the instance at `position` of the service called `name` (in lower case). `index`
    /// is that of the batch, which never falls.
    pub fn put(
        &mut self,
        name: &Text,
        position: Position,
        instance: Option<Arc<Instance>>,
        index: u64,
    ) -> AffectedTopics {
        let entry = self.services.entry(name.clone()).or_default();
        let before = match &instance {
            Some(instance) => entry.instances.insert(position.clone(), instance.clone()),
            None => entry.instances.remove(&position),
        };
        entry.recount(before.as_deref(), instance.as_deref());
        let moved = compare(before.as_deref(), instance.as_deref());
        entry.changed.raise(index, moved);
        if entry.instances.is_empty() {
            self.services.remove(name);
        }
        if moved.health {
            self.newest = self.newest.max(index);
            self.logs.record(name, index, moved, position, before);
        }
        moved
    }

    /// Keeps a log of the service from now on, so that [`ServiceTable::at`] and [`ServiceTable::touched`] have an
    /// answer for every index from the last change on.
    pub fn follow(&mut self, name: &Text) {
        // Of a service that is not there it is not known when it went, only that it has.
        let gone = AspectIndexes { health: self.newest, catalog: self.newest };
        let complete_since = self.services.get(name).map_or(gone, |entry| entry.changed);
        self.logs.open(name, complete_since);
    }

    /// Whether a log of the service is kept.
    pub fn is_followed(&self, name: &str) -> bool {
        self.logs.get(name).is_some()
    }

    /// The instances at `index`, in answer order; `None` when the log does not reach back that far.
    pub fn at(&self, name: &str, aspect: Aspect, index: u64) -> Option<Vec<(Position, Arc<Instance>)>> {
        let faces = self.logs.get(name)?.faces_at(aspect, index)?;
        let present = self.services.get(name).into_iter().flat_map(|entry| &entry.instances);
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
    pub fn touched(&self, name: &str, aspect: Aspect, from: u64, to: u64) -> Option<Vec<InstanceDiff>> {
        let log = self.logs.get(name)?;
        let (at_from, at_to) = (log.faces_at(aspect, from)?, log.faces_at(aspect, to)?);
        let present = |position: &Position| self.services.get(name)?.instances.get(position);
        let touched = at_from.into_iter().map(|(position, before)| {
            let after = at_to.get(position).copied().unwrap_or_else(|| present(position));
            InstanceDiff { before: before.cloned(), after: after.cloned() }
        });
        Some(touched.collect())
    }

    /// The index of the last change up to `index` of a service that is followed: nothing of it changed between the two.
    pub fn last_change(&self, name: &str, aspect: Aspect, index: u64) -> Option<u64> {
        Some(self.logs.get(name)?.last_change(aspect, index))
    }
}

impl ServiceEntry {
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
    use crate::model::{Node, Service};

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
            let (mut seed, name, node) = (seed, Text::from("web"), Arc::<Node>::default());
            let mut table = ServiceTable::default();
            let put = |table: &mut ServiceTable, seed: &mut u64, index| {
                let id = Text::from(format!("i{}", next(seed) % 6));
                let service = Arc::new(Service { id: id.clone(), ..Service::default() });
                let checks: Box<[_]> = Box::new([Arc::new(Check::default())]);
                let instance = Arc::new(Instance { node: node.clone(), service, checks });
                let is_there = !next(seed).is_multiple_of(3);
                table.put(&name, Position::new("n".into(), id), is_there.then_some(instance), index);
            };
            (1..10).for_each(|index| put(&mut table, &mut seed, index));
            table.follow(&name);
            let present = |table: &ServiceTable| {
                let instances = table.get(&name).into_iter().flat_map(|entry| &entry.instances);
                face(&instances.map(|(position, it)| (position.clone(), it.clone())).collect::<Vec<_>>())
            };
            // Nothing changed between the last change and now, whichever that was.
            let mut seen = vec![(9, present(&table))];
            for batch in 0..40 {
                let index = 10 + 3 * batch;
                (0..next(&mut seed) % 3).for_each(|_| put(&mut table, &mut seed, index));
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

    #[test]
    fn a_service_that_is_gone_is_known_from_now_on_only() {
        let (mut table, name) = (ServiceTable::standing_at(3), Text::from("web"));
        table.follow(&"other".into());
        let instance =
            Arc::new(Instance { node: Arc::default(), service: Arc::default(), checks: Box::new([]) });
        table.put(&name, Position::new("n".into(), "i".into()), Some(instance), 5);
        table.put(&name, Position::new("n".into(), "i".into()), None, 7);
        assert!(table.at(&name, Aspect::Health, 9).is_none(), "nobody follows it");
        table.follow(&name);
        assert!(table.is_followed(&name) && table.at(&name, Aspect::Health, 6).is_none());
        assert_eq!(table.at(&name, Aspect::Health, 7).map(|it| it.len()), Some(0));
        assert_eq!(table.last_change(&name, Aspect::Catalog, 9), Some(7));
        assert!(table.at("other", Aspect::Health, 2).is_none(), "it may have been there before");
        assert_eq!(table.at("other", Aspect::Health, 3).map(|it| it.len()), Some(0));
    }
}
