//! What a registration does: the one command with more than a line to it.

use crate::base::stdx::text::Text;
use crate::core::catalog::node_record::NodeRecord;
use crate::core::catalog::state::CatalogEdit;
use crate::core::model::command::OWN_CHECK;
use crate::core::model::limits::{CHECKS_PER_SERVICE_MAX, SERVICES_PER_NODE_MAX};
use crate::core::model::{
    Check, CommandRefusal, ExistingChecks, Indexes, Node, NodeKey, NodePart, Origin, RecordKind,
    Registration, Service, Status, hold,
};

impl CatalogEdit<'_> {
    pub(super) fn register(&mut self, registration: Registration) -> Result<(), CommandRefusal> {
        let Registration { node, service, checks, existing_checks } = registration;
        let key = NodeKey::of(node.name());
        let is_by_muster = service.as_ref().is_some_and(|it| it.origin == Origin::Server);
        self.register_node(&key, node, is_by_muster)?;
        if let Some(service) = service {
            let replaced = (existing_checks == ExistingChecks::Replace).then(|| service.id.clone());
            self.register_service(&key, service)?;
            replaced.iter().for_each(|id| self.remove_checks_not_named(&key, id, &checks));
        }
        checks.into_iter().try_for_each(|check| self.register_check(&key, check, existing_checks))
    }

    /// `is_by_muster` when the node is the agent's own and muster itself registers it. Of its own node nobody else may
    /// say anything new: what a client says of it is checked, and left.
    fn register_node(
        &mut self,
        key: &NodeKey,
        part: NodePart,
        is_by_muster: bool,
    ) -> Result<(), CommandRefusal> {
        let is_known = self.record(key).is_some();
        let (name, id, address, tagged_addresses, meta) = match part {
            NodePart::Existing { .. } | NodePart::Set { keep_existing: true, .. } if is_known => {
                return Ok(());
            }
            NodePart::Existing { name } => return Err(CommandRefusal::UnknownNode { node: name }),
            NodePart::Set { name, id, address, tagged_addresses, meta, .. } => {
                (name, id, address, tagged_addresses, meta)
            }
        };
        let renamed_from = self.settle_identity(key, &name, &id, is_by_muster)?;
        if self.is_own_node(key) && !is_by_muster && self.record(key).is_some() {
            return Ok(());
        }
        let known = self.record(key).map(|record| record.node().clone());
        if known.is_none() {
            self.check_room_for(RecordKind::Nodes)?;
        }
        let id = if id.is_empty() { known.map(|node| node.id.clone()).unwrap_or_default() } else { id };
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
        key: &NodeKey,
        name: &Text,
        id: &Text,
        is_by_muster: bool,
    ) -> Result<Option<Indexes>, CommandRefusal> {
        if id.is_empty() {
            return Ok(None);
        }
        if let Some(held) = self
            .record(key)
            .filter(|record| !record.node().id.is_empty() && !is_same_id(&record.node().id, id))
            && !is_by_muster
            && (self.is_own_node(key) || is_alive(held))
        {
            return Err(CommandRefusal::reserved(name, id, held.node()));
        }
        if let Some(old_key) = self.holder_of_id(id).filter(|holder| *holder != key).cloned() {
            self.refuse_own_node(&old_key, name)?;
            let renamed = self.record(&old_key).map(|record| record.node().indexes);
            self.remove_node(&old_key);
            return Ok(renamed);
        }
        Ok(None)
    }

    pub(super) fn register_service(
        &mut self,
        node: &NodeKey,
        mut service: Service,
    ) -> Result<(), CommandRefusal> {
        let services = self.record(node).map(|record| record.services());
        let is_new = services.is_some_and(|services| !services.contains_key(&service.id));
        if is_new && services.is_some_and(|services| services.len() >= SERVICES_PER_NODE_MAX) {
            return Err(CommandRefusal::TooMany {
                what: "service instances on one node",
                max: SERVICES_PER_NODE_MAX,
            });
        }
        if let Some(before) = services.and_then(|services| services.get(&service.id)) {
            match authority(before.origin, service.origin) {
                Authority::Full => service.drain = before.drain.clone(),
                // Consul's agent would write its own version over the catalog's at its next look, the tags apart where
                // it was told to leave them to others.
                Authority::Tags if before.enable_tag_override && before.name == service.name => {
                    service = Service { tags: service.tags, ..Service::clone(before) };
                }
                Authority::Tags => return Ok(()),
                Authority::None => return Err(reserved("service", &service.id)),
                Authority::Ignored => return Ok(()),
            }
        }
        if is_new {
            self.check_room_for(RecordKind::Instances)?;
        }
        self.put_service(node, service);
        Ok(())
    }

    pub(super) fn register_check(
        &mut self,
        node: &NodeKey,
        mut check: Check,
        existing: ExistingChecks,
    ) -> Result<(), CommandRefusal> {
        let Some(record) = self.record(node) else { return Ok(()) };
        // It would bear on every instance that the agent has. Consul's agent would remove it at its next look.
        if check.is_node_level() && check.origin == Origin::Catalog && self.is_own_node(node) {
            return Ok(());
        }
        if !check.is_node_level() && !record.services().contains_key(&check.service_id) {
            let (node, service_id) = (record.node().name.clone(), check.service_id.clone());
            return Err(CommandRefusal::CheckWithoutService { node, service_id });
        }
        let before = record.checks().get(&check.id);
        match before.map(|before| authority(before.origin, check.origin)) {
            Some(Authority::None) => return Err(reserved("check", &check.id)),
            Some(Authority::Tags | Authority::Ignored) => return Ok(()),
            Some(Authority::Full) | None => {}
        }
        let is_bounded = before.is_none() && !hold::is_hold(&check);
        if is_bounded && record.check_ids_of(&check.service_id).count() >= CHECKS_PER_SERVICE_MAX {
            return Err(CommandRefusal::TooMany {
                what: "checks on one instance",
                max: CHECKS_PER_SERVICE_MAX,
            });
        }
        // What muster says of itself and what takes an instance out is not what fills a registry.
        if is_bounded && check.origin != Origin::Server {
            self.check_room_for(RecordKind::Checks)?;
        }
        if let Some(before) = before.filter(|_| existing != ExistingChecks::Overwrite) {
            (check.status, check.output) = (before.status, before.output.clone());
        }
        self.put_check(node, check);
        Ok(())
    }

    fn remove_checks_not_named(&mut self, node: &NodeKey, service_id: &Text, named: &[Check]) {
        let Some(record) = self.record(node) else { return };
        let is_named = |id: &Text| named.iter().any(|check| check.id == *id);
        let is_hold = |id: &Text| record.checks().get(id).is_some_and(|check| hold::is_hold(check));
        let gone = record.check_ids_of(service_id).filter(|id| !is_named(id) && !is_hold(id));
        let gone: Vec<Text> = gone.cloned().collect();
        gone.iter().for_each(|id| self.remove_check(node, id));
    }
}

