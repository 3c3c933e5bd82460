//! One process: the registry as it starts in earnest, without threads, on the model's disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster::base::stdx::text::Text;
use muster::base::sys::oneshot::Receiver;
use muster::base::telemetry::histogram::Histogram;
use muster::config::acl::AclSettings;
use muster::core::acl::change::AclChange;
use muster::core::catalog::change::CatalogChange;
use muster::core::catalog::state as catalog;
use muster::core::kernel::changes::Changes;
use muster::core::kernel::state::Bounds;
use muster::core::kv::change::PairChange;
use muster::core::model::acl::{AclKind, AclRecord};
use muster::core::model::{Check, Command, Node, NodeKey, Pair, Service};
use muster::node::registry::access::AccessControl;
use muster::node::registry::error::WriteError;
use muster::node::registry::own_node::OwnNode;
use muster::node::registry::publish::{CommittedBatch, Follower};
use muster::node::registry::queue::{WAITING_MAX, WriteQueue, WriteReply, queue};
use muster::node::registry::read_model::ReadModel;
use muster::node::registry::recover::{RecoverError, Recovered, recover};
use muster::node::registry::sealed::AclStart;
use muster::node::registry::storage::Storage;
use muster::node::registry::waking::Waking;
use muster::node::registry::write::Writer;
use muster::store::change::RowChange;
use muster::store::embedded::{EmbeddedStore, EngineLimits};
use muster::store::error::StoreError;
use muster::store::redis::settings::{OnOutage, RedisAddress, RedisSettings};
use muster::store::redis::shared::RedisStatus;
use muster::store::redis::{RedisHandle, RedisStore};
use muster::store::rows::{RowFilter, Store};

use crate::registry::access::NamedKey;
use crate::registry::commands::OWN_ID;
use crate::registry::disk::engine::{SharedDisk, Slip};
use crate::registry::disk::ground::ModelGround;
use crate::registry::mutants::Mutant;
use crate::registry::oracle::STARTS_MS;
use crate::registry::redis::line::{ModelLines, ModelRedis};
use crate::registry::redis::server::PREFIX;
use crate::registry::redis::turns::{ModelTurns, Shared};
use crate::registry::spoiled::Spoiled;

/// Watchers at a time: more than there ever are.
const WATCHERS_MAX: usize = 1_000;

/// Longest time that muster waits for its Redis.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running registry.
pub struct Process {
    writer: Writer,
    queue: WriteQueue,
    /// What readers see.
    pub shown: ReadModel,
    /// Rows that the store held at the start.
    pub rows_at_start: u64,
    /// The index that the store gave at the start.
    pub index_at_start: u64,
    /// What removes the rows beside the records, as every start does.
    pub removals: Vec<RowChange>,
    follower: Arc<Mutex<Mirror>>,
    redis: Option<Attached>,
}

/// What a start is given.
pub struct Setting<'a> {
    pub disk: &'a SharedDisk,
    /// The Redis that it keeps its rows in as well.
    pub redis: Option<(&'a Arc<ModelRedis>, OnOutage)>,
    pub own_name: &'static str,
    pub nodes_max: usize,
    pub slip: Option<Slip>,
    pub mutant: Option<Mutant>,
}

/// Who the agent is when it is called `name`.
pub fn own_node(name: &str) -> OwnNode {
    let (name, id) = (name.into(), OWN_ID.into());
    OwnNode { name, id, address: "127.0.0.1".into(), meta: Default::default(), datacenter: "dc1".into() }
}

