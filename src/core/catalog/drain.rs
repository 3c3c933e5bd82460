//! What drains do to the catalog, and how maintenance mode, drains and registrations go together: a drain is a part of
//! its instance's record, and goes with it; the check at its end stands until it is cancelled.

use std::time::Duration;

use crate::base::stdx::text::Text;
use crate::core::catalog::state::CatalogEdit;
use crate::core::model::drain::Stage;
use crate::core::model::{CommandRefusal, Drain, DrainOrder, NodeKey, Origin, Service, hold};

impl CatalogEdit<'_> {
    pub(super) fn drain(
        &mut self,
        node: &NodeKey,
        id: &Text,
        order: &DrainOrder,
    ) -> Result<(), CommandRefusal> {
        let service = self.record(node).and_then(|record| record.services().get(id));
        let service = service.filter(|service| service.origin != Origin::Server);
        let Some(service) = service.map(|service| Service::clone(service)) else {
            // A drain whose instance has gone is over in every respect.
            return match order {
                DrainOrder::Advance => Ok(()),
                _ => Err(CommandRefusal::UnknownService { service_id: id.clone() }),
            };
        };
        match order {
            DrainOrder::Begin { deadline, deregister, reason } => {
                let drain = self.planned(service.drain.as_deref(), *deadline, *deregister, reason);
                self.put_service(node, Service { drain: Some(Box::new(drain)), ..service });
            }
            DrainOrder::Advance => self.advance_drain(node, service),
            DrainOrder::Cancel => self.cancel_drain(node, id),
        }
        Ok(())
    }

    /// The drain to put in the place of the one before. The first reason given stays, unless another one is.
    fn planned(&self, before: Option<&Drain>, deadline: Duration, deregister: bool, reason: &Text) -> Drain {
        let now_ms = self.now_ms();
        let Some(before) = before else {
            return Drain::begin(now_ms, deadline, 100, deregister, reason.clone());
        };
        let reason = if reason.is_empty() { before.reason.clone() } else { reason.clone() };
        if before.has_deadline(deadline) {
            return Drain { deregister, reason, ..before.clone() };
        }
        Drain::begin(now_ms, deadline, before.share_at(now_ms), deregister, reason)
    }

    fn advance_drain(&mut self, node: &NodeKey, service: Service) {
        let Some(drain) = &service.drain else { return };
        match drain.stage_at(self.now_ms()) {
            Stage::Gone => self.remove_service(node, &service.id),
            Stage::Over => {
                let check = hold::drained(&service, &drain.reason);
                self.put_share(node, &service, 0);
                self.put_check(node, check);
            }
            Stage::Share(percent) => self.put_share(node, &service, percent),
        }
    }

    /// A share that shows nothing new is not written down, as it would wake watchers for nothing.
    fn put_share(&mut self, node: &NodeKey, service: &Service, share_percent: u8) {
        let Some(drain) = &service.drain else { return };
        let drain = Some(Box::new(Drain { share_percent, ..Drain::clone(drain) }));
        let after = Service { drain, ..service.clone() };
        if share_percent == 0 || after.shown_weights() != service.shown_weights() {
            self.put_service(node, after);
        }
    }

    /// Takes back whatever there is of a drain.
    pub(super) fn cancel_drain(&mut self, node: &NodeKey, service_id: &Text) {
        let service = self.record(node).and_then(|record| record.services().get(service_id)).cloned();
        if let Some(service) = service.filter(|service| service.drain.is_some()) {
            self.remove_check(node, &hold::drained_id(service_id));
            self.put_service(node, Service { drain: None, ..Service::clone(&service) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::change::CatalogChange;
    use crate::core::catalog::state::{CatalogBounds, CatalogState, Moment};
    use crate::core::model::{
        Check, Command, ExistingChecks, NodePart, Registration, Status, Weights, limits,
    };

    const DEADLINE_MS: u64 = 10_000;

    /// What happens to an instance.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Drain,
        DrainAndDeregister,
        DrainFor(u64),
        Cancel,
        /// So many milliseconds go by, and then the keeper looks.
        After(u64),
        Maintenance(bool),
        Register,
        RegisterReplacing,
        RegisterByCatalog,
        Deregister,
        RemoveDrainCheck,
        RemoveOwnCheck,
    }
    use Act::*;

    struct World {
        state: CatalogState,
        now_ms: u64,
        index: u64,
    }

    impl World {
        fn new() -> World {
            let mut world = World {
                state: CatalogState::new(&"own".into(), CatalogBounds::default()),
                now_ms: 0,
                index: 0,
            };
            let node = NodePart::Set {
                name: "own".into(),
                id: "".into(),
                address: "10.0.0.1".into(),
                tagged_addresses: None,
                meta: None,
                keep_existing: false,
            };
            world.register(node, Origin::Agent, ExistingChecks::KeepStatus);
            world
        }

        fn apply(&mut self, command: Command) -> Result<Vec<CatalogChange>, CommandRefusal> {
            let moment = Moment { index: self.index + 1, now_ms: self.now_ms };
            let changes = self.state.apply(moment, command)?;
            self.index += u64::from(!changes.is_empty());
            Ok(changes)
        }

        fn register(&mut self, node: NodePart, origin: Origin, existing_checks: ExistingChecks) {
            let weights = Weights { passing: 10, warning: 1 };
            let name = Text::from("web");
            let service = Service { id: name.clone(), name, weights, origin, ..Service::default() };
            let check = Check {
                id: "beat".into(),
                service_id: "web".into(),
                status: Status::Passing,
                origin,
                ..Check::default()
            };
            let registration =
                Registration { node, service: Some(service), checks: vec![check], existing_checks };
            self.apply(Command::Register(Box::new(registration))).unwrap();
        }

        fn act(&mut self, act: Act) {
            let (node, service_id) = (NodeKey::from("own"), Text::from("web"));
            let order = |order| Command::Drain { node: node.clone(), service_id: service_id.clone(), order };
            let begin = |milliseconds, deregister| {
                let deadline = Duration::from_millis(milliseconds);
                order(DrainOrder::Begin { deadline, deregister, reason: "why".into() })
            };
            let own = || NodePart::Existing { name: "own".into() };
            let remove =
                |check_id: Text| Command::DeregisterCheck { node: node.clone(), check_id, must_exist: false };
            let command = match act {
                Drain => begin(DEADLINE_MS, false),
                DrainAndDeregister => begin(DEADLINE_MS, true),
                DrainFor(milliseconds) => begin(milliseconds, false),
                Cancel => order(DrainOrder::Cancel),
                After(milliseconds) => {
                    self.now_ms += milliseconds;
                    order(DrainOrder::Advance)
                }
                Maintenance(true) => Command::Register(Box::new(Registration {
                    node: own(),
                    service: None,
                    checks: vec![hold::service_maintenance(&service_id, "work".into())],
                    existing_checks: ExistingChecks::KeepStatus,
                })),
                Maintenance(false) => remove(hold::service_maintenance(&service_id, "".into()).id),
                Register => return self.register(own(), Origin::Agent, ExistingChecks::KeepStatus),
                RegisterReplacing => return self.register(own(), Origin::Agent, ExistingChecks::Replace),
                RegisterByCatalog => return self.register(own(), Origin::Catalog, ExistingChecks::Overwrite),
                Deregister => Command::DeregisterService { node: node.clone(), service_id, must_exist: true },
                RemoveDrainCheck => remove(hold::drained_id(&service_id)),
                RemoveOwnCheck => remove("beat".into()),
            };
            self.apply(command).unwrap();
        }

        /// How discovery sees the instance: its weight and its critical checks.
        fn seen(&self) -> Option<(u16, Vec<String>)> {
            let instance = self.state.node(&"own".into())?.instance(&"web".into())?;
            let critical = instance.checks.iter().filter(|check| check.status == Status::Critical);
            let ids = critical.map(|check| check.id.to_string());
            Some((instance.service.shown_weights().passing, ids.collect()))
        }
    }

    #[test]
    fn drains_maintenance_and_registrations_go_together() {
        const DRAINED: &str = "_service_drain:web";
        const HELD: &str = "_service_maintenance:web";
        type Seen = Option<(u16, &'static [&'static str])>;
        let rows: &[(&[Act], Seen)] = &[
            (&[Drain], Some((10, &[]))),
            (&[Drain, After(999)], Some((10, &[]))),
            (&[Drain, After(1_000)], Some((9, &[]))),
            (&[Drain, After(9_999)], Some((1, &[]))),
            (&[Drain, After(10_000)], Some((0, &[DRAINED]))),
            (&[Drain, After(1_000_000)], Some((0, &[DRAINED]))),
            (&[After(1_000_000)], Some((10, &[]))),
            // The deregistration comes one step after the end, or at once when it is long over.
            (&[DrainAndDeregister, After(10_999)], Some((0, &[DRAINED]))),
            (&[DrainAndDeregister, After(11_000)], None),
            (&[DrainAndDeregister, After(10_000), After(1_000)], None),
            (&[Drain, After(60_000), DrainAndDeregister, After(0)], None),
            (&[DrainAndDeregister, Drain, After(60_000)], Some((0, &[DRAINED]))),
            // Cancelled, at any time.
            (&[Drain, After(5_000), Cancel], Some((10, &[]))),
            (&[Drain, After(10_000), Cancel, After(60_000)], Some((10, &[]))),
            (&[DrainAndDeregister, After(10_000), Cancel, After(60_000)], Some((10, &[]))),
            (&[Cancel], Some((10, &[]))),
            (&[Drain, After(5_000), Cancel, Drain], Some((10, &[]))),
            // Asked again, it goes on; with another deadline it begins at the share it has.
            (&[Drain, After(5_000), Drain, After(0)], Some((5, &[]))),
            (&[Drain, After(5_000), Drain, After(5_000)], Some((0, &[DRAINED]))),
            (&[Drain, After(5_000), DrainFor(100_000), After(10_000)], Some((5, &[]))),
            (&[Drain, After(5_000), DrainFor(100_000), After(20_000)], Some((4, &[]))),
            (&[Drain, After(5_000), DrainFor(1_000), After(1_000)], Some((0, &[DRAINED]))),
            (&[Drain, After(10_000), DrainFor(100_000), After(0)], Some((0, &[DRAINED]))),
            // A registration changes nothing of it, a deregistration ends it.
            (&[Drain, After(5_000), Register], Some((5, &[]))),
            (&[Drain, After(10_000), Register, After(1_000)], Some((0, &[DRAINED]))),
            (&[Drain, After(10_000), RegisterReplacing], Some((0, &[DRAINED]))),
            (&[Drain, After(10_000), RegisterByCatalog], Some((0, &[DRAINED]))),
            (&[Drain, After(10_000), Deregister], None),
            (&[Drain, After(10_000), Deregister, Register, After(60_000)], Some((10, &[]))),
            (&[Deregister, After(60_000)], None),
            // Maintenance and drains know nothing of each other.
            (&[Maintenance(true), Drain], Some((10, &[HELD]))),
            (&[Drain, After(5_000), Maintenance(true)], Some((5, &[HELD]))),
            (&[Maintenance(true), Drain, After(10_000)], Some((0, &[DRAINED, HELD]))),
            (&[Maintenance(true), Drain, After(10_000), Maintenance(false)], Some((0, &[DRAINED]))),
            (&[Maintenance(true), Drain, After(10_000), Cancel], Some((10, &[HELD]))),
            (&[Maintenance(true), DrainAndDeregister, After(60_000)], None),
            (&[Maintenance(true), RegisterReplacing], Some((10, &[HELD]))),
            // To remove the check is to cancel.
            (&[Drain, After(10_000), RemoveDrainCheck, After(60_000)], Some((10, &[]))),
            (&[Drain, After(5_000), RemoveDrainCheck], Some((5, &[]))),
            (&[Drain, After(5_000), RemoveOwnCheck], Some((5, &[]))),
        ];
        for (acts, expected) in rows {
            let mut world = World::new();
            acts.iter().for_each(|act| world.act(*act));
            let expected =
                expected.map(|(weight, ids)| (weight, ids.iter().map(|id| id.to_string()).collect()));
            assert_eq!(world.seen(), expected, "{acts:?}");
        }
    }

    #[test]
    fn what_shows_nothing_new_leaves_no_trace() {
        let mut world = World::new();
        world.act(Drain);
        let begun = world.index;
        world.act(Drain);
        world.act(After(500));
        world.act(RegisterReplacing);
        assert_eq!(world.index, begun);
        world.act(After(500));
        assert_eq!(world.index, begun + 1, "a step shows");
        world.act(After(60_000));
        world.act(After(0));
        world.act(After(1_000));
        assert_eq!(world.index, begun + 2, "the end is one change and comes once");
    }

    #[test]
    fn a_drain_that_cannot_be_is_refused() {
        let mut world = World::new();
        let begin =
            || DrainOrder::Begin { deadline: Duration::from_secs(1), deregister: false, reason: "".into() };
        for order in [begin(), DrainOrder::Cancel] {
            for (node, id) in [("own", "nobody"), ("nowhere", "web")] {
                let drain = Command::Drain { node: node.into(), service_id: id.into(), order: order.clone() };
                assert!(
                    matches!(world.apply(drain), Err(CommandRefusal::UnknownService { .. })),
                    "{node} {id}"
                );
            }
        }
        let gone =
            Command::Drain { node: "own".into(), service_id: "nobody".into(), order: DrainOrder::Advance };
        assert!(world.apply(gone).unwrap().is_empty());
    }

    #[test]
    fn holds_have_room_beside_a_full_set_of_checks() {
        let mut world = World::new();
        let more = (1..limits::CHECKS_PER_SERVICE_MAX).map(|at| Check {
            id: format!("c{at}").into(),
            service_id: "web".into(),
            ..Check::default()
        });
        let registration = |checks| {
            Command::Register(Box::new(Registration {
                node: NodePart::Existing { name: "own".into() },
                service: None,
                checks,
                existing_checks: ExistingChecks::KeepStatus,
            }))
        };
        world.apply(registration(more.collect())).unwrap();
        let one_more = Check { id: "more".into(), service_id: "web".into(), ..Check::default() };
        assert!(matches!(world.apply(registration(vec![one_more])), Err(CommandRefusal::TooMany { .. })));
        world.act(Maintenance(true));
        [Drain, After(10_000)].into_iter().for_each(|act| world.act(act));
        let instance =
            world.state.node(&"own".into()).and_then(|record| record.instance(&"web".into())).unwrap();
        assert_eq!(instance.checks.len(), limits::CHECKS_PER_SERVICE_MAX + 2);
    }

    #[test]
    fn a_batch_that_fails_takes_the_drain_back() {
        let mut world = World::new();
        let before = format!("{:?}", world.state);
        let mut changes = Vec::new();
        let begin =
            DrainOrder::Begin { deadline: Duration::from_secs(1), deregister: true, reason: "".into() };
        for (order, now_ms) in [(begin, 0), (DrainOrder::Advance, 1_000), (DrainOrder::Advance, 9_000)] {
            world.now_ms = now_ms;
            let command = Command::Drain { node: "own".into(), service_id: "web".into(), order };
            changes.extend(world.apply(command).unwrap());
        }
        assert_eq!((changes.len(), world.seen()), (6, None));
        world.state.undo(&changes);
        assert_eq!(format!("{:?}", world.state), before);
    }
}
