//! The registry on a store in memory: writes, refusals, a store that fails, and coming back.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::sys::runtime;
use crate::base::telemetry::metrics::Metrics;
use crate::config::acl::AclSettings;
use crate::core::acl::row::SharedSeal;
use crate::core::catalog::topic::Topic;
use crate::core::health::{self, HealthEngine};
use crate::core::kernel::state::Bounds;
use crate::core::model::{
    Caller, Cause, Check, CheckDefinition, Command, CommandRefusal, Condition, DrainOrder, ExistingChecks,
    NodePart, Observation, Origin, PairWrite, Probe, Registration, Restoration, Service, Status,
};
use crate::node::probe::{self, Prober};
use crate::node::registry::Registry;
use crate::node::registry::checking::Probing;
use crate::node::registry::error::WriteError;
use crate::node::registry::history::Of;
use crate::node::registry::open::{OpenError, RegistryBounds};
use crate::node::registry::own_node::OwnNode;
use crate::node::registry::publish::{CommittedBatch, Follower};
use crate::node::registry::sealed::left_sealed;
use crate::node::registry::storage::Storage;
use crate::store::change::Batch;
use crate::store::error::StoreError;
use crate::store::memory::MemoryStore;
use crate::store::rows::{Description, Loaded, RowSink, Store};

/// A store that outlives the registry over it, and fails when told to.
#[derive(Clone)]
pub(super) struct Shared {
    rows: Arc<Mutex<MemoryStore>>,
    pub(super) full: Arc<Mutex<bool>>,
    /// Commits that failed.
    refused: Arc<Mutex<usize>>,
}

impl Store for Shared {
    fn load(&mut self, row: &mut RowSink) -> Result<Loaded, StoreError> {
        self.rows.lock().load(row)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if *self.full.lock() {
            *self.refused.lock() += 1;
            return Err(StoreError::Full { path: "store".into(), detail: "no room".into() });
        }
        self.rows.lock().commit(batch)
    }

    fn describe(&self) -> Description {
        self.rows.lock().describe()
    }
}

pub(super) fn shared() -> Shared {
    runtime::start(2);
    Shared {
        rows: Arc::new(Mutex::new(MemoryStore::default())),
        full: Arc::default(),
        refused: Arc::default(),
    }
}

pub(super) fn open(store: &Shared) -> Registry {
    open_as(store, "Own")
}

const NODE_ID: &str = "40e4a748-2192-161a-0510-9bf59fe950b5";

pub(super) fn open_as(store: &Shared, name: &str) -> Registry {
    open_with_id(store, name, NODE_ID)
}

fn open_with_id(store: &Shared, name: &str, id: &str) -> Registry {
    try_open((name, id), store, bounds(), Vec::new()).unwrap()
}

/// A registry with followers of its own.
pub(crate) fn open_followed(followers: Vec<Box<dyn Follower>>) -> Registry {
    try_open(("Own", NODE_ID), &shared(), bounds(), followers).unwrap()
}

/// The same, with access control.
pub(crate) fn open_guarded(followers: Vec<Box<dyn Follower>>) -> Registry {
    let acl = AclSettings { enabled: true, ..AclSettings::default() };
    open_by((("Own", NODE_ID), acl, left_sealed()), &shared(), bounds(), followers).unwrap()
}

fn bounds() -> RegistryBounds {
    RegistryBounds { records: Bounds::default(), writes_waiting_max: 10, watchers_max: 10 }
}

fn try_open(
    who: (&str, &str),
    store: &Shared,
    bounds: RegistryBounds,
    followers: Vec<Box<dyn Follower>>,
) -> Result<Registry, OpenError> {
    open_by((who, AclSettings::default(), left_sealed()), store, bounds, followers)
}

/// A registry with or without access control, whose secrets are kept under `seal`.
pub(super) fn open_sealed(store: &Shared, enabled: bool, seal: SharedSeal) -> Result<Registry, OpenError> {
    let acl = AclSettings { enabled, ..AclSettings::default() };
    open_by((("Own", NODE_ID), acl, seal), store, bounds(), Vec::new())
}