impl Process {
    /// Loads everything and shows it, as a registry does before it serves.
    ///
    /// # Errors
    /// What the store finds wrong.
    pub fn start(setting: &Setting<'_>) -> Result<Process, StoreError> {
        let Setting { disk, redis, own_name, nodes_max, slip, mutant } = *setting;
        let is = |it| mutant == Some(it);
        let (ground, seen) = ModelGround::find(disk, slip, mutant)?;
        let limits = EngineLimits { room_bytes_min: 1, ..EngineLimits::default() };
        let store = EmbeddedStore::on(ground, seen, limits)?;
        let (store, redis) = match redis {
            None => (Box::new(store) as Box<dyn Store>, None),
            Some((redis, on_outage)) => {
                let (lines, turns) = (Arc::new(ModelLines(redis.clone())), Shared(redis.turns.clone()));
                let latency = Histogram::new(&[]);
                // The commands here obey the state's rules and not those of intake, which are not what is tried.
                let court = |_| -> RowFilter { Box::new(|_, _, _| Ok(())) };
                let (turns, settings) = (Arc::new(turns), settings(on_outage));
                let store = RedisStore::on(store, lines, turns, settings, "here", latency, &court)?;
                let attached = Attached { handle: store.handle(), turns: redis.turns.clone() };
                (Box::new(store) as Box<dyn Store>, Some(attached))
            }
        };
        let mut store = Spoiled::new(store, mutant);
        let catalog = catalog::CatalogBounds { nodes_max, ..catalog::CatalogBounds::default() };
        let bounds = Bounds { catalog, ..Bounds::default() };
        // An agent that is given another name is given another key as well.
        let seal = Arc::new(NamedKey(own_name));
        let start = AclStart { is_enabled: true, seal: &*seal, now_ms: STARTS_MS };
        let mut recovered =
            recover(&mut store, &own_node(own_name), bounds, start).map_err(|error| match error {
                RecoverError::Store(error) => error,
                RecoverError::Sealed(sentence) => unreachable!("every key is there: {sentence}"),
                RecoverError::NameTaken(sentence) => {
                    unreachable!("nobody else has the agent's names: {sentence}")
                }
            })?;
        // Those that the start itself adds are counted as well.
        let rows_at_start = store.rows + recovered.state.acl.iter().count() as u64 - store.acl_rows;
        if is(Mutant::StartsWithoutHistory) {
            recovered.history.clear();
        }
        if is(Mutant::StartsTooLow) {
            recovered.index = recovered.index.saturating_sub(1);
        }
        let history = std::mem::take(&mut recovered.history);
        let settings = AclSettings { enabled: true, ..AclSettings::default() };
        let access = AccessControl::new(
            settings,
            (&"own".into(), &"dc1".into()),
            recovered.state.acl.clone(),
            recovered.index,
        );
        let shown = ReadModel::restored(&recovered.state, recovered.index, history, access, WATCHERS_MAX)
            .expect("there is a thread to be had");
        let follower = Arc::new(Mutex::new(Mirror::of(&recovered)));
        let followers: Vec<Box<dyn Follower>> =
            vec![Box::new(MirrorFollower(follower.clone(), shown.clone()))];
        let (queue, tasks) = queue(WAITING_MAX);
        let index_at_start = recovered.index;
        let removals = recovered.checkpoint.removals();
        let truth = (recovered.state, recovered.index);
        let readers = (&shown, Waking::on_the_spot());
        let storage = Storage { store: Box::new(store), on_commit: Box::new(|_| {}), seal };
        let mut writer = Writer::new(tasks, truth, storage, readers, followers);
        let refused =
            |error: WriteError| StoreError::Failed { path: "store".into(), detail: error.to_string() };
        writer.commit_repairs(recovered.repairs).map_err(refused)?;
        Ok(Process { writer, queue, shown, rows_at_start, index_at_start, removals, follower, redis })
    }

    /// Hands in a command; it is carried out in the next [`Process::turn`].
    ///
    /// # Errors
    /// When too many wait.
    pub fn submit(&self, command: Command) -> Result<Receiver<WriteReply>, WriteError> {
        self.queue.submit(command)
    }

    /// Hands in rows beside the records.
    ///
    /// # Errors
    /// When too many wait.
    pub fn submit_rows(&self, rows: Vec<RowChange>) -> Result<Receiver<WriteReply>, WriteError> {
        self.queue.submit_rows(rows)
    }

    /// The writer takes what waits, as one batch; tells whether anything did.
    pub fn turn(&mut self, now_ms: u64) -> bool {
        self.writer.turn(now_ms)
    }

    /// How things stand with Redis.
    pub fn standing(&self) -> Option<RedisStatus> {
        self.redis.as_ref().map(|redis| redis.handle.status())
    }

    /// Ends as a process does that is asked to.
    pub fn end(self) {
        self.redis.iter().for_each(|redis| redis.handle.end());
    }

    /// What followers were told that does not fit what they were told before.
    pub fn contradiction(&self) -> Option<String> {
        self.follower.lock().expect("no holder panics").contradiction.take()
    }
}

/// The store's own thread, which ends with the process, whatever it is about.
struct Attached {
    handle: RedisHandle,
    turns: Arc<ModelTurns>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.turns.cut_off();
        self.handle.end();
        self.turns.bury();
    }
}

fn settings(on_outage: OnOutage) -> RedisSettings {
    RedisSettings {
        place: RedisAddress::Server("model".into(), 6379),
        tls: false,
        ca_file: None,
        user: None,
        password: None,
        password_file: None,
        database: 0,
        prefix: PREFIX.into(),
        timeout: PATIENCE,
        on_outage,
    }
}

