//! The agent: config -> recover -> bind -> serve -> drain. The only file that sees every part.

mod debug_config;
mod definitions;
pub mod error;
mod exposed;
mod reloading;
mod sockets;
mod store;
mod successor;
mod takeover;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::api::snapshot::Spooling;
use crate::api::{Api, HostProcess, StoreFacts, cache, warm};
use crate::catalog::panic;
use crate::config::files::own_names;
use crate::config::service_defaults::PanicThreshold;
use crate::config::validated::{Config, LogFormat};
use crate::health::{self, HealthEngine};
use crate::http::{Door, DoorRules, Server, ServerConfig};
use crate::notify::follower::EventFeed;
use crate::notify::{self, Notifier};
use crate::probe::{self, Prober, TargetRules};
use crate::registry::Registry;
use crate::registry::checking::Probing;
use crate::registry::checking::scheduler;
use crate::registry::hot_queries::HotQuery;
use crate::registry::open::{RegistryBounds, Storage};
use crate::registry::own_node::OwnNode;
use crate::registry::queue;
use crate::registry::snapshot::row_validator::RowRules;
use crate::registry::snapshot::schedule::{self, Schedule};
use crate::server::error::{ServerError, log_lines};
use crate::server::exposed::expose;
use crate::server::reloading::ReloadRequests;
use crate::server::successor::Predecessor;
use crate::server::takeover::Incumbent;
use crate::stdx::text::Text;
use crate::sys::clock::Clock;
use crate::sys::signals::{self, Signal};
use crate::sys::supervision::ThreadFault;
use crate::sys::{budget, host, limits, runtime, supervision, systemd};
use crate::telemetry::families;
use crate::telemetry::line::LineFormat;
use crate::telemetry::logging::{self, Logging};
use crate::telemetry::metrics::Metrics;

/// How long requests under way may take once the process is asked to end. Supervisors send SIGKILL after 10 s.
const DRAIN_MAX: Duration = Duration::from_secs(8);

/// How an agent starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// As the only one on its data directory.
    Alone,
    /// In the place of the agent that runs on its data directory, if one does.
    Takeover,
}

/// The part of all memory that kept answers may take at most, whatever is configured, as one over this.
const CACHE_PART: u64 = 8;

/// Runs the agent until it is asked to end.
///
/// # Errors
/// Whatever keeps it from starting; nothing is served then.
pub fn run(config: Config, start: Start) -> Result<(), ServerError> {
    let of_supervisor = systemd::sockets().map_err(ServerError::System)?;
    let format = if config.log_format == LogFormat::Json { LineFormat::Json } else { LineFormat::Text };
    let logging = Arc::new(logging::start(config.log_level, format).map_err(ServerError::System)?);
    config.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    limits::raise_open_files();
    budget::process().set_bytes_max(config.limits.transit_bytes_max);
    let cores = host::cores();
    runtime::start(if config.workers == 0 { cores } else { config.workers });
    let outcome = start_as(start, config, &logging, of_supervisor);
    if let Err(error) = &outcome {
        log_lines("", &error.to_string());
    }
    logging.flush();
    outcome
}

fn start_as(
    start: Start,
    config: Config,
    logging: &Arc<Logging>,
    of_supervisor: Vec<OwnedFd>,
) -> Result<(), ServerError> {
    let asked = if start == Start::Takeover { successor::ask(&config)? } else { None };
    let (mut predecessor, of_predecessor) =
        asked.map_or((None, Vec::new()), |(agent, sockets)| (Some(agent), sockets));
    let outcome = start_and_serve(config, logging, (of_supervisor, of_predecessor), &mut predecessor);
    if let (Some(predecessor), Err(error)) = (predecessor, &outcome) {
        predecessor.fail(&error.to_string());
    }
    outcome
}

