//! What a restoration does to the catalog: exactly what makes it hold the restoration's records and no others.
//!
//! What is the same stays untouched, index and all, so whoever watches it is not woken. What is new and stays as the
//! restoration has it is taken over and not copied: there may be a hundred thousand of it, and copies of all would
//! leave the memory full of holes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::state::{CatalogEdit, CatalogState};
use crate::core::model::{
    Check, CommandRefusal, Indexes, Node, NodeKey, Origin, Restoration, Service, Status, hold,
};

/// What a node shall hold: its own record unless it is the agent's, and everything on it by id.
#[derive(Default)]
struct Wanted<'a> {
    node: Option<&'a Arc<Node>>,
    services: BTreeMap<&'a Text, &'a Arc<Service>>,
    checks: BTreeMap<&'a Text, &'a Arc<Check>>,
}

impl CatalogEdit<'_> {
    /// Puts the restoration in the place of everything but the agent's records of itself.
    ///
    /// A record that differs from the one there is changes now. One that is new keeps the indexes it had, which are
    /// below the present one; a check that is critical has been so from now on, since the time to its reaping cannot
    /// have passed while nobody ran it.
    ///
    /// # Errors
    /// A [`CommandRefusal`] when it would pass a bound, or names what is not in it.
    pub(super) fn restore(&mut self, restoration: &Restoration) -> Result<(), CommandRefusal> {
        let wanted = self.state().wanted(restoration)?;
        let present: Vec<NodeKey> = self.state().nodes().map(|(key, _)| key.clone()).collect();
        for key in present {
            match wanted.get(&key) {
                Some(wanted) => self.remove_unwanted(&key, wanted),
                None => self.remove_node(&key),
            }
        }
        for (key, wanted) in &wanted {
            if let Some(node) = wanted.node {
                self.restore_node(key, node);
            }
            wanted.services.values().for_each(|service| self.restore_service(key, service));
            wanted.checks.values().for_each(|check| self.restore_check(key, check));
        }
        Ok(())
    }

    fn remove_unwanted(&mut self, key: &NodeKey, wanted: &Wanted<'_>) {
        let Some(record) = self.record(key) else { return };
        let goes = |origin: Origin| origin != Origin::Server;
        let services = record.services().values();
        let services: Vec<Text> = services
            .filter(|service| goes(service.origin) && !wanted.services.contains_key(&service.id))
            .map(|service| service.id.clone())
            .collect();
        let checks = record.checks().values();
        let checks: Vec<Text> = checks
            .filter(|check| goes(check.origin) && !wanted.checks.contains_key(&check.id))
            .map(|check| check.id.clone())
            .collect();
        checks.iter().for_each(|id| self.remove_check(key, id));
        services.iter().for_each(|id| self.remove_service(key, id));
    }

    fn restore_node(&mut self, key: &NodeKey, node: &Arc<Node>) {
        let before = self.record(key).map(|record| record.node().clone());
        match &before {
            Some(before) if before.same_content(node) => {}
            Some(before) => {
                let node = Node { indexes: self.stamp(Some(before.indexes)), ..Node::clone(node) };
                let (before, after) = (Some(before.clone()), Some(Arc::new(node)));
                self.make(CatalogChange::Node { key: key.clone(), before, after });
            }
            None => {
                let (mut after, indexes) = (node.clone(), self.indexes_of_new(node.indexes));
                if after.indexes != indexes {
                    Arc::make_mut(&mut after).indexes = indexes;
                }
                self.make(CatalogChange::Node { key: key.clone(), before: None, after: Some(after) });
            }
        }
    }

    fn restore_service(&mut self, node: &NodeKey, service: &Arc<Service>) {
        let is_there = self.record(node).is_some_and(|record| record.services().contains_key(&service.id));
        match is_there {
            true => self.put_service(node, Service::clone(service)),
            false => {
                let (mut after, indexes) = (service.clone(), self.indexes_of_new(service.indexes));
                if after.indexes != indexes {
                    Arc::make_mut(&mut after).indexes = indexes;
                }
                let (node, id) = (node.clone(), service.id.clone());
                self.make(CatalogChange::Service { node, id, before: None, after: Some(after) });
            }
        }
    }

    fn restore_check(&mut self, node: &NodeKey, check: &Arc<Check>) {
        let before = self.record(node).and_then(|record| record.checks().get(&check.id).cloned());
        let now_ms = self.now_ms();
        let (indexes, status_since_ms) = match &before {
            Some(before) if before.same_content(check) => return,
            Some(before) if before.status == check.status => {
                (self.stamp(Some(before.indexes)), before.status_since_ms)
            }
            Some(before) => (self.stamp(Some(before.indexes)), now_ms),
            None if check.status == Status::Critical => (self.indexes_of_new(check.indexes), now_ms),
            None => (self.indexes_of_new(check.indexes), check.status_since_ms.min(now_ms)),
        };
        let mut after = check.clone();
        if (check.indexes, check.status_since_ms) != (indexes, status_since_ms) {
            let after = Arc::make_mut(&mut after);
            (after.indexes, after.status_since_ms) = (indexes, status_since_ms);
        }
        self.make(CatalogChange::Check {
            node: node.clone(),
            id: check.id.clone(),
            before,
            after: Some(after),
        });
    }

    /// The indexes of a record that is new here, never above the present one.
    fn indexes_of_new(&self, indexes: Indexes) -> Indexes {
        let modify = indexes.modify.min(self.index());
        Indexes { create: indexes.create.min(modify), modify }
    }
}

