//! From the configuration to the settings of each part, with what the machine has room for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::base::sys::limits;
use crate::config::files::own_names;
use crate::config::service_defaults::PanicThreshold;
use crate::config::validated::Config;
use crate::core::discovery::panic;
use crate::core::health;
use crate::core::model::ServiceKey;
use crate::net::http::{DoorRules, ServerConfig};
use crate::node::probe::{self, TargetRules};
use crate::node::registry::checking::scheduler;
use crate::node::registry::queue;
use crate::server::sockets;
use crate::surface::answers::cache::CacheBounds;

/// The part of all memory that kept answers may take at most, whatever is configured, as one over this.
const CACHE_PART: u64 = 8;

/// What checks may do: where they may go, and whether they may run programs.
pub(super) fn probing(config: &Config) -> probe::ProbeSettings {
    // As configured until they are bound: restored checks begin before that.
    let targets = TargetRules::new(config.targets());
    probe::ProbeSettings { targets, scripts: Arc::new(AtomicBool::new(config.enable_local_script_checks)) }
}

/// How many finished answers are kept.
pub(super) fn cache_bounds(config: &Config) -> CacheBounds {
    let memory_part = usize::try_from(limits::memory_bytes_max() / CACHE_PART).unwrap_or(usize::MAX);
    CacheBounds { entries_max: config.cache.entries_max, bytes_max: config.cache.bytes_max.min(memory_part) }
}

/// Writes that may wait for a slow disk: never more than half of the connections, so that readers find one.
pub(super) fn writes_waiting_max(config: &Config) -> usize {
    queue::WAITING_MAX.min(server_config(config).connections_max / 2)
}

pub(super) fn health_settings(config: &Config) -> health::HealthSettings {
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
pub(super) fn panic_thresholds(config: &Config) -> HashMap<ServiceKey, panic::PanicSettings> {
    let configured = config.service_defaults.iter().filter_map(|(name, defaults)| {
        let PanicThreshold { percent, window } = defaults.panic?;
        Some((name.as_str().into(), panic::PanicSettings { threshold_percent: percent, window }))
    });
    configured.collect()
}

/// How many of the descriptors probes may have at a time, and how many their idle connections: an eighth and a quarter
/// at most, for clients come first.
pub(super) fn descriptors_of_probes(config: &Config) -> (usize, usize) {
    let descriptors = limits::open_files_max();
    let probes_max = scheduler::ProbeBounds::default().total_max.min(descriptors / 8);
    (probes_max, config.limits.watched_connections_max.min(descriptors / 4))
}

pub(super) fn server_config(config: &Config) -> ServerConfig {
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
pub(super) fn door_rules(config: &Config) -> DoorRules {
    let own = std::iter::once(config.node.clone()).chain(own_names());
    let hosts = own.chain(config.allowed_hosts.iter().cloned()).collect();
    DoorRules { hosts: Some(hosts), origins: config.allowed_origins.clone() }
}
