//! Commands against the state and its views, as tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::check_table::CheckTable;
use crate::core::catalog::instance::{Instance, Position};
use crate::core::catalog::node_table::NodeTable;
use crate::core::catalog::service_table::ServiceTable;
use crate::core::catalog::state::{CatalogBounds, CatalogState, Moment};
use crate::core::catalog::topic::{AffectedTopics, Topic};
use crate::core::catalog::update::{Update, topics_of_check, topics_of_instance};
use crate::core::model::*;

fn node(name: &str, id: &str) -> NodePart {
    let (name, id, address) = (name.into(), id.into(), "10.0.0.1".into());
    NodePart::Set { name, id, address, tagged_addresses: None, meta: None, keep_existing: false }
}

fn service(id: &str, name: &str, tags: &[&str]) -> Service {
    let tags = tags.iter().map(|tag| Text::from(*tag)).collect();
    Service { id: id.into(), name: name.into(), tags, ..Service::default() }
}

fn check(id: &str, service_id: &str, status: Status) -> Check {
    Check { id: id.into(), name: id.into(), service_id: service_id.into(), status, ..Check::default() }
}

fn registration(node: NodePart, service: Option<Service>, checks: Vec<Check>) -> Registration {
    Registration { node, service, checks, existing_checks: ExistingChecks::Overwrite }
}

struct Registry {
    state: CatalogState,
    index: u64,
}

impl Registry {
    fn new() -> Registry {
        Registry { state: CatalogState::new(&"self".into(), CatalogBounds::default()), index: 0 }
    }

    fn apply(&mut self, command: Command) -> Result<Vec<CatalogChange>, CommandRefusal> {
        let moment = Moment { index: self.index + 1, now_ms: 1000 * (self.index + 1) };
        let changes = self.state.apply(moment, command)?;
        self.index += u64::from(!changes.is_empty());
        Ok(changes)
    }

    fn register(&mut self, registration: Registration) -> Vec<CatalogChange> {
        self.apply(Command::Register(Box::new(registration))).unwrap()
    }

    fn web(&mut self, tags: &[&str], status: Status) -> Vec<CatalogChange> {
        let checks = vec![check("c", "web-1", status)];
        self.register(registration(node("n1", ""), Some(service("web-1", "web", tags)), checks))
    }

    /// A picture of everything, to compare states with.
    fn picture(&self) -> String {
        format!("{:?}", self.state)
    }
}

#[test]
fn what_says_nothing_new_leaves_no_trace() {
    let mut registry = Registry::new();
    assert_eq!(registry.web(&["a"], Status::Passing).len(), 3);
    let picture = registry.picture();
    assert!(registry.web(&["a"], Status::Passing).is_empty());
    assert_eq!(registry.picture(), picture);
    assert_eq!(registry.index, 1);
}

#[test]
fn indexes_and_times_follow_what_changed() {
    let mut registry = Registry::new();
    registry.web(&["a"], Status::Critical);
    registry.web(&["a", "b"], Status::Passing);
    let update = |status, output: &str| Command::UpdateCheck {
        node: "N1".into(),
        check_id: "c".into(),
        status,
        output: output.into(),
        cause: Cause::Probe,
    };
    registry.apply(update(Status::Passing, "fine")).unwrap();
    let record = registry.state.node(&"n1".into()).unwrap();
    let (service, check) = (&record.services()["web-1"], &record.checks()["c"]);
    assert_eq!(record.node().indexes, Indexes { create: 1, modify: 1 });
    assert_eq!(service.indexes, Indexes { create: 1, modify: 2 });
    assert_eq!(check.indexes, Indexes { create: 1, modify: 3 });
    assert_eq!(check.status_since_ms, 2000, "an output alone does not restart the time of the status");
    assert_eq!(check.status_cause, Cause::Report, "nor has it brought the status about");
}

