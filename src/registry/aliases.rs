//! Which checks stand for which others: who must be judged again when something changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::catalog::change::CatalogChange;
use crate::catalog::state::CatalogState;
use crate::health::{CheckKey, alias};
use crate::model::{Check, Observation, Origin, Probe};
use crate::stdx::text::Text;

/// What an alias stands for: an instance, or with an empty id a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    node: Text,
    service_id: Text,
}

/// All alias checks by what they stand for.
#[derive(Default)]
pub struct Aliases {
    by_target: BTreeMap<Target, HashSet<CheckKey>>,
    targets: HashMap<CheckKey, Target>,
}

impl Aliases {
    /// Takes over changes, and judges every alias that they may concern anew.
    pub fn follow(
        &mut self,
        state: &CatalogState,
        changes: &[CatalogChange],
    ) -> Vec<(CheckKey, Observation)> {
        let mut concerned = BTreeSet::new();
        for change in changes {
            match change {
                CatalogChange::Node { key, .. } => self.all_on(key, &mut concerned),
                CatalogChange::Service { node, id, .. } => self.those_of(node, id, &mut concerned),
                CatalogChange::Check { node, id, before, after } => {
                    self.file(node, id, after.as_deref(), &mut concerned);
                    for check in before.iter().chain(after) {
                        match check.is_node_level() {
                            true => self.all_on(node, &mut concerned),
                            false => self.those_of(node, &check.service_id, &mut concerned),
                        }
                    }
                }
            }
        }
        let judged = concerned.into_iter().filter_map(|(node, check_id)| {
            let observation = observe(state, &node, &check_id)?;
            Some((CheckKey::new(node, check_id), observation))
        });
        judged.collect()
    }

    /// Files the check if it is an alias, or no longer if it was one.
    fn file(
        &mut self,
        node: &Text,
        id: &Text,
        check: Option<&Check>,
        concerned: &mut BTreeSet<(Text, Text)>,
    ) {
        let target_after = check.and_then(|check| target(node, check));
        if target_after.is_none() && self.targets.is_empty() {
            return;
        }
        let key = CheckKey::new(node.clone(), id.clone());
        if let Some(target) = self.targets.remove(&key)
            && let Some(keys) = self.by_target.get_mut(&target)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_target.remove(&target);
            }
        }
        if let Some(target) = target_after {
            self.by_target.entry(target.clone()).or_default().insert(key.clone());
            self.targets.insert(key, target);
            concerned.insert((node.clone(), id.clone()));
        }
    }

    fn those_of(&self, node: &Text, service_id: &Text, concerned: &mut BTreeSet<(Text, Text)>) {
        if self.by_target.is_empty() {
            return;
        }
        let target = Target { node: node.clone(), service_id: service_id.clone() };
        let keys = self.by_target.get(&target).into_iter().flatten();
        concerned.extend(keys.map(|key| (key.node.clone(), key.check_id.clone())));
    }

    fn all_on(&self, node: &Text, concerned: &mut BTreeSet<(Text, Text)>) {
        let from = Target { node: node.clone(), service_id: Text::default() };
        let of_node = self.by_target.range(from..).take_while(|(target, _)| target.node == *node);
        let keys = of_node.flat_map(|(_, keys)| keys);
        concerned.extend(keys.map(|key| (key.node.clone(), key.check_id.clone())));
    }
}

fn target(own_node: &Text, check: &Check) -> Option<Target> {
    let Some(Probe::Alias { node, service_id }) = &check.definition.probe else { return None };
    let node = if node.is_empty() { own_node.clone() } else { node.folded() };
    Some(Target { node, service_id: service_id.clone() })
}

fn observe(state: &CatalogState, node: &Text, check_id: &Text) -> Option<Observation> {
    let check = state.node(node)?.checks().get(check_id)?;
    let target = target(node, check)?;
    let record = state.node(&target.node);
    let exists =
        record.filter(|r| target.service_id.is_empty() || r.services().contains_key(&target.service_id));
    let checks = exists.map(|record| {
        let of_node = record.check_ids_of(&Text::default());
        let of_service = record.check_ids_of(&target.service_id).filter(|_| !target.service_id.is_empty());
        let checks = of_node.chain(of_service).filter_map(|id| record.checks().get(id)).map(|check| &**check);
        // What muster says of its own node is no check of the agent's.
        checks.filter(|check| check.origin != Origin::Server)
    });
    Some(alias::observe(check, target.node == *node, checks))
}
