//! From settings to parts. The order counts: each part may use those above it, and what is below may fail without
//! anything having been served.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::channel;

use crate::base::stdx::text::Text;
use crate::base::sys::clock::Clock;
use crate::base::sys::supervision;
use crate::base::telemetry::families;
use crate::base::telemetry::logging::Logging;
use crate::base::telemetry::metrics::Metrics;
use crate::config::validated::Config;
use crate::core::health::HealthEngine;
use crate::net::http::Server;
use crate::node::notify::follower::EventFeed;
use crate::node::notify::{self, Notifier};
use crate::node::probe::Prober;
use crate::node::registry::Registry;
use crate::node::registry::checking::Probing;
use crate::node::registry::open::RegistryBounds;
use crate::node::registry::own_node::OwnNode;
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::node::registry::snapshot::schedule::{self, Schedule};
use crate::node::registry::storage::Storage;
use crate::server::agent::Agent;
use crate::server::certificates::Certificates;
use crate::server::error::ServerError;
use crate::server::exposed::{expose, expose_tls};
use crate::server::running::Running;
use crate::server::settings::{descriptors_of_probes, health_settings, writes_waiting_max};
use crate::server::sockets::Listeners;
use crate::server::{definitions, sealing, settings, sockets, store};
use crate::surface::answers::warm;
use crate::surface::context::api::Backend;
use crate::surface::dispatch::Dispatch;

/// Opens the registry, has it hold what files define, and makes ready whatever serves it: the ports are bound, and
/// nothing is accepted yet.
///
/// # Errors
/// Whatever keeps the agent from starting.
pub(super) fn compose(
    mut config: Config,
    logging: &Arc<Logging>,
    (of_supervisor, of_predecessor): (Vec<OwnedFd>, Vec<OwnedFd>),
) -> Result<Running, ServerError> {
    let (ends, ended) = channel();
    let lost = ends.clone();
    // If nobody receives any more, the process is ending already.
    supervision::watch(move |fault| drop(lost.send(Err(fault)))).map_err(ServerError::System)?;
    // Before anything is written: what is wrong with a file is told at once.
    let certificates = Certificates::open(&config)?;
    let metrics = Arc::new(Metrics::new().map_err(|error| ServerError::System(io::Error::other(error)))?);
    let probing = settings::probing(&config);
    let prober = Prober::new(probing.clone()).map_err(ServerError::System)?;
    let (http, (intake, inbox)) = (prober.sender().map_err(ServerError::System)?, notify::follower::intake());
    let (registry, store) = open_registry(&config, &metrics, prober, intake)?;
    let registry = Arc::new(registry);
    let defined = definitions::take(&registry, &mut config).map_err(ServerError::Definition)?;
    let place = store::queue_place(&config);
    let webhooks = config.webhooks.clone();
    let notifier = Notifier::start(inbox, registry.clone(), metrics.clone(), http, place, webhooks);
    let notifier = Arc::new(notifier.map_err(ServerError::System)?);
    let agent = Agent::new(
        &config,
        registry.clone(),
        store,
        notifier.clone(),
        logging.clone(),
        (probing, certificates),
        ends,
    );
    registry.set_panic_thresholds(settings::panic_thresholds(&config));
    registry.define(defined).map_err(ServerError::Undefined)?;
    let server = bind(&config, &agent, (of_supervisor, of_predecessor))?;
    let dispatch = open_api(&config, &registry, notifier, &metrics, &agent)?;
    expose(&metrics, &registry, &server, logging);
    if agent.certificates.is_some() {
        expose_tls(&metrics, &agent);
    }
    take_snapshots(&config, registry, &metrics)?;
    Ok(Running { agent, metrics, server, dispatch, config, ended })
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
    let seal = sealing::open(config).map_err(ServerError::Key)?;
    let storage = Storage { store, on_commit: Box::new(move |elapsed| commits.observe(elapsed)), seal };
    let health = HealthEngine::new(health_settings(config));
    let probing = Probing { health, prober, probes_max, idle_connections_max, metrics: metrics.clone() };
    let bounds = RegistryBounds {
        records: terms.bounds,
        writes_waiting_max: writes_waiting_max(config),
        watchers_max: config.limits.blocking_queries_max,
    };
    let registry =
        Registry::open(own_node, storage, probing, bounds, config.acl.clone(), vec![Box::new(intake)])
            .map_err(ServerError::Open)?;
    let sizes = registry.views().sizes();
    log::info!(services = sizes.services, instances = sizes.instances, nodes = sizes.nodes;
        "the registry is complete after {:?}", started.elapsed());
    Ok((registry, view))
}

/// Binds the addresses; from then on checks may not reach them.
fn bind(
    config: &Config,
    agent: &Agent,
    (of_supervisor, of_predecessor): (Vec<OwnedFd>, Vec<OwnedFd>),
) -> Result<Arc<Server>, ServerError> {
    let Listeners { plain, secure } = sockets::listeners(config, of_supervisor, of_predecessor)?;
    let mut serving = settings::server_config(config);
    serving.door = agent.door.clone();
    let server = Server::on(plain, serving).map_err(ServerError::Serve)?;
    let server = match &agent.certificates {
        Some(certificates) => server.with_tls(secure, &certificates.endpoint),
        None => server,
    };
    let own = [server.local_addresses(), server.tls_addresses()].concat();
    agent.probing.targets.set_own_listeners(sockets::tcp_addresses(&own));
    Ok(Arc::new(server))
}

/// The API, with the answers ready that are wanted at once.
fn open_api(
    config: &Config,
    registry: &Arc<Registry>,
    notifier: Arc<Notifier>,
    metrics: &Arc<Metrics>,
    agent: &Arc<Agent>,
) -> Result<Arc<Dispatch>, ServerError> {
    let backend = Backend {
        registry: registry.clone(),
        notifier,
        metrics: metrics.clone(),
        host: agent.clone(),
        clock: Clock,
    };
    let (bounds, streams_max) = (settings::cache_bounds(config), config.limits.streams_max);
    let dispatch = Dispatch::new(backend, bounds, streams_max).map_err(ServerError::System)?;
    // What was asked for most before this start, as far as it is to be made ready.
    let asked = registry.hot_queries();
    let most_asked = &asked[..asked.len().min(config.cache.warm_most_asked)];
    let warmed = warm::warm(&dispatch, &config.cache.warm_services, most_asked);
    log::info!(answers = warmed.answers, of = warmed.wanted; "answers are warm after {:?}", warmed.took);
    Ok(dispatch)
}

fn take_snapshots(config: &Config, registry: Arc<Registry>, metrics: &Metrics) -> Result<(), ServerError> {
    let (directory, interval) = (config.snapshot_dir.clone(), config.snapshot_interval);
    let schedule =
        Schedule { directory, interval, keep: config.snapshot_keep, reserve: store::reserve(config) };
    schedule::start(schedule, registry, metrics).map_err(ServerError::System)
}
