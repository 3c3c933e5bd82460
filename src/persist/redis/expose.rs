//! What of a Redis store is counted, as metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Handle;
use super::shared::{Phase, Shared, Standing};
use super::survey::Durability;
use super::trouble::Kind;
use crate::telemetry::families::{self, Family};
use crate::telemetry::metrics::Metrics;

impl Handle {
    /// Has the metrics read what the store counts.
    pub fn expose(&self, metrics: &Metrics) {
        let read = |family: Family, labels: &[&str], read: fn(&Standing) -> f64| {
            let shared = self.shared.clone();
            metrics.read(family, labels, move || read(&shared.standing()));
        };
        read(families::REDIS_CONNECTED, &[], |it| f64::from(!matches!(it.phase, Phase::Away(_))));
        read(families::REDIS_WELL, &[], |it| f64::from(it.phase == Phase::Well));
        read(families::SPOOL_BATCHES, &[], |it| it.depth as f64);
        read(families::SPOOL_BYTES, &[], |it| it.bytes as f64);
        read(families::SPOOL_AGE, &[], |it| it.age.as_secs_f64());
        for durability in Durability::ALL {
            let shared = self.shared.clone();
            let read = move || f64::from(shared.standing().durability == Some(durability));
            metrics.read(families::REDIS_APPENDFSYNC, &[durability.word()], read);
        }
        for kind in Kind::ALL {
            let shared = self.shared.clone();
            let read = move || shared.troubles[kind as usize].load(Ordering::Relaxed) as f64;
            metrics.read(families::REDIS_ERRORS, &[kind.word()], read);
        }
        let count = |family: Family, count: fn(&Shared) -> u64| {
            let shared: Arc<Shared> = self.shared.clone();
            metrics.read(family, &[], move || count(&shared) as f64);
        };
        count(families::REDIS_ROWS_MENDED, |it| it.rows_mended.load(Ordering::Relaxed));
        count(families::REDIS_BATCHES, |it| it.batches.load(Ordering::Relaxed));
        count(families::REDIS_FENCE, |it| it.fence.load(Ordering::Relaxed));
        for (word, is_idle) in [("busy", false), ("idle", true)] {
            let lines = self.lines.clone();
            let read = move || {
                let (open, idle) = lines.counts();
                f64::from(if is_idle { idle } else { open - idle })
            };
            metrics.read(families::REDIS_CONNECTIONS, &[word], read);
        }
    }
}
