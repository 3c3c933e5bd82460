//! What readers see: the tables of `catalog` behind short locks.
//!
//! Only the writer changes them, after a batch is durable. Readers copy shared pointers out under the lock and do
//! everything else, encoding above all, without it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;
use xxhash_rust::xxh3::xxh3_64;

use crate::base::stdx::text::Text;
use crate::base::sys::runtime;
use crate::core::catalog::check_table::CheckTable;
use crate::core::catalog::instance::{CheckView, Instance, Position};
use crate::core::catalog::node_record::NodeRecord;
use crate::core::catalog::node_table::NodeTable;
use crate::core::catalog::service_log::Aspect;
use crate::core::catalog::service_table::{InstanceDiff, Replacement, ServiceEntry, ServiceTable};
use crate::core::catalog::state::CatalogState as Catalog;
use crate::core::catalog::topic::Topic;
use crate::core::catalog::update::{Update, topics_of_check, topics_of_instance};
use crate::core::kernel::changes::Changes;
use crate::core::kernel::state::State;
use crate::core::kv::state::PairState;
use crate::core::kv::table::PairTable;
use crate::core::model::{Node, NodeKey, ServiceKey, Status};

/// Shards of the service table. A power of two; the writer holds one of them at a time.
const SERVICE_SHARDS: usize = 64;

/// Changes that are made under one lock. More of a service are made beside it, and so are more of a table where copying
/// it takes no longer than they do.
const CHANGED_IN_PLACE_MAX: usize = 256;

/// Entries that are copied in the time in which one is changed: some 60 ns against 1 us.
const COPIED_FOR_A_CHANGE: usize = 16;

/// The durable state, joined and filed for reading.
pub struct Views {
    services: Box<[RwLock<ServiceTable>]>,
    nodes: RwLock<NodeTable>,
    checks: RwLock<CheckTable>,
    pairs: RwLock<PairTable>,
    /// Instances of all services, so that nobody has to count them.
    instances: AtomicUsize,
    /// See [`Views::complete`].
    complete: AtomicU64,
}

/// What a batch changes of the views, with the new lists of services of which much has changed.
pub struct PreparedUpdate {
    instances: Vec<(ServiceKey, Position, Option<Arc<Instance>>)>,
    replacements: Vec<(ServiceKey, Replacement)>,
    checks: Vec<(Position, Option<CheckView>)>,
    topics: Vec<Topic>,
}

/// How much the catalog holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Nodes.
    pub nodes: usize,
    /// Service names.
    pub services: usize,
    /// Service instances.
    pub instances: usize,
    /// Checks by status: passing, warning, critical.
    pub checks: [usize; 3],
    /// Keys.
    pub keys: usize,
    /// Bytes of all keys and their values.
    pub kv_bytes: usize,
}

impl Views {
    /// Empty views of a registry that stands at `index`: what became of it up to there is not known.
    pub fn new(index: u64) -> Views {
        let services = (0..SERVICE_SHARDS).map(|_| RwLock::new(ServiceTable::standing_at(index))).collect();
        let complete = AtomicU64::new(index);
        let pairs = RwLock::new(PairTable::of_all(&PairState::new(usize::MAX), index));
        let (nodes, checks, instances) = Default::default();
        Views { services, nodes, checks, pairs, instances, complete }
    }

    /// Views of all that is in `state`, which stands at `index`, made on two threads.
    ///
    /// # Errors
    /// The operating system's: it gives no thread.
    pub fn of_all(state: &State, index: u64) -> io::Result<Views> {
        let views = Views::new(index);
        let file_services = || {
            for (name, instances) in instances_by_service(&state.catalog) {
                views.instances.fetch_add(instances.len(), Ordering::Relaxed);
                views.shard(&name).write().fill(name, instances, index);
            }
        };
        let of_records = || {
            let State { catalog, kv, acl: _ } = state;
            (NodeTable::of_all(catalog), CheckTable::of_all(catalog), PairTable::of_all(kv, index))
        };
        let ((nodes, checks, pairs), ()) = runtime::beside("views", of_records, file_services)?;
        let (nodes, checks, pairs) = (RwLock::new(nodes), RwLock::new(checks), RwLock::new(pairs));
        Ok(Views { nodes, checks, pairs, ..views })
    }

