//! Whatever happened is joined with how its instance stood before and after.

use super::*;
use crate::core::catalog::state::{CatalogBounds, CatalogState, Moment};
use crate::core::catalog::transitions::{cause_of_end, transitions};
use crate::core::model::{Cause, Command, ExistingChecks, NodePart, Origin, Registration};

/// A registry in which every command leaves its changes and transitions.
struct Trial {
    state: CatalogState,
    index: u64,
    transitions: Vec<Arc<Transition>>,
    changes: Vec<CatalogChange>,
}

impl Trial {
    /// Node `n1` with instance `web-1`, whose checks `a` and `b` pass, and a check `n` of the node.
    fn new() -> Trial {
        let state = CatalogState::new(&"n1".into(), CatalogBounds::default());
        let mut trial = Trial { state, index: 0, transitions: Vec::new(), changes: Vec::new() };
        let check = |id: &str, service_id: &str| Check {
            id: id.into(),
            service_id: service_id.into(),
            status: Status::Passing,
            origin: Origin::Agent,
            ..Check::default()
        };
        let service = |id: &str| Service {
            id: id.into(),
            name: "Web".into(),
            origin: Origin::Agent,
            ..Service::default()
        };
        let registration = |service, checks| Registration {
            node: NodePart::Set {
                name: "n1".into(),
                id: "".into(),
                address: "10.0.0.1".into(),
                tagged_addresses: None,
                meta: None,
                keep_existing: false,
            },
            service,
            checks,
            existing_checks: ExistingChecks::KeepStatus,
        };
        let with = registration(Some(service("web-1")), vec![check("a", "web-1"), check("b", "web-1")]);
        trial.apply(Command::Register(Box::new(with)));
        trial.apply(Command::Register(Box::new(registration(None, vec![check("n", "")]))));
        trial.forget();
        trial
    }

    fn forget(&mut self) {
        self.transitions.clear();
        self.changes.clear();
    }

    fn apply(&mut self, command: Command) {
        self.index += 1;
        let moment = Moment { index: self.index, now_ms: self.index * 1000 };
        let cause = cause_of_end(&command);
        let changes = self.state.apply(moment, command).expect("the test asks for what can be");
        let found = transitions(&self.state, moment, cause, &changes);
        self.transitions.extend(found.into_iter().map(Arc::new));
        self.changes.extend(changes);
    }

    fn set(&mut self, check_id: &str, status: Status) {
        let (node, check_id, output, cause) = ("n1".into(), check_id.into(), "".into(), Cause::Probe);
        self.apply(Command::UpdateCheck { node, check_id, status, output, cause });
    }

    /// What happened, as the writer joins it, or (`from_history`) as it is found later.
    fn joined(&self, from_history: bool) -> Vec<TransitionContext> {
        let mut look = |key: &NodeKey, with: &mut dyn FnMut(&NodeRecord)| {
            if let Some(record) = self.state.node(key) {
                with(record);
            }
        };
        join(&self.transitions, &mut look, if from_history { &[] } else { &self.changes })
    }
}

/// Check, and the instance's status before and after.
fn shown(happened: &[TransitionContext]) -> Vec<(&str, Option<Status>, Option<Status>)> {
    let row = |it: &'_ TransitionContext| (it.overall.before, it.overall.after);
    let check = |it: &TransitionContext| match it.transition.subject.check_id.as_str() {
        "a" => "a",
        "b" => "b",
        "n" => "n",
        other => panic!("{other}"),
    };
    happened.iter().map(|it| (check(it), row(it).0, row(it).1)).collect()
}

const P: Option<Status> = Some(Status::Passing);
const W: Option<Status> = Some(Status::Warning);
const C: Option<Status> = Some(Status::Critical);

#[test]
fn each_transition_of_a_batch_knows_how_the_instance_stood() {
    let mut trial = Trial::new();
    trial.set("a", Status::Warning);
    trial.set("b", Status::Critical);
    trial.set("n", Status::Warning);
    trial.set("b", Status::Passing);
    trial.set("n", Status::Passing);
    trial.set("a", Status::Passing);
    for from_history in [false, true] {
        let happened = trial.joined(from_history);
        let expected = [("a", P, W), ("b", W, C), ("n", P, W), ("b", C, W), ("n", W, P), ("a", W, P)];
        assert_eq!(shown(&happened), expected, "{from_history}");
        assert!(happened.iter().all(|it| it.is_notable() && it.node.is_some()));
        assert!(happened.iter().all(|it| it.is_of_node() == it.service.is_none()));
    }
}

#[test]
fn of_what_is_gone_only_what_failed_is_told() {
    let mut trial = Trial::new();
    trial.set("a", Status::Critical);
    trial.forget();
    let (node, service_id) = (NodeKey::from("n1"), Text::from("web-1"));
    trial.apply(Command::DeregisterService { node, service_id, must_exist: true });
    for from_history in [false, true] {
        let happened = trial.joined(from_history);
        let told: Vec<&TransitionContext> = happened.iter().filter(|it| it.is_notable()).collect();
        let [gone] = told[..] else { panic!("{happened:?}") };
        assert_eq!(gone.transition.subject.check_id.as_str(), "a");
        assert_eq!((gone.overall.before, gone.overall.after, gone.is_gone), (C, None, true));
        assert_eq!(gone.service.is_some(), !from_history, "only the writer still sees what it was");
    }
}

#[test]
fn a_node_that_goes_takes_everything_along() {
    let mut trial = Trial::new();
    trial.set("n", Status::Critical);
    trial.forget();
    // Not the agent's own, which cannot be removed.
    trial.state = {
        let mut state = CatalogState::new(&"other".into(), CatalogBounds::default());
        let changes: Vec<CatalogChange> =
            trial.state.nodes().flat_map(|(key, record)| all(key, record)).collect();
        changes.iter().for_each(|change| state.absorb(change));
        state
    };
    trial.apply(Command::DeregisterNode { node: "n1".into() });
    let happened = trial.joined(false);
    let told: Vec<_> = happened.iter().filter(|it| it.is_notable()).collect();
    assert_eq!(told.iter().map(|it| it.transition.subject.check_id.as_str()).collect::<Vec<_>>(), ["n"]);
    assert!(told.iter().all(|it| it.node.is_some() && it.overall.after.is_none()));
}

/// Everything on a node as changes that make it.
fn all(key: &NodeKey, record: &NodeRecord) -> Vec<CatalogChange> {
    let node = CatalogChange::Node { key: key.clone(), before: None, after: Some(record.node().clone()) };
    let service = |(id, it): (&Text, &Arc<Service>)| {
        let catalogs = Arc::new(Service { origin: Origin::Catalog, ..Service::clone(it) });
        CatalogChange::Service { node: key.clone(), id: id.clone(), before: None, after: Some(catalogs) }
    };
    let check = |(id, it): (&Text, &Arc<Check>)| {
        let catalogs = Arc::new(Check { origin: Origin::Catalog, ..Check::clone(it) });
        CatalogChange::Check { node: key.clone(), id: id.clone(), before: None, after: Some(catalogs) }
    };
    let services = record.services().iter().map(service);
    std::iter::once(node).chain(services).chain(record.checks().iter().map(check)).collect()
}