/// Starts, serves until the end, and ends. The predecessor is taken once this process serves in its place.
fn start_and_serve(
    mut config: Config,
    logging: &Arc<Logging>,
    (of_supervisor, of_predecessor): (Vec<OwnedFd>, Vec<OwnedFd>),
    predecessor: &mut Option<Predecessor>,
) -> Result<(), ServerError> {
    if predecessor.is_none() && of_supervisor.is_empty() {
        sockets::try_out(&config)?;
    }
    let (wishes, wished) = channel();
    let lost = wishes.clone();
    // If nobody receives any more, the process is ending already.
    supervision::watch(move |fault| drop(lost.send(Wish::GiveUp(fault)))).map_err(ServerError::System)?;
    let metrics = Arc::new(Metrics::new().map_err(|error| ServerError::System(io::Error::other(error)))?);
    let probing = probing(&config);
    let prober = Prober::new(probing.clone()).map_err(ServerError::System)?;
    let (http, (intake, inbox)) = (prober.sender().map_err(ServerError::System)?, notify::follower::intake());
    let (registry, store) = open_registry(&config, &metrics, prober, intake)?;
    let registry = Arc::new(registry);
    let defined = definitions::take(&registry, &mut config).map_err(ServerError::Definition)?;
    let place = store::queue_place(&config);
    let webhooks = config.webhooks.clone();
    let notifier = Notifier::start(inbox, registry.clone(), metrics.clone(), http, place, webhooks);
    let notifier = Arc::new(notifier.map_err(ServerError::System)?);
    let agent = Arc::new(Agent {
        shown_config: Mutex::new(Arc::new(debug_config::shown(&config, &registry.own_node().id))),
        config: Mutex::new(config.clone()),
        registry: registry.clone(),
        store: store.clone(),
        notifier: notifier.clone(),
        logging: logging.clone(),
        probing: probing.clone(),
        door: Arc::new(Door::new(door_rules(&config))),
        wishes: Mutex::new(wishes),
        is_draining: AtomicBool::new(false),
        turn: Mutex::new(End::Asked),
        reloads: ReloadRequests::default(),
    });
    registry.set_panic_thresholds(panic_thresholds(&config));
    registry.define(defined).map_err(ServerError::Undefined)?;
    let listeners = sockets::listeners(&config, of_supervisor, of_predecessor)?;
    let mut serving = server_config(&config);
    serving.door = agent.door.clone();
    let server = Arc::new(Server::on(listeners, serving).map_err(ServerError::Serve)?);
    probing.targets.set_own_listeners(sockets::tcp_addresses(&server.local_addresses()));
    let bytes_max = config.cache.bytes_max.min(memory_part(CACHE_PART));
    let bounds = cache::CacheBounds { entries_max: config.cache.entries_max, bytes_max };
    let streams_max = config.limits.streams_max;
    let (of_registry, of_notifier) = (registry.clone(), notifier.clone());
    let api = Api::new(of_registry, of_notifier, metrics.clone(), agent.clone(), Clock, bounds, streams_max)
        .map_err(ServerError::System)?;
    let warmed = warm::warm(&api, &config.cache.warm_services, most_asked_before(&config, &registry));
    log::info!(answers = warmed.answers, of = warmed.wanted; "answers are warm after {:?}", warmed.took);
    let cache = api.cache().clone();
    expose(&metrics, &registry, &server, logging);
    let (directory, interval) = (config.snapshot_dir.clone(), config.snapshot_interval);
    let schedule =
        Schedule { directory, interval, keep: config.snapshot_keep, reserve: store::reserve(&config) };
    schedule::start(schedule, registry.clone(), &metrics).map_err(ServerError::System)?;
    // Before anybody is told that it is ready: whoever knows may send a signal, and unheard it would kill.
    listen_to_signals(&agent).map_err(ServerError::System)?;
    runtime::thread("authorities", probe::look_for_authorities).map_err(ServerError::System)?;
    systemd::keep_alive().map_err(ServerError::System)?;
    let entrance = server.serve_shared(api.shared()).map_err(ServerError::Serve)?;
    sockets::announce(&server, &config);
    systemd::ready(predecessor.as_ref().map(|_| std::process::id()));
    let incumbent = Incumbent {
        agent: agent.clone(),
        registry: registry.clone(),
        notifier: notifier.clone(),
        metrics,
        store: store.clone(),
        cache: cache.clone(),
        server: server.clone(),
    };
    let socket = takeover::socket_path(&config);
    let wait_for_successor = move || incumbent.wait_for_successor(socket);
    match predecessor.take() {
        // The socket is the predecessor's until it has ended.
        Some(predecessor) => {
            predecessor.take_connections(entrance, wait_for_successor).map_err(ServerError::System)?
        }
        None => wait_for_successor(),
    }
    if agent.wait_for_the_end(&wished)? == End::HandedOver {
        return Ok(());
    }
    takeover::stop_waiting(&config);
    let cut_off = server.shutdown(DRAIN_MAX);
    // Whoever waits for a thread that is not there any more would wait for ever.
    if let Some(fault) = supervision::fault() {
        return Err(ServerError::Lost(fault));
    }
    supervision::end();
    takeover::leave_notes(&registry, &cache, config.cache.warm_most_asked);
    notifier.end();
    store.end();
    log::info!(cut_off = cut_off; "ended");
    Ok(())
}

