//! The numbers of one process: handles to count with, readers to register, and the text that Prometheus
//! scrapes.
//!
//! Handles are resolved once, with the first answer. Counting an answer is then three relaxed additions (its
//! status, its bucket, its time) and no look-up, no lock and no allocation.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use prometheus::IntCounter;
use prometheus::proto::MetricType;
use prometheus::{Encoder, IntCounterVec, Opts, Registry, TextEncoder};

use crate::base::sys::clock::Clock;
use crate::base::telemetry::families::{self, FAMILIES, MetricFamily};
use crate::base::telemetry::histogram::Histogram;
use crate::base::telemetry::readings::Readings;

/// The media type of [`Metrics::encode`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Statuses that are counted apart, the frequent ones first; any other is counted as `other`.
const STATUSES: &[u16] = &[
    200, 404, 400, 500, 204, 206, 301, 304, 307, 308, 401, 403, 405, 406, 408, 409, 410, 412, 413, 414, 415,
    416, 417, 421, 422, 429, 431, 501, 502, 503, 504, 505, 507,
];

/// Families that are counted where they happen, by handles of the `prometheus` crate.
const COUNTED: &[MetricFamily] = &[
    families::HTTP_REQUESTS,
    families::REGISTRATIONS,
    families::DEREGISTRATIONS,
    families::PANIC_ANSWERS,
    families::COSTLY_READS,
    families::STREAM_STARTS,
    families::STREAM_EVENTS,
    families::STREAMS_CUT,
    families::PROBES,
];

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    counted: BTreeMap<&'static str, IntCounterVec>,
    readings: BTreeMap<&'static str, Readings>,
}

impl Metrics {
    /// Every family of the table, without series but for build and uptime, and the process's own.
    ///
    /// # Errors
    /// The exporter's, when the table of families is not well formed; a test builds it.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let (mut counted, mut readings) = (BTreeMap::new(), BTreeMap::new());
        for family in FAMILIES {
            if COUNTED.iter().any(|it| it.name == family.name) {
                let counters = IntCounterVec::new(Opts::new(family.name, family.help), family.labels)?;
                registry.register(Box::new(counters.clone()))?;
                counted.insert(family.name, counters);
            } else {
                let of_family = Readings::new(*family)?;
                registry.register(Box::new(of_family.clone()))?;
                readings.insert(family.name, of_family);
            }
        }
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let metrics = Metrics { registry, counted, readings };
        let started = Clock.now();
        metrics.read(families::UPTIME, &[], move || started.elapsed().as_secs_f64());
        metrics.read(families::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], || 1.0);
        Ok(metrics)
    }

    /// Registers where a series of `family` is read from. The same label values again replace the reader.
    pub fn read(
        &self,
        family: MetricFamily,
        values: &[&str],
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        if let Some(readings) = self.readings.get(family.name) {
            readings.read_by(values, Box::new(read));
        }
    }

    /// A counter of one of the families that are counted by handle.
    pub fn counter(&self, family: MetricFamily, values: &[&str]) -> IntCounter {
        match self.counted.get(family.name) {
            Some(counters) => counters.with_label_values(values),
            None => unreachable!("{} is not counted by handle", family.name),
        }
    }

    /// The histogram of one series; each call begins it anew, so keep what it returns.
    pub fn histogram(&self, family: MetricFamily, values: &[&str]) -> Histogram {
        match self.readings.get(family.name) {
            Some(readings) => readings.histogram(values),
            None => unreachable!("{} is no histogram", family.name),
        }
    }

    /// The handles for one method of a route. Call it once for each and keep what it gives.
    pub fn route(&self, method: &'static str, route: &'static str) -> RouteMetrics {
        RouteMetrics {
            method,
            route,
            requests: self.counted[families::HTTP_REQUESTS.name].clone(),
            by_status: Arc::new([const { OnceLock::new() }; STATUSES.len() + 1]),
            duration: self.histogram(families::HTTP_REQUEST_DURATION, &[method, route]),
            waiting: self.readings[families::HTTP_WAITING_DURATION.name].clone(),
            waiting_duration: Arc::default(),
        }
    }

    /// The counters and gauges, for answers in another format than Prometheus's.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for family in self.registry.gather() {
            let is_counter = family.get_field_type() == MetricType::COUNTER;
            if !is_counter && family.get_field_type() != MetricType::GAUGE {
                continue;
            }
            for metric in family.get_metric() {
                let labels = metric.get_label().iter();
                let labels = labels.map(|pair| (pair.name().to_owned(), pair.value().to_owned())).collect();
                let counter = || metric.get_counter().get_value();
                let value = if is_counter { counter() } else { metric.get_gauge().get_value() };
                samples.push((family.name().to_owned(), labels, value));
            }
        }
        samples
    }

    /// Everything, in Prometheus's text format. Cost: about a hundred bytes a series; call it for a scrape.
    ///
    /// # Errors
    /// The exporter's, when two series of a family have the same labels.
    pub fn encode(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        // A family without a series yet would be an error to the encoder.
        let gathered: Vec<_> =
            self.registry.gather().into_iter().filter(|it| !it.get_metric().is_empty()).collect();
        TextEncoder::new().encode(&gathered, &mut text)?;
        Ok(text)
    }
}

