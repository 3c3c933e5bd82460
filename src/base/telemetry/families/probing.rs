//! Checks that muster runs.

use crate::base::telemetry::family::MetricKind::{Counter, Gauge, Histogram};
use crate::base::telemetry::family::{MetricFamily, family};

/// Bounds for a probe: from a connection that is open to a target nearby, to the longest timeout.
const PROBE_BOUNDS_S: &[f64] = &[
    100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 1.0, 2.5, 5.0, 10.0, 30.0,
    600.0,
];

/// Bounds for the delay of a probe: 100 ms is promised, seconds mean that targets hang or the machine is too small.
const PROBE_DELAY_BOUNDS_S: &[f64] =
    &[100e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1.0, 5.0, 30.0];

/// Probes by outcome.
pub const PROBES: MetricFamily = family(
    "muster_probes_total",
    Counter,
    &["kind", "status"],
    "Probes finished, by kind and by what they found; before thresholds.",
);
/// How long probes took.
pub const PROBE_DURATION: MetricFamily = family(
    "muster_probe_duration_seconds",
    Histogram(PROBE_BOUNDS_S),
    &[],
    "Time a probe took, its connection included.",
);
/// How late probes began.
pub const PROBE_START_DELAY: MetricFamily = family(
    "muster_probe_start_delay_seconds",
    Histogram(PROBE_DELAY_BOUNDS_S),
    &["target"],
    "Time from when a probe was due to when it began, by how its target answered the last one: quick, slow, new (not \
     asked yet), silent (no answer), program (none but a program of this machine).",
);
/// Probes that wait.
pub const PROBES_WAITING: MetricFamily = family(
    "muster_probes_waiting",
    Gauge,
    &[],
    "Probes that are due and wait for a slot; targets that hang share few slots.",
);
/// Probes that wait for long.
pub const PROBES_OVERDUE: MetricFamily = family(
    "muster_probes_overdue",
    Gauge,
    &["target"],
    "Probes that have waited for a slot for over a second, by how their targets answered the last one.",
);
/// The longest wait.
pub const PROBE_WAIT_LONGEST: MetricFamily = family(
    "muster_probe_wait_longest_seconds",
    Gauge,
    &[],
    "How long the longest-waiting probe has been waiting for a slot.",
);
/// Probes under way.
pub const PROBES_RUNNING: MetricFamily =
    family("muster_probes_running", Gauge, &[], "Probes that are under way.");
/// Probes saved.
pub const PROBES_SHARED: MetricFamily = family(
    "muster_probes_shared_total",
    Counter,
    &[],
    "Checks that took the result of an identical check's probe, so that their target was asked once.",
);
/// Idle connections to targets.
pub const WATCHED_CONNECTIONS: MetricFamily = family(
    "muster_watched_connections",
    Gauge,
    &[],
    "Idle connections to the targets of checks that are watched for their end.",
);
/// Idle connections that ended.
pub const WATCHED_CONNECTIONS_LOST: MetricFamily = family(
    "muster_watched_connections_lost_total",
    Counter,
    &[],
    "Watched connections that ended from the other side: a death, or a server that closes idle connections.",
);
/// Idle connections not kept.
pub const WATCHED_CONNECTIONS_REFUSED: MetricFamily = family(
    "muster_watched_connections_refused_total",
    Counter,
    &[],
    "Connections that were not watched because limits.watched_connections_max was reached.",
);
/// Probes for ended connections.
pub const EXTRA_PROBES: MetricFamily = family(
    "muster_extra_probes_total",
    Counter,
    &[],
    "Checks that were run at once because their watched connection ended.",
);
