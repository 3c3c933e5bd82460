//! The tables of the registry as handlers look at them: whatever grows with the registry is paid for before it is
//! looked at, and what the caller may not see is left out. So no read holds a worker, or a table's lock, for longer
//! than its meter lets it, and none shows more than its caller's rights.
//!
//! This is the only way to the tables for handlers, but for that of the keys, which pays key by key; `tests/tidy.rs`
//! sees to it. What cannot be paid for comes back as if it were not there. The meter is exhausted then, and whoever
//! made it throws the answer away.

use std::sync::Arc;

use crate::base::stdx::meter::Meter;
use crate::base::stdx::text::Text;
use crate::core::catalog::instance::{CheckView, Instance, Position};
use crate::core::catalog::node_record::NodeRecord;
use crate::core::catalog::service_log::Aspect;
use crate::core::catalog::service_table::{InstanceDiff, ServiceEntry};
use crate::core::discovery::difference::ListDifference;
use crate::core::discovery::query::{SelectedInstances, ServiceQuery};
use crate::core::model::{Node, NodeKey, ServiceKey, Status, Transition};
use crate::node::registry::Registry;
use crate::node::registry::history::Of;
use crate::node::registry::views::{Sizes, Views};
use crate::surface::context::sight::{Sight, VisibleNode};

/// Records that one unit copies, as pointers, or passes over.
const RECORDS_OF_UNIT: usize = 4;

/// The tables, the meter that is spent from, and what is seen.
#[derive(Clone, Copy)]
pub struct MeteredViews<'a> {
    registry: &'a Registry,
    views: &'a Views,
    meter: &'a Meter<'a>,
    sight: Sight<'a>,
}