fn open_by(
    ((name, id), acl, seal): ((&str, &str), AclSettings, SharedSeal),
    store: &Shared,
    bounds: RegistryBounds,
    followers: Vec<Box<dyn Follower>>,
) -> Result<Registry, OpenError> {
    let own_node = OwnNode {
        name: name.into(),
        id: id.into(),
        address: "127.0.0.1".into(),
        meta: Default::default(),
        datacenter: "dc1".into(),
    };
    let storage = Storage { store: Box::new(store.clone()), on_commit: Box::new(|_| {}), seal };
    let probing = Probing {
        health: HealthEngine::new(health::HealthSettings::default()),
        prober: Prober::new(probe::ProbeSettings::default()).unwrap(),
        probes_max: 16,
        idle_connections_max: 10,
        metrics: Arc::new(Metrics::new().unwrap()),
    };
    Registry::open(own_node, storage, probing, bounds, acl, followers)
}

pub(crate) fn register(id: &str, check: Option<Check>) -> Command {
    let service = Service { id: id.into(), name: "Web".into(), origin: Origin::Agent, ..Service::default() };
    Command::Register(Box::new(Registration {
        node: NodePart::Existing { name: "own".into() },
        service: Some(service),
        checks: check.into_iter().collect(),
        existing_checks: ExistingChecks::KeepStatus,
    }))
}

pub(crate) fn ttl_check(id: &str) -> Check {
    let probe = Some(Probe::Ttl { ttl: std::time::Duration::from_secs(3600) });
    Check {
        id: format!("service:{id}").into(),
        name: "ttl".into(),
        kind: "ttl".into(),
        service_id: id.into(),
        definition: CheckDefinition { probe, ..CheckDefinition::default() }.into(),
        origin: Origin::Agent,
        ..Check::default()
    }
}

pub(super) fn health_of(registry: &Registry) -> Vec<Status> {
    registry.views().instances(&"web".into()).iter().map(|instance| instance.status()).collect()
}

#[test]
fn a_write_is_visible_when_it_is_answered_and_after_a_restart() {
    let store = shared();
    let registry = open(&store);
    let first = registry.write(register("web-1", Some(ttl_check("web-1")))).unwrap();
    assert_eq!(health_of(&registry), [Status::Critical]);
    let passing = Observation { status: Status::Passing, output: "fine".into() };
    registry.report(&"service:web-1".into(), passing).unwrap();
    assert_eq!(health_of(&registry), [Status::Passing]);
    let seen = registry.topics().index(&Topic::Health("web".into()));
    assert!(seen > first.index);
    let again = registry.write(register("web-1", Some(ttl_check("web-1")))).unwrap();
    assert!(!again.changed && again.index == seen, "the same again moves nothing");
    drop(registry);

    let registry = open(&store);
    assert_eq!(health_of(&registry), [Status::Passing]);
    assert!(registry.topics().index(&Topic::Health("web".into())) >= seen, "the index has not gone back");
    let next = registry.write(register("web-2", None)).unwrap();
    assert!(next.index > seen);
}

/// Two processes answer for a moment when one takes over from the other.
#[test]
fn indexes_before_and_after_a_takeover_are_the_same() {
    let store = shared();
    let registry = open(&store);
    let put = |key: &str| {
        let (key, value) = (key.into(), [].into());
        Command::WritePair(PairWrite::Put { key, value, flags: 0, condition: Condition::Always })
    };
    let delete = |key: &str| PairWrite::Delete { key: key.into(), condition: Condition::Always };
    for command in [
        put("a/1"),
        put("a/gone"),
        register("web-1", None),
        put("b/gone"),
        Command::WritePair(delete("a/gone")),
        Command::WritePair(delete("b/gone")),
        put("c"),
        register("web-2", None),
    ] {
        registry.write(command).unwrap();
    }
    let names = ["web", "nothing"];
    let services =
        names.iter().flat_map(|name| [Topic::Health((*name).into()), Topic::Service((*name).into())]);
    let keys = ["a/1", "a/gone", "b/gone", "never"].map(|key| Topic::Key(key.into()));
    let prefixes = ["", "a/", "b/", "c", "d"].map(|prefix| Topic::Prefix(prefix.into()));
    let topics: Vec<Topic> =
        [Topic::Nodes, Topic::Services].into_iter().chain(services).chain(keys).chain(prefixes).collect();
    let held: Vec<_> = topics.iter().step_by(2).map(|topic| registry.topics().pin(topic)).collect();
    let of = |registry: &Registry| topics.iter().map(|topic| registry.index(topic, 0)).collect::<Vec<_>>();
    let before = of(&registry);
    registry.stand_as_after_start();
    let (last, successor) = (of(&registry), open(&store));
    assert!(before.iter().zip(&last).all(|(before, last)| before <= last), "{before:?} {last:?}");
    assert_ne!(before, last);
    assert_eq!(last, of(&successor));
    drop(held);
}

