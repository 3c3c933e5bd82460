//! What definition files do to the catalog: it comes to say what they say, and everything that lives goes on living.
//!
//! A check without an id of its own is called by its place among its instance's checks, as in Consul. So ids change
//! when checks are added, removed or reordered, while what they check stays. A check therefore goes on with the life of
//! the one it [`succeeds`](successions), whatever that was called: its status and its time, and its output.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::state::CatalogEdit;
use crate::core::model::{
    Check, CommandRefusal, Defined, Definitions, ExistingChecks, NodeKey, Origin, hold,
};

/// Whether a new check is one that there was, from the surest sign to the weakest.
const SIGNS: [fn(&Check, &Check) -> bool; 5] = [
    |new, old| new.id == old.id && new.definition == old.definition && new.name == old.name,
    |new, old| new.definition == old.definition && new.name == old.name,
    |new, old| new.id == old.id && new.definition == old.definition,
    |new, old| new.definition == old.definition,
    |new, old| new.id == old.id,
];

impl CatalogEdit<'_> {
    /// Has the agent's node hold what files define. What clients have registered beside stays, and so do maintenance
    /// and drains.
    ///
    /// # Errors
    /// A [`CommandRefusal`] when a bound would be passed, or a check is of an instance that is not there.
    pub(super) fn define(&mut self, definitions: &Definitions) -> Result<(), CommandRefusal> {
        let node = NodeKey::of(&definitions.node);
        for id in &definitions.gone_services {
            self.deregister_service(&node, id, false)?;
        }
        let named = definitions.defined.iter().flat_map(|it| it.checks.iter().map(|check| &check.id));
        let from_files: HashSet<&Text> = named.chain(&definitions.gone_checks).collect();
        for defined in &definitions.defined {
            if let Some(service) = &defined.service {
                self.register_service(&node, service.clone())?;
            }
            self.define_checks(&node, defined, &from_files)?;
        }
        definitions.gone_checks.iter().for_each(|id| self.remove_own_check(&node, id));
        Ok(())
    }

    fn define_checks(
        &mut self,
        node: &NodeKey,
        defined: &Defined,
        from_files: &HashSet<&Text>,
    ) -> Result<(), CommandRefusal> {
        let Some(record) = self.record(node) else {
            return Err(CommandRefusal::UnknownNode { node: node.text().clone() });
        };
        let of_service = record.check_ids_of(&defined.service_id).filter_map(|id| record.checks().get(id));
        let present: Vec<Arc<Check>> =
            of_service.filter(|check| from_files.contains(&check.id) && is_own(check)).cloned().collect();
        let successions = successions(&defined.checks, &present);
        let lives = || successions.iter().map(|at| at.map(|at| &present[at]));
        // Whoever stands where another goes on gives way first; its life is remembered.
        for (check, life) in defined.checks.iter().zip(lives()) {
            if life.is_none_or(|life| life.id != check.id) {
                self.remove_own_check(node, &check.id);
            }
        }
        for (check, life) in defined.checks.iter().zip(lives()) {
            match life {
                Some(life) if life.id != check.id => self.go_on(node, check, life),
                _ => self.register_check(node, check.clone(), ExistingChecks::KeepStatus)?,
            }
        }
        Ok(())
    }

    /// Puts a check that goes on with the life of one with another id.
    fn go_on(&mut self, node: &NodeKey, check: &Check, life: &Check) {
        let after = Check {
            status: life.status,
            output: life.output.clone(),
            status_since_ms: life.status_since_ms,
            status_cause: life.status_cause,
            indexes: self.stamp(None),
            ..check.clone()
        };
        let id = check.id.clone();
        self.make(CatalogChange::Check {
            node: node.clone(),
            id,
            before: None,
            after: Some(Arc::new(after)),
        });
    }

    /// Removes a check if it is one that the agent keeps of an instance or of the node.
    fn remove_own_check(&mut self, node: &NodeKey, id: &Text) {
        let check = self.record(node).and_then(|record| record.checks().get(id));
        if check.is_some_and(|check| is_own(check)) {
            self.remove_check(node, id);
        }
    }
}

