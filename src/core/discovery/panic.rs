//! Panic: so much of a service fails at once that the failure is more likely in what checks it than in the instances
//! (a network that is cut, a health endpoint that leans on a database), and an empty answer would do more harm than one
//! with instances that may be dead.
//!
//! Whether a service is in panic follows from the present state of its instances alone: there is no timer and no memory
//! beside the checks. So an answer in panic is valid for as long as the index of the service's health stands, as any
//! other, and two agents with the same state answer the same.

use std::sync::Arc;
use std::time::Duration;

use crate::base::stdx::duration::GoDuration;
use crate::base::stdx::meter::Meter;
use crate::core::catalog::instance::Instance;
use crate::core::model::{Cause, Check, Status, hold};

/// Thresholds in percent. At 0 the first failure would be a panic, at 100 nothing could be.
pub const THRESHOLD_PERCENT_MIN: u8 = 1;

/// See [`THRESHOLD_PERCENT_MIN`].
pub const THRESHOLD_PERCENT_MAX: u8 = 99;

/// Shortest window. Checks do not look more often.
pub const WINDOW_MIN: Duration = Duration::from_secs(1);

/// Longest window. What fails more slowly than this is no burst.
pub const WINDOW_MAX: Duration = Duration::from_secs(3_600);

/// The window where only a threshold is given: three rounds of checks with the usual interval.
pub const WINDOW_DEFAULT: Duration = Duration::from_secs(30);

/// When a service is in panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PanicSettings {
    /// More than this share of the instances, in percent.
    pub threshold_percent: u8,
    /// Began to fail within this time.
    pub window: Duration,
}

/// A service in panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// Instances that began to fail in a burst and so are kept.
    pub kept: usize,
    /// Instances that fail, those that failed one by one included.
    pub failing: usize,
    /// Instances that count: those that pass and those that fail, not those that are out on purpose.
    pub counted: usize,
    /// What was asked for.
    pub settings: PanicSettings,
    /// When failures began that belong to a burst: from and to, in milliseconds of Unix time, both included.
    bursts: Vec<(u64, u64)>,
}

/// How an instance counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// All its checks pass.
    Passes,
    /// Out by maintenance mode, by a drain, or because one of its checks was never passed: nobody expects it to serve.
    Withheld,
    /// It fails since this moment, in milliseconds of Unix time.
    Fails(u64),
}

/// Judges the instances of one service; `None` when it is not in panic.
///
/// Cost: a sort of the failing instances.
pub fn judge(instances: &[Arc<Instance>], settings: PanicSettings) -> Option<Panic> {
    let fates = instances.iter().map(|instance| fate(instance));
    let counted = fates.clone().filter(|fate| *fate != Fate::Withheld).count();
    let mut begun_ms: Vec<u64> = fates.filter_map(since_ms).collect();
    begun_ms.sort_unstable();
    let bursts = bursts(&begun_ms, counted, settings);
    let is_kept = |at_ms: &&u64| within(&bursts, **at_ms);
    let kept = begun_ms.iter().filter(is_kept).count();
    (kept > 0).then_some(Panic { kept, failing: begun_ms.len(), counted, settings, bursts })
}

/// As [`judge`], spending what it costs.
pub fn judge_within(
    meter: &Meter<'_>,
    instances: &[Arc<Instance>],
    settings: PanicSettings,
) -> Option<Panic> {
    meter.spend(instances.len() as u64).then(|| judge(instances, settings)).flatten()
}

impl Panic {
    /// Whether the instance, one of those judged, is kept though it fails.
    pub fn keeps(&self, instance: &Instance) -> bool {
        since_ms(fate(instance)).is_some_and(|at_ms| within(&self.bursts, at_ms))
    }

    /// What the answer's header says: `kept=3; failing=3 of 4; threshold=50%; window=30s`.
    pub fn summary(&self) -> String {
        let PanicSettings { threshold_percent, window } = self.settings;
        let (kept, failing, counted) = (self.kept, self.failing, self.counted);
        let window = GoDuration::from(window);
        format!(
            "kept={kept}; failing={failing} of {counted}; threshold={threshold_percent}%; window={window}"
        )
    }

    /// Why an instance that fails is kept, in a sentence for people.
    pub fn sentence(&self) -> String {
        let PanicSettings { threshold_percent, window } = self.settings;
        let (kept, counted) = (self.kept, self.counted);
        let window = GoDuration::from(window);
        format!(
            "It fails, but is kept because the service is in panic: {kept} of {counted} instances began to fail in a \
             burst, and more than {threshold_percent} % within {window} are taken for a fault of the checks."
        )
    }
}