#[test]
fn topics_move_apart() {
    let registry = open(&shared());
    let health = |name: &str| registry.topics().index(&Topic::Health(name.into()));
    let before = (health("web"), health("nothing"));
    registry.write(register("web-1", None)).unwrap();
    assert!(health("web") > before.0);
    assert_eq!(health("nothing"), before.1);
}

#[test]
fn a_full_store_undoes_the_batch_and_recovers_by_itself() {
    let store = shared();
    let registry = open(&store);
    let before = registry.topics().index(&Topic::Services);
    *store.full.lock() = true;
    let refused = registry.write(register("web-1", None));
    assert!(matches!(refused, Err(WriteError::Full { .. })), "{refused:?}");
    assert!(registry.views().instances(&"web".into()).is_empty());
    assert_eq!(registry.topics().index(&Topic::Services), before);
    *store.full.lock() = false;
    assert!(registry.write(register("web-1", None)).unwrap().changed);
    assert_eq!(registry.views().instances(&"web".into()).len(), 1);
}

/// `index: from -> to` of each transition of the check, the newest first.
fn transitions_of(registry: &Registry, check_id: &str) -> Vec<(Option<Status>, Option<Status>, Cause)> {
    let of = Of::Check(&"own".into(), &check_id.into());
    registry.history().newest(&of, 0, 100).iter().map(|it| (it.from, it.to, it.cause)).collect()
}

#[test]
fn transitions_are_remembered_with_the_write_that_makes_them_and_over_a_restart() {
    let store = shared();
    let registry = open(&store);
    registry.write(register("web-1", Some(ttl_check("web-1")))).unwrap();
    assert_eq!(transitions_of(&registry, "service:web-1"), [], "a registration is none");
    let passing = |output: &str| Observation { status: Status::Passing, output: output.into() };
    *store.full.lock() = true;
    assert!(registry.report(&"service:web-1".into(), passing("lost")).is_err());
    assert_eq!(transitions_of(&registry, "service:web-1"), [], "what was not written has not happened");
    *store.full.lock() = false;
    let critical = Observation { status: Status::Critical, output: "unwell".into() };
    registry.report(&"service:web-1".into(), critical.clone()).unwrap();
    registry.report(&"service:web-1".into(), passing("well")).unwrap();
    let gone =
        Command::DeregisterService { node: "own".into(), service_id: "web-1".into(), must_exist: true };
    registry.write(gone).unwrap();
    let expected = [
        (Some(Status::Passing), None, Cause::Deregistration),
        (Some(Status::Critical), Some(Status::Passing), Cause::Report),
    ];
    assert_eq!(transitions_of(&registry, "service:web-1"), expected);
    drop(registry);
    let registry = open_as(&store, "Own");
    assert_eq!(transitions_of(&registry, "service:web-1"), expected);
    registry.write(register("web-1", Some(ttl_check("web-1")))).unwrap();
    registry.report(&"service:web-1".into(), passing("well")).unwrap();
    assert_eq!(
        transitions_of(&registry, "service:web-1").len(),
        3,
        "the next life of an instance goes on in its history"
    );
}

