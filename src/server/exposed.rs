//! What the parts count, for the metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::sys::budget::{self, Purpose};
use crate::base::telemetry::families;
use crate::base::telemetry::logging::Logging;
use crate::base::telemetry::metrics::Metrics;
use crate::core::model::acl::AclKind;
use crate::net::http::{REFUSAL_STATUSES, Server};
use crate::net::tls::HandshakeOutcome;
use crate::node::registry::Registry;
use crate::node::registry::checking::stats::CheckingStats;
use crate::node::registry::store_state::StoreState;
use crate::server::agent::Agent;
use crate::server::certificates::Certificates;

/// Has the metrics read how TLS stands, where it is spoken.
pub(super) fn expose_tls(metrics: &Metrics, agent: &Arc<Agent>) {
    let read = |family, labels: &[&str], read: Box<dyn Fn(&Certificates) -> f64 + Send + Sync>| {
        let agent = agent.clone();
        metrics.read(family, labels, move || agent.certificates.as_ref().map_or(0.0, &read));
    };
    for (outcome, word) in HandshakeOutcome::ALL {
        let came_to = move |it: &Certificates| it.endpoint.stats().came_to(outcome) as f64;
        read(families::TLS_HANDSHAKES, &[word], Box::new(came_to));
    }
    read(families::TLS_CERTIFICATE_EXPIRY, &[], Box::new(|it| it.endpoint.expires_s() as f64));
    read(families::TLS_CERTIFICATE_BEHIND, &[], Box::new(|it| f64::from(it.is_behind())));
}

/// Has the metrics read what the other parts count.
pub(super) fn expose(metrics: &Metrics, registry: &Arc<Registry>, server: &Server, logging: &Arc<Logging>) {
    let stats = server.stats();
    let read = |family, read: fn(&crate::net::http::StatsSnapshot) -> u64| {
        let stats = stats.clone();
        metrics.read(family, &[], move || read(&stats.snapshot()) as f64);
    };
    read(families::HTTP_CONNECTIONS, |stats| stats.connections_open);
    read(families::HTTP_CONNECTIONS_ACCEPTED, |stats| stats.connections_accepted);
    read(families::HTTP_CONNECTIONS_REFUSED, |stats| stats.connections_refused);
    read(families::HTTP_PANICS, |stats| stats.panics);
    for status in REFUSAL_STATUSES {
        let (stats, label) = (server.stats(), status.to_string());
        metrics.read(families::HTTP_REFUSALS, &[&label], move || stats.refused(*status) as f64);
    }
    let of = |read: fn(&Registry) -> f64| {
        let registry = registry.clone();
        move || read(&registry)
    };
    metrics.read(families::CATALOG_NODES, &[], of(|registry| registry.views().sizes().nodes as f64));
    metrics.read(families::CATALOG_SERVICES, &[], of(|registry| registry.views().sizes().services as f64));
    metrics.read(families::CATALOG_INSTANCES, &[], of(|registry| registry.views().sizes().instances as f64));
    for (position, status) in ["passing", "warning", "critical"].into_iter().enumerate() {
        let registry = registry.clone();
        let read = move || registry.views().sizes().checks[position] as f64;
        metrics.read(families::CATALOG_CHECKS, &[status], read);
    }
    metrics.read(families::KV_KEYS, &[], of(|registry| registry.views().sizes().keys as f64));
    metrics.read(families::KV_BYTES, &[], of(|registry| registry.views().sizes().kv_bytes as f64));
    if registry.access().settings().enabled {
        for kind in [AclKind::Policy, AclKind::Role, AclKind::Token] {
            let registry = registry.clone();
            let read = move || registry.access().read(|state| state.count(kind)) as f64;
            metrics.read(families::ACL_RECORDS, &[kind.name()], read);
        }
        metrics.read(
            families::ACL_BYTES,
            &[],
            of(|registry| registry.access().read(|state| state.bytes()) as f64),
        );
    }
    metrics.read(families::CATALOG_INDEX, &[], of(|registry| registry.views().complete() as f64));
    metrics.read(families::DRAINING, &[], of(|registry| registry.draining().count() as f64));
    let in_panic = |registry: &Registry| registry.panic_thresholds().in_panic(registry.views()) as f64;
    metrics.read(families::SERVICES_IN_PANIC, &[], of(in_panic));
    metrics.read(families::BLOCKING_QUERIES, &[], of(|registry| registry.topics().watching() as f64));
    metrics.read(families::HISTORY_TRANSITIONS, &[], of(|registry| registry.history().len() as f64));
    let waiting = |registry: &Registry| registry.queue().stats().waiting.load(Ordering::Relaxed) as f64;
    metrics.read(families::WRITE_QUEUE_DEPTH, &[], of(waiting));
    for word in StoreState::WORDS {
        let registry = registry.clone();
        let read = move || f64::from(registry.queue().stats().store_state.now().word() == word);
        metrics.read(families::STORE_STATE, &[word], read);
    }
    for purpose in Purpose::ALL {
        let budget = budget::process();
        metrics.read(families::TRANSIT_BYTES, &[purpose.word()], move || budget.held(purpose) as f64);
        metrics.read(families::TRANSIT_REFUSED, &[purpose.word()], move || budget.refused(purpose) as f64);
    }
    metrics.read(families::TRANSIT_BYTES_MAX, &[], || budget::process().bytes_max() as f64);
    CheckingStats::expose(registry.checking());
    let logging = logging.clone();
    metrics.read(families::LOG_LINES_DROPPED, &[], move || logging.lines_dropped() as f64);
}
