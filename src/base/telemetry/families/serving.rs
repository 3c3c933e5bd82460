//! Requests, answers and what is kept of them.

use crate::base::telemetry::family::MetricKind::{Counter, Gauge, Histogram};
use crate::base::telemetry::family::{MetricFamily, family};

/// Bounds for answering a request: from a cached answer (tens of microseconds) to a blocking query's ten
/// minutes.
const ANSWER_BOUNDS_S: &[f64] = &[
    25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5, 10.0, 60.0,
    600.0,
];

/// Requests answered.
pub const HTTP_REQUESTS: MetricFamily = family(
    "muster_http_requests_total",
    Counter,
    &["method", "route", "status"],
    "Requests answered, by route, status code and the request's method: other for unusual ones.",
);
/// How long answers took.
pub const HTTP_REQUEST_DURATION: MetricFamily = family(
    "muster_http_request_duration_seconds",
    Histogram(ANSWER_BOUNDS_S),
    &["method", "route"],
    "Time from a request's last byte to its answer, by method and route, without those that waited.",
);
/// How long requests took that waited.
pub const HTTP_WAITING_DURATION: MetricFamily = family(
    "muster_http_waiting_request_duration_seconds",
    Histogram(ANSWER_BOUNDS_S),
    &["method", "route"],
    "The same of requests that waited: for a change, for an instance to pass, or for a body that comes bit by bit.",
);
/// Connections open now.
pub const HTTP_CONNECTIONS: MetricFamily =
    family("muster_http_connections", Gauge, &[], "Connections that are open.");
/// Connections accepted.
pub const HTTP_CONNECTIONS_ACCEPTED: MetricFamily =
    family("muster_http_connections_accepted_total", Counter, &[], "Connections accepted.");
/// Connections refused at a bound.
pub const HTTP_CONNECTIONS_REFUSED: MetricFamily = family(
    "muster_http_connections_refused_total",
    Counter,
    &[],
    "Connections refused because a limit on connections was reached.",
);
/// Requests and connections refused before a route was looked for.
pub const HTTP_REFUSALS: MetricFamily = family(
    "muster_http_refusals_total",
    Counter,
    &["status"],
    "Requests and connections refused before a route was looked for: bounds, foreign pages, malformed messages.",
);
/// Handlers that panicked.
pub const HTTP_PANICS: MetricFamily = family(
    "muster_http_panics_total",
    Counter,
    &[],
    "Requests answered 500 because their handler panicked. Each is a defect of muster.",
);
/// Clients that were to shake hands.
pub const TLS_HANDSHAKES: MetricFamily = family(
    "muster_tls_handshakes_total",
    Counter,
    &["outcome"],
    "Handshakes at https_addr by outcome: full, resumed, failed (the log says why), or plain, HTTP without TLS.",
);
/// When a certificate runs out.
pub const TLS_CERTIFICATE_EXPIRY: MetricFamily = family(
    "muster_tls_certificate_expiry_timestamp_seconds",
    Gauge,
    &[],
    "When the first of the certificates in use expires, in seconds of Unix time.",
);
/// Whether the files cannot be used.
pub const TLS_CERTIFICATE_BEHIND: MetricFamily = family(
    "muster_tls_certificate_behind",
    Gauge,
    &[],
    "1 while changed files of certificates cannot be used, so that those of before are (the log says why).",
);
/// Reads that took longer than their turn on a worker.
pub const COSTLY_READS: MetricFamily = family(
    "muster_costly_reads_total",
    Counter,
    &["outcome"],
    "Reads that went to threads of their own because they took too long beside others: answered, refused, or abandoned \
     by their clients.",
);
/// Bytes in transit.
pub const TRANSIT_BYTES: MetricFamily = family(
    "muster_transit_bytes",
    Gauge,
    &["purpose"],
    "Bytes held for answers that are not read yet, requests that are not finished, and rows being restored.",
);
/// The bound of these.
pub const TRANSIT_BYTES_MAX: MetricFamily = family(
    "muster_transit_bytes_max",
    Gauge,
    &[],
    "The bound of muster_transit_bytes over all purposes, limits.transit_bytes_max; half of it for each at most.",
);
/// How often bytes in transit were refused.
pub const TRANSIT_REFUSED: MetricFamily = family(
    "muster_transit_refused_total",
    Counter,
    &["purpose"],
    "Answers, requests and restorations refused or cut because the bound of muster_transit_bytes was reached.",
);
/// Answers given in panic.
pub const PANIC_ANSWERS: MetricFamily = family(
    "muster_panic_answers_total",
    Counter,
    &[],
    "Answers that kept failing instances because the service was in panic.",
);
/// Blocking queries that wait.
pub const BLOCKING_QUERIES: MetricFamily =
    family("muster_blocking_queries", Gauge, &[], "Blocking queries that wait for a change.");
/// Answers whose body was kept.
pub const CACHE_HITS: MetricFamily =
    family("muster_cache_hits_total", Counter, &[], "Answers whose body was in the cache.");
/// Answers whose body had to be made.
pub const CACHE_MISSES: MetricFamily = family(
    "muster_cache_misses_total",
    Counter,
    &["reason"],
    "Answers whose body had to be made: it was absent, or what it shows had changed.",
);
/// Bodies dropped.
pub const CACHE_EVICTIONS: MetricFamily = family(
    "muster_cache_evictions_total",
    Counter,
    &[],
    "Bodies dropped from the cache to stay within cache.entries_max and cache.bytes_max.",
);
/// Bodies kept.
pub const CACHE_ENTRIES: MetricFamily = family("muster_cache_entries", Gauge, &[], "Bodies in the cache.");
/// Their bytes.
pub const CACHE_BYTES: MetricFamily =
    family("muster_cache_bytes", Gauge, &[], "Bytes of bodies in the cache, compressed ones included.");
/// Streams open.
pub const STREAMS: MetricFamily = family("muster_streams", Gauge, &[], "Streams of changes that are open.");
/// Streams begun, by how.
pub const STREAM_STARTS: MetricFamily = family(
    "muster_stream_starts_total",
    Counter,
    &["kind"],
    "Streams begun: new ones, resumed ones, and those that were to resume and had to begin with everything (reset).",
);
/// Events sent on streams.
pub const STREAM_EVENTS: MetricFamily =
    family("muster_stream_events_total", Counter, &["kind"], "Events sent on streams, by kind.");
/// Streams cut.
pub const STREAMS_CUT: MetricFamily = family(
    "muster_streams_cut_total",
    Counter,
    &[],
    "Streams that were cut because their client took nothing for too long.",
);