/// When a burst of failures began and ended, each burst once. Both failures and bursts ascend.
fn bursts(begun_ms: &[u64], counted: usize, settings: PanicSettings) -> Vec<(u64, u64)> {
    let window_ms = settings.window.as_millis() as u64;
    let too_many = |failures: usize| failures * 100 > usize::from(settings.threshold_percent) * counted;
    let mut bursts: Vec<(u64, u64)> = Vec::new();
    let mut end = 0;
    for (start, from_ms) in begun_ms.iter().enumerate() {
        while begun_ms.get(end).is_some_and(|at_ms| *at_ms <= from_ms.saturating_add(window_ms)) {
            end += 1;
        }
        if !too_many(end - start) {
            continue;
        }
        let to_ms = begun_ms[end - 1];
        match bursts.last_mut().filter(|(_, last_ms)| from_ms <= last_ms) {
            Some((_, last_ms)) => *last_ms = to_ms,
            None => bursts.push((*from_ms, to_ms)),
        }
    }
    bursts
}

fn within(bursts: &[(u64, u64)], at_ms: u64) -> bool {
    bursts.iter().any(|(from_ms, to_ms)| (*from_ms..=*to_ms).contains(&at_ms))
}

fn fate(instance: &Instance) -> Fate {
    let failing = || instance.checks.iter().filter(|check| check.status != Status::Passing);
    if failing().any(|check| is_withheld_by(check)) {
        return Fate::Withheld;
    }
    failing().map(|check| check.status_since_ms).min().map_or(Fate::Passes, Fate::Fails)
}

fn since_ms(fate: Fate) -> Option<u64> {
    match fate {
        Fate::Fails(since_ms) => Some(since_ms),
        Fate::Passes | Fate::Withheld => None,
    }
}

