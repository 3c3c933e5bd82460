//! What a family of metrics is. Which there are stands in [`families`](super::families).

/// What a family measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How often a duration fell below each of these bounds, in seconds, ascending.
    Histogram(&'static [f64]),
}

/// One family of metrics.
#[derive(Clone, Copy, Debug)]
pub struct MetricFamily {
    /// Its name; counters end in `_total`, durations in `_seconds`.
    pub name: &'static str,
    /// What it measures.
    pub kind: MetricKind,
    /// The labels of each of its series, in order.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence.
    pub help: &'static str,
}

/// A family as the table writes it.
pub(super) const fn family(
    name: &'static str,
    kind: MetricKind,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricFamily {
    MetricFamily { name, kind, labels, help }
}
