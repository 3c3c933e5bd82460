//! What a batch of changes means for readers: which joined records look different now, and which topics moved.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::instance::{CheckView, Instance, Position};
use crate::core::catalog::state::CatalogState;
use crate::core::catalog::topic::{AffectedTopics, Topic};
use crate::core::model::{NodeKey, Service, ServiceKey, Status};

/// New faces of joined records after a batch, ready to be put into the tables.
#[derive(Debug, Default)]
pub struct Update {
    /// Instances: key of the service, place in its list, and the instance unless it is gone.
    pub instances: Vec<(ServiceKey, Position, Option<Arc<Instance>>)>,
    /// Checks: place in every list, and the check unless it is gone.
    pub checks: Vec<(Position, Option<CheckView>)>,
    /// Topics that moved for what the changes are in themselves, each once; the tables find the rest.
    pub topics: Vec<Topic>,
}

impl Update {
    /// Works out the update after `changes` led to `state`. Several commands' changes may be given at once: readers
    /// then go from before the first to after the last, and never see anything in between.
    pub fn plan(state: &CatalogState, changes: &[CatalogChange]) -> Update {
        let mut scope = Scope::default();
        changes.iter().for_each(|change| scope.widen(state, change));
        let Scope { nodes, nodes_of_checks, instances, checks, topics } = scope.settled();
        let instance = |(service, node, id): (ServiceKey, NodeKey, Text)| {
            let instance = state.node(&node).and_then(|record| record.instance(&id));
            let instance = instance.filter(|instance| ServiceKey::of(&instance.service.name) == service);
            (service, Position::new(node, id), instance.map(Arc::new))
        };
        let check = |(node, id): (NodeKey, Text)| {
            let view = state.node(&node).and_then(|record| record.check(&id));
            (Position::new(node, id), view)
        };
        let mut instances: Vec<_> = instances.into_iter().map(instance).collect();
        let mut checks: Vec<_> = checks.into_iter().map(check).collect();
        // All that is on a node is walked, and nothing of it sought.
        if !nodes.is_empty() {
            for (node, record) in nodes.iter().filter_map(|node| Some((node, state.node(node)?))) {
                instances.extend(record.instances().map(|(id, instance)| {
                    let name = ServiceKey::of(&instance.service.name);
                    (name, Position::new(node.clone(), id.clone()), Some(Arc::new(instance)))
                }));
            }
            instances.sort_unstable_by(|left, right| (&left.0, &left.1).cmp(&(&right.0, &right.1)));
            instances.dedup_by(|left, right| (&left.0, &left.1) == (&right.0, &right.1));
        }
        if !nodes_of_checks.is_empty() {
            for (node, record) in nodes_of_checks.iter().filter_map(|node| Some((node, state.node(node)?))) {
                let views = record.checks_joined();
                checks.extend(views.map(|(id, view)| (Position::new(node.clone(), id.clone()), Some(view))));
            }
            checks.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
            checks.dedup_by(|(left, _), (right, _)| left == right);
        }
        Update { instances, checks, topics }
    }
}

/// The topics that moved with one instance of the service filed under `key`.
pub fn topics_of_instance(key: &ServiceKey, moved: AffectedTopics) -> impl Iterator<Item = Topic> {
    let topics = [
        moved.services.then_some(Topic::Services),
        moved.service.then_some(Topic::Instances),
        moved.service.then(|| Topic::Service(key.clone())),
        moved.checks.then(|| Topic::ServiceChecks(key.clone())),
        moved.health.then(|| Topic::Health(key.clone())),
    ];
    topics.into_iter().flatten()
}

/// The topics that moved with one check that was in one status and is in another, or the same.
pub fn topics_of_check(before: Option<Status>, after: Option<Status>) -> impl Iterator<Item = Topic> {
    let statuses = [before, after].into_iter().flatten();
    statuses.flat_map(|status| [Topic::State(Some(status)), Topic::State(None)])
}

/// Everything that has to be looked at anew, collected with repetitions and then settled.
#[derive(Default)]
struct Scope {
    /// Nodes of which every instance looks different. Each is taken once, however often it has changed.
    nodes: BTreeSet<NodeKey>,
    /// Nodes of which every check looks different.
    nodes_of_checks: BTreeSet<NodeKey>,
    /// `(service, node, id)`.
    instances: Vec<(ServiceKey, NodeKey, Text)>,
    /// `(node, id)`.
    checks: Vec<(NodeKey, Text)>,
    topics: Vec<Topic>,
}

impl Scope {
    /// In order, and everything once.
    fn settled(mut self) -> Scope {
        self.instances.sort_unstable();
        self.instances.dedup();
        self.checks.sort_unstable();
        self.checks.dedup();
        self.topics.sort_unstable();
        self.topics.dedup();
        self
    }

    fn widen(&mut self, state: &CatalogState, change: &CatalogChange) {
        match change {
            CatalogChange::Node { key, .. } => {
                self.topics.extend([Topic::Nodes, Topic::Node(key.clone())]);
                self.nodes.insert(key.clone());
                self.nodes_of_checks.insert(key.clone());
            }
            CatalogChange::Service { node, id, before, after } => {
                self.topics.push(Topic::Node(node.clone()));
                for service in before.iter().chain(after) {
                    self.add_instance(service, node);
                }
                if labels(before.as_deref()) != labels(after.as_deref()) {
                    self.add_checks_of(state, node, id);
                }
            }
            CatalogChange::Check { node, id, before, after } => {
                self.topics.push(Topic::NodeChecks(node.clone()));
                self.checks.push((node.clone(), id.clone()));
                for check in before.iter().chain(after) {
                    if check.is_node_level() {
                        self.nodes.insert(node.clone());
                    } else if let Some(service) =
                        state.node(node).and_then(|r| r.services().get(&check.service_id))
                    {
                        self.add_instance(service, node);
                    }
                }
            }
        }
    }

    fn add_instance(&mut self, service: &Service, node: &NodeKey) {
        self.instances.push((ServiceKey::of(&service.name), node.clone(), service.id.clone()));
    }

    /// A check shows its instance's name and tags, so it looks different when those do.
    fn add_checks_of(&mut self, state: &CatalogState, node: &NodeKey, service_id: &Text) {
        let Some(record) = state.node(node) else { return };
        let ids: Vec<&Text> = record.check_ids_of(service_id).collect();
        if !ids.is_empty() {
            self.topics.push(Topic::NodeChecks(node.clone()));
        }
        self.checks.extend(ids.into_iter().map(|id| (node.clone(), id.clone())));
    }
}

fn labels(service: Option<&Service>) -> Option<(&Text, &[Text])> {
    service.map(|service| (&service.name, service.tags.as_slice()))
}
