//! Webhooks, and muster itself.

use crate::base::telemetry::family::MetricKind::{Counter, Gauge};
use crate::base::telemetry::family::{MetricFamily, family};

/// What waits for webhooks.
pub const WEBHOOK_PENDING: MetricFamily = family(
    "muster_webhook_pending",
    Gauge,
    &["webhook"],
    "Events that wait for a webhook; with Alertmanager, alerts that stand.",
);
/// How old the oldest of it is.
pub const WEBHOOK_OLDEST_AGE: MetricFamily = family(
    "muster_webhook_oldest_age_seconds",
    Gauge,
    &["webhook"],
    "Age of the event that has waited longest for a webhook.",
);
/// What webhooks got.
pub const WEBHOOK_DELIVERED: MetricFamily = family(
    "muster_webhook_delivered_total",
    Counter,
    &["webhook"],
    "Events that a webhook's receiver has taken; with Alertmanager, posts.",
);
/// Attempts that failed.
pub const WEBHOOK_FAILED: MetricFamily =
    family("muster_webhook_failed_total", Counter, &["webhook"], "Deliveries to a webhook that failed.");
/// What was given up.
pub const WEBHOOK_DEAD_LETTERS: MetricFamily = family(
    "muster_webhook_dead_letters_total",
    Counter,
    &["webhook"],
    "Events that were given up: refused, too old, or too many.",
);
/// Log lines lost.
pub const LOG_LINES_DROPPED: MetricFamily = family(
    "muster_log_lines_dropped_total",
    Counter,
    &[],
    "Log lines lost because stderr was slow or took none.",
);
/// Which muster this is.
pub const BUILD_INFO: MetricFamily =
    family("muster_build_info", Gauge, &["version"], "1, labelled with the version.");
/// How long it has been up.
pub const UPTIME: MetricFamily =
    family("muster_uptime_seconds", Gauge, &[], "Time since the process started serving.");
