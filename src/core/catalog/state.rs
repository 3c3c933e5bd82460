//! The truth: nodes with their instances and checks, and what each command does to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::node_record::NodeRecord;
use crate::core::catalog::weight;
use crate::core::model::{
    Cause, Check, Command, CommandRefusal, Indexes, Node, NodeKey, Origin, RecordKind, Service, Status, hold,
};

/// Everything the registry knows, owned by the one writer.
///
/// Commands are applied one after the other, each at its index. A command that is refused, or that says
/// nothing new, leaves no trace: no change, no new index.
#[derive(Debug, Default)]
pub struct CatalogState {
    /// The agent's own node: it and the agent's records on it cannot be removed from outside.
    own_node: NodeKey,
    bounds: CatalogBounds,
    nodes: BTreeMap<NodeKey, NodeRecord>,
    /// Instances on all nodes.
    instances: usize,
    /// Checks on all nodes.
    checks: usize,
    /// Bytes that all records take, as `weight` counts them.
    bytes: usize,
    /// Key of the node that holds each UUID, this in lower case: it is a number, however it is written.
    node_ids: HashMap<Text, NodeKey>,
}

/// How much the registry may hold. Everything is in memory, so without these a runaway client takes the machine.
#[derive(Clone, Copy, Debug)]
pub struct CatalogBounds {
    /// Nodes.
    pub nodes_max: usize,
    /// Service instances.
    pub instances_max: usize,
    /// Checks.
    pub checks_max: usize,
    /// Bytes of all records.
    pub bytes_max: usize,
}

impl Default for CatalogBounds {
    fn default() -> Self {
        let max = usize::MAX;
        CatalogBounds { nodes_max: max, instances_max: max, checks_max: max, bytes_max: max }
    }
}

/// Where and when a command is applied.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The index that its changes get.
    pub index: u64,
    /// Unix time in milliseconds; becomes the time of a status change.
    pub now_ms: u64,
}

impl CatalogState {
    /// An empty registry whose own node will be called `own_node`.
    pub fn new(own_node: &Text, bounds: CatalogBounds) -> CatalogState {
        CatalogState { own_node: NodeKey::of(own_node), bounds, ..CatalogState::default() }
    }

    /// The registry that `changes` lead to from nothing: every record once, nodes before what is on them. What is on
    /// one node is put there in one go as far as it stands together.
    pub fn restored(own_node: &Text, bounds: CatalogBounds, changes: &[CatalogChange]) -> CatalogState {
        let mut state = CatalogState::new(own_node, bounds);
        for run in changes.chunk_by(|left, right| left.node() == right.node()) {
            for change in run {
                state.weigh(change);
                if let CatalogChange::Node { key, before, after } = change {
                    state.absorb_node(key, before.as_deref(), after.as_ref());
                }
            }
            if let Some(record) = state.nodes.get_mut(run[0].node()) {
                let before = (record.services().len(), record.checks().len());
                record.fill(run);
                state.instances = state.instances + record.services().len() - before.0;
                state.checks = state.checks + record.checks().len() - before.1;
            }
        }
        state
    }

    #[cfg(test)]
    pub(super) fn bounds_for_tests(&mut self, bytes_max: usize) {
        self.bounds.bytes_max = bytes_max;
    }

    /// The node filed under `key`.
    pub fn node(&self, key: &NodeKey) -> Option<&NodeRecord> {
        self.nodes.get(key)
    }