#[test]
fn a_refused_command_changes_nothing() {
    let mut registry = Registry::new();
    registry.web(&[], Status::Passing);
    let before = registry.picture();
    let orphan = vec![check("d", "web-1", Status::Passing), check("e", "no-such", Status::Passing)];
    let refused = registry.apply(Command::Register(Box::new(registration(node("n1", "u1"), None, orphan))));
    assert!(matches!(refused, Err(CommandRefusal::CheckWithoutService { .. })));
    assert_eq!(registry.picture(), before);
}

#[test]
fn undoing_brings_back_the_state_before() {
    let commands = [
        Command::DeregisterNode { node: "n1".into() },
        Command::DeregisterService { node: "n1".into(), service_id: "web-1".into(), must_exist: false },
        Command::DeregisterCheck { node: "n1".into(), check_id: "c".into(), must_exist: false },
        Command::Register(Box::new(registration(node("n2", "u1"), Some(service("x", "x", &[])), vec![]))),
    ];
    for command in commands {
        let mut registry = Registry::new();
        registry.web(&["a"], Status::Passing);
        registry.register(registration(node("n1", "u1"), None, vec![check("alive", "", Status::Passing)]));
        let before = registry.picture();
        let changes = registry.apply(command.clone()).unwrap();
        assert_ne!(registry.picture(), before, "{command:?}");
        registry.state.undo(&changes);
        assert_eq!(registry.picture(), before, "{command:?}");
    }
}

#[test]
fn a_uuid_under_another_name_renames_the_node() {
    let mut registry = Registry::new();
    registry.register(registration(node("old", "u1"), Some(service("s", "s", &[])), vec![]));
    registry.register(registration(node("new", "u1"), None, vec![]));
    assert!(registry.state.node(&"old".into()).is_none());
    assert_eq!(registry.state.node(&"new".into()).unwrap().node().id, "u1");
}

#[test]
fn a_living_nodes_name_is_not_given_away() {
    let mut registry = Registry::new();
    registry.register(registration(node("n", "u1"), None, vec![check("serfHealth", "", Status::Passing)]));
    let taken = registry.apply(Command::Register(Box::new(registration(node("n", "u2"), None, vec![]))));
    assert!(matches!(taken, Err(CommandRefusal::NodeConflict { .. })));
    registry.register(registration(node("n", "u1"), None, vec![check("serfHealth", "", Status::Critical)]));
    registry.register(registration(node("n", "u2"), None, vec![]));
    assert_eq!(registry.state.node(&"n".into()).unwrap().node().id, "u2");
}

#[test]
fn the_agents_own_node_is_its_own_whatever_clients_say() {
    let mut registry = Registry::new();
    let own = |id: &str, service| registration(node("self", id), service, vec![]);
    let server = || Some(Service { origin: Origin::Server, ..service("consul", "consul", &[]) });
    registry.register(own("u1", server()));
    let down = vec![check("serfHealth", "", Status::Critical)];
    registry.register(registration(node("self", ""), None, down));
    let taken = registry.apply(Command::Register(Box::new(own("u2", None))));
    assert!(matches!(taken, Err(CommandRefusal::NodeConflict { .. })));
    registry.register(own("u3", server()));
    assert_eq!(
        registry.state.node(&"self".into()).unwrap().node().id,
        "u3",
        "a data directory may be another's"
    );
}

#[test]
fn existing_checks_fare_as_the_registration_says() {
    use ExistingChecks::{KeepStatus, Overwrite, Replace};
    let rows = [
        (Overwrite, vec![("c", Status::Critical), ("kept", Status::Warning)]),
        (KeepStatus, vec![("c", Status::Passing), ("kept", Status::Warning)]),
        (Replace, vec![("c", Status::Passing)]),
    ];
    for (existing_checks, expected) in rows {
        let mut registry = Registry::new();
        registry.web(&[], Status::Passing);
        registry.register(registration(node("n1", ""), None, vec![check("kept", "web-1", Status::Warning)]));
        let checks = vec![check("c", "web-1", Status::Critical)];
        let service = Some(service("web-1", "web", &[]));
        registry.register(Registration { existing_checks, ..registration(node("n1", ""), service, checks) });
        let record = registry.state.node(&"n1".into()).unwrap();
        let found: Vec<_> = record.checks().iter().map(|(id, check)| (id.as_str(), check.status)).collect();
        assert_eq!(found, expected, "{existing_checks:?}");
    }
}