    /// Makes the new lists of services of which much has changed, beside those that readers look at. That takes long
    /// for large ones, so it is done before the batch begins to be seen.
    pub fn prepare(&self, update: Update, index: u64) -> PreparedUpdate {
        let Update { mut instances, checks, topics } = update;
        let mut replacements = Vec::new();
        if instances.len() > CHANGED_IN_PLACE_MAX {
            let (mut few, mut rest) = (Vec::new(), instances.into_iter().peekable());
            while let Some(first) = rest.next() {
                let name = first.0.clone();
                let of_service: Vec<_> = std::iter::once(first)
                    .chain(std::iter::from_fn(|| rest.next_if(|(next, ..)| *next == name)))
                    .collect();
                if of_service.len() <= CHANGED_IN_PLACE_MAX {
                    few.extend(of_service);
                    continue;
                }
                let mut changed: Vec<_> =
                    of_service.into_iter().map(|(_, position, instance)| (position, instance)).collect();
                changed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
                let present = self.shard(&name).read().get(&name).cloned();
                let replacement = Replacement::of(present.as_deref(), changed, index);
                replacements.push((name, replacement));
            }
            instances = few;
        }
        PreparedUpdate { instances, replacements, checks, topics }
    }

    /// Takes over what a batch changed that led to `index`; gives the topics of the catalog that moved. What changed of
    /// one service, or of all keys, is seen as a whole or not at all.
    pub fn publish(&self, changes: &Changes, update: PreparedUpdate, index: u64) -> Vec<Topic> {
        let PreparedUpdate { instances, replacements, checks, mut topics } = update;
        change(&self.pairs, PairTable::copied, &changes.kv, PairTable::absorb);
        // Records of nodes hold all that is on them.
        let on_nodes = || self.instances.load(Ordering::Relaxed) + 2 * self.checks_count(None);
        change(&self.nodes, |nodes| nodes.records().len() + on_nodes(), &changes.catalog, NodeTable::absorb);
        let mut instances = instances.into_iter().peekable();
        while let Some((name, position, instance)) = instances.next() {
            let mut table = self.shard(&name).write();
            let before = instances_of(&table, &name);
            let mut moved = table.put(&name, position, instance, index);
            while let Some((_, position, instance)) = instances.next_if(|(next, ..)| *next == name) {
                moved |= table.put(&name, position, instance, index);
            }
            self.count_anew(before, instances_of(&table, &name));
            topics.extend(topics_of_instance(&name, moved));
        }
        for (name, replacement) in replacements {
            topics.extend(topics_of_instance(&name, replacement.moved()));
            let after = replacement.instances();
            let before = self.shard(&name).write().replace(&name, replacement);
            self.count_anew(before.map_or(0, |before| before.instances().len()), after);
        }
        let mut checks = checks.into_iter().peekable();
        while checks.peek().is_some() {
            let mut table = self.checks.write();
            for (key, view) in checks.by_ref().take(CHANGED_IN_PLACE_MAX) {
                let after = view.as_ref().map(|view| view.check.status);
                let before = table.put(&key, view);
                topics.extend(topics_of_check(before, after));
            }
        }
        self.complete.store(index, Ordering::Release);
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// The index up to which every change is in these views; some of the next batch may be in them already.
    pub fn complete(&self) -> u64 {
        self.complete.load(Ordering::Acquire)
    }

    /// The instances of the service filed under `key`, in answer order.
    pub fn instances(&self, key: &ServiceKey) -> Vec<Arc<Instance>> {
        let table = self.shard(key).read();
        table.get(key).map(|entry| entry.instances().cloned().collect()).unwrap_or_default()
    }

    /// How many instances the service filed under `key` has.
    pub fn instances_count(&self, key: &ServiceKey) -> usize {
        instances_of(&self.shard(key).read(), key)
    }

    /// The instances of a service as [`Views::instances`], and the index of the last change that is in them; `None` for
    /// that when there are no instances.
    pub fn dated_instances(&self, key: &ServiceKey, aspect: Aspect) -> (Vec<Arc<Instance>>, Option<u64>) {
        let table = self.shard(key).read();
        let entry = table.get(key);
        let instances = entry.map(|entry| entry.instances().cloned().collect()).unwrap_or_default();
        (instances, entry.map(|entry| entry.changed().of(aspect)))
    }

    /// The index of the last change of a service; `None` when it is not there.
    pub fn changed(&self, key: &ServiceKey, aspect: Aspect) -> Option<u64> {
        self.shard(key).read().get(key).map(|entry| entry.changed().of(aspect))
    }

    /// Sees to it that a log of the service filed under `key` is kept.
    pub fn follow(&self, key: &ServiceKey) {
        if !self.shard(key).read().is_followed(key) {
            self.shard(key).write().follow(key);
        }
    }

    /// The instances of a service that is followed as they were at `index`. See [`ServiceTable::at`].
    pub fn at(&self, key: &ServiceKey, aspect: Aspect, index: u64) -> Option<Vec<(Position, Arc<Instance>)>> {
        self.shard(key).read().at(key, aspect, index)
    }

    /// What became of a service that is followed. See [`ServiceTable::touched`].
    pub fn touched(&self, key: &ServiceKey, aspect: Aspect, from: u64, to: u64) -> Option<Vec<InstanceDiff>> {
        self.shard(key).read().touched(key, aspect, from, to)
    }

    /// See [`ServiceTable::last_change`].
    pub fn last_change(&self, key: &ServiceKey, aspect: Aspect, index: u64) -> Option<u64> {
        self.shard(key).read().last_change(key, aspect, index)
    }

    /// Something of every service, ordered by name.
    pub fn services<T>(&self, pick: impl Fn(&ServiceEntry) -> Option<T>) -> Vec<(Text, T)> {
        let mut picked = Vec::new();
        for shard in &self.services {
            let table = shard.read();
            picked.extend(table.entries().filter_map(|entry| Some((entry.name().clone(), pick(entry)?))));
        }
        picked.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        picked
    }

    /// Something of the node filed under `key`.
    pub fn node<T>(&self, key: &NodeKey, pick: impl FnOnce(&NodeRecord) -> T) -> Option<T> {
        self.nodes.read().get(key).map(pick)
    }

    /// Something of the node filed under `name`, or whose UUID is or begins with `name`.
    pub fn node_by_name_or_id<T>(&self, name: &NodeKey, pick: impl FnOnce(&NodeRecord) -> T) -> Option<T> {
        let nodes = self.nodes.read();
        nodes.get(name).or_else(|| nodes.by_id(name.as_str())).map(pick)
    }

    /// Something of the node whose UUID is `id`. Every node may be looked at.
    pub fn node_with_id<T>(&self, id: &str, pick: impl FnOnce(&NodeRecord) -> T) -> Option<T> {
        self.nodes.read().by_id(id).map(pick)
    }

    /// All nodes by name.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.read().records().map(|record| record.node().clone()).collect()
    }