#[test]
fn a_step_of_a_drain_that_the_store_refused_is_taken_later() {
    let store = shared();
    let registry = open(&store);
    registry.write(register("web-1", None)).unwrap();
    let (deadline, deregister, reason) = (Duration::from_secs(3), false, "".into());
    let order = DrainOrder::Begin { deadline, deregister, reason };
    registry.write(Command::Drain { node: "own".into(), service_id: "web-1".into(), order }).unwrap();
    *store.full.lock() = true;
    wait_until(|| *store.refused.lock() > 0);
    assert_eq!(health_of(&registry), [Status::Passing], "what is not durable is not shown");
    *store.full.lock() = false;
    wait_until(|| health_of(&registry) == [Status::Critical]);
    assert_eq!(registry.draining().count(), 1);
}

/// Waits for an event that comes within seconds.
fn wait_until(happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it happens within half a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn refusals_name_what_is_missing() {
    let registry = open(&shared());
    let unknown =
        Command::DeregisterService { node: "own".into(), service_id: "web-1".into(), must_exist: true };
    let refused = registry.write(unknown);
    assert!(
        matches!(refused, Err(WriteError::Refused(CommandRefusal::UnknownService { .. }))),
        "{refused:?}"
    );
}

#[test]
fn an_alias_follows_its_target() {
    let registry = open(&shared());
    let probe = Some(Probe::Alias { node: "".into(), service_id: "web-1".into() });
    let alias = Check {
        id: "alias".into(),
        definition: CheckDefinition { probe, ..CheckDefinition::default() }.into(),
        ..ttl_check("web-2")
    };
    registry.write(register("web-1", Some(ttl_check("web-1")))).unwrap();
    registry.write(register("web-2", Some(alias))).unwrap();
    for status in [Status::Passing, Status::Warning, Status::Passing] {
        registry.report(&"service:web-1".into(), Observation { status, output: "".into() }).unwrap();
        // The verdict on the alias is queued behind the report; another write is answered after it.
        registry.write(register("web-3", None)).unwrap();
        let statuses = health_of(&registry);
        assert_eq!(statuses[..2], [status, status]);
    }
}

#[test]
fn a_renamed_node_keeps_what_is_registered_on_it() {
    let store = shared();
    let registry = open(&store);
    registry.write(register("web-1", Some(ttl_check("web-1")))).unwrap();
    let passing = Observation { status: Status::Passing, output: "".into() };
    registry.report(&"service:web-1".into(), passing).unwrap();
    let seen = registry.topics().index(&Topic::Nodes);
    drop(registry);
    for _ in 0..2 {
        let registry = open_as(&store, "Other");
        assert_eq!(health_of(&registry), [Status::Passing]);
        assert_eq!(registry.views().instances(&"web".into())[0].node.name, "Other");
        let of = Of::Check(&"other".into(), &"service:web-1".into());
        assert_eq!(registry.history().newest(&of, 0, 10).len(), 1, "and its history");
        assert!(registry.views().node(&"own".into(), |_| ()).is_none());
        assert_eq!(registry.views().nodes().len(), 1);
        assert!(registry.topics().index(&Topic::Nodes) > seen, "whoever watches hears of the new name");
    }
}

#[test]
fn a_node_that_is_renamed_to_one_of_another_life_takes_its_place() {
    let store = shared();
    let registry = open(&store);
    registry.write(register("web-1", Some(ttl_check("web-1")))).unwrap();
    drop(registry);
    // A life with a name and an id of its own, after which the first id comes back.
    drop(open_with_id(&store, "Other", "5f1c8c0e-0d3f-4e0e-9c3b-0a4d7d1c2b3a"));
    for _ in 0..2 {
        let registry = open_as(&store, "Other");
        let nodes = registry.views().nodes();
        assert_eq!(
            nodes.iter().map(|node| (&*node.name, &*node.id)).collect::<Vec<_>>(),
            [("Other", NODE_ID)]
        );
        assert_eq!(registry.views().instances(&"web".into()).len(), 1);
        assert_eq!(registry.views().checks_count(None), 2, "one of the instance and one of the node");
    }
}

/// Keeps of every batch where the views and the topic of the nodes' list stood when it heard of it, and what readers
/// saw of the service "web".
struct Reader {
    registry: Arc<OnceLock<Arc<Registry>>>,
    seen: Arc<Mutex<Vec<Heard>>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Heard {
    index: u64,
    views_at: u64,
    topic_at: u64,
    statuses: Vec<Status>,
    transitions: usize,
}

impl Follower for Reader {
    fn follow(&mut self, news: &CommittedBatch<'_>) {
        // What is published while the registry opens has no reader yet.
        let Some(registry) = self.registry.get() else { return };
        self.seen.lock().push(Heard {
            index: news.index,
            views_at: registry.views().complete(),
            topic_at: registry.topics().index(&Topic::Health("web".into())),
            statuses: health_of(registry),
            transitions: transitions_of(registry, "service:web-1").len(),
        });
    }
}

#[test]
fn followers_hear_of_what_readers_see() {
    let (known, seen) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(Vec::new())));
    let follower = Reader { registry: known.clone(), seen: seen.clone() };
    let registry = Arc::new(open_followed(vec![Box::new(follower)]));
    assert!(known.set(registry.clone()).is_ok());
    let register = register("web-1", Some(ttl_check("web-1")));
    let gone =
        Command::DeregisterService { node: "own".into(), service_id: "web-1".into(), must_exist: true };
    let mut expected = Vec::new();
    let mut expect = |index: u64, statuses: &[Status], transitions| {
        let statuses = statuses.to_vec();
        expected.push(Heard { index, views_at: index, topic_at: index, statuses, transitions });
    };
    expect(registry.write(register).unwrap().index, &[Status::Critical], 0);
    for (status, transitions) in [(Status::Passing, 1), (Status::Critical, 2)] {
        registry.report(&"service:web-1".into(), Observation { status, output: "".into() }).unwrap();
        expect(registry.views().complete(), &[status], transitions);
    }
    // The end of something critical is a transition too.
    expect(registry.write(gone).unwrap().index, &[], 3);
    assert_eq!(*seen.lock(), expected);
}