impl<'a> MeteredViews<'a> {
    /// The tables of a registry, for whoever has this meter and sees so much.
    pub fn of(registry: &'a Registry, meter: &'a Meter<'a>, sight: Sight<'a>) -> MeteredViews<'a> {
        MeteredViews { registry, views: registry.views(), meter, sight }
    }

    /// The same for what the agent says of itself.
    pub fn of_agent(self) -> MeteredViews<'a> {
        MeteredViews { sight: self.sight.of_agent(), ..self }
    }

    /// What is spent from.
    pub fn meter(&self) -> &'a Meter<'a> {
        self.meter
    }

    /// The instances of the service filed under `key`, in answer order.
    pub fn instances(&self, key: &ServiceKey) -> Vec<Arc<Instance>> {
        self.dated_instances(key, Aspect::Health).0
    }

    /// See [`Views::dated_instances`].
    pub fn dated_instances(&self, key: &ServiceKey, aspect: Aspect) -> (Vec<Arc<Instance>>, Option<u64>) {
        if !self.pays_for(self.views.instances_count(key)) {
            return (Vec::new(), None);
        }
        let (mut instances, changed) = self.views.dated_instances(key, aspect);
        self.sight.retain(&mut instances);
        (instances, changed)
    }

    /// The answer of now, and the index of the last change in it; `None` for that when the service is not there.
    pub fn select(&self, query: &ServiceQuery) -> (SelectedInstances, Option<u64>) {
        let (instances, changed) = self.dated_instances(&query.service, query.aspect);
        (query.select(instances, self.meter), changed)
    }

    /// The answer at `index`, if it is still known.
    pub fn select_at(&self, query: &ServiceQuery, index: u64) -> Option<SelectedInstances> {
        let instances = self.at(query, index)?.into_iter().map(|(_, instance)| instance);
        Some(query.select(instances.collect(), self.meter))
    }

    /// The difference of the answers at `from` and `to`, if the earlier one is still known.
    pub fn difference(&self, query: &ServiceQuery, from: u64, to: u64) -> Option<ListDifference> {
        if query.panic.is_none() {
            // No instance stays or goes for what becomes of another. A log is bounded, and so is what this takes.
            let mut changes = self.views.touched(&query.service, query.aspect, from, to)?;
            if !self.sight.is_whole() {
                let seen = |face: Option<Arc<Instance>>| face.filter(|it| self.sight.instance(it));
                let changed = changes.into_iter().map(|it| (seen(it.before), seen(it.after)));
                changes = changed.map(|(before, after)| InstanceDiff { before, after }).collect();
            }
            return Some(query.difference_of(changes, self.meter));
        }
        let (earlier, later) = (self.at(query, from)?, self.at(query, to)?);
        Some(query.difference_between(earlier, later, self.meter))
    }

    /// See [`Views::at`]; `None` as well when it cannot be paid for.
    fn at(&self, query: &ServiceQuery, index: u64) -> Option<Vec<(Position, Arc<Instance>)>> {
        let is_affordable = self.pays_for(self.views.instances_count(&query.service));
        let mut instances =
            is_affordable.then(|| self.views.at(&query.service, query.aspect, index)).flatten()?;
        if !self.sight.is_whole() {
            instances.retain(|(_, instance)| self.sight.instance(instance));
        }
        Some(instances)
    }

    /// Something of every service, ordered by name. `pick` pays for what it takes of one.
    pub fn services<T>(&self, pick: impl Fn(&ServiceEntry) -> Option<T>) -> Vec<(Text, T)> {
        let is_seen = |entry: &ServiceEntry| {
            self.sight.is_whole() || (self.pays_for(entry.instances().len()) && self.sight.entry(entry))
        };
        self.views.services(|entry| (self.meter.spend(1) && is_seen(entry)).then(|| pick(entry)).flatten())
    }

    /// Something of the node filed under `key`: `looked_at` says at how many records on it `pick` looks, or
    /// copies them; 0 for a few, however many there are.
    pub fn node<T>(
        &self,
        key: &NodeKey,
        looked_at: impl FnOnce(VisibleNode<'_>) -> usize,
        pick: impl FnOnce(VisibleNode<'_>) -> T,
    ) -> Option<T> {
        self.views.node(key, |record| self.seen_node(record, looked_at, pick)).flatten()
    }

    /// As [`MeteredViews::node`], or of the node whose UUID is or begins with `name`.
    pub fn node_by_name_or_id<T>(
        &self,
        name: &NodeKey,
        looked_at: impl FnOnce(VisibleNode<'_>) -> usize,
        pick: impl FnOnce(VisibleNode<'_>) -> T,
    ) -> Option<T> {
        // Nodes are not filed by their UUIDs: all of them are passed over.
        let is_named = self.views.node(name, |_| ()).is_some();
        if !is_named && !self.pays_for(self.views.nodes_count()) {
            return None;
        }
        self.views.node_by_name_or_id(name, |record| self.seen_node(record, looked_at, pick)).flatten()
    }

    fn seen_node<T>(
        &self,
        record: &NodeRecord,
        looked_at: impl FnOnce(VisibleNode<'_>) -> usize,
        pick: impl FnOnce(VisibleNode<'_>) -> T,
    ) -> Option<T> {
        let seen = self.sight.of_record(record)?;
        self.pays_for(looked_at(seen)).then(|| pick(seen))
    }

    /// The instance `id` on the node filed under `node`. It has no more checks than a few dozen.
    pub fn instance(&self, node: &NodeKey, id: &Text) -> Option<Instance> {
        self.node(node, |_| 0, |node| node.instance(id)).flatten()
    }

    /// All nodes by name.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        let mut nodes = if self.pays_for(self.views.nodes_count()) { self.views.nodes() } else { Vec::new() };
        if !self.sight.is_whole() {
            nodes.retain(|node| self.sight.node(&node.name));
        }
        nodes
    }

    /// The first node, by name, with an instance `id`. Nodes are looked at one at a time, without a lock between them.
    pub fn node_of_instance(&self, id: &Text) -> Option<Arc<Node>> {
        let has = |node: &Arc<Node>| {
            let has = |node: VisibleNode<'_>| node.service(id).is_some();
            self.meter.spend(1) && self.node(&NodeKey::of(&node.name), |_| 0, has) == Some(true)
        };
        self.nodes().into_iter().find(has)
    }

    /// The checks in one status, or all, by node and id.
    pub fn checks(&self, status: Option<Status>) -> Vec<CheckView> {
        // They are joined and, where it is all, merged: each is some work.
        let is_affordable = self.meter.spend(self.views.checks_count(status) as u64);
        let mut checks = if is_affordable { self.views.checks(status) } else { Vec::new() };
        if !self.sight.is_whole() {
            checks.retain(|view| self.sight.check(view));
        }
        checks
    }

    /// The newest transitions of what is meant. See [`History::newest_within`].
    ///
    /// [`History::newest_within`]: crate::node::registry::history::History::newest_within
    pub fn newest(&self, of: &Of<'_>, since: u64, limit: usize) -> Vec<Arc<Transition>> {
        self.seen_transitions(self.registry.history().newest_within(self.meter, of, since, limit))
    }

    /// The newest transitions of what is called so, wherever it is. See [`History::newest_named_within`].
    ///
    /// [`History::newest_named_within`]: crate::node::registry::history::History::newest_named_within
    pub fn newest_named(&self, named: &str, since: u64, limit: usize) -> Vec<Arc<Transition>> {
        self.seen_transitions(self.registry.history().newest_named_within(self.meter, named, since, limit))
    }

    fn seen_transitions(&self, mut transitions: Vec<Arc<Transition>>) -> Vec<Arc<Transition>> {
        if self.sight.is_whole() {
            return transitions;
        }
        // A node that is gone is known by its key alone.
        let name_of = |key: &NodeKey| {
            self.views.node(key, |record| record.node().name.clone()).unwrap_or_else(|| key.text().clone())
        };
        transitions.retain(|it| {
            let of_node = it.service_name.is_empty() && it.subject.service_id.is_empty();
            self.sight.node(&name_of(&it.subject.node)) && (of_node || self.sight.service(&it.service_name))
        });
        transitions
    }

    /// See [`Views::complete`].
    pub fn complete(&self) -> u64 {
        self.views.complete()
    }

    /// See [`Views::changed`].
    pub fn changed(&self, key: &ServiceKey, aspect: Aspect) -> Option<u64> {
        self.views.changed(key, aspect)
    }

    /// See [`Views::follow`].
    pub fn follow(&self, key: &ServiceKey) {
        self.views.follow(key);
    }

    /// See [`Views::last_change`].
    pub fn last_change(&self, key: &ServiceKey, aspect: Aspect, index: u64) -> Option<u64> {
        self.views.last_change(key, aspect, index)
    }

    /// See [`Views::sizes`].
    pub fn sizes(&self) -> Sizes {
        self.views.sizes()
    }

    fn pays_for(&self, records: usize) -> bool {
        self.meter.spend((records / RECORDS_OF_UNIT) as u64)
    }
}
