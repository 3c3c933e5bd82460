//! The table of metrics: every family with its name, kind, labels and help. What is not here is not exported.
//!
//! Labels have few values by construction (routes, status codes, check states, webhooks that an operator named): none
//! is made of what a client sent.

use super::family::family;
pub use super::family::{Family, Kind};

use Kind::{Counter, Gauge, Histogram};

/// Bounds for answering a request: from a cached answer (tens of microseconds) to a blocking query's ten
/// minutes.
const ANSWER_BOUNDS_S: &[f64] = &[
    25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5, 10.0, 60.0,
    600.0,
];

/// Bounds for a durable commit: from one quick flush (about 0.1 ms) to a disk in trouble.
const COMMIT_BOUNDS_S: &[f64] =
    &[50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5];

/// Bounds for a probe: from a connection that is open to a target nearby, to the longest timeout.
const PROBE_BOUNDS_S: &[f64] = &[
    100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 1.0, 2.5, 5.0, 10.0, 30.0,
    600.0,
];

/// Bounds for the delay of a probe: 100 ms is promised, seconds mean that targets hang or the machine is too small.
const PROBE_DELAY_BOUNDS_S: &[f64] =
    &[100e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1.0, 5.0, 30.0];

/// Requests answered.
pub const HTTP_REQUESTS: Family = family(
    "muster_http_requests_total",
    Counter,
    &["method", "route", "status"],
    "Requests answered, by route and status code.",
);
/// How long answers took.
pub const HTTP_REQUEST_DURATION: Family = family(
    "muster_http_request_duration_seconds",
    Histogram(ANSWER_BOUNDS_S),
    &["method", "route"],
    "Time from a request's last byte to its answer, by route; blocking queries include their wait.",
);
/// Connections open now.
pub const HTTP_CONNECTIONS: Family =
    family("muster_http_connections", Gauge, &[], "Connections that are open.");
/// Connections accepted.
pub const HTTP_CONNECTIONS_ACCEPTED: Family =
    family("muster_http_connections_accepted_total", Counter, &[], "Connections accepted.");
/// Connections refused at a bound.
pub const HTTP_CONNECTIONS_REFUSED: Family = family(
    "muster_http_connections_refused_total",
    Counter,
    &[],
    "Connections refused because a limit on connections was reached.",
);
/// Handlers that panicked.
pub const HTTP_PANICS: Family = family(
    "muster_http_panics_total",
    Counter,
    &[],
    "Requests answered 500 because their handler panicked. Each is a defect of muster.",
);
/// Registrations that changed the catalog or confirmed it.
pub const REGISTRATIONS: Family =
    family("muster_registrations_total", Counter, &["kind"], "Registrations accepted, by kind of record.");
/// Deregistrations.
pub const DEREGISTRATIONS: Family = family(
    "muster_deregistrations_total",
    Counter,
    &["kind"],
    "Deregistrations accepted, by kind of record.",
);
/// Nodes in the catalog.
pub const CATALOG_NODES: Family = family("muster_catalog_nodes", Gauge, &[], "Nodes in the catalog.");
/// Service names in the catalog.
pub const CATALOG_SERVICES: Family =
    family("muster_catalog_services", Gauge, &[], "Services in the catalog, counted by name.");
/// Service instances in the catalog.
pub const CATALOG_INSTANCES: Family =
    family("muster_catalog_instances", Gauge, &[], "Service instances in the catalog.");
/// Checks by status.
pub const CATALOG_CHECKS: Family =
    family("muster_catalog_checks", Gauge, &["status"], "Checks in the catalog, by status.");
/// The index of the last change.
pub const CATALOG_INDEX: Family =
    family("muster_catalog_index", Gauge, &[], "The index of the last change that was applied.");
/// Instances that drain.
pub const DRAINING: Family = family(
    "muster_draining_instances",
    Gauge,
    &[],
    "Instances that drain, or have drained and are not deregistered.",
);
/// Services in panic.
pub const SERVICES_IN_PANIC: Family = family(
    "muster_services_in_panic",
    Gauge,
    &[],
    "Services that are in panic by their own threshold, so that failing instances are kept in answers.",
);
/// Answers given in panic.
pub const PANIC_ANSWERS: Family = family(
    "muster_panic_answers_total",
    Counter,
    &[],
    "Answers that kept failing instances because the service was in panic.",
);
/// Blocking queries that wait.
pub const BLOCKING_QUERIES: Family =
    family("muster_blocking_queries", Gauge, &[], "Blocking queries that wait for a change.");
