//! What each command does to the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster::base::stdx::text::Text;
use muster::core::model::{
    Cause, Check, Command, CommandRefusal, ExistingChecks, Indexes, Node, NodeKey, NodePart, Origin,
    RecordKind, Registration, Service, Status, Subject,
};

use crate::registry::commands::OWN_ID;
use crate::registry::oracle::{Catalog, Place};

impl Catalog {
    /// Carries out a command under the catalog's index. After a refusal the catalog is worth nothing.
    pub(super) fn carry_out(&mut self, now_ms: u64, command: &Command) -> Result<(), CommandRefusal> {
        match command {
            Command::Register(registration) => self.register(now_ms, registration),
            Command::WritePair(write) => {
                self.write_pair(write);
                Ok(())
            }
            Command::WriteAcl(write) => self.write_acl(now_ms, write),
            Command::Restore(restoration) => {
                // No plan restores anything but access control: the rest goes.
                let own = self.own.clone();
                let nodes: Vec<NodeKey> = self.nodes.keys().cloned().collect();
                for node in nodes {
                    self.clear(&node, |origin| node != own || origin != Origin::Server);
                }
                self.nodes.retain(|node, _| *node == own);
                self.pairs.clear();
                restoration.acl.as_ref().map_or(Ok(()), |records| self.restore_acl(records))
            }
            Command::DeregisterNode { node } => {
                if *node == self.own {
                    self.clear(node, |origin| origin == Origin::Catalog);
                } else {
                    self.clear(node, |_| true);
                    self.nodes.remove(node);
                }
                Ok(())
            }
            Command::DeregisterService { node, service_id, must_exist } => {
                let place = (node.clone(), service_id.clone());
                match self.services.get(&place).map(|it| it.origin) {
                    Some(Origin::Agent) => self.remove_service(&place),
                    _ if *must_exist => {
                        return Err(CommandRefusal::UnknownService { service_id: service_id.clone() });
                    }
                    Some(Origin::Catalog) => self.remove_service(&place),
                    Some(Origin::Server) | None => {}
                }
                Ok(())
            }
            Command::Reap { node, service_id, check_id } => {
                let place = (node.clone(), service_id.clone());
                let check = self.checks.get(&(node.clone(), check_id.clone()));
                let is_critical =
                    check.is_some_and(|it| it.service_id == *service_id && it.status == Status::Critical);
                let origin = self.services.get(&place).map(|it| it.origin);
                if is_critical && matches!(origin, Some(Origin::Agent | Origin::Catalog)) {
                    self.remove_service(&place);
                }
                Ok(())
            }
            Command::DeregisterCheck { node, check_id, must_exist } => {
                let place = (node.clone(), check_id.clone());
                match self.checks.get(&place).map(|it| it.origin) {
                    Some(Origin::Agent) => drop(self.checks.remove(&place)),
                    _ if *must_exist => {
                        return Err(CommandRefusal::UnknownCheck { check_id: check_id.clone() });
                    }
                    Some(Origin::Catalog) => drop(self.checks.remove(&place)),
                    Some(Origin::Server) | None => {}
                }
                Ok(())
            }
            Command::UpdateCheck { node, check_id, status, output, cause } => {
                if let Some(check) = self.checks.get(&(node.clone(), check_id.clone())) {
                    let check = Check {
                        status: *status,
                        output: output.clone(),
                        status_cause: *cause,
                        ..Check::clone(check)
                    };
                    self.put_check(now_ms, node, check);
                }
                Ok(())
            }
            Command::Drain { .. } | Command::Define(_) => unreachable!("no plan drains or defines"),
        }
    }

    fn register(&mut self, now_ms: u64, registration: &Registration) -> Result<(), CommandRefusal> {
        let key = NodeKey::of(registration.node.name());
        // Nobody but muster itself registers what is the server's.
        let is_by_muster = registration.service.as_ref().is_some_and(|it| it.origin == Origin::Server);
        self.register_node(&key, &registration.node, is_by_muster)?;
        if let Some(service) = &registration.service {
            self.register_service(&key, service)?;
            if registration.existing_checks == ExistingChecks::Replace {
                let is_named = |id: &Text| registration.checks.iter().any(|it| it.id == *id);
                self.checks.retain(|(node, id), check| {
                    *node != key || check.service_id != service.id || is_named(id) || is_hold(check)
                });
            }
        }
        for check in &registration.checks {
            self.register_check(now_ms, &key, check, registration.existing_checks)?;
        }
        Ok(())
    }