fn is_own(check: &Check) -> bool {
    check.origin == Origin::Agent && !hold::is_hold(check)
}

/// For each of the new checks, which of the old ones it is, if any. None of the old ones is two.
fn successions(new: &[Check], old: &[Arc<Check>]) -> Vec<Option<usize>> {
    let mut found = vec![None; new.len()];
    let mut is_taken = vec![false; old.len()];
    for sign in SIGNS {
        for (check, found) in new.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
            let at = (0..old.len()).find(|at| !is_taken[*at] && sign(check, &old[*at]));
            at.iter().for_each(|at| is_taken[*at] = true);
            *found = at;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::catalog::state::{CatalogBounds, CatalogState, Moment};
    use crate::core::model::{CheckDefinition, Command, NodePart, Probe, Registration, Service, Status};

    struct World {
        state: CatalogState,
        index: u64,
    }

    impl World {
        fn new() -> World {
            let mut world =
                World { state: CatalogState::new(&"own".into(), CatalogBounds::default()), index: 0 };
            let (name, id, address) = ("own".into(), Text::default(), "127.0.0.1".into());
            let node =
                NodePart::Set { name, id, address, tagged_addresses: None, meta: None, keep_existing: false };
            let existing_checks = ExistingChecks::KeepStatus;
            let checks = Vec::new();
            let registration = Registration { node, service: None, checks, existing_checks };
            world.apply(Command::Register(Box::new(registration)));
            world
        }

        fn apply(&mut self, command: Command) -> Vec<CatalogChange> {
            let moment = Moment { index: self.index + 1, now_ms: 1_000 * (self.index + 1) };
            let changes = self.state.apply(moment, command).unwrap();
            self.index += u64::from(!changes.is_empty());
            changes
        }

        fn define(&mut self, port: u16, checks: &[&str], gone_checks: &[&str]) -> Vec<CatalogChange> {
            let name = Text::from("web");
            let service =
                Service { id: name.clone(), name, port, origin: Origin::Agent, ..Service::default() };
            let checks = checks.iter().map(|it| check(it)).collect();
            let defined = vec![Defined { service: Some(service), service_id: "web".into(), checks }];
            let (node, gone_checks) = ("Own".into(), gone_checks.iter().map(|id| Text::from(*id)).collect());
            let gone_services = Vec::new();
            self.apply(Command::Define(Box::new(Definitions { node, gone_services, gone_checks, defined })))
        }

        fn report(&mut self, check_id: &str, status: Status) {
            let (node, check_id, output) = ("own".into(), check_id.into(), format!("{check_id} said").into());
            let cause = crate::core::model::Cause::Report;
            self.apply(Command::UpdateCheck { node, check_id, status, output, cause });
        }

        /// `id=output@since` of the checks that pass, `id` of the others.
        fn shown(&self) -> Vec<String> {
            let record = self.state.node(&"own".into()).unwrap();
            let shown = |check: &Arc<Check>| match check.status {
                Status::Passing => format!("{}={}@{}", check.id, check.output, check.status_since_ms),
                _ => check.id.to_string(),
            };
            record.checks().values().map(shown).collect()
        }
    }

    /// `ID:TTL` or `ID:TTL:NAME`.
    fn check(text: &str) -> Check {
        let mut parts = text.split(':');
        let (id, ttl) = (parts.next().unwrap(), parts.next().unwrap().parse().unwrap());
        let name = parts.next().unwrap_or("of web").into();
        let probe = Some(Probe::Ttl { ttl: Duration::from_secs(ttl) });
        let definition = Arc::new(CheckDefinition { probe, ..CheckDefinition::default() });
        let (id, service_id, origin) = (id.into(), "web".into(), Origin::Agent);
        Check { id, name, service_id, definition, origin, ..Check::default() }
    }

    /// `(defined, those of them that pass, defined then, gone, shown)`
    type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], &'a [&'a str], &'a [&'a str]);

    #[test]
    fn what_stays_lives_on_whatever_it_is_called() {
        let rows: [Row<'_>; 10] = [
            // Nothing, one added before and behind, one removed, both swapped.
            (&["a:1"], &["a"], &["a:1"], &[], &["a=a said@3000"]),
            (&["a:1"], &["a"], &["a1:1", "a2:2"], &["a"], &["a1=a said@3000", "a2"]),
            (&["a:1"], &["a"], &["a1:2", "a2:1"], &["a"], &["a1", "a2=a said@3000"]),
            (&["a1:1", "a2:2"], &["a2"], &["a:2"], &["a1", "a2"], &["a=a2 said@3000"]),
            (&["a1:1", "a2:2"], &["a2"], &["a1:2", "a2:1"], &[], &["a1=a2 said@3000", "a2"]),
            (&["a1:1", "a2:2"], &["a1"], &["a1:3", "a2:1", "a3:2"], &[], &["a1", "a2=a1 said@3000", "a3"]),
            // Altered, renamed, and told apart by name alone.
            (&["a:1"], &["a"], &["a:2"], &[], &["a=a said@3000"]),
            (&["a:1:x"], &["a"], &["b:1:x"], &["a"], &["b=a said@3000"]),
            (&["a1:1:x", "a2:1:y"], &["a2"], &["a1:1:y", "a2:1:x"], &[], &["a1=a2 said@3000", "a2"]),
            // Gone, all of them.
            (&["a1:1", "a2:2"], &["a1"], &[], &["a1", "a2"], &[]),
        ];
        for (before, passing, after, gone, shown) in rows {
            let mut world = World::new();
            world.define(80, before, &[]);
            passing.iter().for_each(|id| world.report(id, Status::Passing));
            let index = world.index;
            world.define(81, after, gone);
            assert_eq!(world.shown(), shown, "{before:?} {after:?}");
            assert_eq!(world.index, index + 1, "one change");
            assert!(world.define(81, after, gone).is_empty(), "the same again says nothing: {after:?}");
        }
    }

    #[test]
    fn what_others_brought_stays() {
        let mut world = World::new();
        world.define(80, &["a:1"], &[]);
        let checks = vec![check("mine:7"), hold::service_maintenance(&"web".into(), "work".into())];
        let (node, existing_checks) = (NodePart::Existing { name: "own".into() }, ExistingChecks::KeepStatus);
        let registration = Registration { node, service: None, checks, existing_checks };
        world.apply(Command::Register(Box::new(registration)));
        world.define(81, &["b:7"], &["a"]);
        assert_eq!(world.shown(), ["_service_maintenance:web", "b", "mine"]);
    }

    #[test]
    fn what_is_refused_leaves_everything() {
        let mut world = World::new();
        world.define(80, &["a:1"], &[]);
        let orphan = Defined { service_id: "db".into(), checks: vec![check("b:1")], ..Defined::default() };
        let defined =
            vec![Defined { checks: vec![Check { service_id: "db".into(), ..check("b:1") }], ..orphan }];
        let (gone_services, gone_checks) = (vec!["web".into()], Vec::new());
        let definitions = Definitions { node: "own".into(), gone_services, gone_checks, defined };
        let moment = Moment { index: 9, now_ms: 9 };
        let refused = world.state.apply(moment, Command::Define(Box::new(definitions)));
        assert!(matches!(refused, Err(CommandRefusal::CheckWithoutService { .. })), "{refused:?}");
        assert_eq!(world.shown(), ["a"]);
        assert!(world.state.node(&"own".into()).unwrap().services().contains_key(&Text::from("web")));
    }
}