/// Answers whose body was kept.
pub const CACHE_HITS: Family =
    family("muster_cache_hits_total", Counter, &[], "Answers whose body was in the cache.");
/// Answers whose body had to be made.
pub const CACHE_MISSES: Family = family(
    "muster_cache_misses_total",
    Counter,
    &["reason"],
    "Answers whose body had to be made: it was absent, or what it shows had changed.",
);
/// Bodies dropped.
pub const CACHE_EVICTIONS: Family = family(
    "muster_cache_evictions_total",
    Counter,
    &[],
    "Bodies dropped from the cache to stay within cache.entries_max and cache.bytes_max.",
);
/// Bodies kept.
pub const CACHE_ENTRIES: Family = family("muster_cache_entries", Gauge, &[], "Bodies in the cache.");
/// Their bytes.
pub const CACHE_BYTES: Family =
    family("muster_cache_bytes", Gauge, &[], "Bytes of bodies in the cache, compressed ones included.");
/// Streams open.
pub const STREAMS: Family = family("muster_streams", Gauge, &[], "Streams of changes that are open.");
/// Streams begun, by how.
pub const STREAM_STARTS: Family = family(
    "muster_stream_starts_total",
    Counter,
    &["kind"],
    "Streams begun: new ones, resumed ones, and those that were to resume and had to begin with everything (reset).",
);
/// Events sent on streams.
pub const STREAM_EVENTS: Family =
    family("muster_stream_events_total", Counter, &["kind"], "Events sent on streams, by kind.");
/// Streams cut.
pub const STREAMS_CUT: Family = family(
    "muster_streams_cut_total",
    Counter,
    &[],
    "Streams that were cut because their client took nothing for too long.",
);
/// Transitions of checks remembered.
pub const HISTORY_TRANSITIONS: Family = family(
    "muster_history_transitions",
    Gauge,
    &[],
    "Transitions of checks that are remembered; 100,000 at most.",
);
/// Commands that wait for the writer.
pub const WRITE_QUEUE_DEPTH: Family =
    family("muster_write_queue_depth", Gauge, &[], "Changes that wait to be made durable.");
/// How the store stands.
pub const STORE_STANDING: Family = family(
    "muster_store_standing",
    Gauge,
    &["standing"],
    "1 for how the store stands: writable, full (writes are refused until there is room) or read-only until a restart.",
);
/// How long commits took.
pub const COMMIT_DURATION: Family = family(
    "muster_commit_duration_seconds",
    Histogram(COMMIT_BOUNDS_S),
    &[],
    "Time to make one batch of changes durable.",
);
/// Whether Redis answers.
pub const REDIS_CONNECTED: Family = family(
    "muster_redis_connected",
    Gauge,
    &[],
    "1 while Redis answers, takes writes and the lock is held; 0 while it is away.",
);
/// Whether Redis has everything.
pub const REDIS_WELL: Family = family(
    "muster_redis_well",
    Gauge,
    &[],
    "1 while Redis has everything that is acknowledged, and each write waits for it.",
);
/// How long transactions took.
pub const REDIS_TRANSACTION_DURATION: Family = family(
    "muster_redis_transaction_duration_seconds",
    Histogram(COMMIT_BOUNDS_S),
    &[],
    "Time of one transaction in Redis, from the first byte sent to the last one read.",
);
/// Batches that Redis took.
pub const REDIS_BATCHES: Family =
    family("muster_redis_batches_total", Counter, &[], "Batches of changes that Redis has taken.");
/// Troubles with Redis.
pub const REDIS_ERRORS: Family = family(
    "muster_redis_errors_total",
    Counter,
    &["kind"],
    "Times that Redis failed, was found altered or could not be reached, by kind; attempts during an outage count.",
);
/// Connections to Redis.
pub const REDIS_CONNECTIONS: Family =
    family("muster_redis_connections", Gauge, &["state"], "Connections to Redis, busy and idle.");
/// What Redis makes of a write.
pub const REDIS_APPENDFSYNC: Family = family(
    "muster_redis_appendfsync",
    Gauge,
    &["value"],
    "1 for what Redis said when it was last asked how it syncs its append-only file; off when it keeps none.",
);
/// The lock's number.
pub const REDIS_FENCE: Family =
    family("muster_redis_fence", Gauge, &[], "The number of the lock that is held; 0 while none is.");