    /// All nodes by name.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeKey, &NodeRecord)> {
        self.nodes.iter()
    }

    pub(super) fn all_nodes(&self) -> &BTreeMap<NodeKey, NodeRecord> {
        &self.nodes
    }

    /// Key of the agent's own node.
    pub(super) fn own_node(&self) -> &NodeKey {
        &self.own_node
    }

    /// Whether so many nodes, instances and checks in all would be within the bounds.
    pub(super) fn check_room(
        &self,
        nodes: usize,
        instances: usize,
        checks: usize,
    ) -> Result<(), CommandRefusal> {
        let CatalogBounds { nodes_max, instances_max, checks_max, .. } = self.bounds;
        let counted = [
            (nodes, nodes_max, RecordKind::Nodes),
            (instances, instances_max, RecordKind::Instances),
            (checks, checks_max, RecordKind::Checks),
        ];
        match counted.into_iter().find(|(count, max, _)| count > max) {
            Some((_, max, of)) => Err(CommandRefusal::Full { of, max }),
            None => Ok(()),
        }
    }

    /// How much it holds beyond its bounds, in a sentence. It was written under larger ones then.
    pub fn excess(&self) -> Option<String> {
        let refusal = match self.check_room(self.nodes.len(), self.instances, self.checks) {
            Err(refusal) => refusal,
            Ok(()) if self.bytes > self.bounds.bytes_max => {
                CommandRefusal::TooLarge { bytes_max: self.bounds.bytes_max }
            }
            Ok(()) => return None,
        };
        let Self { instances, checks, bytes, .. } = self;
        let nodes = self.nodes.len();
        Some(format!("{nodes} nodes, {instances} instances and {checks} checks of {bytes} bytes: {refusal}"))
    }

    /// Carries out one command and tells what is different now; an empty list when nothing is.
    ///
    /// # Errors
    /// A [`CommandRefusal`] when the command makes no sense in this state; the state is then as before.
    pub fn apply(&mut self, moment: Moment, command: Command) -> Result<Vec<CatalogChange>, CommandRefusal> {
        let bytes_before = self.bytes;
        // What muster finds out by itself is small, and must not be lost.
        let is_of_a_client = matches!(command, Command::Register(_) | Command::Restore(_));
        let mut edit = CatalogEdit { state: self, moment, changes: Vec::new() };
        let outcome = match command {
            Command::Register(registration) => edit.register(*registration),
            Command::Define(definitions) => edit.define(&definitions),
            Command::DeregisterNode { node } => {
                edit.deregister_node(&node);
                Ok(())
            }
            Command::DeregisterService { node, service_id, must_exist } => {
                edit.deregister_service(&node, &service_id, must_exist)
            }
            Command::Reap { node, service_id, check_id } => {
                edit.reap(&node, &service_id, &check_id);
                Ok(())
            }
            Command::DeregisterCheck { node, check_id, must_exist } => {
                edit.deregister_check(&node, &check_id, must_exist)
            }
            Command::UpdateCheck { node, check_id, status, output, cause } => {
                edit.update_check(&node, &check_id, (status, cause), output);
                Ok(())
            }
            Command::Drain { node, service_id, order } => edit.drain(&node, &service_id, &order),
            Command::Restore(restoration) => edit.restore(&restoration),
            // No part of the catalog.
            Command::WritePair(_) | Command::WriteAcl(_) => Ok(()),
        };
        let changes = edit.changes;
        let bytes_max = self.bounds.bytes_max;
        let is_too_much = is_of_a_client && self.bytes > bytes_max && self.bytes > bytes_before;
        let outcome =
            outcome.and(if is_too_much { Err(CommandRefusal::TooLarge { bytes_max }) } else { Ok(()) });
        match outcome {
            Ok(()) => Ok(changes),
            Err(refusal) => {
                self.undo(&changes);
                Err(refusal)
            }
        }
    }

    /// Takes back changes that [`CatalogState::apply`] made, the last ones first.
    pub fn undo(&mut self, changes: &[CatalogChange]) {
        for change in changes.iter().rev() {
            self.absorb(&change.clone().reversed());
        }
    }

    /// Puts a change's new face in place without asking whether it makes sense: for undoing. Records on a node that is
    /// not there are dropped.
    pub fn absorb(&mut self, change: &CatalogChange) {
        self.weigh(change);
        if let CatalogChange::Node { key, before, after } = change {
            self.absorb_node(key, before.as_deref(), after.as_ref());
        } else if let Some(record) = self.nodes.get_mut(change.node()) {
            let before = (record.services().len(), record.checks().len());
            record.absorb(change);
            self.instances = self.instances + record.services().len() - before.0;
            self.checks = self.checks + record.checks().len() - before.1;
        }
    }

    fn weigh(&mut self, change: &CatalogChange) {
        let (before, after) = weight::of(change);
        self.bytes = (self.bytes + after).saturating_sub(before);
    }

    fn absorb_node(&mut self, key: &NodeKey, before: Option<&Node>, after: Option<&Arc<Node>>) {
        if let Some(before) =
            before.map(|node| node.id.folded()).filter(|id| self.node_ids.get(id) == Some(key))
        {
            self.node_ids.remove(&before);
        }
        let Some(node) = after else {
            self.nodes.remove(key);
            return;
        };
        if !node.id.is_empty() {
            self.node_ids.insert(node.id.folded(), key.clone());
        }
        match self.nodes.get_mut(key) {
            Some(record) => drop(record.set_node(node.clone())),
            None => drop(self.nodes.insert(key.clone(), NodeRecord::new(node.clone()))),
        }
    }
}

/// One command under way: the state and the changes made so far.
pub(super) struct CatalogEdit<'a> {
    state: &'a mut CatalogState,
    moment: Moment,
    changes: Vec<CatalogChange>,
}

