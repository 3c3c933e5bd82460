//! A histogram of durations whose observation is two relaxed additions.
//!
//! The one of the `prometheus` crate adds to four places, one of them in a loop, so that a scrape sees sum
//! and count of the same instant. Here a scrape may see an observation's bucket and not yet its sum; the next
//! one sees both, and rates come out the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto;

/// The counts of one series. Clones share them.
#[derive(Clone)]
pub struct Histogram(Arc<Counts>);

struct Counts {
    bounds_ns: Vec<u64>,
    /// One for each bound, and one for what is above them all.
    buckets: Vec<AtomicU64>,
    sum_ns: AtomicU64,
}

impl Histogram {
    /// An empty one with these bounds, in seconds, ascending.
    pub fn new(bounds_s: &[f64]) -> Self {
        let bounds_ns: Vec<u64> = bounds_s.iter().map(|bound| (bound * 1e9).round() as u64).collect();
        let buckets = (0..=bounds_ns.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram(Arc::new(Counts { bounds_ns, buckets, sum_ns: AtomicU64::new(0) }))
    }

    /// Counts one duration. A duration that equals a bound is below it, as Prometheus has it.
    pub fn observe(&self, duration: Duration) {
        let nanoseconds = duration.as_nanos() as u64;
        let at = self.0.bounds_ns.partition_point(|bound| *bound < nanoseconds);
        self.0.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.0.sum_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Whether nothing is counted so far.
    pub fn is_empty(&self) -> bool {
        self.0.buckets.iter().all(|bucket| bucket.load(Ordering::Relaxed) == 0)
    }

    /// What is counted so far, in the exporter's form. Cost: one load a bucket.
    pub fn collected(&self) -> proto::Histogram {
        let mut cumulated = 0;
        let mut buckets = Vec::with_capacity(self.0.bounds_ns.len());
        for (bound_ns, count) in self.0.bounds_ns.iter().zip(&self.0.buckets) {
            cumulated += count.load(Ordering::Relaxed);
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound_ns as f64 / 1e9);
            bucket.set_cumulative_count(cumulated);
            buckets.push(bucket);
        }
        cumulated += self.0.buckets[self.0.bounds_ns.len()].load(Ordering::Relaxed);
        let mut collected = proto::Histogram::default();
        collected.set_bucket(buckets);
        collected.set_sample_count(cumulated);
        collected.set_sample_sum(self.0.sum_ns.load(Ordering::Relaxed) as f64 / 1e9);
        collected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_at_or_below_their_bound() {
        let histogram = Histogram::new(&[0.001, 0.1]);
        assert!(histogram.is_empty());
        for microseconds in [0, 1000, 1001, 100_000, 100_001] {
            histogram.observe(Duration::from_micros(microseconds));
        }
        assert!(!histogram.is_empty());
        let collected = histogram.collected();
        let counts: Vec<u64> = collected.get_bucket().iter().map(proto::Bucket::cumulative_count).collect();
        assert_eq!(counts, [2, 4]);
        assert_eq!(collected.get_sample_count(), 5);
        assert!((collected.get_sample_sum() - 0.202_002).abs() < 1e-9);
    }
}