/// Rows put back.
pub const REDIS_ROWS_MENDED: Family = family(
    "muster_redis_rows_mended_total",
    Counter,
    &[],
    "Rows that were put back into Redis or removed from it because it differed.",
);
/// What waits for Redis.
pub const SPOOL_BATCHES: Family = family(
    "muster_spool_batches",
    Gauge,
    &[],
    "Batches that are durable here and not yet in Redis, counted from the start or from when Redis had everything.",
);
/// How much of it is in memory.
pub const SPOOL_BYTES: Family = family(
    "muster_spool_bytes",
    Gauge,
    &[],
    "Bytes of batches for Redis held in memory; past 64 MiB they are dropped, and rows are compared instead.",
);
/// How old the oldest of it is.
pub const SPOOL_AGE: Family = family(
    "muster_spool_oldest_age_seconds",
    Gauge,
    &[],
    "Age of the oldest batch that is not yet in Redis.",
);
/// Probes by outcome.
pub const PROBES: Family = family(
    "muster_probes_total",
    Counter,
    &["kind", "status"],
    "Probes finished, by kind and by what they found; before thresholds.",
);
/// How long probes took.
pub const PROBE_DURATION: Family = family(
    "muster_probe_duration_seconds",
    Histogram(PROBE_BOUNDS_S),
    &[],
    "Time a probe took, its connection included.",
);
/// How late probes began.
pub const PROBE_START_DELAY: Family = family(
    "muster_probe_start_delay_seconds",
    Histogram(PROBE_DELAY_BOUNDS_S),
    &["target"],
    "Time from when a probe was due to when it began; slow targets, which hang, wait for each other.",
);
/// Probes that wait.
pub const PROBES_WAITING: Family = family(
    "muster_probes_waiting",
    Gauge,
    &[],
    "Probes that are due and wait for a place; targets that hang share few places.",
);
/// Probes under way.
pub const PROBES_RUNNING: Family = family("muster_probes_running", Gauge, &[], "Probes that are under way.");
/// Probes saved.
pub const PROBES_SHARED: Family = family(
    "muster_probes_shared_total",
    Counter,
    &[],
    "Checks that took the result of an identical check's probe, so that their target was asked once.",
);
/// Idle connections to targets.
pub const WATCHED_CONNECTIONS: Family = family(
    "muster_watched_connections",
    Gauge,
    &[],
    "Idle connections to the targets of checks that are watched for their end.",
);
/// Idle connections that ended.
pub const WATCHED_CONNECTIONS_LOST: Family = family(
    "muster_watched_connections_lost_total",
    Counter,
    &[],
    "Watched connections that ended from the other side: a death, or a server that closes idle connections.",
);
/// Idle connections not kept.
pub const WATCHED_CONNECTIONS_REFUSED: Family = family(
    "muster_watched_connections_refused_total",
    Counter,
    &[],
    "Connections that were not watched because limits.watched_connections_max was reached.",
);
/// Probes for ended connections.
pub const EXTRA_PROBES: Family = family(
    "muster_extra_probes_total",
    Counter,
    &[],
    "Checks that were run at once because their watched connection ended.",
);
/// What waits for webhooks.
pub const WEBHOOK_PENDING: Family = family(
    "muster_webhook_pending",
    Gauge,
    &["webhook"],
    "Events that wait for a webhook; with Alertmanager, alerts that stand.",
);
/// How old the oldest of it is.
pub const WEBHOOK_OLDEST_AGE: Family = family(
    "muster_webhook_oldest_age_seconds",
    Gauge,
    &["webhook"],
    "Age of the event that has waited longest for a webhook.",
);
/// What webhooks were told.
pub const WEBHOOK_DELIVERED: Family = family(
    "muster_webhook_delivered_total",
    Counter,
    &["webhook"],
    "Events that a webhook's receiver has taken; with Alertmanager, posts.",
);
/// Attempts that failed.
pub const WEBHOOK_FAILED: Family =
    family("muster_webhook_failed_total", Counter, &["webhook"], "Attempts to tell a webhook that failed.");
