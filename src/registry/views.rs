//! What readers see: the tables of `catalog` behind short locks.
//!
//! Only the writer changes them, after a batch is durable. Readers copy shared pointers out under the lock and do
//! everything else, encoding above all, without it.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::catalog::change::Change;
use crate::catalog::check_table::CheckTable;
use crate::catalog::instance::{CheckView, Instance};
use crate::catalog::node_record::NodeRecord;
use crate::catalog::node_table::NodeTable;
use crate::catalog::service_table::{ServiceEntry, ServiceTable};
use crate::catalog::topic::Topic;
use crate::catalog::update::{Update, topics_of_check, topics_of_instance};
use crate::model::{Node, Status};
use crate::stdx::text::Text;

/// Shards of the service table. A power of two; the writer holds one of them at a time.
const SERVICE_SHARDS: usize = 64;

/// The durable state, joined and filed for reading.
pub struct Views {
    services: Box<[RwLock<ServiceTable>]>,
    nodes: RwLock<NodeTable>,
    checks: RwLock<CheckTable>,
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
}

impl Views {
    /// Empty views.
    pub fn new() -> Views {
        let services = (0..SERVICE_SHARDS).map(|_| RwLock::default()).collect();
        Views { services, nodes: RwLock::default(), checks: RwLock::default() }
    }

    /// Takes over what a batch changed; gives the topics that moved.
    pub fn publish(&self, changes: &[Change], update: Update) -> Vec<Topic> {
        let Update { instances, checks, mut topics } = update;
        let mut nodes = self.nodes.write();
        changes.iter().for_each(|change| nodes.absorb(change));
        drop(nodes);
        for (name, position, instance) in instances {
            let moved = self.shard(&name).write().put(&name, position, instance);
            topics.extend(topics_of_instance(&name, moved));
        }
        let mut table = self.checks.write();
        for (key, view) in checks {
            let after = view.as_ref().map(|view| view.check.status);
            let before = table.put(&key, view);
            topics.extend(topics_of_check(before, after));
        }
        drop(table);
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// The instances of the service called `name` (in lower case), in answer order.
    pub fn instances(&self, name: &str) -> Vec<Arc<Instance>> {
        let table = self.shard(name).read();
        table.get(name).map(|entry| entry.instances().cloned().collect()).unwrap_or_default()
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

    /// Something of the node called `name` (in lower case).
    pub fn node<T>(&self, name: &str, pick: impl FnOnce(&NodeRecord) -> T) -> Option<T> {
        self.nodes.read().get(name).map(pick)
    }

    /// Something of the node called `name` (in lower case), or whose UUID is or begins with `name`.
    pub fn node_by_name_or_id<T>(&self, name: &str, pick: impl FnOnce(&NodeRecord) -> T) -> Option<T> {
        let nodes = self.nodes.read();
        nodes.get(name).or_else(|| nodes.by_id(name)).map(pick)
    }

    /// All nodes by name.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.read().records().map(|record| record.node().clone()).collect()
    }

    /// The checks in one status, or all, by node and id.
    pub fn checks(&self, status: Option<Status>) -> Vec<CheckView> {
        let table = self.checks.read();
        match status {
            Some(status) => table.by_status(status).values().cloned().collect(),
            None => table.all().into_iter().cloned().collect(),
        }
    }

    /// How much there is of everything.
    pub fn sizes(&self) -> Sizes {
        let services = self.services.iter().map(|shard| shard.read().len()).sum();
        let (nodes, instances) = {
            let nodes = self.nodes.read();
            (nodes.records().len(), nodes.records().map(|record| record.services().len()).sum())
        };
        let checks = self.checks.read();
        let checks = [Status::Passing, Status::Warning, Status::Critical].map(|s| checks.by_status(s).len());
        Sizes { nodes, services, instances, checks }
    }

    fn shard(&self, name: &str) -> &RwLock<ServiceTable> {
        // FNV-1a: names only choose a shard here; the maps inside hash them with a random seed.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        &self.services[(hash ^ (hash >> 32)) as usize % SERVICE_SHARDS]
    }
}

impl Default for Views {
    fn default() -> Self {
        Views::new()
    }
}
