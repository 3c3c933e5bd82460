//! What a transition happened to: the instance around the check, and how it stood before and after.
//!
//! Transitions tell of checks alone. Whether a webhook wants to hear of one depends on the instance, and so does what
//! there is to say. Both come from the registry as it is after a few transitions; walking back over these gives how it
//! was after each.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::node_record::NodeRecord;
use crate::core::model::{Check, Node, NodeKey, Service, Status, Transition};

/// A transition and its surroundings.
#[derive(Clone, Debug)]
pub struct TransitionContext {
    /// What happened.
    pub transition: Arc<Transition>,
    /// The node; `None` when it was gone before anybody looked.
    pub node: Option<Arc<Node>>,
    /// The instance, as it was last; `None` for the node's own checks, and as above.
    pub service: Option<Arc<Service>>,
    /// The checks that bear on the instance, or those of the node; of what is gone, as they were last.
    pub checks: Box<[Arc<Check>]>,
    /// Whether the instance, or the node, went with this.
    pub is_gone: bool,
    /// The worst status before and after.
    pub overall: Overall,
    /// With a check of the node: the instances on it. Left empty where the writer waits; see
    /// [`TransitionContext::complete`].
    pub on_node: Vec<Instance>,
}

/// A worst status before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Overall {
    pub before: Option<Status>,
    pub after: Option<Status>,
}

impl TransitionContext {
    /// Whether it makes an event. That what was well is gone does not, nor does a check without an id.
    pub fn is_notable(&self) -> bool {
        let transition = &self.transition;
        let was_well = matches!(transition.from, None | Some(Status::Passing));
        let ended_well = transition.to.is_none() && was_well;
        !transition.subject.check_id.is_empty() && !ended_well
    }

    /// Whether it is of the node as a whole.
    pub fn is_of_node(&self) -> bool {
        self.transition.subject.service_id.is_empty()
    }

    /// Fills in the instances on the node. Cost: O(instances on it) for a check of the node, else nothing.
    pub fn complete(&mut self, record: &NodeRecord) {
        if self.is_of_node() {
            self.on_node = record.services().keys().filter_map(|id| record.instance(id)).collect();
        }
    }
}

/// A node's record, looked up by its key; and what to do with it.
pub type Look<'a> = dyn FnMut(&NodeKey, &mut dyn FnMut(&NodeRecord)) + 'a;

/// Joins transitions, in their order, with the registry as `look` shows it after the last of them. What `changes`
/// removed is found there.
///
/// Cost: O(changes), where something was removed, and O(transitions x checks of an instance).
pub fn join(
    transitions: &[Arc<Transition>],
    look: &mut Look<'_>,
    changes: &[CatalogChange],
) -> Vec<TransitionContext> {
    let has_ends = transitions.iter().any(|transition| transition.to.is_none());
    let removed = if has_ends { Removed::among(changes) } else { Removed::default() };
    let mut back = Back::default();
    let mut joined: Vec<TransitionContext> = Vec::with_capacity(transitions.len());
    for transition in transitions.iter().rev() {
        let mut happened = TransitionContext {
            transition: transition.clone(),
            node: None,
            service: None,
            checks: Box::default(),
            is_gone: true,
            overall: Overall::default(),
            on_node: Vec::new(),
        };
        look(&transition.subject.node, &mut |record| surround(&mut happened, record));
        if happened.is_gone {
            removed.surround(&mut happened);
        }
        happened.overall = back.step(&happened);
        joined.push(happened);
    }
    joined.reverse();
    joined
}

/// Fills in what is still there.
fn surround(happened: &mut TransitionContext, record: &NodeRecord) {
    let service_id = &happened.transition.subject.service_id;
    happened.node = Some(record.node().clone());
    if service_id.is_empty() {
        happened.is_gone = false;
        let ids = record.check_ids_of(service_id);
        happened.checks = ids.filter_map(|id| record.checks().get(id).cloned()).collect();
    } else if let Some(instance) = record.instance(service_id) {
        happened.is_gone = false;
        happened.service = Some(instance.service);
        happened.checks = instance.checks;
    }
}

/// What some changes removed, by where it was.
#[derive(Default)]
struct Removed {
    nodes: HashMap<NodeKey, Arc<Node>>,
    /// By node and id.
    services: HashMap<(NodeKey, Text), Arc<Service>>,
    /// By node and the id of their instance.
    checks: HashMap<(NodeKey, Text), Vec<Arc<Check>>>,
}

impl Removed {
    fn among(changes: &[CatalogChange]) -> Removed {
        let mut removed = Removed::default();
        for change in changes {
            match change.clone() {
                CatalogChange::Node { key, before: Some(node), after: None } => {
                    removed.nodes.insert(key, node);
                }
                CatalogChange::Service { node, id, before: Some(service), after: None } => {
                    removed.services.insert((node, id), service);
                }
                CatalogChange::Check { node, before: Some(check), after: None, .. } => {
                    removed.checks.entry((node, check.service_id.clone())).or_default().push(check);
                }
                _ => {}
            }
        }
        removed
    }

    fn surround(&self, happened: &mut TransitionContext) {
        let subject = &happened.transition.subject;
        let place = (subject.node.clone(), subject.service_id.clone());
        happened.node = happened.node.take().or_else(|| self.nodes.get(&subject.node).cloned());
        happened.service = self.services.get(&place).cloned();
        happened.checks = self.checks.get(&place).cloned().unwrap_or_default().into();
    }
}

/// The way back from the state after the last transition.
#[derive(Default)]
struct Back {
    /// What each check was before the transitions already walked over: by node and instance, then by check.
    earlier: HashMap<(NodeKey, Text), HashMap<Text, Option<Status>>>,
}

impl Back {
    /// How the instance stood before and after a transition; then steps over it.
    fn step(&mut self, happened: &TransitionContext) -> Overall {
        let transition = &*happened.transition;
        let subject = &*transition.subject;
        let check = |check: &Arc<Check>| (check.id.clone(), Some(check.status));
        let mut statuses: HashMap<Text, Option<Status>> = happened.checks.iter().map(check).collect();
        for service_id in [&Text::default(), &subject.service_id] {
            let earlier = self.earlier.get(&(subject.node.clone(), service_id.clone()));
            statuses.extend(earlier.into_iter().flatten().map(|(check, status)| (check.clone(), *status)));
        }
        statuses.insert(subject.check_id.clone(), transition.to);
        let worst = |statuses: &HashMap<Text, Option<Status>>| statuses.values().copied().flatten().max();
        let after = worst(&statuses);
        statuses.insert(subject.check_id.clone(), transition.from);
        let before = worst(&statuses);
        let of_instance = self.earlier.entry((subject.node.clone(), subject.service_id.clone())).or_default();
        of_instance.insert(subject.check_id.clone(), transition.from);
        // An instance without checks passes; one that is gone has no status.
        let well = Some(Status::Passing);
        Overall { before: before.or(well), after: if happened.is_gone { None } else { after.or(well) } }
    }
}

#[cfg(test)]
mod tests;