#[test]
fn the_agents_records_outlive_what_the_catalog_says_of_its_node() {
    let mut registry = Registry::new();
    for (id, origin) in [("own", Origin::Server), ("agents", Origin::Agent), ("foreign", Origin::Catalog)] {
        let service = Service { origin, ..service(id, id, &[]) };
        registry.register(registration(node("self", ""), Some(service), vec![]));
    }
    registry.apply(Command::DeregisterNode { node: "Self".into() }).unwrap();
    let left: Vec<_> = registry.state.node(&"self".into()).unwrap().services().keys().cloned().collect();
    assert_eq!(left, ["agents", "own"]);
    for (id, must_exist, goes) in [("own", false, false), ("agents", false, true), ("nothing", false, true)] {
        let command = Command::DeregisterService { node: "self".into(), service_id: id.into(), must_exist };
        registry.apply(command).unwrap();
        assert_eq!(!registry.state.node(&"self".into()).unwrap().services().contains_key(id), goes, "{id}");
    }
    let unknown =
        Command::DeregisterService { node: "self".into(), service_id: "agents".into(), must_exist: true };
    assert!(matches!(registry.apply(unknown), Err(CommandRefusal::UnknownService { .. })));
}

#[test]
fn bounds_hold_at_the_bound() {
    let mut registry = Registry::new();
    registry.web(&[], Status::Passing);
    let checks =
        |count: usize| (0..count).map(|n| check(&format!("c{n}"), "web-1", Status::Passing)).collect();
    let command = |count| Command::Register(Box::new(registration(node("n1", ""), None, checks(count))));
    assert!(
        matches!(registry.apply(command(64)), Err(CommandRefusal::TooMany { max: 64, .. })),
        "65 with the first one"
    );
    assert_eq!(registry.apply(command(63)).unwrap().len(), 63);
}

#[test]
fn the_registry_holds_as_much_as_it_may() {
    let bounds = CatalogBounds { nodes_max: 2, instances_max: 2, ..CatalogBounds::default() };
    let mut registry = Registry { state: CatalogState::new(&"self".into(), bounds), index: 0 };
    let command = |node_name: &str, id: &str| {
        Command::Register(Box::new(registration(node(node_name, ""), Some(service(id, id, &[])), vec![])))
    };
    for (node_name, id, fits) in
        [("n1", "a", true), ("n1", "a", true), ("n2", "b", true), ("n1", "c", false), ("n3", "a", false)]
    {
        let outcome = registry.apply(command(node_name, id));
        assert_eq!(!matches!(outcome, Err(CommandRefusal::Full { max: 2, .. })), fits, "{id} on {node_name}");
    }
    registry.apply(Command::DeregisterNode { node: "n2".into() }).unwrap();
    registry.apply(command("n3", "c")).unwrap();
}

#[test]
fn checks_are_bounded_apart_from_musters_own_and_holds() {
    let bounds = CatalogBounds { checks_max: 2, ..CatalogBounds::default() };
    let mut registry = Registry { state: CatalogState::new(&"self".into(), bounds), index: 0 };
    let command = |check: Check| {
        let checks = vec![Check { service_id: "web".into(), ..check }];
        Command::Register(Box::new(registration(node("n1", ""), Some(service("web", "web", &[])), checks)))
    };
    let named = |id: &str| Check { id: id.into(), ..Check::default() };
    let hold = hold::service_maintenance(&"web".into(), "why".into());
    let own = Check { origin: Origin::Server, ..named("own") };
    let rows = [
        (named("a"), true),
        (named("b"), true),
        (named("c"), false),
        (named("a"), true),
        (hold, true),
        (own, true),
    ];
    for (check, fits) in rows {
        let id = check.id.clone();
        let refused = registry.apply(command(check)).err();
        let told = refused.map(|refusal| refusal.to_string());
        assert_eq!(told.is_none(), fits, "{id}: {told:?}");
        assert!(told.is_none_or(|told| told.contains("limits.checks_max")));
    }
}