/// What was given up.
pub const WEBHOOK_DEAD_LETTERS: Family = family(
    "muster_webhook_dead_letters_total",
    Counter,
    &["webhook"],
    "Events that were given up: refused, too old, or too many.",
);
/// When a scheduled snapshot was last taken.
pub const SNAPSHOT_LAST_SUCCESS: Family = family(
    "muster_snapshot_last_success_timestamp_seconds",
    Gauge,
    &[],
    "Unix time of the newest scheduled snapshot; 0 if there is none.",
);
/// When one last failed.
pub const SNAPSHOT_LAST_FAILURE: Family = family(
    "muster_snapshot_last_failure_timestamp_seconds",
    Gauge,
    &[],
    "Unix time at which a scheduled snapshot last failed; 0 if none has since the start.",
);
/// How old the newest is.
pub const SNAPSHOT_AGE: Family = family(
    "muster_snapshot_age_seconds",
    Gauge,
    &[],
    "Age of the newest scheduled snapshot; time since the start if there is none.",
);
/// How large the newest is.
pub const SNAPSHOT_BYTES: Family = family(
    "muster_snapshot_bytes",
    Gauge,
    &[],
    "Size of the scheduled snapshot that was taken last; 0 if none was since the start.",
);
/// Scheduled snapshots.
pub const SNAPSHOTS: Family = family("muster_snapshots_total", Counter, &[], "Scheduled snapshots taken.");
/// Scheduled snapshots that failed.
pub const SNAPSHOT_FAILURES: Family = family(
    "muster_snapshot_failures_total",
    Counter,
    &[],
    "Scheduled snapshots that could not be written or did not read back.",
);
/// Log lines lost.
pub const LOG_LINES_DROPPED: Family =
    family("muster_log_lines_dropped_total", Counter, &[], "Log lines lost because stderr was slow.");
/// Which muster this is.
pub const BUILD_INFO: Family =
    family("muster_build_info", Gauge, &["version"], "1, labelled with the version.");
/// How long it has been up.
pub const UPTIME: Family =
    family("muster_uptime_seconds", Gauge, &[], "Time since the process started serving.");

/// Every family. The `process_*` families beside them are those that every Prometheus client library exports.
pub const FAMILIES: &[Family] = &[
    HTTP_REQUESTS,
    HTTP_REQUEST_DURATION,
    HTTP_CONNECTIONS,
    HTTP_CONNECTIONS_ACCEPTED,
    HTTP_CONNECTIONS_REFUSED,
    HTTP_PANICS,
    REGISTRATIONS,
    DEREGISTRATIONS,
    CATALOG_NODES,
    CATALOG_SERVICES,
    CATALOG_INSTANCES,
    CATALOG_CHECKS,
    CATALOG_INDEX,
    DRAINING,
    SERVICES_IN_PANIC,
    PANIC_ANSWERS,
    BLOCKING_QUERIES,
    CACHE_HITS,
    CACHE_MISSES,
    CACHE_EVICTIONS,
    CACHE_ENTRIES,
    CACHE_BYTES,
    STREAMS,
    STREAM_STARTS,
    STREAM_EVENTS,
    STREAMS_CUT,
    HISTORY_TRANSITIONS,
    WRITE_QUEUE_DEPTH,
    STORE_STANDING,
    COMMIT_DURATION,
    REDIS_CONNECTED,
    REDIS_WELL,
    REDIS_TRANSACTION_DURATION,
    REDIS_BATCHES,
    REDIS_ERRORS,
    REDIS_CONNECTIONS,
    REDIS_APPENDFSYNC,
    REDIS_FENCE,
    REDIS_ROWS_MENDED,
    SPOOL_BATCHES,
    SPOOL_BYTES,
    SPOOL_AGE,
    PROBES,
    PROBE_DURATION,
    PROBE_START_DELAY,
    PROBES_WAITING,
    PROBES_RUNNING,
    PROBES_SHARED,
    WATCHED_CONNECTIONS,
    WATCHED_CONNECTIONS_LOST,
    WATCHED_CONNECTIONS_REFUSED,
    EXTRA_PROBES,
    WEBHOOK_PENDING,
    WEBHOOK_OLDEST_AGE,
    WEBHOOK_DELIVERED,
    WEBHOOK_FAILED,
    WEBHOOK_DEAD_LETTERS,
    SNAPSHOT_LAST_SUCCESS,
    SNAPSHOT_LAST_FAILURE,
    SNAPSHOT_AGE,
    SNAPSHOT_BYTES,
    SNAPSHOTS,
    SNAPSHOT_FAILURES,
    LOG_LINES_DROPPED,
    BUILD_INFO,
    UPTIME,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_end_in_their_unit() {
        let names: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len());
        for family in FAMILIES {
            assert!(family.name.starts_with("muster_") && family.help.ends_with('.'), "{}", family.name);
            assert_eq!(family.name.ends_with("_total"), family.kind == Counter, "{}", family.name);
            if let Histogram(bounds) = family.kind {
                assert!(family.name.ends_with("_seconds"), "{}", family.name);
                assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{} ascends", family.name);
            }
        }
    }
}
