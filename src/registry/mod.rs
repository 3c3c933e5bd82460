//! The registry at work: joins the catalog, the health engine, the store and the prober.
//!
//! Writes go one way: a [`Command`] into the queue, and back comes what it did, durable ([`mod@write`]). Reads look at
//! [`views::Views`] and never wait for a write. Blocking queries wait on [`topics::Topics`]. This layer knows no HTTP
//! and no JSON of Consul's; it is the one place where state, time and disk meet. Start reading at [`Registry::open`].

pub mod aliases;
pub mod hot_queries;
mod write_log;
pub mod health_checkpoint;
mod batch;
pub mod checking;
mod commit;
pub mod defined;
pub mod drain_plan;
pub mod draining;
pub mod error;
pub mod exclusive;
pub mod history;
pub mod mended;
pub mod own_node;
pub mod panics;
pub mod publish;
pub mod queue;
pub mod recover;
pub mod rest;
pub mod rows;
pub mod interner;
pub mod read_model;
pub mod silences;
pub mod snapshot;
pub mod store_state;
pub mod topics;
pub mod views;
pub mod waking;
pub mod write;
pub mod write_stats;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::catalog::change::CatalogChange;
use crate::catalog::panic;
use crate::catalog::topic::Topic;
use crate::health::{CheckDiagnostics, CheckKey, HealthEngine};
use crate::kernel::state::Bounds;
use crate::model::{Caller, Check, Command, CommandRefusal, Observation, Service};
use crate::persist::error::StoreError;
use crate::persist::store::Store;
use crate::probe::Prober;
use crate::registry::checking::follower::CheckingFollower;
use crate::registry::checking::scheduler::SpeedClass;
use crate::registry::checking::stats::CheckingStats;
use crate::registry::checking::{Checking, Tools};
use crate::registry::draining::{Draining, DrainingFollower};
use crate::registry::error::WriteError;
use crate::registry::history::History;
use crate::registry::hot_queries::HotQuery;
use crate::registry::interner::Interner;
use crate::registry::own_node::OwnNode;
use crate::registry::panics::PanicThresholds;
use crate::registry::publish::Follower;
use crate::registry::queue::{WriteQueue, Written, queue};
use crate::registry::read_model::ReadModel;
use crate::registry::recover::{RecoverError, recover};
use crate::registry::topics::Topics;
use crate::registry::views::Views;
use crate::registry::waking::Waking;
use crate::registry::write::Writer;
use crate::stdx::text::Text;
use crate::sys::clock::Clock;
use crate::sys::supervision::{self, Habit};
use crate::telemetry::metrics::Metrics;

/// Everything a registry is made of.
pub struct Parts {
    /// Who the agent is.
    pub own_node: OwnNode,
    /// Where changes are kept.
    pub store: Box<dyn Store>,
    /// The health engine, watching nothing yet.
    pub health: HealthEngine,
    /// What probes targets.
    pub prober: Prober,
    /// Probes that may be under way at a time.
    pub probes_max: usize,
    /// Connections to targets that are held between probes, at most.
    pub watched_connections_max: usize,
    /// Where checks are counted.
    pub metrics: Arc<Metrics>,
    /// The clocks.
    pub clock: Clock,
    /// How much the registry may hold.
    pub bounds: Bounds,
    /// Writes that may wait for the writer at a time.
    pub writes_waiting_max: usize,
    /// Blocking queries that may wait at a time.
    pub watchers_max: usize,
    /// Who else is told of changes.
    pub followers: Vec<Box<dyn Follower>>,
    /// Told how long each commit took.
    pub on_commit: Box<dyn Fn(Duration) + Send>,
}

/// A running registry.
pub struct Registry {
    own_node: OwnNode,
    shown: ReadModel,
    sharing: Interner,
    queue: WriteQueue,
    checking: Arc<Checking>,
    draining: Arc<Draining>,
    panic_thresholds: PanicThresholds,
    asked_before: Vec<HotQuery>,
    defined: defined::KnownIds,
}