/// What was asked for most before this start, as far as it is to be made ready.
fn most_asked_before<'r>(config: &Config, registry: &'r Registry) -> &'r [HotQuery] {
    let asked = registry.hot_queries();
    &asked[..asked.len().min(config.cache.warm_most_asked)]
}

/// What checks may do: where they may go, and whether they may run programs.
fn probing(config: &Config) -> probe::ProbeSettings {
    // As configured until they are bound: restored checks begin before that.
    let targets = TargetRules::new(config.targets());
    probe::ProbeSettings { targets, scripts: Arc::new(AtomicBool::new(config.enable_local_script_checks)) }
}

/// A part of the memory that this process may use, in bytes.
fn memory_part(part: u64) -> usize {
    usize::try_from(limits::memory_bytes_max() / part).unwrap_or(usize::MAX)
}

fn open_registry(
    config: &Config,
    metrics: &Arc<Metrics>,
    prober: Prober,
    intake: EventFeed,
) -> Result<(Registry, Arc<store::View>), ServerError> {
    // Rows of Redis come before the registry is there.
    let terms = RowRules { programs: Some(definitions::programs(config)), ..RowRules::of(config) };
    let store::Opened { store, node_id, view } =
        store::open(config, metrics, &terms).map_err(ServerError::Store)?;
    let commits = metrics.histogram(families::COMMIT_DURATION, &[]);
    let started = Clock.now();
    let (probes_max, idle_connections_max) = descriptors_of_probes(config);
    let own_node = OwnNode {
        name: config.node.as_str().into(),
        id: config.node_id.as_deref().map_or(node_id, Text::from),
        address: config.advertise_address.to_string().into(),
        meta: config
            .node_meta
            .iter()
            .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
            .collect(),
        datacenter: config.datacenter.as_str().into(),
    };
    let storage = Storage { store, on_commit: Box::new(move |elapsed| commits.observe(elapsed)) };
    let health = HealthEngine::new(health_settings(config));
    let probing = Probing { health, prober, probes_max, idle_connections_max, metrics: metrics.clone() };
    let bounds = RegistryBounds {
        records: terms.bounds,
        writes_waiting_max: writes_waiting_max(config),
        watchers_max: config.limits.blocking_queries_max,
    };
    let registry = Registry::open(own_node, storage, probing, bounds, vec![Box::new(intake)])
        .map_err(ServerError::Open)?;
    let sizes = registry.views().sizes();
    log::info!(services = sizes.services, instances = sizes.instances, nodes = sizes.nodes;
        "the registry is complete after {:?}", started.elapsed());
    Ok((registry, view))
}

/// Writes that may wait for a slow disk: never more than half of the connections, so that readers find one.
fn writes_waiting_max(config: &Config) -> usize {
    queue::WAITING_MAX.min(server_config(config).connections_max / 2)
}

fn health_settings(config: &Config) -> health::HealthSettings {
    health::HealthSettings {
        // The catalog takes no more than limits.checks_max, and what it holds is run: also what came in under another.
        checks_max: usize::MAX,
        check_update_interval: config.check_update_interval,
        backoff_max: config.check_backoff_max,
        watch_connections: config.watch_connections,
        ..health::HealthSettings::default()
    }
}

/// When each service is in panic, as configured.
fn panic_thresholds(config: &Config) -> HashMap<Text, panic::PanicSettings> {
    let configured = config.service_defaults.iter().filter_map(|(name, defaults)| {
        let PanicThreshold { percent, window } = defaults.panic?;
        Some((name.as_str().into(), panic::PanicSettings { threshold_percent: percent, window }))
    });
    configured.collect()
}

/// How many of the descriptors probes may have at a time, and how many their idle connections: an eighth and a quarter
/// at most, for clients come first.
fn descriptors_of_probes(config: &Config) -> (usize, usize) {
    let descriptors = limits::open_files_max();
    let probes_max = scheduler::ProbeBounds::default().total_max.min(descriptors / 8);
    (probes_max, config.limits.watched_connections_max.min(descriptors / 4))
}

