//! What is registered.

use crate::base::telemetry::family::MetricKind::{Counter, Gauge};
use crate::base::telemetry::family::{MetricFamily, family};

/// Registrations that changed the catalog or confirmed it.
pub const REGISTRATIONS: MetricFamily =
    family("muster_registrations_total", Counter, &["kind"], "Registrations accepted, by kind of record.");
/// Deregistrations.
pub const DEREGISTRATIONS: MetricFamily = family(
    "muster_deregistrations_total",
    Counter,
    &["kind"],
    "Deregistrations accepted, by kind of record.",
);
/// Nodes in the catalog.
pub const CATALOG_NODES: MetricFamily = family("muster_catalog_nodes", Gauge, &[], "Nodes in the catalog.");
/// Service names in the catalog.
pub const CATALOG_SERVICES: MetricFamily =
    family("muster_catalog_services", Gauge, &[], "Services in the catalog, counted by name.");
/// Service instances in the catalog.
pub const CATALOG_INSTANCES: MetricFamily =
    family("muster_catalog_instances", Gauge, &[], "Service instances in the catalog.");
/// Checks by status.
pub const CATALOG_CHECKS: MetricFamily =
    family("muster_catalog_checks", Gauge, &["status"], "Checks in the catalog, by status.");
/// Keys of the key/value store.
pub const KV_KEYS: MetricFamily = family("muster_kv_keys", Gauge, &[], "Keys in the key/value store.");
/// Bytes of the key/value store.
pub const KV_BYTES: MetricFamily =
    family("muster_kv_bytes", Gauge, &[], "Bytes of all keys and values in the key/value store.");
/// Records of access control.
pub const ACL_RECORDS: MetricFamily = family(
    "muster_acl_records",
    Gauge,
    &["kind"],
    "Policies, roles and tokens, where access control is enabled.",
);
/// Bytes of access control.
pub const ACL_BYTES: MetricFamily = family(
    "muster_acl_bytes",
    Gauge,
    &[],
    "Bytes of all policies, roles and tokens, where access control is enabled.",
);
/// The index of the last change.
pub const CATALOG_INDEX: MetricFamily =
    family("muster_catalog_index", Gauge, &[], "The index of the last change that was applied.");
/// Instances that drain.
pub const DRAINING: MetricFamily = family(
    "muster_draining_instances",
    Gauge,
    &[],
    "Instances that drain, or have drained and are not deregistered.",
);
/// Services in panic.
pub const SERVICES_IN_PANIC: MetricFamily = family(
    "muster_services_in_panic",
    Gauge,
    &[],
    "Services that are in panic by their own threshold, so that failing instances are kept in answers.",
);
/// Transitions of checks remembered.
pub const HISTORY_TRANSITIONS: MetricFamily = family(
    "muster_history_transitions",
    Gauge,
    &[],
    "Transitions of checks that are remembered; 100,000 at most.",
);