/// The value of one series: its name, its labels, and how much.
pub type Sample = (String, BTreeMap<String, String>, f64);

/// The handles of one method of a route. Clones share the counts.
#[derive(Clone)]
pub struct RouteMetrics {
    method: &'static str,
    route: &'static str,
    requests: IntCounterVec,
    /// One for each of [`STATUSES`] and one for the rest; resolved when the first such answer is given, so
    /// that a scrape shows no series for what never happened.
    by_status: Arc<[OnceLock<IntCounter>; STATUSES.len() + 1]>,
    duration: Histogram,
    /// The family of requests that waited, and the histogram of this method and route once one has.
    waiting: Readings,
    waiting_duration: Arc<OnceLock<Histogram>>,
}

impl RouteMetrics {
    /// Counts one answer. What waited for a change or for its client says nothing of how quick muster is, so it is
    /// timed apart.
    pub fn answered(&self, status: u16, elapsed: Duration, has_waited: bool) {
        let at = STATUSES.iter().position(|it| *it == status).unwrap_or(STATUSES.len());
        self.by_status[at].get_or_init(|| self.resolve(at)).inc();
        if has_waited {
            let begun = || self.waiting.histogram(&[self.method, self.route]);
            self.waiting_duration.get_or_init(begun).observe(elapsed);
        } else {
            self.duration.observe(elapsed);
        }
    }

    fn resolve(&self, at: usize) -> IntCounter {
        let status = STATUSES.get(at).map_or("other".to_owned(), ToString::to_string);
        self.requests.with_label_values(&[self.method, self.route, &status])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn text(metrics: &Metrics) -> String {
        String::from_utf8(metrics.encode().expect("it encodes")).expect("it is text")
    }

    #[test]
    fn a_fresh_process_tells_of_itself() {
        let text = text(&Metrics::new().expect("the table is well formed"));
        for line in [
            "# HELP muster_uptime_seconds Time since the process started serving.",
            "# TYPE muster_uptime_seconds gauge",
            concat!("muster_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in:\n{text}");
        }
        assert!(!text.contains("muster_http_requests_total"), "what never happened has no series");
    }

    #[test]
    fn answers_are_counted_by_route_and_status() {
        let metrics = Metrics::new().expect("the table is well formed");
        let route = metrics.route("GET", "/v1/catalog/services");
        assert!(!text(&metrics).contains("route="), "none was asked for");
        route.answered(200, Duration::from_micros(40), false);
        route.clone().answered(200, Duration::from_millis(3), false);
        assert!(!text(&metrics).contains("waiting"), "none has waited");
        route.answered(599, Duration::from_secs(700), false);
        route.clone().answered(200, Duration::from_secs(300), true);
        let text = text(&metrics);
        let labels = "method=\"GET\",route=\"/v1/catalog/services\"";
        for line in [
            format!("muster_http_requests_total{{{labels},status=\"200\"}} 3"),
            format!("muster_http_requests_total{{{labels},status=\"other\"}} 1"),
            format!("muster_http_request_duration_seconds_bucket{{{labels},le=\"0.00005\"}} 1"),
            format!("muster_http_request_duration_seconds_bucket{{{labels},le=\"600\"}} 2"),
            format!("muster_http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
            format!("muster_http_request_duration_seconds_count{{{labels}}} 3"),
            format!("muster_http_waiting_request_duration_seconds_bucket{{{labels},le=\"60\"}} 0"),
            format!("muster_http_waiting_request_duration_seconds_count{{{labels}}} 1"),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in:\n{text}");
        }
    }

    #[test]
    fn what_others_keep_is_read_when_asked() {
        let metrics = Metrics::new().expect("the table is well formed");
        let kept = Arc::new(AtomicU64::new(3));
        for status in ["passing", "critical"] {
            let kept = Arc::clone(&kept);
            metrics.read(families::CATALOG_CHECKS, &[status], move || kept.load(Ordering::Relaxed) as f64);
        }
        metrics.read(families::HTTP_CONNECTIONS_ACCEPTED, &[], || 12.0);
        kept.store(5, Ordering::Relaxed);
        let text = text(&metrics);
        assert!(text.contains("muster_catalog_checks{status=\"passing\"} 5\n"), "{text}");
        assert!(text.contains("# TYPE muster_http_connections_accepted_total counter\n"), "{text}");
    }

    #[test]
    fn every_family_can_be_counted_or_read() {
        let metrics = Metrics::new().expect("the table is well formed");
        for family in FAMILIES {
            let values = vec!["x"; family.labels.len()];
            match family.kind {
                families::MetricKind::Histogram(_) => {
                    metrics.histogram(*family, &values).observe(Duration::from_secs(1));
                }
                _ if COUNTED.iter().any(|it| it.name == family.name) => {
                    metrics.counter(*family, &values).inc()
                }
                _ => metrics.read(*family, &values, || 1.0),
            }
        }
        let text = text(&metrics);
        assert!(FAMILIES.iter().all(|family| text.contains(&format!("# HELP {} ", family.name))), "{text}");
    }
}
