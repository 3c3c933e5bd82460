//! Families whose values are kept elsewhere and read when Prometheus asks.
//!
//! A layer below keeps an atomic and knows nothing of metrics; the layer that sees both registers a closure. A
//! closure runs on the coroutine that serves the scrape, so it only loads or takes a short lock.

use std::sync::Arc;

use parking_lot::RwLock;
use prometheus::core::{Collector, Desc};
use prometheus::proto;

use crate::base::telemetry::families::{MetricFamily, MetricKind};
use crate::base::telemetry::histogram::Histogram;

/// Gives the value of one series.
pub type Reading = Box<dyn Fn() -> f64 + Send + Sync>;

/// Where the value of one series comes from.
enum Source {
    Read(Reading),
    Histogram(Histogram),
}

/// One series: its labels with their values, and where its value comes from.
type Series = (Vec<proto::LabelPair>, Source);

/// The series of one family. Clones share them.
#[derive(Clone)]
pub struct Readings {
    family: MetricFamily,
    desc: Desc,
    /// Written while starting, read by scrapes. Nothing yields under it.
    series: Arc<RwLock<Vec<Series>>>,
}

impl Readings {
    /// No series yet.
    ///
    /// # Errors
    /// The exporter's, when the family's name or labels are not well formed.
    pub fn new(family: MetricFamily) -> Result<Self, prometheus::Error> {
        let labels = family.labels.iter().map(|label| (*label).to_owned()).collect();
        let desc = Desc::new(family.name.to_owned(), family.help.to_owned(), labels, Default::default())?;
        Ok(Readings { family, desc, series: Arc::default() })
    }

    /// Adds a series that is read by `read`. The same label values again replace it.
    pub fn read_by(&self, values: &[&str], read: Reading) {
        self.put(values, Source::Read(read));
    }

    /// Adds a series counted by the histogram that is returned.
    pub fn histogram(&self, values: &[&str]) -> Histogram {
        let MetricKind::Histogram(bounds_s) = self.family.kind else { return Histogram::new(&[]) };
        let histogram = Histogram::new(bounds_s);
        self.put(values, Source::Histogram(histogram.clone()));
        histogram
    }

    fn put(&self, values: &[&str], source: Source) {
        debug_assert_eq!(values.len(), self.family.labels.len(), "{} has other labels", self.family.name);
        let pair = |(name, value): (&&str, &&str)| {
            let mut pair = proto::LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        };
        let labels: Vec<_> = self.family.labels.iter().zip(values).map(pair).collect();
        let mut series = self.series.write();
        series.retain(|(other, _)| *other != labels);
        series.push((labels, source));
    }
}

impl Collector for Readings {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let (series, kind) = (self.series.read(), self.family.kind);
        // What never happened has no series: there is one a route, and most are never asked for.
        let is_unused = |(labels, source): &&Series| match source {
            Source::Histogram(histogram) => !labels.is_empty() && histogram.is_empty(),
            Source::Read(_) => false,
        };
        let shown = series.iter().filter(|series| !is_unused(series));
        let collected = shown.map(|(labels, source)| metric(labels, source, kind)).collect();
        let mut family = proto::MetricFamily::default();
        family.set_name(self.family.name.to_owned());
        family.set_help(self.family.help.to_owned());
        family.set_field_type(match kind {
            MetricKind::Counter => proto::MetricType::COUNTER,
            MetricKind::Gauge => proto::MetricType::GAUGE,
            MetricKind::Histogram(_) => proto::MetricType::HISTOGRAM,
        });
        family.set_metric(collected);
        vec![family]
    }
}

fn metric(labels: &[proto::LabelPair], source: &Source, kind: MetricKind) -> proto::Metric {
    let mut metric = proto::Metric::from_label(labels.to_vec());
    match (source, kind) {
        (Source::Histogram(histogram), _) => metric.set_histogram(histogram.collected()),
        (Source::Read(read), MetricKind::Counter) => {
            let mut counter = proto::Counter::default();
            counter.set_value(read());
            metric.set_counter(counter);
        }
        (Source::Read(read), _) => {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(read());
            metric.set_gauge(gauge);
        }
    }
    metric
}