fn server_config(config: &Config) -> ServerConfig {
    let bounds = &config.limits;
    let (probes_max, watched_max) = descriptors_of_probes(config);
    let descriptors = limits::open_files_max().saturating_sub(probes_max + watched_max);
    ServerConfig {
        // Never more than the descriptors allow: past them a client would get no answer instead of a 503.
        // Nor more than the memory allows: past it all of them would be lost.
        connections_max: bounds
            .connections_max
            .min(ServerConfig::connections_within(descriptors))
            .min(ServerConfig::connections_within_memory(limits::memory_bytes_max())),
        connections_per_ip_max: bounds.connections_per_ip_max,
        head_bytes_max: bounds.head_bytes_max,
        body_bytes_max: bounds.body_bytes_max,
        head_timeout: bounds.head_timeout,
        body_timeout: bounds.body_timeout,
        idle_timeout: bounds.idle_timeout,
        write_timeout: bounds.write_timeout,
        rate_bytes_min: bounds.rate_bytes_min,
        operators: config.admin_addresses.iter().map(sockets::listen_address).collect(),
        ..ServerConfig::default()
    }
}

/// Whose requests are let in: those that name the agent, and no foreign page's writes.
fn door_rules(config: &Config) -> DoorRules {
    let own = std::iter::once(config.node.clone()).chain(own_names());
    let hosts = own.chain(config.allowed_hosts.iter().cloned()).collect();
    DoorRules { hosts: Some(hosts), origins: config.allowed_origins.clone() }
}

/// Nothing here may wait, for the next signal has to be heard.
fn listen_to_signals(agent: &Arc<Agent>) -> io::Result<()> {
    reloading::start(agent.clone())?;
    let agent = agent.clone();
    signals::listen(move |signal| match signal {
        Signal::HangUp => agent.reloads.signal(),
        Signal::Renew => takeover::renew(),
        Signal::Terminate | Signal::Interrupt => agent.leave(),
    })
}

/// Why the process shall end.
enum Wish {
    /// It is to end in order.
    End(End),
    /// It cannot go on.
    GiveUp(ThreadFault),
}

/// The running process, as the API and signals see it.
struct Agent {
    config: Mutex<Config>,
    /// The same as clients are shown it: they ask far more often than it changes.
    shown_config: Mutex<Arc<Map<String, Value>>>,
    registry: Arc<Registry>,
    store: Arc<store::View>,
    notifier: Arc<Notifier>,
    logging: Arc<Logging>,
    probing: probe::ProbeSettings,
    door: Arc<Door>,
    /// Told when the process shall end.
    wishes: Mutex<Sender<Wish>>,
    is_draining: AtomicBool,
    /// Held by whoever is ending the process or handing it over, so that nobody does both.
    turn: Mutex<End>,
    reloads: ReloadRequests,
}

/// Why a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It was asked to.
    Asked,
    /// Another one has taken over, and there is nothing left to be done.
    HandedOver,
}

impl Agent {
    /// Waits until the process is asked to end, or is taken over from.
    ///
    /// # Errors
    /// [`ServerError::Lost`] when it has to end at once.
    fn wait_for_the_end(&self, wished: &Receiver<Wish>) -> Result<End, ServerError> {
        // The sender lives as long as this agent, so there is a wish or none yet.
        match wished.recv() {
            Ok(Wish::GiveUp(fault)) => return Err(ServerError::Lost(fault)),
            Ok(Wish::End(End::HandedOver)) => return Ok(End::HandedOver),
            Ok(Wish::End(End::Asked)) | Err(_) => {}
        }
        // Somebody may be taking over at this moment, and then there is nothing to be ended.
        if *self.turn.lock() == End::HandedOver {
            return Ok(End::HandedOver);
        }
        log::info!("ending: no new connections, requests under way have {DRAIN_MAX:?}");
        Ok(End::Asked)
    }

    fn end(&self, end: End) {
        // If nobody receives any more, the process is ending already.
        let _ = self.wishes.lock().send(Wish::End(end));
    }
}

impl HostProcess for Agent {
    fn reload(&self) -> Result<(), String> {
        self.reloads.ask()
    }

    fn may_leave(&self) -> bool {
        self.config.lock().enable_leave
    }

    fn leave(&self) {
        if !self.is_draining.swap(true, Ordering::AcqRel) {
            systemd::stopping();
            self.end(End::Asked);
        }
    }

    fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    fn store(&self) -> StoreFacts {
        self.store.facts()
    }

    fn debug_config(&self) -> Arc<Map<String, Value>> {
        self.shown_config.lock().clone()
    }

    fn spooling(&self) -> Spooling {
        store::spooling(&self.config.lock())
    }

    fn spooled_bytes_max(&self) -> u64 {
        store::spooled_bytes_max(&self.config.lock())
    }

    fn snapshot_time_max(&self) -> Duration {
        self.config.lock().limits.snapshot_timeout
    }

    fn snapshot_bytes_max(&self) -> usize {
        self.config.lock().limits.snapshot_bytes_max
    }

    fn snapshot_terms(&self) -> RowRules {
        RowRules::of(&self.config.lock())
    }
}