    fn register_node(
        &mut self,
        key: &NodeKey,
        part: &NodePart,
        is_by_muster: bool,
    ) -> Result<(), CommandRefusal> {
        let known = self.nodes.get(key).cloned();
        let NodePart::Set { name, id, address, tagged_addresses, meta, keep_existing } = part else {
            let node = part.name().clone();
            return known.map(|_| ()).ok_or(CommandRefusal::UnknownNode { node });
        };
        if *keep_existing && known.is_some() {
            return Ok(());
        }
        let conflict = Err(CommandRefusal::NodeConflict { message: String::new() });
        let mut created_as_another = None;
        if !id.is_empty() {
            let has_other_id = known.as_ref().is_some_and(|it| !it.id.is_empty() && it.id != *id);
            let lives = self.checks.get(&(key.clone(), "serfHealth".into()));
            let lives = *key == self.own || lives.is_some_and(|it| it.status == Status::Passing);
            if has_other_id && lives && !is_by_muster {
                return conflict;
            }
            let holder = self.nodes.iter().find(|(other, node)| *other != key && node.id == *id);
            if let Some((other, node)) = holder.map(|(other, node)| (other.clone(), node.clone())) {
                if other == self.own {
                    return conflict;
                }
                created_as_another = Some(node.indexes.create);
                self.clear(&other, |_| true);
                self.nodes.remove(&other);
            }
        }
        if *key == self.own && known.is_some() && !is_by_muster {
            // What others say of it is answered, and that is all.
            return Ok(());
        }
        if known.is_none() && self.nodes.len() >= self.nodes_max {
            return Err(CommandRefusal::Full { of: RecordKind::Nodes, max: self.nodes_max });
        }
        let kept_id = known.as_ref().map(|it| it.id.clone()).unwrap_or_default();
        let node = Node {
            name: name.clone(),
            id: if id.is_empty() { kept_id } else { id.clone() },
            address: address.clone(),
            tagged_addresses: tagged_addresses.clone(),
            meta: meta.clone(),
            indexes: Indexes {
                create: known
                    .as_ref()
                    .map(|it| it.indexes.create)
                    .or(created_as_another)
                    .unwrap_or(self.index),
                modify: self.index,
            },
        };
        let is_new = known.is_none_or(|it| Node { indexes: it.indexes, ..node.clone() } != *it);
        if is_new {
            self.nodes.insert(key.clone(), Arc::new(node));
        }
        Ok(())
    }

    fn register_service(&mut self, node: &NodeKey, service: &Service) -> Result<(), CommandRefusal> {
        let place = (node.clone(), service.id.clone());
        let mut service = service.clone();
        let Some(before) = self.services.get(&place).cloned() else {
            service.indexes = Indexes { create: self.index, modify: self.index };
            self.services.insert(place, Arc::new(service));
            return Ok(());
        };
        match (before.origin, service.origin) {
            (Origin::Server, Origin::Agent) => {
                return Err(CommandRefusal::Reserved { what: "service", id: service.id });
            }
            (Origin::Server | Origin::Agent, Origin::Catalog) => return Ok(()),
            _ => {}
        }
        service.indexes = before.indexes;
        if service == *before {
            return Ok(());
        }
        service.indexes.modify = self.index;
        if service.name != before.name || service.tags != before.tags {
            // What is shown of its checks has changed with it.
            for ((on, _), check) in &mut self.checks {
                if on == node && check.service_id == service.id {
                    Arc::make_mut(check).indexes.modify = self.index;
                }
            }
        }
        self.services.insert(place, Arc::new(service));
        Ok(())
    }

    fn register_check(
        &mut self,
        now_ms: u64,
        node: &NodeKey,
        check: &Check,
        existing: ExistingChecks,
    ) -> Result<(), CommandRefusal> {
        let service_id = check.service_id.clone();
        if service_id.is_empty() && check.origin == Origin::Catalog && *node == self.own {
            return Ok(());
        }
        if !service_id.is_empty() && !self.services.contains_key(&(node.clone(), service_id.clone())) {
            return Err(CommandRefusal::CheckWithoutService { node: node.text().clone(), service_id });
        }
        let mut check = check.clone();
        if let Some(before) = self.checks.get(&(node.clone(), check.id.clone())) {
            match (before.origin, check.origin) {
                (Origin::Server, Origin::Agent) => {
                    return Err(CommandRefusal::Reserved { what: "check", id: check.id });
                }
                (Origin::Server | Origin::Agent, Origin::Catalog) => return Ok(()),
                _ if existing != ExistingChecks::Overwrite => {
                    (check.status, check.output) = (before.status, before.output.clone());
                }
                _ => {}
            }
        }
        self.put_check(now_ms, node, check);
        Ok(())
    }