#[test]
fn the_registry_takes_as_much_memory_as_it_may() {
    let command = |id: &str, tag: &str| {
        Command::Register(Box::new(registration(node("n1", ""), Some(service(id, "web", &[tag])), vec![])))
    };
    let registry_of = |bytes_max| {
        let bounds = CatalogBounds { bytes_max, ..CatalogBounds::default() };
        Registry { state: CatalogState::new(&"self".into(), bounds), index: 0 }
    };
    let (mut registry, large) = (registry_of(10_000), "x".repeat(4_000));
    registry.apply(command("a", &large)).unwrap();
    registry.apply(command("b", "small")).unwrap();
    let before = format!("{:?}", registry.state);
    let refused = registry.apply(command("c", &large));
    assert!(matches!(refused, Err(CommandRefusal::TooLarge { bytes_max: 10_000 })), "{refused:?}");
    assert_eq!(format!("{:?}", registry.state), before, "it leaves no trace");
    // What takes less is taken also by who has too much.
    registry.state.bounds_for_tests(1);
    registry.apply(command("a", "smaller")).unwrap();
    assert!(registry.apply(command("a", "smaller, or so it was before")).is_err());
    registry.apply(Command::DeregisterNode { node: "n1".into() }).unwrap();
    assert!(format!("{:?}", registry.state).contains("bytes: 0"), "nothing is left to be counted");
}

/// Topics that moved, as `registry` finds them, for a change of each kind.
#[test]
fn only_what_looks_different_moves() {
    let mut registry = Registry::new();
    let mut tables = Tables::default();
    let (name, n1) = (|| ServiceKey::from("web"), || NodeKey::from("n1"));
    let first = registry.web(&["a"], Status::Critical);
    tables.publish(&registry.state, &first);

    let changes = registry.web(&["a"], Status::Passing);
    let moved = tables.publish(&registry.state, &changes);
    let state = |status| Topic::State(Some(status));
    let mut expected = vec![
        Topic::NodeChecks(n1()),
        Topic::Health(name()),
        Topic::ServiceChecks(name()),
        Topic::State(None),
        state(Status::Passing),
        state(Status::Critical),
    ];
    expected.sort();
    assert_eq!(moved, expected, "a status");

    let changes =
        registry.register(registration(node("n1", ""), None, vec![check("n", "", Status::Passing)]));
    let moved = tables.publish(&registry.state, &changes);
    assert!(
        moved.contains(&Topic::Health(name())) && !moved.contains(&Topic::ServiceChecks(name())),
        "{moved:?}"
    );

    let other = registration(node("n1", ""), Some(service("db-1", "db", &[])), vec![]);
    let changes = registry.register(other);
    let moved = tables.publish(&registry.state, &changes);
    let db = || ServiceKey::from("db");
    let mut expected =
        vec![Topic::Services, Topic::Instances, Topic::Node(n1()), Topic::Service(db()), Topic::Health(db())];
    expected.sort();
    assert_eq!(moved, expected, "another service");

    let changes = registry.web(&["b"], Status::Passing);
    let moved = tables.publish(&registry.state, &changes);
    assert!(moved.contains(&Topic::Services) && moved.contains(&Topic::NodeChecks(n1())), "tags: {moved:?}");
}