impl CatalogEdit<'_> {
    pub(super) fn record(&self, node: &NodeKey) -> Option<&NodeRecord> {
        self.state.nodes.get(node)
    }

    pub(super) fn state(&self) -> &CatalogState {
        self.state
    }

    /// The index of the command.
    pub(super) fn index(&self) -> u64 {
        self.moment.index
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.moment.now_ms
    }

    /// Whether this is the key of the agent's own node.
    pub(super) fn is_own_node(&self, key: &NodeKey) -> bool {
        *key == self.state.own_node
    }

    /// The agent's own node cannot be renamed by registering its UUID under another name.
    pub(super) fn refuse_own_node(&self, key: &NodeKey, new_name: &Text) -> Result<(), CommandRefusal> {
        if !self.is_own_node(key) {
            return Ok(());
        }
        let message =
            format!("node {new_name} gives the UUID of this agent's own node: leave ID out or give another");
        Err(CommandRefusal::NodeConflict { message })
    }

    /// Whether there is room for another one.
    pub(super) fn check_room_for(&self, of: RecordKind) -> Result<(), CommandRefusal> {
        let CatalogState { bounds, nodes, instances, checks, .. } = &*self.state;
        let (count, max) = match of {
            RecordKind::Nodes => (nodes.len(), bounds.nodes_max),
            RecordKind::Instances => (*instances, bounds.instances_max),
            RecordKind::Checks => (*checks, bounds.checks_max),
        };
        if count < max { Ok(()) } else { Err(CommandRefusal::Full { of, max }) }
    }

    pub(super) fn holder_of_id(&self, id: &Text) -> Option<&NodeKey> {
        self.state.node_ids.get(&id.folded())
    }

    /// Puts the node unless it says nothing new.
    /// A node that was renamed brings the index of its creation along.
    pub(super) fn put_node(&mut self, key: &NodeKey, mut node: Node, renamed_from: Option<Indexes>) {
        let before = self.record(key).map(|record| record.node().clone());
        if before.as_ref().is_some_and(|before| before.same_content(&node)) {
            return;
        }
        node.indexes = self.stamp(before.as_ref().map(|before| before.indexes).or(renamed_from));
        self.make(CatalogChange::Node { key: key.clone(), before, after: Some(Arc::new(node)) });
    }

    /// Puts the instance unless it says nothing new.
    pub(super) fn put_service(&mut self, node: &NodeKey, mut service: Service) {
        let id = service.id.clone();
        let before = self.record(node).and_then(|record| record.services().get(&id).cloned());
        if before.as_ref().is_some_and(|before| before.same_content(&service)) {
            return;
        }
        service.indexes = self.stamp(before.as_ref().map(|before| before.indexes));
        let same_labels = |before: &Arc<Service>| before.name == service.name && before.tags == service.tags;
        let relabelled = before.as_ref().is_some_and(|before| !same_labels(before));
        let change = CatalogChange::Service {
            node: node.clone(),
            id: id.clone(),
            before,
            after: Some(Arc::new(service)),
        };
        self.make(change);
        if relabelled {
            self.touch_checks(node, &id);
        }
    }

    /// A check shows its instance's name and tags, so it has changed when those have.
    fn touch_checks(&mut self, node: &NodeKey, service_id: &Text) {
        let Some(record) = self.record(node) else { return };
        let checks: Vec<Arc<Check>> =
            record.check_ids_of(service_id).filter_map(|id| record.checks().get(id).cloned()).collect();
        for before in checks {
            let indexes = self.stamp(Some(before.indexes));
            let after = Some(Arc::new(Check { indexes, ..Check::clone(&before) }));
            self.make(CatalogChange::Check {
                node: node.clone(),
                id: before.id.clone(),
                before: Some(before),
                after,
            });
        }
    }

    /// Puts the check unless it says nothing new. The time and the cause of its status are kept while the status is.
    pub(super) fn put_check(&mut self, node: &NodeKey, mut check: Check) {
        let id = check.id.clone();
        let before = self.record(node).and_then(|record| record.checks().get(&id).cloned());
        if before.as_ref().is_some_and(|before| before.same_content(&check)) {
            return;
        }
        check.indexes = self.stamp(before.as_ref().map(|before| before.indexes));
        match &before {
            Some(before) if before.status == check.status => {
                check.status_since_ms = before.status_since_ms;
                check.status_cause = before.status_cause;
            }
            _ => check.status_since_ms = self.moment.now_ms,
        }
        // A registration that changes the status of a check there is already tells of a finding: it is how monitors
        // report that use the catalog's API.
        let differs = before.as_ref().is_some_and(|before| before.status != check.status);
        if differs && check.status_cause == Cause::Registration {
            check.status_cause = Cause::Report;
        }
        self.make(CatalogChange::Check { node: node.clone(), id, before, after: Some(Arc::new(check)) });
    }

    fn update_check(
        &mut self,
        node: &NodeKey,
        id: &Text,
        (status, status_cause): (Status, Cause),
        output: Text,
    ) {
        let Some(check) = self.record(node).and_then(|record| record.checks().get(id)) else { return };
        let check = Check { status, status_cause, output, ..Check::clone(check) };
        self.put_check(node, check);
    }

    /// Removes a node and what is on it. Of the agent's own node only the catalog's records go: the agent
    /// stands for the others.
    fn deregister_node(&mut self, node: &NodeKey) {
        if *node == self.state.own_node {
            self.clear_node(node, |origin| origin == Origin::Catalog);
        } else {
            self.remove_node(node);
        }
    }

    pub(super) fn deregister_service(
        &mut self,
        node: &NodeKey,
        id: &Text,
        must_exist: bool,
    ) -> Result<(), CommandRefusal> {
        let service = self.record(node).and_then(|record| record.services().get(id));
        match may_remove(service.map(|service| service.origin), must_exist) {
            Some(true) => self.remove_service(node, id),
            Some(false) => {}
            None => return Err(CommandRefusal::UnknownService { service_id: id.clone() }),
        }
        Ok(())
    }

    fn reap(&mut self, node: &NodeKey, service_id: &Text, check_id: &Text) {
        let Some(record) = self.record(node) else { return };
        let check = record.checks().get(check_id).filter(|check| check.service_id == *service_id);
        let origin = record.services().get(service_id).map(|service| service.origin);
        if check.is_some_and(|check| check.status == Status::Critical)
            && may_remove(origin, false) == Some(true)
        {
            self.remove_service(node, service_id);
        }
    }

    fn deregister_check(
        &mut self,
        node: &NodeKey,
        id: &Text,
        must_exist: bool,
    ) -> Result<(), CommandRefusal> {
        let check = self.record(node).and_then(|record| record.checks().get(id));
        match may_remove(check.map(|check| check.origin), must_exist) {
            Some(true) => {
                // Whoever removes the check that a drain ended with takes the instance out of the drain.
                let drained = check.filter(|check| hold::is_drained(check)).map(|it| it.service_id.clone());
                drained.iter().for_each(|service_id| self.cancel_drain(node, service_id));
                self.remove_check(node, id);
            }
            Some(false) => {}
            None => return Err(CommandRefusal::UnknownCheck { check_id: id.clone() }),
        }
        Ok(())
    }

    /// Removes the instance with its checks.
    pub(super) fn remove_service(&mut self, node: &NodeKey, id: &Text) {
        let Some(record) = self.record(node) else { return };
        let checks: Vec<Text> = record.check_ids_of(id).cloned().collect();
        let before = record.services().get(id).cloned();
        checks.iter().for_each(|check| self.remove_check(node, check));
        if before.is_some() {
            self.make(CatalogChange::Service { node: node.clone(), id: id.clone(), before, after: None });
        }
    }

    pub(super) fn remove_check(&mut self, node: &NodeKey, id: &Text) {
        let before = self.record(node).and_then(|record| record.checks().get(id).cloned());
        if before.is_some() {
            self.make(CatalogChange::Check { node: node.clone(), id: id.clone(), before, after: None });
        }
    }

    /// Removes a node and everything on it, whoever keeps it.
    pub(super) fn remove_node(&mut self, node: &NodeKey) {
        self.clear_node(node, |_| true);
        if let Some(before) = self.record(node).map(|record| record.node().clone()) {
            self.make(CatalogChange::Node { key: node.clone(), before: Some(before), after: None });
        }
    }

    fn clear_node(&mut self, node: &NodeKey, goes: impl Fn(Origin) -> bool) {
        let Some(record) = self.record(node) else { return };
        let services = record.services().values().filter(|service| goes(service.origin));
        let services: Vec<Text> = services.map(|service| service.id.clone()).collect();
        let checks = record.checks().values().filter(|check| goes(check.origin));
        let checks: Vec<Text> = checks.map(|check| check.id.clone()).collect();
        services.iter().for_each(|id| self.remove_service(node, id));
        checks.iter().for_each(|id| self.remove_check(node, id));
    }

    /// Puts a change's new face in place, and counts it among those of the command.
    pub(super) fn make(&mut self, change: CatalogChange) {
        self.state.absorb(&change);
        self.changes.push(change);
    }

    /// The indexes of a record that changes now.
    pub(super) fn stamp(&self, before: Option<Indexes>) -> Indexes {
        let create = before.map_or(self.moment.index, |before| before.create);
        Indexes { create, modify: self.moment.index }
    }
}

/// Whether a deregistration removes a record kept by `origin`: the agent's API must meet one of its own
/// (`None` otherwise), the catalog's may name anything, but muster's own records stay.
fn may_remove(origin: Option<Origin>, must_exist: bool) -> Option<bool> {
    match origin {
        Some(Origin::Agent) => Some(true),
        _ if must_exist => None,
        origin => Some(origin == Some(Origin::Catalog)),
    }
}
