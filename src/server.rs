//! The agent: config -> recover -> bind -> serve -> drain. The only file that sees every part.

pub mod error;
mod exposed;
mod store;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::api::{Api, Host, StoreFacts, cache, warm};
use crate::catalog::panic;
use crate::catalog::state::Bounds;
use crate::config;
use crate::config::definitions::{Definition, DefinitionKind};
use crate::config::load;
use crate::config::reload::Reload;
use crate::config::service_defaults::PanicThreshold;
use crate::config::validated::{Config, LogFormat, StoreKind};
use crate::health::{self, Health};
use crate::http::{ListenAddress, Server, ServerConfig};
use crate::model::{Command, ExistingChecks, Registration};
use crate::notify::follower::Intake;
use crate::notify::{self, Notifier};
use crate::probe::{self, Prober, TargetRules};
use crate::registry::asked::Asked;
use crate::registry::checking::lanes;
use crate::registry::own_node::OwnNode;
use crate::registry::snapshot::schedule::{self, Schedule};
use crate::registry::write;
use crate::registry::{Parts, Registry};
use crate::server::error::ServerError;
use crate::server::exposed::expose;
use crate::stdx::text::Text;
use crate::sys::clock::Clock;
use crate::sys::signals::{self, Signal};
use crate::sys::{limits, runtime};
use crate::telemetry::families;
use crate::telemetry::line::Format;
use crate::telemetry::logging::{self, Logging};
use crate::telemetry::metrics::Metrics;
use crate::wire::intake::{AgentNode, CRITICALITY_META_KEY, Scripts, definitions};

/// How long requests under way may take once the process is asked to end. Supervisors send SIGKILL after 10 s.
const DRAIN_MAX: Duration = Duration::from_secs(8);

/// Runs the agent until it is asked to end.
///
/// # Errors
/// Whatever keeps it from starting; nothing is served then.
pub fn run(config: Config) -> Result<(), ServerError> {
    let format = if config.log_format == LogFormat::Json { Format::Json } else { Format::Text };
    let logging = Arc::new(logging::start(config.log_level, format).map_err(ServerError::System)?);
    config.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    limits::raise_open_files();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    runtime::start(if config.workers == 0 { cores } else { config.workers });
    let outcome = start_and_serve(config, &logging);
    if let Err(error) = &outcome {
        log::error!("{error}");
    }
    logging.flush();
    outcome
}

fn start_and_serve(config: Config, logging: &Arc<Logging>) -> Result<(), ServerError> {
    let metrics = Arc::new(Metrics::new().map_err(|error| ServerError::System(io::Error::other(error)))?);
    let probing = probing(&config);
    let prober = Prober::new(probing.clone()).map_err(ServerError::System)?;
    let (http, (intake, inbox)) = (prober.sender(), notify::follower::intake());
    let (registry, store) = open_registry(&config, &metrics, prober, intake)?;
    let registry = Arc::new(registry);
    let place = store::queue_place(&config);
    let webhooks = config.webhooks.clone();
    let notifier = Notifier::start(inbox, registry.clone(), metrics.clone(), http, place, webhooks);
    let notifier = Arc::new(notifier.map_err(ServerError::System)?);
    let (wishes, wished) = channel();
    let agent = Arc::new(Agent {
        config: Mutex::new(config.clone()),
        registry: registry.clone(),
        store: store.clone(),
        notifier: notifier.clone(),
        logging: logging.clone(),
        probing: probing.clone(),
        wishes: Mutex::new(wishes),
        is_draining: AtomicBool::new(false),
    });
    registry.set_panic_thresholds(panic_thresholds(&config));
    agent.define(&config.definitions, &[], scripts(&config)).map_err(ServerError::Definition)?;
    let addresses: Vec<ListenAddress> = config.http_addresses.iter().map(listen_address).collect();
    let server = Server::bind(&addresses, server_config(&config)).map_err(ServerError::Serve)?;
    probing.targets.set_own_listeners(tcp_addresses(&server.local_addresses()));
    let bounds = cache::Bounds { entries_max: config.cache.entries_max, bytes_max: config.cache.bytes_max };
    let streams_max = config.limits.streams_max;
    let (of_registry, of_notifier) = (registry.clone(), notifier.clone());
    let api = Api::new(of_registry, of_notifier, metrics.clone(), agent.clone(), Clock, bounds, streams_max)
        .map_err(ServerError::System)?;
    let warmed = warm::warm(&api, &config.cache.warm_services, most_asked_before(&config, &registry));
    log::info!(answers = warmed.answers, of = warmed.wanted; "answers are warm after {:?}", warmed.took);
    let cache = api.cache().clone();
    expose(&metrics, &registry, &server, logging);
    let (directory, interval) = (config.snapshot_dir.clone(), config.snapshot_interval);
    let schedule = Schedule { directory, interval, keep: config.snapshot_keep };
    schedule::start(schedule, registry.clone(), &metrics).map_err(ServerError::System)?;
    // Before anybody is told that it is ready: whoever knows may send a signal, and unheard it would kill.
    listen_to_signals(&agent).map_err(ServerError::System)?;
    server.serve(api).map_err(ServerError::Serve)?;
    announce(&server, &config);
    agent.wait_for_the_end(&wished);
    registry.topics().wake_all();
    let cut_off = server.shutdown(DRAIN_MAX);
    if let Err(error) = registry.carry_over() {
        log::warn!("checks begin anew with the next start: {error}");
    }
    if let Err(error) = registry.leave_asked(&warm::most_asked(&cache, config.cache.warm_most_asked)) {
        log::warn!("the next start makes no answers ready but those of cache.warm_services: {error}");
    }
    notifier.end();
    store.end();
    log::info!(cut_off = cut_off; "ended");
    Ok(())
}