#[test]
fn an_instance_that_changes_its_name_moves_house() {
    let mut registry = Registry::new();
    let mut tables = Tables::default();
    let changes = registry.register(registration(node("n1", ""), Some(service("x", "old", &["t"])), vec![]));
    tables.publish(&registry.state, &changes);
    let changes = registry.register(registration(node("n1", ""), Some(service("x", "New", &["t"])), vec![]));
    tables.publish(&registry.state, &changes);
    assert!(tables.services.get(&"old".into()).is_none());
    let entry = tables.services.get(&"new".into()).unwrap();
    assert_eq!((entry.name().as_str(), entry.instances().len()), ("New", 1));
    let changes = registry.apply(Command::DeregisterNode { node: "n1".into() }).unwrap();
    tables.publish(&registry.state, &changes);
    assert!(tables.services.is_empty() && tables.nodes.get(&"n1".into()).is_none());
}

#[test]
fn nodes_are_found_by_uuid_and_its_beginning() {
    let mut registry = Registry::new();
    let mut tables = Tables::default();
    let id = "40e4a748-2192-161a-0510-9bf59fe950b5";
    let changes = registry.register(registration(node("n1", id), None, vec![]));
    tables.publish(&registry.state, &changes);
    for (text, found) in
        [(id, true), ("40e4", true), ("40e4a", false), ("40E4A7482192", true), ("", false), ("zz", false)]
    {
        assert_eq!(tables.nodes.by_id(text).is_some(), found, "{text}");
    }
}

#[derive(Default)]
struct Tables {
    services: ServiceTable,
    nodes: NodeTable,
    checks: CheckTable,
}

impl Tables {
    fn publish(&mut self, state: &CatalogState, changes: &[CatalogChange]) -> Vec<Topic> {
        let Update { instances, checks, mut topics } = Update::plan(state, changes);
        changes.iter().for_each(|change| self.nodes.absorb(change));
        for (name, position, instance) in instances {
            let moved: AffectedTopics = self.services.put(&name, position, instance, 1);
            topics.extend(topics_of_instance(&name, moved));
        }
        for (key, view) in checks {
            let after = view.as_ref().map(|view| view.check.status);
            let before = self.checks.put(&key, view);
            topics.extend(topics_of_check(before, after));
        }
        topics.sort_unstable();
        topics.dedup();
        topics
    }
}

#[test]
fn removing_what_is_not_there_moves_nothing() {
    let mut table = ServiceTable::default();
    let moved = table.put(&"x".into(), Position::new("n".into(), "x".into()), None, 1);
    assert_eq!((moved, table.is_empty()), (AffectedTopics::default(), true));
}

/// The changes that lead to `state` from nothing, as a store gives them back.
fn changes_to(state: &CatalogState) -> Vec<CatalogChange> {
    let of_nodes = state.nodes().map(|(key, record)| {
        let after = Some(record.node().clone());
        CatalogChange::Node { key: key.clone(), before: None, after }
    });
    let of_services = state.nodes().flat_map(|(node, record)| {
        record.services().iter().map(|(id, service)| {
            let (node, id, after) = (node.clone(), id.clone(), Some(service.clone()));
            CatalogChange::Service { node, id, before: None, after }
        })
    });
    let of_checks = state.nodes().flat_map(|(node, record)| {
        record.checks().iter().map(|(id, check)| {
            let (node, id, after) = (node.clone(), id.clone(), Some(check.clone()));
            CatalogChange::Check { node, id, before: None, after }
        })
    });
    of_nodes.chain(of_services).chain(of_checks).collect()
}

