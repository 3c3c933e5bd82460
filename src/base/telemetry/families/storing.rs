//! How records are stored: commits, Redis, snapshots.

use crate::base::telemetry::family::MetricKind::{Counter, Gauge, Histogram};
use crate::base::telemetry::family::{MetricFamily, family};

/// Bounds for a durable commit: from one quick flush (about 0.1 ms) to a failing disk.
const COMMIT_BOUNDS_S: &[f64] =
    &[50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5];

/// Commands that wait for the writer.
pub const WRITE_QUEUE_DEPTH: MetricFamily =
    family("muster_write_queue_depth", Gauge, &[], "Changes that wait to be made durable.");
/// The state of the store.
pub const STORE_STATE: MetricFamily = family(
    "muster_store_standing",
    Gauge,
    &["standing"],
    "1 for the state of the store: writable, full (writes are refused until there is room) or read-only until a \
     restart.",
);
/// How long commits took.
pub const COMMIT_DURATION: MetricFamily = family(
    "muster_commit_duration_seconds",
    Histogram(COMMIT_BOUNDS_S),
    &[],
    "Time to make one batch of changes durable.",
);
/// Whether Redis answers.
pub const REDIS_CONNECTED: MetricFamily = family(
    "muster_redis_connected",
    Gauge,
    &[],
    "1 while Redis answers, takes writes and the lock is held; 0 while it is away.",
);
/// Whether Redis has everything.
pub const REDIS_WELL: MetricFamily = family(
    "muster_redis_well",
    Gauge,
    &[],
    "1 while Redis has everything that is acknowledged, and each write waits for it.",
);
/// How long transactions took.
pub const REDIS_TRANSACTION_DURATION: MetricFamily = family(
    "muster_redis_transaction_duration_seconds",
    Histogram(COMMIT_BOUNDS_S),
    &[],
    "Time of one transaction in Redis, from the first byte sent to the last one read.",
);
/// Batches that Redis took.
pub const REDIS_BATCHES: MetricFamily =
    family("muster_redis_batches_total", Counter, &[], "Batches of changes that Redis has taken.");
/// Errors of Redis.
pub const REDIS_ERRORS: MetricFamily = family(
    "muster_redis_errors_total",
    Counter,
    &["kind"],
    "Times that Redis failed, was found altered or could not be reached, by kind; attempts during an outage count.",
);
/// Connections to Redis.
pub const REDIS_CONNECTIONS: MetricFamily =
    family("muster_redis_connections", Gauge, &["state"], "Connections to Redis, busy and idle.");
/// How durable a write in Redis is.
pub const REDIS_APPENDFSYNC: MetricFamily = family(
    "muster_redis_appendfsync",
    Gauge,
    &["value"],
    "1 for how Redis syncs its append-only file, as it answered last; off when it keeps none.",
);
/// The lock's number.
pub const REDIS_FENCE: MetricFamily =
    family("muster_redis_fence", Gauge, &[], "The number of the lock that is held; 0 while none is.");
/// Rows put back.
pub const REDIS_ROWS_MENDED: MetricFamily = family(
    "muster_redis_rows_mended_total",
    Counter,
    &[],
    "Rows that were put back into Redis or removed from it because it differed.",
);
/// What waits for Redis.
pub const SPOOL_BATCHES: MetricFamily = family(
    "muster_spool_batches",
    Gauge,
    &[],
    "Batches that are durable here and not yet in Redis, counted from the start or from when Redis had everything.",
);
/// How much of it is in memory.
pub const SPOOL_BYTES: MetricFamily = family(
    "muster_spool_bytes",
    Gauge,
    &[],
    "Bytes of batches for Redis held in memory; past 64 MiB they are dropped, and rows are compared instead.",
);
/// How old the oldest of it is.
pub const SPOOL_AGE: MetricFamily = family(
    "muster_spool_oldest_age_seconds",
    Gauge,
    &[],
    "Age of the oldest batch that is not yet in Redis.",
);
/// When a scheduled snapshot was last taken.
pub const SNAPSHOT_LAST_SUCCESS: MetricFamily = family(
    "muster_snapshot_last_success_timestamp_seconds",
    Gauge,
    &[],
    "Unix time of the newest scheduled snapshot; 0 if there is none.",
);
/// When one last failed.
pub const SNAPSHOT_LAST_FAILURE: MetricFamily = family(
    "muster_snapshot_last_failure_timestamp_seconds",
    Gauge,
    &[],
    "Unix time at which a scheduled snapshot last failed; 0 if none has since the start.",
);
/// How old the newest is.
pub const SNAPSHOT_AGE: MetricFamily = family(
    "muster_snapshot_age_seconds",
    Gauge,
    &[],
    "Age of the newest scheduled snapshot; time since the start if there is none.",
);
/// How large the newest is.
pub const SNAPSHOT_BYTES: MetricFamily = family(
    "muster_snapshot_bytes",
    Gauge,
    &[],
    "Size of the scheduled snapshot that was taken last; 0 if none was since the start.",
);
/// Scheduled snapshots.
pub const SNAPSHOTS: MetricFamily =
    family("muster_snapshots_total", Counter, &[], "Scheduled snapshots taken.");
/// Scheduled snapshots that failed.
pub const SNAPSHOT_FAILURES: MetricFamily = family(
    "muster_snapshot_failures_total",
    Counter,
    &[],
    "Scheduled snapshots that could not be written or did not read back.",
);