    fn put_check(&mut self, now_ms: u64, node: &NodeKey, mut check: Check) {
        let place = (node.clone(), check.id.clone());
        let before = self.checks.get(&place).cloned();
        check.indexes = Indexes { create: self.index, modify: self.index };
        check.status_since_ms = now_ms;
        if let Some(before) = before {
            check.indexes.create = before.indexes.create;
            if check.status == before.status {
                (check.status_since_ms, check.status_cause) = (before.status_since_ms, before.status_cause);
            } else if check.status_cause == Cause::Registration {
                check.status_cause = Cause::Report;
            }
            let same = Check {
                indexes: before.indexes,
                status_since_ms: before.status_since_ms,
                status_cause: before.status_cause,
                ..check.clone()
            };
            if same == *before {
                return;
            }
        }
        self.checks.insert(place, Arc::new(check));
    }

    fn remove_service(&mut self, place: &Place) {
        self.checks.retain(|(node, _), check| *node != place.0 || check.service_id != place.1);
        self.services.remove(place);
    }

    fn clear(&mut self, key: &NodeKey, goes: impl Fn(Origin) -> bool) {
        let services: Vec<_> =
            self.services.iter().filter(|(place, it)| place.0 == *key && goes(it.origin)).collect();
        let services: Vec<_> = services.into_iter().map(|(place, _)| place.clone()).collect();
        services.iter().for_each(|place| self.remove_service(place));
        self.checks.retain(|(node, _), check| node != key || !goes(check.origin));
    }

    /// The agent's own node has another name from now on, with everything on it and all that is told of it. It is a
    /// change like any other: who knows the old name hears of the new one.
    pub fn rename_own(&mut self, name: &Text) {
        let new = NodeKey::of(name);
        self.own = new.clone();
        let own = self.nodes.iter().find(|(key, node)| **key != new && node.id == OWN_ID);
        let Some((old, node)) = own.map(|(key, node)| (key.clone(), node.clone())) else { return };
        self.index += 1;
        // What another node of that name has stays on it, unless there are two of an id: then it is the agent's.
        let retold: Vec<_> = self.history.iter().filter(|it| it.subject.node == old).collect();
        let retold: Vec<_> = retold.into_iter().map(|it| renamed(&it.subject, &new)).collect();
        self.history.retain(|it| !retold.contains(&*it.subject));
        let indexes = |before: Indexes| Indexes { modify: self.index, ..before };
        self.nodes.remove(&old);
        let node = Node { name: name.clone(), indexes: indexes(node.indexes), ..Node::clone(&node) };
        self.nodes.insert(new.clone(), Arc::new(node));
        type Table<T> = BTreeMap<Place, Arc<T>>;
        let (services, others): (Table<Service>, _) =
            std::mem::take(&mut self.services).into_iter().partition(|it| it.0.0 == old);
        self.services = others;
        for ((_, id), mut service) in services {
            let service_of = Arc::make_mut(&mut service);
            service_of.indexes = indexes(service_of.indexes);
            self.services.insert((new.clone(), id), service);
        }
        let (checks, others): (Table<Check>, _) =
            std::mem::take(&mut self.checks).into_iter().partition(|it| it.0.0 == old);
        self.checks = others;
        for ((_, id), mut check) in checks {
            let check_of = Arc::make_mut(&mut check);
            check_of.indexes = indexes(check_of.indexes);
            self.checks.insert((new.clone(), id), check);
        }
        for transition in self.history.iter_mut().filter(|it| it.subject.node == old) {
            let subject = renamed(&transition.subject, &new);
            Arc::make_mut(transition).subject = Arc::new(subject);
        }
    }
}

fn renamed(subject: &Subject, node: &NodeKey) -> Subject {
    Subject { node: node.clone(), ..subject.clone() }
}

/// Whether muster itself keeps something out by it. The plans know of no other.
pub(super) fn is_hold(check: &Check) -> bool {
    check.id == "_node_maintenance" || check.id.starts_with("_service_maintenance:")
}