/// All that a follower knows from what it is told.
#[derive(Default)]
struct Mirror {
    nodes: BTreeMap<NodeKey, Arc<Node>>,
    services: BTreeMap<(NodeKey, Text), Arc<Service>>,
    checks: BTreeMap<(NodeKey, Text), Arc<Check>>,
    pairs: BTreeMap<Text, Arc<Pair>>,
    acl: BTreeMap<(AclKind, Text), AclRecord>,
    contradiction: Option<String>,
}

struct MirrorFollower(Arc<Mutex<Mirror>>, ReadModel);

impl Follower for MirrorFollower {
    fn follow(&mut self, news: &CommittedBatch<'_>) {
        let mut mirror = self.0.lock().expect("no holder panics");
        news.changes.catalog.iter().for_each(|change| mirror.absorb(change));
        news.changes.kv.iter().for_each(|change| mirror.absorb_pair(change));
        news.changes.acl.iter().for_each(|change| mirror.absorb_access(change));
        mirror.compare(news, &self.1);
    }
}

impl Mirror {
    /// Readers must see what followers hear of.
    fn compare(&mut self, news: &CommittedBatch<'_>, ReadModel { views, history, access, .. }: &ReadModel) {
        let (nodes, services, checks) = (&self.nodes, &self.services, &self.checks);
        let is_shown = |change: &CatalogChange| match change {
            CatalogChange::Node { key, .. } => {
                views.node(key, |record| record.node().clone()) == nodes.get(key).cloned()
            }
            CatalogChange::Service { node, id, .. } => {
                let shown = views.node(node, |record| record.services().get(id).cloned()).flatten();
                shown == services.get(&(node.clone(), id.clone())).cloned()
            }
            CatalogChange::Check { node, id, .. } => {
                let shown = views.node(node, |record| record.checks().get(id).cloned()).flatten();
                shown == checks.get(&(node.clone(), id.clone())).cloned()
            }
        };
        let newest = news.transitions.last().map_or(0, |entry| entry.transition.index);
        let stands = views.complete() == news.index && history.newest_index() >= newest;
        let is_shown_pair = |change: &PairChange| {
            let shown = views.pairs(|table| table.get(&change.key).cloned());
            shown == self.pairs.get(&change.key).cloned()
        };
        let is_shown_access = |change: &AclChange| {
            let known = self.acl.get(&(change.kind, change.id.clone()));
            access.read(|state| state.get(change.kind, &change.id) == known)
        };
        let Changes { catalog, kv, acl } = news.changes;
        let are_shown = catalog.iter().all(is_shown) && kv.iter().all(is_shown_pair);
        if !stands || !are_shown || !acl.iter().all(is_shown_access) {
            let sentence = || format!("a follower heard of index {} before readers saw it", news.index);
            self.contradiction.get_or_insert_with(sentence);
        }
    }

    fn of(recovered: &Recovered) -> Mirror {
        let pairs = recovered.state.kv.iter().map(|pair| (pair.key.clone(), pair.clone())).collect();
        let acl = recovered.state.acl.iter().map(|it| ((it.kind(), it.id()), it.clone())).collect();
        let mut mirror = Mirror { pairs, acl, ..Mirror::default() };
        recovered.changes.iter().for_each(|change| mirror.absorb(change));
        mirror
    }

    fn absorb_pair(&mut self, change: &PairChange) {
        let PairChange { key, before, after, .. } = change.clone();
        if !put(&mut self.pairs, key, before, after) {
            self.contradiction
                .get_or_insert_with(|| format!("a follower knows another face before {change:?}"));
        }
    }

    fn absorb_access(&mut self, change: &AclChange) {
        let AclChange { kind, id, before, after, .. } = change.clone();
        if !put(&mut self.acl, (kind, id), before, after) {
            self.contradiction
                .get_or_insert_with(|| format!("a follower knows another face before {change:?}"));
        }
    }

    fn absorb(&mut self, change: &CatalogChange) {
        let fits = match change.clone() {
            CatalogChange::Node { key, before, after } => put(&mut self.nodes, key, before, after),
            CatalogChange::Service { node, id, before, after } => {
                put(&mut self.services, (node, id), before, after)
            }
            CatalogChange::Check { node, id, before, after } => {
                put(&mut self.checks, (node, id), before, after)
            }
        };
        if !fits {
            self.contradiction
                .get_or_insert_with(|| format!("a follower knows another face before {change:?}"));
        }
    }
}

/// Puts the new face in place; tells whether the old one was there.
fn put<K: Ord, V: PartialEq>(
    table: &mut BTreeMap<K, V>,
    key: K,
    before: Option<V>,
    after: Option<V>,
) -> bool {
    let known = match after {
        Some(after) => table.insert(key, after),
        None => table.remove(&key),
    };
    known == before
}