/// What was asked for most before this start, as far as it is to be made ready.
fn most_asked_before<'r>(config: &Config, registry: &'r Registry) -> &'r [Asked] {
    let asked = registry.asked_before();
    &asked[..asked.len().min(config.cache.warm_most_asked)]
}

/// What checks may do: where they may go, and whether they may run programs.
fn probing(config: &Config) -> probe::Settings {
    let targets = TargetRules::new(config.probe_allow_cidrs.clone());
    // As configured until they are bound: restored checks begin before that.
    let addresses: Vec<ListenAddress> = config.http_addresses.iter().map(listen_address).collect();
    targets.set_own_listeners(tcp_addresses(&addresses));
    probe::Settings { targets, scripts: Arc::new(AtomicBool::new(config.enable_local_script_checks)) }
}

fn scripts(config: &Config) -> Scripts {
    if config.enable_local_script_checks { Scripts::Allowed } else { Scripts::Off }
}

fn tcp_addresses(addresses: &[ListenAddress]) -> Vec<SocketAddr> {
    let tcp = addresses.iter().filter_map(|address| match address {
        ListenAddress::Tcp(address) => Some(*address),
        ListenAddress::Unix(_) => None,
    });
    tcp.collect()
}

fn open_registry(
    config: &Config,
    metrics: &Arc<Metrics>,
    prober: Prober,
    intake: Intake,
) -> Result<(Registry, Arc<store::View>), ServerError> {
    let store::Opened { store, node_id, view } = store::open(config, metrics).map_err(ServerError::Store)?;
    let commits = metrics.histogram(families::COMMIT_DURATION, &[]);
    let started = Clock.now();
    let (probes_max, watched_connections_max) = descriptors_of_probes(config);
    let registry = Registry::open(Parts {
        own_node: OwnNode {
            name: config.node.as_str().into(),
            id: node_id,
            address: config.advertise_address.to_string().into(),
            datacenter: config.datacenter.as_str().into(),
        },
        store,
        health: Health::new(health_settings(config)),
        prober,
        probes_max,
        watched_connections_max,
        metrics: metrics.clone(),
        clock: Clock,
        bounds: Bounds { nodes_max: config.limits.nodes_max, instances_max: config.limits.services_max },
        writes_waiting_max: writes_waiting_max(config),
        watchers_max: config.limits.blocking_queries_max,
        followers: vec![Box::new(intake)],
        on_commit: Box::new(move |elapsed| commits.observe(elapsed)),
    })
    .map_err(ServerError::Open)?;
    let sizes = registry.views().sizes();
    log::info!(services = sizes.services, instances = sizes.instances, nodes = sizes.nodes;
        "the registry is complete after {:?}", started.elapsed());
    Ok((registry, view))
}

/// Writes that may wait for a slow disk: never more than half of the connections, so that readers find one.
fn writes_waiting_max(config: &Config) -> usize {
    write::WAITING_MAX.min(server_config(config).connections_max / 2)
}

fn health_settings(config: &Config) -> health::Settings {
    health::Settings {
        checks_max: config.limits.checks_max,
        check_update_interval: config.check_update_interval,
        backoff_max: config.check_backoff_max,
        watch_connections: config.watch_connections,
        ..health::Settings::default()
    }
}

