//! Which checks stand for which others: who must be judged again when something changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::state::CatalogState;
use crate::core::health::{CheckKey, alias};
use crate::core::model::{Check, NodeKey, Observation, Origin, Probe};

/// What an alias stands for: an instance, or with an empty id a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    node: NodeKey,
    service_id: Text,
}

/// All alias checks by what they stand for, and which of them are to be judged.
///
/// One change may concern as many aliases as there are checks. So it only marks what it is of, and the aliases of that
/// are judged one by one when there is time.
#[derive(Default)]
pub struct Aliases {
    by_target: BTreeMap<Target, BTreeSet<CheckKey>>,
    targets: HashMap<CheckKey, Target>,
    /// Aliases that are new or have changed themselves.
    changed: BTreeSet<CheckKey>,
    /// Targets that have changed.
    changed_targets: BTreeSet<Target>,
    /// The target whose aliases are being judged, and the last of them that was.
    current: Option<(Target, Option<CheckKey>)>,
    /// Whether the alias taken last was one of a changed target: the two kinds take turns.
    was_of_target: bool,
}

impl Aliases {
    /// Takes over changes: every alias that they may concern is to be judged anew.
    pub fn follow(&mut self, changes: &[CatalogChange]) {
        for change in changes {
            match change {
                CatalogChange::Node { key, .. } => self.mark_all_on(key),
                CatalogChange::Service { node, id, .. } => self.mark(node, id),
                CatalogChange::Check { node, id, before, after } => {
                    self.file(node, id, after.as_deref());
                    for check in before.iter().chain(after) {
                        match check.is_node_level() {
                            true => self.mark_all_on(node),
                            false => self.mark(node, &check.service_id),
                        }
                    }
                }
            }
        }
    }

    /// Whether any alias is to be judged.
    pub fn are_pending(&self) -> bool {
        !self.changed.is_empty() || !self.changed_targets.is_empty() || self.current.is_some()
    }

    /// Judges the next alias that is to be judged; `None` for one that is not there. Each gets its turn, however often
    /// others change meanwhile. Adds to `looked_at` how many checks were looked at for it.
    pub fn judge_next(
        &mut self,
        state: &CatalogState,
        looked_at: &mut usize,
    ) -> Option<(CheckKey, Observation)> {
        let key = self.take()?;
        let observation = observe(state, &key.node, &key.check_id, looked_at)?;
        Some((key, observation))
    }

    fn take(&mut self) -> Option<CheckKey> {
        self.was_of_target = !self.was_of_target;
        if !self.was_of_target
            && let Some(key) = self.changed.pop_first()
        {
            return Some(key);
        }
        self.take_of_target().or_else(|| self.changed.pop_first())
    }

    fn take_of_target(&mut self) -> Option<CheckKey> {
        loop {
            let (target, last) = match self.current.take() {
                Some(current) => current,
                None => (self.changed_targets.pop_first()?, None),
            };
            let from = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let keys = self.by_target.get(&target);
            if let Some(key) = keys.and_then(|keys| keys.range((from, Bound::Unbounded)).next()).cloned() {
                self.current = Some((target, Some(key.clone())));
                return Some(key);
            }
        }
    }

    /// Files the check if it is an alias, or no longer if it was one.
    fn file(&mut self, node: &NodeKey, id: &Text, check: Option<&Check>) {
        let target_after = check.and_then(|check| target(node, check));
        if target_after.is_none() && self.targets.is_empty() {
            return;
        }
        let key = CheckKey::new(node.clone(), id.clone());
        if self.targets.get(&key) != target_after.as_ref() {
            if let Some(target) = self.targets.remove(&key)
                && let Some(keys) = self.by_target.get_mut(&target)
            {
                keys.remove(&key);
                if keys.is_empty() {
                    self.by_target.remove(&target);
                }
            }
            if let Some(target) = &target_after {
                self.by_target.entry(target.clone()).or_default().insert(key.clone());
                self.targets.insert(key.clone(), target.clone());
            }
        }
        if target_after.is_some() {
            self.changed.insert(key);
        }
    }

    fn mark(&mut self, node: &NodeKey, service_id: &Text) {
        if self.by_target.is_empty() {
            return;
        }
        let target = Target { node: node.clone(), service_id: service_id.clone() };
        if self.by_target.contains_key(&target) {
            self.changed_targets.insert(target);
        }
    }

    fn mark_all_on(&mut self, node: &NodeKey) {
        let from = Target { node: node.clone(), service_id: Text::default() };
        let of_node = self.by_target.range(from..).take_while(|(target, _)| target.node == *node);
        self.changed_targets.extend(of_node.map(|(target, _)| target.clone()));
    }
}

fn target(own_node: &NodeKey, check: &Check) -> Option<Target> {
    let Some(Probe::Alias { node, service_id }) = &check.definition.probe else { return None };
    let node = if node.is_empty() { own_node.clone() } else { NodeKey::of(node) };
    Some(Target { node, service_id: service_id.clone() })
}

/// What an alias says now; adds to `looked_at` how many checks were looked at for it.
fn observe(
    state: &CatalogState,
    node: &NodeKey,
    check_id: &Text,
    looked_at: &mut usize,
) -> Option<Observation> {
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
        checks.inspect(|_| *looked_at += 1).filter(|check| check.origin != Origin::Server)
    });
    Some(alias::observe(check, target.node == *node, checks))
}
