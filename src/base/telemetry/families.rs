//! The table of metrics: every family with its name, kind, labels and help. What is not here is not exported, and
//! `docs/metrics.md` lists exactly these. The rows stand in files by what they are about.
//!
//! Labels have few values by construction (routes, status codes, check states, webhooks that an operator named): none
//! is made of what a client sent.

mod probing;
mod registry;
mod serving;
mod storing;
mod notifying;

pub use super::family::{MetricFamily, MetricKind};
pub use notifying::*;
pub use probing::*;
pub use registry::*;
pub use serving::*;
pub use storing::*;

/// Every family. The `process_*` families beside them are those that every Prometheus client library exports.
pub const FAMILIES: &[MetricFamily] = &[
    HTTP_REQUESTS,
    HTTP_REQUEST_DURATION,
    HTTP_WAITING_DURATION,
    HTTP_CONNECTIONS,
    HTTP_CONNECTIONS_ACCEPTED,
    HTTP_CONNECTIONS_REFUSED,
    HTTP_REFUSALS,
    HTTP_PANICS,
    TLS_HANDSHAKES,
    TLS_CERTIFICATE_EXPIRY,
    TLS_CERTIFICATE_BEHIND,
    COSTLY_READS,
    TRANSIT_BYTES,
    TRANSIT_BYTES_MAX,
    TRANSIT_REFUSED,
    REGISTRATIONS,
    DEREGISTRATIONS,
    CATALOG_NODES,
    CATALOG_SERVICES,
    CATALOG_INSTANCES,
    CATALOG_CHECKS,
    KV_KEYS,
    KV_BYTES,
    ACL_RECORDS,
    ACL_BYTES,
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
    STORE_STATE,
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
    PROBES_OVERDUE,
    PROBE_WAIT_LONGEST,
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
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use MetricKind::{Counter, Gauge, Histogram};

    /// All source files below `directory`.
    fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("it is part of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { sources(&path, found) } else { found.push(path) }
        }
    }

    /// The document, whose rows are compared.
    const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

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

    /// A family as the document lists it.
    fn row(family: &MetricFamily) -> String {
        let kind = match family.kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram(_) => "histogram",
        };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {kind} | {} | {} |", family.name, labels.join(", "), family.help)
    }

    #[test]
    fn the_document_lists_exactly_the_table() {
        let rows: Vec<String> = FAMILIES.iter().map(row).collect();
        let listed: Vec<&str> = DOCUMENT.lines().filter(|line| line.starts_with("| `muster_")).collect();
        assert_eq!(listed, rows, "the rows of docs/metrics.md should read:\n{}\n", rows.join("\n"));
    }

    /// A row without a value would be documented and never exported.
    #[test]
    fn somebody_gives_the_value_of_every_family() {
        let mut paths = Vec::new();
        sources(Path::new("src"), &mut paths);
        let text = |path: &PathBuf| fs::read_to_string(path).expect("a source file");
        let (rows, others): (Vec<PathBuf>, Vec<PathBuf>) =
            paths.into_iter().partition(|path| path.starts_with("src/base/telemetry/families"));
        let (rows, others): (String, String) =
            (rows.iter().map(text).collect(), others.iter().map(text).collect());
        let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let given: BTreeSet<&str> =
            others.split("families::").filter_map(|after| after.split(|it| !is_word(it)).next()).collect();
        let names: Vec<&str> = rows
            .lines()
            .filter_map(|line| {
                line.strip_prefix("pub const ")?.split_once(": MetricFamily").map(|(name, _)| name)
            })
            .collect();
        assert_eq!(names.len(), FAMILIES.len(), "every row is found");
        let forgotten: Vec<&&str> = names.iter().filter(|name| !given.contains(**name)).collect();
        assert!(forgotten.is_empty(), "nobody counts or reads {forgotten:?}");
    }
}