/// When each service is in panic, as configured.
fn panic_thresholds(config: &Config) -> HashMap<Text, panic::Settings> {
    let configured = config.service_defaults.iter().filter_map(|(name, defaults)| {
        let PanicThreshold { percent, window } = defaults.panic?;
        Some((name.as_str().into(), panic::Settings { threshold_percent: percent, window }))
    });
    configured.collect()
}

fn listen_address(address: &config::address::ListenAddress) -> ListenAddress {
    match address {
        config::address::ListenAddress::Tcp(address) => ListenAddress::Tcp(*address),
        config::address::ListenAddress::Unix(path) => ListenAddress::Unix(path.clone()),
    }
}

/// How many of the descriptors probes may have at a time, and how many their idle connections: an eighth and a quarter
/// at most, for clients come first.
fn descriptors_of_probes(config: &Config) -> (usize, usize) {
    let descriptors = limits::open_files_max();
    let probes_max = lanes::Bounds::default().total_max.min(descriptors / 8);
    (probes_max, config.limits.watched_connections_max.min(descriptors / 4))
}

fn server_config(config: &Config) -> ServerConfig {
    let limits = &config.limits;
    let (probes_max, watched_max) = descriptors_of_probes(config);
    let descriptors = limits::open_files_max().saturating_sub(probes_max + watched_max);
    ServerConfig {
        // Never more than the descriptors allow: past them a client would get no answer instead of a 503.
        connections_max: limits.connections_max.min(ServerConfig::connections_within(descriptors)),
        connections_per_ip_max: limits.connections_per_ip_max,
        head_bytes_max: limits.head_bytes_max,
        body_bytes_max: limits.body_bytes_max,
        head_timeout: limits.head_timeout,
        body_timeout: limits.body_timeout,
        idle_timeout: limits.idle_timeout,
        write_timeout: limits.write_timeout,
        ..ServerConfig::default()
    }
}

/// Says where to reach the agent, on standard output for people and in the log for machines.
fn announce(server: &Server, config: &Config) {
    let addresses = server.local_addresses();
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    log::info!(addresses = shown.join(" "), version = env!("CARGO_PKG_VERSION"); "serving");
    let store = store::shown(config);
    println!("muster {} serves {} (store: {store})", env!("CARGO_PKG_VERSION"), shown.join(", "));
    if let Some(ListenAddress::Tcp(address)) = addresses.first() {
        println!("try:  curl http://{address}/v1/catalog/services");
    }
}

fn listen_to_signals(agent: &Arc<Agent>) -> io::Result<()> {
    let agent = agent.clone();
    signals::listen(move |signal| match signal {
        Signal::HangUp => {
            if let Err(sentence) = agent.reload() {
                log::error!("not reloaded: {sentence}");
            }
        }
        Signal::Terminate | Signal::Interrupt => agent.leave(),
    })
}

/// The running process, as the API and signals see it.
struct Agent {
    config: Mutex<Config>,
    registry: Arc<Registry>,
    store: Arc<store::View>,
    notifier: Arc<Notifier>,
    logging: Arc<Logging>,
    probing: probe::Settings,
    /// Told once when the process shall end.
    wishes: Mutex<Sender<()>>,
    is_draining: AtomicBool,
}

impl Agent {
    fn wait_for_the_end(&self, wished: &Receiver<()>) {
        // The sender lives as long as this agent, so there is a wish or none yet.
        let _ = wished.recv();
        log::info!("ending: no new connections, requests under way have {DRAIN_MAX:?}");
    }

    /// Registers what is defined in files, and deregisters what no longer is.
    fn define(
        &self,
        defined: &[Definition],
        undefined: &[Definition],
        scripts: Scripts,
    ) -> Result<(), String> {
        let own = &self.registry.own_node().name;
        let mut commands = Vec::new();
        for definition in undefined {
            // What is to go was allowed once, whatever is allowed now and whatever has become of its instance: it is
            // read for its id.
            let any = |_: &Text| Some("standard".into());
            let registrations = registrations(definition, own, Scripts::Allowed, any)?;
            let removals = registrations.into_iter().filter_map(|registration| removal(registration, own));
            commands.extend(removals.map(|removal| (definition, removal)));
        }
        commands.extend(self.commands(defined, scripts)?);
        for (definition, command) in commands {
            self.registry.write(command).map_err(|error| format!("{definition}: {error}"))?;
        }
        Ok(())
    }

