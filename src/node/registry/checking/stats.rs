//! What the running of checks is measured by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::telemetry::families;
use crate::base::telemetry::histogram::Histogram;
use crate::base::telemetry::metrics::Metrics;
use crate::core::model::{Probe, Status};
use crate::node::registry::checking::Checking;
use crate::node::registry::checking::scheduler::SpeedClass;

/// What the health engine has done.
pub struct CheckingStats {
    metrics: Arc<Metrics>,
    /// Time a probe took.
    pub duration: Histogram,
    /// Time from when a probe was due to when it began, by what was to be expected of its target.
    start_delays: [Histogram; SpeedClass::ALL.len()],
    /// Probes finished.
    pub probes: AtomicU64,
    /// Reports taken through the API.
    pub reports: AtomicU64,
    /// Instances deregistered for being critical too long.
    pub reaped: AtomicU64,
    /// Kept connections that their targets ended.
    pub connections_lost: AtomicU64,
    /// Checks that were run at once for that.
    pub extra_runs: AtomicU64,
}

impl CheckingStats {
    /// Nothing is counted yet. Histograms and counts of probes go to `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> CheckingStats {
        CheckingStats {
            duration: metrics.histogram(families::PROBE_DURATION, &[]),
            start_delays: SpeedClass::ALL
                .map(|class| metrics.histogram(families::PROBE_START_DELAY, &[class.as_str()])),
            metrics,
            probes: AtomicU64::new(0),
            reports: AtomicU64::new(0),
            reaped: AtomicU64::new(0),
            connections_lost: AtomicU64::new(0),
            extra_runs: AtomicU64::new(0),
        }
    }

    /// Has the metrics read what is counted or held elsewhere.
    pub fn expose(checking: &Arc<Checking>) {
        let read = |family, read: fn(&Checking) -> u64| {
            let metrics = &checking.stats.metrics;
            // Weak, since the metrics belong to what they would hold.
            let checking = Arc::downgrade(checking);
            metrics.read(family, &[], move || checking.upgrade().map_or(0, |it| read(&it)) as f64);
        };
        read(families::PROBES_WAITING, |checking| checking.runs().0 as u64);
        read(families::PROBES_RUNNING, |checking| checking.runs().1 as u64);
        for class in SpeedClass::ALL {
            let weak = Arc::downgrade(checking);
            checking.stats.metrics.read(families::PROBES_OVERDUE, &[class.as_str()], move || {
                weak.upgrade().map_or(0, |it| it.overdue_runs().0[class as usize]) as f64
            });
        }
        let weak = Arc::downgrade(checking);
        checking.stats.metrics.read(families::PROBE_WAIT_LONGEST, &[], move || {
            weak.upgrade().map_or(Duration::ZERO, |it| it.overdue_runs().1).as_secs_f64()
        });
        read(families::PROBES_SHARED, |checking| checking.runs().2);
        read(families::WATCHED_CONNECTIONS, |checking| checking.watched().held() as u64);
        read(families::WATCHED_CONNECTIONS_REFUSED, |checking| checking.watched().refused());
        read(families::WATCHED_CONNECTIONS_LOST, |checking| {
            checking.stats.connections_lost.load(Ordering::Relaxed)
        });
        read(families::EXTRA_PROBES, |checking| checking.stats.extra_runs.load(Ordering::Relaxed));
    }

    /// Where the delays of a class's probes go.
    pub fn start_delay(&self, class: SpeedClass) -> &Histogram {
        let at = SpeedClass::ALL.iter().position(|it| *it == class).unwrap_or_default();
        &self.start_delays[at]
    }

    /// Counts one run of a probe and its verdict.
    pub fn probed(&self, probe: &Probe, status: Status) {
        self.probes.fetch_add(1, Ordering::Relaxed);
        self.metrics.counter(families::PROBES, &[probe.kind(), status.as_str()]).inc();
    }
}