/// Whether a failing check says that the instance is not meant to serve, or not yet: muster holds it back, or it still
/// has the status that it was registered with.
fn is_withheld_by(check: &Check) -> bool {
    hold::is_hold(check) || check.status_cause == Cause::Registration
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Node, Service};

    /// One instance by its checks: status, second since which it stands, and what brought it about.
    type Row = &'static [(Status, u64, Cause)];

    const PASSES: Row = &[(Status::Passing, 0, Cause::Probe)];
    const NEW: Row = &[(Status::Critical, 100, Cause::Registration)];
    const DRAINED: Row = &[(Status::Passing, 0, Cause::Probe), (Status::Critical, 100, Cause::Drain)];

    fn instance(rows: Row) -> Arc<Instance> {
        let checks = rows.iter().enumerate().map(|(at, (status, since_s, status_cause))| {
            let id = match status_cause {
                Cause::Drain => hold::drained_id(&"i".into()),
                _ => format!("c{at}").into(),
            };
            let (status, status_cause) = (*status, *status_cause);
            let status_since_ms = since_s * 1000;
            let service_id = "i".into();
            Arc::new(Check { id, service_id, status, status_since_ms, status_cause, ..Check::default() })
        });
        let service = Arc::new(Service { id: "i".into(), ..Service::default() });
        Arc::new(Instance { node: Arc::new(Node::default()), service, checks: checks.collect() })
    }

    fn fails(since_s: u64) -> Arc<Instance> {
        let instance = instance(PASSES);
        let check = Check {
            status: Status::Critical,
            status_since_ms: since_s * 1000,
            ..Check::clone(&instance.checks[0])
        };
        Arc::new(Instance { checks: Box::new([Arc::new(check)]), ..Instance::clone(&instance) })
    }

    fn settings(threshold_percent: u8, window_s: u64) -> PanicSettings {
        PanicSettings { threshold_percent, window: Duration::from_secs(window_s) }
    }

    /// Instances that pass, and seconds at which others began to fail; which are kept at 50 % in 30 s.
    #[test]
    fn bursts_are_kept_and_single_failures_are_not() {
        let rows: &[(usize, &[u64], &[u64])] = &[
            (0, &[], &[]),
            (4, &[], &[]),
            (3, &[100], &[]),
            // Half is not more than half.
            (2, &[100, 101], &[]),
            (1, &[100, 101, 102], &[100, 101, 102]),
            (1, &[100, 130], &[100, 130]),
            (1, &[100, 131], &[]),
            (0, &[100], &[100]),
            // Those that died long before are left out, but count.
            (1, &[10, 100, 101, 102], &[100, 101, 102]),
            (1, &[10, 20, 100, 101], &[]),
            (1, &[10, 20, 30, 500, 501, 502, 503, 504], &[500, 501, 502, 503, 504]),
            // They fell one after the other, each slowly: no window holds more than half.
            (0, &[100, 200, 300, 400], &[]),
            (0, &[100, 120, 140, 160], &[]),
            (0, &[100, 115, 130, 145], &[100, 115, 130, 145]),
            // Recovered or gone until no burst is left.
            (1, &[101, 102], &[101, 102]),
            (2, &[101, 102], &[]),
        ];
        for (passing, begun, kept) in rows {
            let mut instances: Vec<_> = (0..*passing).map(|_| instance(PASSES)).collect();
            instances.extend(begun.iter().map(|since_s| fails(*since_s)));
            let panic = judge(&instances, settings(50, 30));
            let is_kept = |at: &&u64| panic.as_ref().is_some_and(|panic| panic.keeps(&fails(**at)));
            let seen: Vec<u64> = begun.iter().filter(is_kept).copied().collect();
            assert_eq!(seen, *kept, "{passing} pass, {begun:?} fail");
            assert_eq!(panic.as_ref().map_or(0, |panic| panic.kept), kept.len(), "{begun:?}");
            assert!(
                !panic.is_some_and(|panic| panic.keeps(&instance(PASSES))),
                "who passes needs no keeping"
            );
        }
    }

    #[test]
    fn thresholds_and_windows_hold_exactly() {
        let rows = [
            (1, 30, 99, 1, false),
            (1, 30, 98, 1, true),
            (50, 30, 50, 50, false),
            (50, 30, 49, 51, true),
            (99, 30, 1, 99, false),
            (99, 30, 0, 1, true),
        ];
        for (percent, window_s, passing, failing, expected) in rows {
            let good = (0..passing).map(|_| instance(PASSES));
            let bad = (0..failing).map(|at| fails(100 + at % 2));
            let instances: Vec<_> = good.chain(bad).collect();
            let panic = judge(&instances, settings(percent, window_s));
            assert_eq!(panic.is_some(), expected, "{failing} of {} at {percent} %", passing + failing);
        }
        let two = [fails(100), fails(160)];
        assert!(judge(&two, settings(50, 59)).is_none() && judge(&two, settings(50, 60)).is_some());
    }

    /// How an instance counts, by its checks: shown by a service of it and one that fails since second 100.
    #[test]
    fn who_is_out_on_purpose_counts_neither_way() {
        use Status::{Critical, Passing, Warning};
        let rows: &[(Row, Fate)] = &[
            (&[], Fate::Passes),
            (PASSES, Fate::Passes),
            (NEW, Fate::Withheld),
            (DRAINED, Fate::Withheld),
            (&[(Critical, 7, Cause::Probe)], Fate::Fails(7_000)),
            (&[(Warning, 7, Cause::Ttl)], Fate::Fails(7_000)),
            (&[(Critical, 7, Cause::Report)], Fate::Fails(7_000)),
            (&[(Critical, 7, Cause::Alias)], Fate::Fails(7_000)),
            (&[(Critical, 7, Cause::Damping)], Fate::Fails(7_000)),
            (&[(Critical, 9, Cause::Probe), (Warning, 8, Cause::Probe)], Fate::Fails(8_000)),
            (&[(Critical, 9, Cause::Probe), (Passing, 3, Cause::Probe)], Fate::Fails(9_000)),
            (&[(Critical, 9, Cause::Probe), (Critical, 3, Cause::Registration)], Fate::Withheld),
            (&[(Critical, 9, Cause::Probe), (Passing, 3, Cause::Registration)], Fate::Fails(9_000)),
            (&[(Critical, 9, Cause::Probe), (Critical, 3, Cause::Drain)], Fate::Withheld),
        ];
        for (checks, expected) in rows {
            assert_eq!(fate(&instance(checks)), *expected, "{checks:?}");
        }
        let instances = [instance(NEW), instance(DRAINED), instance(NEW), fails(100)];
        let panic = judge(&instances, settings(50, 30)).expect("the only one that should serve fails");
        assert_eq!((panic.kept, panic.failing, panic.counted), (1, 1, 1));
        assert!(!panic.keeps(&instances[0]) && !panic.keeps(&instances[1]) && panic.keeps(&instances[3]));
    }

    #[test]
    fn maintenance_is_on_purpose() {
        let held = |check: Check| {
            let instance = fails(100);
            let checks = instance.checks.iter().cloned().chain([Arc::new(check)]).collect();
            Arc::new(Instance { checks, ..Instance::clone(&instance) })
        };
        let checks = [hold::node_maintenance("".into()), hold::service_maintenance(&"i".into(), "".into())];
        for check in checks {
            assert_eq!(fate(&held(check.clone())), Fate::Withheld, "{}", check.id);
        }
    }

    #[test]
    fn it_says_what_it_does() {
        let instances = [instance(PASSES), fails(100), fails(100), fails(101), fails(5)];
        let panic = judge(&instances, settings(50, 90)).expect("three of five");
        assert_eq!(panic.summary(), "kept=3; failing=4 of 5; threshold=50%; window=1m30s");
        assert!(panic.sentence().contains("3 of 5 instances"), "{}", panic.sentence());
    }
}