/// A state and tables made at once are those that are made change by change.
#[test]
fn what_is_made_of_everything_at_once_is_what_every_change_comes_to() {
    let mut registry = Registry::new();
    registry.web(&["a"], Status::Passing);
    let checks = vec![
        check("n", "", Status::Warning),
        check("b", "Web-2", Status::Critical),
        check("A", "Web-2", Status::Passing),
        check("c", "web-1", Status::Critical),
    ];
    let on_n2 = |service, checks| registration(node("N2", ""), Some(service), checks);
    registry.register(on_n2(service("web-1", "web", &["a", "b"]), Vec::new()));
    registry.register(on_n2(service("Web-2", "WEB", &["a"]), checks));
    registry.register(on_n2(service("a", "other", &[]), Vec::new()));
    registry.register(registration(node("n3", "40e4a748"), None, Vec::new()));
    let (state, index) = (&registry.state, 9);
    let changes = changes_to(state);

    let restored = CatalogState::restored(&"self".into(), CatalogBounds::default(), &changes);
    assert_eq!(format!("{restored:?}"), registry.picture());

    let (mut nodes, mut one_by_one) = (NodeTable::default(), CheckTable::default());
    changes.iter().for_each(|change| nodes.absorb(change));
    assert_eq!(format!("{nodes:?}"), format!("{:?}", NodeTable::of_all(state)));
    let update = Update::plan(state, &changes);
    for (position, view) in update.checks {
        one_by_one.put(&position, view);
    }
    assert_eq!(format!("{one_by_one:?}"), format!("{:?}", CheckTable::of_all(state)));

    let mut put = ServiceTable::standing_at(1);
    let mut services: BTreeMap<ServiceKey, Vec<(Position, Arc<Instance>)>> = BTreeMap::new();
    for (name, position, instance) in update.instances {
        put.put(&name, position.clone(), instance.clone(), index);
        services.entry(name).or_default().extend(instance.map(|instance| (position, instance)));
    }
    for (name, instances) in services {
        let mut filled = ServiceTable::standing_at(1);
        filled.fill(name.clone(), instances, index);
        assert_eq!(format!("{:?}", filled.get(&name)), format!("{:?}", put.get(&name)));
    }
    for (key, record) in state.nodes() {
        let each = record.services().keys().map(|id| (id, record.instance(id).expect("it is there")));
        let (all, each): (Vec<_>, Vec<_>) = (record.instances().collect(), each.collect());
        assert_eq!(format!("{all:?}"), format!("{each:?}"), "{key}");
    }
}

#[test]
fn what_a_restoration_brings_unchanged_is_taken_over_and_not_copied() {
    let indexes = |modify| Indexes { create: 1, modify };
    let node = Arc::new(Node { name: "n1".into(), indexes: indexes(2), ..Node::default() });
    let instance =
        |id: &str, modify| Arc::new(Service { indexes: indexes(modify), ..service(id, "web", &[]) });
    let (present, future) = (instance("web-1", 3), instance("web-2", u64::MAX));
    let checked = |id: &str, status| {
        Arc::new(Check { indexes: indexes(4), status_since_ms: 5, ..check(id, "web-1", status) })
    };
    let (passing, critical) = (checked("a", Status::Passing), checked("b", Status::Critical));
    let restoration = Restoration {
        index: 7,
        nodes: vec![node.clone()],
        services: [&present, &future].map(|it| ("n1".into(), it.clone())).into(),
        checks: [&passing, &critical].map(|it| ("n1".into(), it.clone())).into(),
        ..Restoration::default()
    };
    let mut registry = Registry::new();
    registry.index = 7;
    registry.apply(Command::Restore(Box::new(restoration))).unwrap();
    let record = registry.state.node(&"n1".into()).expect("it is restored");
    assert!(Arc::ptr_eq(record.node(), &node));
    assert!(Arc::ptr_eq(&record.services()["web-1"], &present));
    assert!(Arc::ptr_eq(&record.checks()["a"], &passing));
    assert_eq!(record.services()["web-2"].indexes, indexes(8), "never above the present one");
    assert_eq!(record.checks()["b"].status_since_ms, 8_000, "it is critical from now on");
    assert_eq!((future.indexes, critical.status_since_ms), (indexes(u64::MAX), 5), "the given ones stay");
}