impl Registry {
    /// Loads what is stored, puts the agent's own node in, and starts the writer and the health engine. When this
    /// returns, every read is answered from the complete state.
    ///
    /// # Errors
    /// What the store finds wrong, or that it took not even the first write.
    pub fn open(mut parts: Parts) -> Result<Registry, OpenError> {
        let recovered = recover(&mut *parts.store, &parts.own_node, parts.bounds).map_err(OpenError::from)?;
        let shown =
            ReadModel::restored(&recovered.state, recovered.index, recovered.history, parts.watchers_max)
                .map_err(OpenError::Thread)?;
        let (queue, tasks) = queue(parts.writes_waiting_max);
        let checking = Checking::new(Tools {
            own_node: parts.own_node.name.folded(),
            health: parts.health,
            prober: parts.prober,
            queue: queue.clone(),
            clock: parts.clock,
            probes_max: parts.probes_max,
            watched_connections_max: parts.watched_connections_max,
            stats: CheckingStats::new(parts.metrics),
        });
        let checking = Arc::new(checking.map_err(OpenError::Thread)?);
        checking.restore(checks(&recovered.changes), &recovered.carried, &recovered.silences);
        let follower =
            CheckingFollower::restored(checking.clone(), &recovered.state.catalog, &recovered.changes);
        let draining = Draining::new(queue.clone(), parts.clock, &recovered.changes);
        let mut followers: Vec<Box<dyn Follower>> =
            vec![Box::new(follower), Box::new(DrainingFollower(draining.clone()))];
        followers.append(&mut parts.followers);
        let waking = Waking::start().map_err(OpenError::Thread)?;
        let truth = (recovered.state, recovered.index);
        let mut writer = Writer::new(tasks, truth, parts.store, (&shown, waking), followers, parts.on_commit);
        writer.commit_repairs(recovered.repairs).map_err(OpenError::OwnNode)?;
        let stats = queue.stats().clone();
        let has_work = move || stats.waiting.load(Ordering::Relaxed) > 0;
        supervision::thread_fed("writer", Habit::BEATS, has_work, move || writer.run(parts.clock))
            .map_err(OpenError::Thread)?;
        // Before anything else is written: it changes nothing, so a full disk takes it, but nothing after a refusal.
        queue.write(parts.own_node.registration()).map_err(OpenError::OwnNode)?;
        let engine = checking.clone();
        supervision::thread("health", Habit::BEATS, move || engine.run()).map_err(OpenError::Thread)?;
        let sentinel = checking.clone();
        supervision::thread("sentinel", Habit::BEATS, move || sentinel.run_watch())
            .map_err(OpenError::Thread)?;
        // Good for this start alone: by the next one it would be old.
        match queue.write_rows(recovered.carried.removals()) {
            Ok(()) => {}
            Err(WriteError::Full { .. }) => checking.remove_later(recovered.carried.keys()),
            Err(error) => return Err(OpenError::OwnNode(error)),
        }
        draining.catch_up();
        let keeper = draining.clone();
        supervision::thread("drains", Habit::BEATS, move || keeper.run()).map_err(OpenError::Thread)?;
        let panic_thresholds = PanicThresholds::default();
        Ok(Registry {
            own_node: parts.own_node,
            shown,
            sharing: Interner::default(),
            queue,
            checking,
            draining,
            panic_thresholds,
            asked_before: recovered.asked,
            defined: recovered.defined.into(),
        })
    }

    /// Who the agent is.
    pub fn own_node(&self) -> &OwnNode {
        &self.own_node
    }

    /// What readers see.
    pub fn views(&self) -> &Views {
        &self.shown.views
    }

    /// Indexes and watchers.
    pub fn topics(&self) -> &Arc<Topics> {
        &self.shown.topics
    }

    /// Where a topic stands, for a client that has seen it at `seen`.
    pub fn index(&self, topic: &Topic, seen: u64) -> u64 {
        let ReadModel { views, topics, .. } = &self.shown;
        match topic {
            Topic::Key(key) => views.pairs(|table| table.index(key, seen)),
            Topic::Prefix(prefix) => {
                let known = topics.pairs().index_under(prefix);
                views.pairs(|table| table.index_under(prefix, seen, known))
            }
            _ => topics.index(topic),
        }
    }

    /// The queue of the writer.
    pub fn queue(&self) -> &WriteQueue {
        &self.queue
    }

    /// The health engine.
    pub fn checking(&self) -> &Arc<Checking> {
        &self.checking
    }

    /// What drains.
    pub fn draining(&self) -> &Draining {
        &self.draining
    }

    /// The transitions of checks that are remembered.
    pub fn history(&self) -> &History {
        &self.shown.history
    }

    /// What the health engine knows of a check, by its node's key and its id; `None` when it keeps no time for it.
    pub fn insight(&self, node: &Text, check_id: &Text) -> Option<CheckDiagnostics> {
        self.checking.insight(&CheckKey::new(node.clone(), check_id.clone()))
    }

    /// For how long the next run of a check has been waiting for a place, by its node's key and its id, and among whom;
    /// `None` while that is no long time.
    pub fn overdue(&self, node: &Text, check_id: &Text) -> Option<(Duration, SpeedClass)> {
        self.checking.overdue(&CheckKey::new(node.clone(), check_id.clone()))
    }

    /// When each service is in panic.
    pub fn panic_thresholds(&self) -> &PanicThresholds {
        &self.panic_thresholds
    }

    /// Has services be in panic by other thresholds from now on.
    pub fn set_panic_thresholds(&self, thresholds: HashMap<Text, panic::PanicSettings>) {
        self.panic_thresholds.set(thresholds, self.shown.views.complete());
    }