/// What a registration may change of a record that is there.
enum Authority {
    /// All of it.
    Full,
    /// The tags, where the record leaves them to others.
    Tags,
    /// Nothing, and nobody need be told.
    Ignored,
    /// Nothing, and whoever asks must be told: he would go on to report on a record that is not his.
    None,
}

/// What muster registers of itself is nobody else's to say, and what the agent keeps is not the catalog's.
fn authority(kept_by: Origin, asked_by: Origin) -> Authority {
    match (kept_by, asked_by) {
        (Origin::Server, Origin::Agent) => Authority::None,
        (Origin::Server, Origin::Catalog) => Authority::Ignored,
        (Origin::Agent, Origin::Catalog) => Authority::Tags,
        _ => Authority::Full,
    }
}

/// Whether both are one UUID, however it is written.
fn is_same_id(left: &Text, right: &Text) -> bool {
    left.eq_ignore_ascii_case(right)
}

fn reserved(what: &'static str, id: &Text) -> CommandRefusal {
    CommandRefusal::Reserved { what, id: id.clone() }
}

fn is_alive(node: &NodeRecord) -> bool {
    node.checks().get(OWN_CHECK).is_some_and(|check| check.status == Status::Passing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::state::{CatalogBounds, CatalogState, Moment};
    use crate::core::model::{Command, Meta};

    const OWN_ID: &str = "a0a0a0a0-2192-161a-0510-9bf59fe950b5";

    /// A registry in which muster has registered itself and the agent the instance `web` with a check.
    fn registry() -> CatalogState {
        let mut state = CatalogState::new(&"Own".into(), CatalogBounds::default());
        let own = of_service("consul", Origin::Server);
        register(&mut state, Registration { checks: vec![check("serfHealth", "", Origin::Server)], ..own })
            .unwrap();
        let web = of_service("web", Origin::Agent);
        register(&mut state, Registration { checks: vec![check("beat", "web", Origin::Agent)], ..web })
            .unwrap();
        state
    }

    fn register(state: &mut CatalogState, registration: Registration) -> Result<(), CommandRefusal> {
        let moment = Moment { index: 7, now_ms: 7 };
        state.apply(moment, Command::Register(Box::new(registration))).map(drop)
    }

    fn of_node(name: &str, id: &str) -> Registration {
        let (name, id, address) = (name.into(), id.into(), "10.0.0.1".into());
        let (tagged_addresses, meta) = (None, Some(Meta::default()));
        Registration {
            node: NodePart::Set { name, id, address, tagged_addresses, meta, keep_existing: false },
            service: None,
            checks: vec![],
            existing_checks: ExistingChecks::Overwrite,
        }
    }

    fn of_service(id: &str, origin: Origin) -> Registration {
        let service = Service { id: id.into(), name: id.into(), port: 1, origin, ..Service::default() };
        Registration { service: Some(service), ..of_node("Own", OWN_ID) }
    }

    fn check(id: &str, service_id: &str, origin: Origin) -> Check {
        let status = Status::Passing;
        Check { id: id.into(), service_id: service_id.into(), status, origin, ..Check::default() }
    }

    fn down(id: &str, service_id: &str, origin: Origin) -> Check {
        Check { status: Status::Critical, output: "down".into(), ..check(id, service_id, origin) }
    }

    /// Whatever the catalog's API says of the node, the service and the check by which muster shows itself, and of what
    /// the agent keeps, is answered and changes nothing.
    #[test]
    fn the_catalog_does_not_overwrite_what_others_keep() {
        let elsewhere = |name: &str, id: &str| {
            let mut registration = of_node(name, id);
            if let NodePart::Set { address, .. } = &mut registration.node {
                *address = "6.6.6.6".into();
            }
            registration
        };
        let with_service = |id: &str| {
            let mut registration = of_service(id, Origin::Catalog);
            registration.service.as_mut().unwrap().port = 666;
            registration
        };
        let with_check = |check: Check| Registration { checks: vec![check], ..elsewhere("OWN", "") };
        let attempts = [
            elsewhere("Own", ""),
            elsewhere("own", OWN_ID),
            elsewhere("OWN", &OWN_ID.to_uppercase()),
            with_service("consul"),
            with_service("web"),
            with_check(down("serfHealth", "", Origin::Catalog)),
            with_check(down("serfHealth", "web", Origin::Catalog)),
            with_check(down("beat", "web", Origin::Catalog)),
            with_check(down("beat", "", Origin::Catalog)),
        ];
        for attempt in attempts {
            let mut state = registry();
            let told = format!("{attempt:?}");
            let moment = Moment { index: 9, now_ms: 9 };
            let changes = state.apply(moment, Command::Register(Box::new(attempt)));
            assert_eq!(changes.unwrap().len(), 0, "{told}");
        }
    }

    #[test]
    fn the_agents_api_is_told_which_ids_are_musters() {
        for registration in [
            of_service("consul", Origin::Agent),
            Registration { checks: vec![down("serfHealth", "", Origin::Agent)], ..of_node("own", "") },
            Registration { checks: vec![down("serfHealth", "web", Origin::Agent)], ..of_node("own", "") },
        ] {
            let refused = register(&mut registry(), registration);
            assert!(matches!(refused, Err(CommandRefusal::Reserved { .. })), "{refused:?}");
        }
    }

    /// A data directory may hold what an older muster let happen: the next start puts it right.
    #[test]
    fn muster_takes_back_what_is_its_own() {
        let own = "own".into();
        let mut state = CatalogState::new(&own, CatalogBounds::default());
        let taken =
            Registration { checks: vec![down("serfHealth", "", Origin::Agent)], ..of_node("own", OWN_ID) };
        register(&mut state, taken).unwrap();
        register(&mut state, of_service("consul", Origin::Catalog)).unwrap();
        let start = of_service("consul", Origin::Server);
        register(&mut state, Registration { checks: vec![check("serfHealth", "", Origin::Server)], ..start })
            .unwrap();
        let record = state.node(&NodeKey::of(&own)).unwrap();
        let check = &record.checks()[&Text::from("serfHealth")];
        assert_eq!((check.status, check.origin), (Status::Passing, Origin::Server));
        assert_eq!(record.services()[&Text::from("consul")].origin, Origin::Server);
    }

    #[test]
    fn tags_are_the_catalogs_where_the_agent_leaves_them() {
        for (leaves, tags) in [(false, ["agents"]), (true, ["catalogs"])] {
            let mut state = registry();
            let tagged = |origin, tag: &str| {
                let mut registration = of_service("web", origin);
                let service = registration.service.as_mut().unwrap();
                (service.tags, service.enable_tag_override) = (vec![tag.into()], leaves);
                service.port = if origin == Origin::Agent { 1 } else { 2 };
                registration
            };
            register(&mut state, tagged(Origin::Agent, "agents")).unwrap();
            register(&mut state, tagged(Origin::Catalog, "catalogs")).unwrap();
            let service = state.node(&"own".into()).unwrap().services()[&Text::from("web")].clone();
            assert_eq!(service.tags, tags.map(Text::from), "{leaves}");
            assert_eq!((service.port, service.origin), (1, Origin::Agent), "{leaves}");
        }
    }

    #[test]
    fn one_id_is_one_node_in_any_case() {
        let mut state = registry();
        let id = "40e4a748-2192-161a-0510-9bf59fe950b5";
        register(&mut state, of_node("n1", id)).unwrap();
        register(&mut state, of_node("n2", &id.to_uppercase())).unwrap();
        assert!(state.node(&"n1".into()).is_none(), "it was renamed");
        let own = register(&mut state, of_node("n3", &OWN_ID.to_uppercase()));
        assert!(matches!(own, Err(CommandRefusal::NodeConflict { .. })), "{own:?}");
    }
}