/// However a restoration comes to the writer, clients of the registry that it is of have seen its index.
#[test]
fn the_index_goes_on_above_that_of_a_restoration() {
    let registry = open(&shared());
    let index = registry.write(register("web-1", None)).unwrap().index;
    let restoration = || Restoration { index: index + 1_000, ..Restoration::default() };
    let restored = registry.write(Command::Restore(Box::new(restoration()))).unwrap();
    assert_eq!((restored.index, restored.changed), (index + 1_001, true));
    assert_eq!(registry.topics().index(&Topic::Service("another".into())), index + 1_001);
    assert_eq!(registry.write(register("web-1", None)).unwrap().index, index + 1_002);
}

#[test]
fn a_start_that_cannot_write_what_it_puts_right_fails_and_changes_nothing() {
    let store = shared();
    drop(open(&store));
    *store.full.lock() = true;
    let refused = try_open(("Other", NODE_ID), &store, bounds(), Vec::new()).map(drop);
    assert!(matches!(refused, Err(OpenError::OwnNode(WriteError::Full { .. }))), "{refused:?}");
    *store.full.lock() = false;
    let names: Vec<_> = open(&store).views().nodes().iter().map(|node| node.name.clone()).collect();
    assert_eq!(names, ["Own"]);
}

#[test]
fn nothing_is_written_to_a_store_that_another_process_has_changed() {
    let registry = open(&shared());
    registry.write(register("web-1", None)).unwrap();
    let resting = registry.queue().rest().unwrap();
    assert!(resting.resume(Box::new(MemoryStore::standing_at(7_000))).is_err());
    let written = registry.write(register("web-2", None)).map(drop);
    let restored = registry.queue().restore(Restoration::default(), Vec::new(), false, Caller::own("test"));
    for refused in [written, restored.map(drop)] {
        assert!(matches!(refused, Err(WriteError::ReadOnly { .. })), "{refused:?}");
    }
    assert_eq!(registry.views().instances(&"web".into()).len(), 1);
}