    /// Has a command carried out for somebody; answers when it is durable and visible.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing was changed then.
    pub fn write_for(&self, caller: Caller, mut command: Command) -> Result<Written, WriteError> {
        self.sharing.pare(&mut command);
        let registered = registered_checks(&command);
        let written = self.queue.write_for(caller, command)?;
        self.checking.registered_again(&registered);
        Ok(written)
    }

    /// Leaves for the next start what no record shows of the checks' lives: counts, times left, penalties. The last
    /// thing an orderly end does.
    ///
    /// # Errors
    /// See [`WriteError`]; the next start is then like one after a crash.
    pub fn carry_over(&self) -> Result<(), WriteError> {
        self.queue.write_rows(self.checking.save())
    }

    /// What was asked for most before this start, as far as it is known.
    pub fn asked_before(&self) -> &[HotQuery] {
        &self.asked_before
    }

    /// Leaves for the next start what was asked for most.
    ///
    /// # Errors
    /// See [`WriteError`]; the next start then goes by an older list, or by none.
    pub fn leave_asked(&self, asked: &[HotQuery]) -> Result<(), WriteError> {
        self.queue.write_rows(vec![hot_queries::row(asked)])
    }

    /// Takes what an instance of the agent says of its check.
    ///
    /// # Errors
    /// When that is a new status which could not be written.
    pub fn report_for(
        &self,
        caller: impl FnOnce() -> Caller,
        check_id: &Text,
        observation: Observation,
    ) -> Result<(), WriteError> {
        self.checking.report(&self.own_check(check_id), observation, caller)
    }

    /// As [`Registry::write_for`], for a test.
    #[cfg(test)]
    pub fn write(&self, command: Command) -> Result<Written, WriteError> {
        self.write_for(Caller::own("test"), command)
    }

    /// As [`Registry::report_for`], for a test.
    #[cfg(test)]
    pub fn report(&self, check_id: &Text, observation: Observation) -> Result<(), WriteError> {
        self.report_for(|| Caller::own("test"), check_id, observation)
    }

    /// The freshest output of a check of the agent, where it is fresher than the catalog's.
    pub fn fresh_output(&self, check_id: &Text) -> Option<Text> {
        self.checking.output(&self.own_check(check_id))
    }

    /// An instance of the agent.
    pub fn own_service(&self, service_id: &Text) -> Option<Arc<Service>> {
        let own = self.own_node.name.folded();
        self.shown.views.node(&own, |record| record.services().get(service_id).cloned())?
    }

    /// What stands under `key` in the metadata of an instance of the agent.
    pub fn own_service_meta(&self, service_id: &Text, key: &str) -> Option<Text> {
        let service = self.own_service(service_id)?;
        service.meta.as_ref().and_then(|meta| meta.get(key).cloned())
    }

    fn own_check(&self, check_id: &Text) -> CheckKey {
        CheckKey::new(self.own_node.name.folded(), check_id.clone())
    }
}

/// The checks that a registration names: whoever registers them (again) may have started their instance anew.
fn registered_checks(command: &Command) -> Vec<CheckKey> {
    let Command::Register(registration) = command else { return Vec::new() };
    let node = registration.node.name().folded();
    registration.checks.iter().map(|check| CheckKey::new(node.clone(), check.id.clone())).collect()
}

fn checks(changes: &[CatalogChange]) -> impl Iterator<Item = (&Text, &Arc<Check>)> {
    changes.iter().filter_map(|change| match change {
        CatalogChange::Check { node, after: Some(check), .. } => Some((node, check)),
        _ => None,
    })
}

/// Why a registry did not open.
#[derive(Debug)]
pub enum OpenError {
    /// The store could not be read.
    Store(StoreError),
    /// Somebody else's node has the agent's name: what the catalog says to that.
    NameTaken(CommandRefusal),
    /// The agent's own node could not be written.
    OwnNode(WriteError),
    /// The system gave no thread, or no descriptor.
    Thread(std::io::Error),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Store(error) => formatter.write_str(&error.at_start()),
            OpenError::NameTaken(refusal) => write!(
                formatter,
                "{refusal}. That is a node somebody registered; start under another name (--node), then this one can \
                 be deregistered"
            ),
            OpenError::OwnNode(error) => {
                write!(formatter, "the agent's own node could not be registered: {}", error.at_start())
            }
            OpenError::Thread(error) => {
                write!(
                    formatter,
                    "no thread or descriptor to be had: {error}; raise the limits of the process"
                )
            }
        }
    }
}

impl From<RecoverError> for OpenError {
    fn from(error: RecoverError) -> OpenError {
        match error {
            RecoverError::Store(error) => OpenError::Store(error),
            RecoverError::NameTaken(refusal) => OpenError::NameTaken(refusal),
        }
    }
}

impl std::error::Error for OpenError {}