    /// The checks in one status, or all, by node and id.
    pub fn checks(&self, status: Option<Status>) -> Vec<CheckView> {
        let held = self.checks.read().hold(status);
        held.in_order()
    }

    /// How many checks are in one status, or in all.
    pub fn checks_count(&self, status: Option<Status>) -> usize {
        let table = self.checks.read();
        let of = |status| table.by_status(status).len();
        status.map_or_else(|| [Status::Passing, Status::Warning, Status::Critical].map(of).iter().sum(), of)
    }

    /// How many nodes there are.
    pub fn nodes_count(&self) -> usize {
        self.nodes.read().records().len()
    }

    /// Something of the keys and their values. The writer waits meanwhile, so no more than pointers is to be taken.
    pub fn pairs<T>(&self, pick: impl FnOnce(&PairTable) -> T) -> T {
        pick(&self.pairs.read())
    }

    /// See [`PairTable::forget_until`].
    pub fn forget_deletions(&self, index: u64) {
        self.pairs.write().forget_until(index);
    }

    /// How much there is of everything. It takes the same time however much that is.
    pub fn sizes(&self) -> Sizes {
        let services = self.services.iter().map(|shard| shard.read().len()).sum();
        let (nodes, instances) = (self.nodes_count(), self.instances.load(Ordering::Relaxed));
        let checks = self.checks.read();
        let checks = [Status::Passing, Status::Warning, Status::Critical].map(|s| checks.by_status(s).len());
        let (keys, kv_bytes) = self.pairs.read().size();
        Sizes { nodes, services, instances, checks, keys, kv_bytes }
    }

    fn count_anew(&self, before: usize, after: usize) {
        self.instances.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }

    fn shard(&self, key: &ServiceKey) -> &RwLock<ServiceTable> {
        // Keys only choose a shard here; the maps inside hash them with a random seed.
        &self.services[xxh3_64(key.as_str().as_bytes()) as usize % SERVICE_SHARDS]
    }
}

