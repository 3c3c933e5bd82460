//! What a registration does: the one command with more than a line to it.

use crate::catalog::node_record::NodeRecord;
use crate::catalog::state::Edit;
use crate::model::limits::{CHECKS_PER_SERVICE_MAX, SERVICES_PER_NODE_MAX};
use crate::model::{
    Check, ExistingChecks, Indexes, Node, NodePart, Origin, Refusal, Registration, Service, Status, hold,
};
use crate::stdx::text::Text;

/// The check that says of a node whether its agent is alive.
const AGENT_ALIVE_CHECK: &str = "serfHealth";

impl Edit<'_> {
    pub(super) fn register(&mut self, registration: &Registration) -> Result<(), Refusal> {
        let key = registration.node.name().folded();
        let is_by_muster = registration.service.as_ref().is_some_and(|it| it.origin == Origin::Server);
        self.register_node(&key, &registration.node, is_by_muster)?;
        if let Some(service) = &registration.service {
            self.register_service(&key, service)?;
            if registration.existing_checks == ExistingChecks::Replace {
                self.remove_checks_not_named(&key, &service.id, &registration.checks);
            }
        }
        registration.checks.iter().try_for_each(|check| self.register_check(&key, check, registration))
    }

    /// `is_by_muster` when the node is the agent's own and muster itself registers it.
    fn register_node(&mut self, key: &Text, part: &NodePart, is_by_muster: bool) -> Result<(), Refusal> {
        let NodePart::Set { name, id, address, tagged_addresses, meta, keep_existing } = part else {
            let is_known = self.record(key).is_some();
            return if is_known { Ok(()) } else { Err(Refusal::UnknownNode { node: part.name().clone() }) };
        };
        if *keep_existing && self.record(key).is_some() {
            return Ok(());
        }
        let renamed_from = self.settle_identity(key, name, id, is_by_muster)?;
        let known = self.record(key).map(|record| record.node().clone());
        if known.is_none() {
            self.check_room_for_node()?;
        }
        let id =
            if id.is_empty() { known.map(|node| node.id.clone()).unwrap_or_default() } else { id.clone() };
        let (name, address) = (name.clone(), address.clone());
        let (tagged_addresses, meta) = (tagged_addresses.clone(), meta.clone());
        let indexes = Indexes::default();
        let node = Node { name, id, address, tagged_addresses, meta, indexes };
        self.put_node(key, node, renamed_from);
        Ok(())
    }

    /// A UUID is one node's: registering it under another name renames the node, and what was under the old name goes.
    /// A name held by a living node with another UUID is not given away. The agent's own node lives, whatever a client
    /// says of it, and muster itself always gets it: otherwise a client could keep the agent from starting again.
    fn settle_identity(
        &mut self,
        key: &Text,
        name: &Text,
        id: &Text,
        is_by_muster: bool,
    ) -> Result<Option<Indexes>, Refusal> {
        if id.is_empty() {
            return Ok(None);
        }
        if let Some(held) =
            self.record(key).filter(|record| !record.node().id.is_empty() && record.node().id != *id)
            && !is_by_muster
            && (self.is_own_node(key) || is_alive(held))
        {
            let (other_id, address) = (&held.node().id, &held.node().address);
            let message = format!(
                "failed inserting node: Error while renaming Node ID: {:?}: Node name {name} is reserved by node \
                 {other_id} with name {name} ({address})",
                id.as_str()
            );
            return Err(Refusal::NodeConflict { message });
        }
        if let Some(old_key) = self.holder_of_id(id).filter(|holder| *holder != key).cloned() {
            self.refuse_own_node(&old_key, name)?;
            let renamed = self.record(&old_key).map(|record| record.node().indexes);
            self.remove_node(&old_key);
            return Ok(renamed);
        }
        Ok(None)
    }

    fn register_service(&mut self, node: &Text, service: &Service) -> Result<(), Refusal> {
        let services = self.record(node).map(|record| record.services());
        let is_new = services.is_some_and(|services| !services.contains_key(&service.id));
        if is_new && services.is_some_and(|services| services.len() >= SERVICES_PER_NODE_MAX) {
            return Err(Refusal::TooMany {
                what: "service instances on one node",
                max: SERVICES_PER_NODE_MAX,
            });
        }
        let mut service = service.clone();
        if let Some(before) = services.and_then(|services| services.get(&service.id)) {
            service.origin = service.origin.min(before.origin);
            service.drain = before.drain.clone();
        }
        if is_new {
            self.check_room_for_instance()?;
        }
        self.put_service(node, service);
        Ok(())
    }

    fn register_check(&mut self, node: &Text, check: &Check, of: &Registration) -> Result<(), Refusal> {
        let Some(record) = self.record(node) else { return Ok(()) };
        if !check.is_node_level() && !record.services().contains_key(&check.service_id) {
            let (node, service_id) = (of.node.name().clone(), check.service_id.clone());
            return Err(Refusal::CheckWithoutService { node, service_id });
        }
        let before = record.checks().get(&check.id);
        let is_bounded = before.is_none() && !hold::is_hold(check);
        if is_bounded && record.check_ids_of(&check.service_id).count() >= CHECKS_PER_SERVICE_MAX {
            return Err(Refusal::TooMany { what: "checks on one instance", max: CHECKS_PER_SERVICE_MAX });
        }
        let check = match before {
            Some(before) if of.existing_checks != ExistingChecks::Overwrite => {
                Check { status: before.status, output: before.output.clone(), ..check.clone() }
            }
            Some(before) if before.origin == Origin::Agent => {
                let (origin, definition) = (before.origin, before.definition.clone());
                Check { origin, definition, kind: before.kind.clone(), ..check.clone() }
            }
            _ => check.clone(),
        };
        self.put_check(node, check);
        Ok(())
    }

    fn remove_checks_not_named(&mut self, node: &Text, service_id: &Text, named: &[Check]) {
        let Some(record) = self.record(node) else { return };
        let is_named = |id: &Text| named.iter().any(|check| check.id == *id);
        let is_hold = |id: &Text| record.checks().get(id).is_some_and(|check| hold::is_hold(check));
        let gone = record.check_ids_of(service_id).filter(|id| !is_named(id) && !is_hold(id));
        let gone: Vec<Text> = gone.cloned().collect();
        gone.iter().for_each(|id| self.remove_check(node, id));
    }
}

fn is_alive(node: &NodeRecord) -> bool {
    node.checks().get(AGENT_ALIVE_CHECK).is_some_and(|check| check.status == Status::Passing)
}