    /// What registers all that is defined.
    fn commands<'a>(
        &self,
        defined: &'a [Definition],
        scripts: Scripts,
    ) -> Result<Vec<(&'a Definition, Command)>, String> {
        let registered = |service_id: &Text| self.registry.own_service_meta(service_id, CRITICALITY_META_KEY);
        let mut commands = Vec::new();
        for definition in defined {
            let of_service = |service_id: &Text| criticality_among(&commands, service_id);
            let criticality_of =
                |service_id: &Text| of_service(service_id).or_else(|| registered(service_id));
            let registrations =
                registrations(definition, &self.registry.own_node().name, scripts, criticality_of)?;
            let registered = registrations.into_iter().map(|it| Command::Register(Box::new(it)));
            commands.extend(registered.map(|command| (definition, command)));
        }
        Ok(commands)
    }
}

/// What the metadata of an instance say that is about to be registered.
fn criticality_among(commands: &[(&Definition, Command)], service_id: &Text) -> Option<Text> {
    commands.iter().rev().find_map(|(_, command)| match command {
        Command::Register(registration) => {
            let service = registration.service.as_ref().filter(|service| service.id == *service_id)?;
            service.meta.as_ref()?.get(CRITICALITY_META_KEY).cloned()
        }
        _ => None,
    })
}

fn registrations(
    definition: &Definition,
    own: &Text,
    scripts: Scripts,
    criticality_of: impl Fn(&Text) -> Option<Text>,
) -> Result<Vec<Registration>, String> {
    let key = match definition.kind {
        DefinitionKind::Service => "service",
        DefinitionKind::Check => "check",
    };
    let file = serde_json::json!({ key: definition.value });
    let agent = AgentNode { name: own.clone() };
    let read = definitions(&file, ExistingChecks::Replace, &agent, scripts, criticality_of);
    read.map_err(|error| format!("{definition}: {error}"))
}

/// What takes back a registration that stood in a file.
fn removal(registration: Registration, own: &Text) -> Option<Command> {
    let (node, must_exist) = (own.clone(), false);
    match (registration.service, registration.checks.into_iter().next()) {
        (Some(service), _) => Some(Command::DeregisterService { node, service_id: service.id, must_exist }),
        (None, Some(check)) => Some(Command::DeregisterCheck { node, check_id: check.id, must_exist }),
        (None, None) => None,
    }
}

impl Host for Agent {
    fn reload(&self) -> Result<(), String> {
        let mut config = self.config.lock();
        let new = load::reload(&config).map_err(|problems| problems.to_string())?;
        let reload = Reload::between(&config, &new);
        // What stays as it was must still be allowed; nothing is changed before that is known.
        self.commands(&new.definitions, scripts(&new))?;
        self.define(&reload.defined, &reload.undefined, scripts(&new))?;
        self.registry.checking().set_settings(health_settings(&new));
        if reload.webhooks {
            self.notifier.configure(new.webhooks.clone()).map_err(|error| error.to_string())?;
        }
        self.logging.set_level(new.log_level);
        self.registry.set_panic_thresholds(panic_thresholds(&new));
        self.probing.targets.allow_only(new.probe_allow_cidrs.clone());
        self.probing.scripts.store(new.enable_local_script_checks, Ordering::Relaxed);
        for change in &reload.restart {
            log::warn!("{} is now {:?}: this takes effect with the next start", change.key, change.after);
        }
        let (settings, definitions) = (reload.effective.len(), reload.defined.len() + reload.undefined.len());
        log::info!(settings = settings, definitions = definitions; "reloaded");
        *config = new;
        Ok(())
    }

    fn leave(&self) {
        if !self.is_draining.swap(true, Ordering::AcqRel) {
            // If nobody receives any more, the process is ending already.
            let _ = self.wishes.lock().send(());
        }
    }

    fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    fn store(&self) -> StoreFacts {
        self.store.facts()
    }

    fn debug_config(&self) -> Map<String, Value> {
        let config = self.config.lock();
        let mut shown: Map<String, Value> =
            config.shown().map(|(key, value, _)| (key.to_owned(), Value::String(value))).collect();
        shown.insert("Datacenter".into(), Value::String(config.datacenter.clone()));
        shown.insert("NodeName".into(), Value::String(config.node.clone()));
        shown
    }

    fn spool_directory(&self) -> PathBuf {
        let config = self.config.lock();
        if config.store == StoreKind::Memory { std::env::temp_dir() } else { config.data_dir.clone() }
    }

    fn snapshot_bytes_max(&self) -> usize {
        self.config.lock().limits.snapshot_bytes_max
    }
}
