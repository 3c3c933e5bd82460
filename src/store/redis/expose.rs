//! What of a Redis store is counted, as metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::RedisHandle;
use super::error::ReplicaErrorKind;
use super::server_info::Durability;
use super::shared::{RedisPhase, RedisStatus, ReplicatorShared};
use crate::base::telemetry::families::{self, MetricFamily};
use crate::base::telemetry::metrics::Metrics;

impl RedisHandle {
    /// Has the metrics read what the store counts.
    pub fn expose(&self, metrics: &Metrics) {
        let read = |family: MetricFamily, labels: &[&str], read: fn(&RedisStatus) -> f64| {
            let shared = self.shared.clone();
            metrics.read(family, labels, move || read(&shared.status()));
        };
        read(families::REDIS_CONNECTED, &[], |it| f64::from(!matches!(it.phase, RedisPhase::Away(_))));
        read(families::REDIS_WELL, &[], |it| f64::from(it.phase == RedisPhase::Well));
        read(families::SPOOL_BATCHES, &[], |it| it.depth as f64);
        read(families::SPOOL_BYTES, &[], |it| it.bytes as f64);
        read(families::SPOOL_AGE, &[], |it| it.age.as_secs_f64());
        for durability in Durability::ALL {
            let shared = self.shared.clone();
            let read = move || f64::from(shared.status().durability == Some(durability));
            metrics.read(families::REDIS_APPENDFSYNC, &[durability.word()], read);
        }
        for kind in ReplicaErrorKind::ALL {
            let shared = self.shared.clone();
            let read = move || shared.errors[kind as usize].load(Ordering::Relaxed) as f64;
            metrics.read(families::REDIS_ERRORS, &[kind.word()], read);
        }
        let count = |family: MetricFamily, count: fn(&ReplicatorShared) -> u64| {
            let shared: Arc<ReplicatorShared> = self.shared.clone();
            metrics.read(family, &[], move || count(&shared) as f64);
        };
        count(families::REDIS_ROWS_MENDED, |it| it.rows_mended.load(Ordering::Relaxed));
        count(families::REDIS_BATCHES, |it| it.batches.load(Ordering::Relaxed));
        count(families::REDIS_FENCE, |it| it.fence.load(Ordering::Relaxed));
        for (word, is_idle) in [("busy", false), ("idle", true)] {
            let connections = self.connections.clone();
            let read = move || {
                let (open, idle) = connections.counts();
                f64::from(if is_idle { idle } else { open - idle })
            };
            metrics.read(families::REDIS_CONNECTIONS, &[word], read);
        }
    }
}