impl CatalogState {
    /// Sorts a restoration by node, and refuses one that cannot be.
    fn wanted<'a>(
        &self,
        restoration: &'a Restoration,
    ) -> Result<BTreeMap<NodeKey, Wanted<'a>>, CommandRefusal> {
        let mut wanted: BTreeMap<NodeKey, Wanted<'a>> = BTreeMap::new();
        wanted.insert(self.own_node().clone(), Wanted::default());
        let own = self.node(self.own_node());
        let mut ids: HashSet<Text> = own.iter().map(|record| record.node().id.folded()).collect();
        let own_services: HashSet<&Text> = own
            .iter()
            .flat_map(|record| record.services().values())
            .filter(|service| service.origin == Origin::Server)
            .map(|service| &service.id)
            .collect();
        let own_checks: HashSet<&Text> = own
            .iter()
            .flat_map(|record| record.checks().values())
            .filter(|check| check.origin == Origin::Server)
            .map(|check| &check.id)
            .collect();
        for node in &restoration.nodes {
            let key = NodeKey::of(&node.name);
            if !node.id.is_empty() && !ids.insert(node.id.folded()) {
                return Err(conflict(format!("two nodes have the UUID {}, one of them is {key}", node.id)));
            }
            let (wanted_node, name) = (Wanted { node: Some(node), ..Wanted::default() }, key.clone());
            if wanted.insert(key, wanted_node).is_some() {
                return Err(conflict(format!("node {name} is in it twice, or is this agent's own node")));
            }
        }
        for (node, service) in &restoration.services {
            let on = wanted.get_mut(node).ok_or_else(|| unknown(node))?;
            if *node == *self.own_node() && own_services.contains(&service.id) {
                return Err(CommandRefusal::Reserved { what: "service", id: service.id.clone() });
            }
            on.services.insert(&service.id, service);
        }
        for (node, check) in &restoration.checks {
            let on = wanted.get_mut(node).ok_or_else(|| unknown(node))?;
            let is_on_own = |id: &Text| *node == *self.own_node() && own_services.contains(id);
            let service_id = &check.service_id;
            if !service_id.is_empty() && !on.services.contains_key(service_id) && !is_on_own(service_id) {
                let (node, service_id) = (node.text().clone(), check.service_id.clone());
                return Err(CommandRefusal::CheckWithoutService { node, service_id });
            }
            if *node == *self.own_node() && own_checks.contains(&check.id) {
                return Err(CommandRefusal::Reserved { what: "check", id: check.id.clone() });
            }
            on.checks.insert(&check.id, check);
        }
        let checks = restoration.checks.iter().filter(|(_, check)| !hold::is_hold(check)).count();
        self.check_room(wanted.len(), restoration.services.len(), checks)?;
        Ok(wanted)
    }
}

fn conflict(message: String) -> CommandRefusal {
    CommandRefusal::NodeConflict { message: format!("the restoration contradicts itself: {message}") }
}

fn unknown(node: &NodeKey) -> CommandRefusal {
    CommandRefusal::UnknownNode { node: node.text().clone() }
}