/// Has a table take over `changes`, seen as a whole or not at all. `copied` tells how many entries a copy of it copies.
///
/// Where they are many, and take longer than a copy of the table does, readers go on with the table as it was while the
/// copy takes them over, which then has its place.
fn change<T: Clone, C>(
    table: &RwLock<T>,
    copied: impl Fn(&T) -> usize,
    changes: &[C],
    absorb: impl Fn(&mut T, &C),
) {
    if changes.is_empty() {
        return;
    }
    let absorb_all = |table: &mut T| changes.iter().for_each(|change| absorb(table, change));
    let takes_longer = |table: &T| changes.len() > copied(table) / COPIED_FOR_A_CHANGE;
    if changes.len() <= CHANGED_IN_PLACE_MAX || !takes_longer(&table.read()) {
        return absorb_all(&mut table.write());
    }
    let mut beside = table.read().clone();
    absorb_all(&mut beside);
    // What was there is let go after the lock is.
    let _former = std::mem::replace(&mut *table.write(), beside);
}

fn instances_of(table: &ServiceTable, key: &ServiceKey) -> usize {
    table.get(key).map_or(0, |entry| entry.instances().len())
}

/// Every instance, by the key of its service; of one service in the order of nodes and ids.
fn instances_by_service(state: &Catalog) -> HashMap<ServiceKey, Vec<(Position, Arc<Instance>)>> {
    let mut services: HashMap<ServiceKey, Vec<_>> = HashMap::new();
    for (key, record) in state.nodes() {
        for (id, instance) in record.instances() {
            let position = Position::new(key.clone(), id.clone());
            let of_service = services.entry(ServiceKey::of(&instance.service.name)).or_default();
            of_service.push((position, Arc::new(instance)));
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Service;

    #[test]
    fn changes_of_a_table_are_seen_as_a_whole_however_many_they_are() {
        /// Knows how often it was copied.
        #[derive(Default)]
        struct Table(Vec<usize>, usize);

        impl Clone for Table {
            fn clone(&self) -> Table {
                Table(self.0.clone(), self.1 + 1)
            }
        }

        let beyond = CHANGED_IN_PLACE_MAX + 1;
        let as_much = beyond * COPIED_FOR_A_CHANGE;
        for (count, copied, copies) in [
            (1, 0, 0),
            (beyond - 1, 0, 0),
            (beyond, 0, 1),
            (beyond, as_much - 1, 1),
            (beyond, as_much, 0),
            (50_000, 0, 1),
        ] {
            let (table, changes) = (RwLock::new(Table::default()), (0..count).collect::<Vec<_>>());
            std::thread::scope(|scope| {
                scope.spawn(|| change(&table, |_| copied, &changes, |table, change| table.0.push(*change)));
                while table.read().0.is_empty() {
                    std::thread::yield_now();
                }
                assert_eq!(table.read().0, changes, "of {count}");
            });
            assert_eq!(table.read().1, copies, "of {count} where {copied} are copied");
        }
    }

    /// Ids in whatever case, in the order of their bytes, which is not that of answers.
    #[test]
    fn changes_beside_the_table_come_to_what_changes_in_it_do() {
        for count in [CHANGED_IN_PLACE_MAX, CHANGED_IN_PLACE_MAX + 1, 3 * CHANGED_IN_PLACE_MAX] {
            let mut ids: Vec<String> =
                (0..count).map(|at| format!("{}{at}", ["a", "B", "c"][at % 3])).collect();
            ids.sort_unstable();
            let change = |id: &String, tag: &str| {
                let service =
                    Service { id: id.as_str().into(), tags: vec![tag.into()], ..Service::default() };
                let instance =
                    Instance { node: Arc::default(), service: Arc::new(service), checks: Box::default() };
                (
                    ServiceKey::from("web"),
                    Position::new("n".into(), id.as_str().into()),
                    Some(Arc::new(instance)),
                )
            };
            let (at_once, one_by_one) = (Views::new(0), Views::new(0));
            for (index, tag) in [(1, "old"), (2, "new")] {
                let instances: Vec<_> =
                    ids.iter().step_by(index as usize).map(|id| change(id, tag)).collect();
                for each in instances.clone() {
                    let update = Update { instances: vec![each], ..Update::default() };
                    let update = one_by_one.prepare(update, index);
                    one_by_one.publish(&Changes::default(), update, index);
                }
                let update = at_once.prepare(Update { instances, ..Update::default() }, index);
                let moved = at_once.publish(&Changes::default(), update, index);
                assert!(moved.contains(&Topic::Service("web".into())));
                let shown = |views: &Views| {
                    let of = |it: &Arc<Instance>| (it.service.id.clone(), it.service.tags.clone());
                    views.instances(&"web".into()).iter().map(of).collect::<Vec<_>>()
                };
                assert_eq!(shown(&at_once), shown(&one_by_one), "{count} at {index}");
                assert_eq!(at_once.sizes(), one_by_one.sizes());
            }
        }
    }
}
