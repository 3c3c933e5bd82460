//! Which connection is held to a target after a run, and that the target is asked first, as it were, whether it bears
//! it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::stdx::text::Text;
use crate::base::sys::recall::{Courtesy, Recall};
use crate::core::health::{CheckKey, HealthEngine};
use crate::core::model::{Probe, Status};
use crate::node::probe::{IdleConnection, Task};
use crate::node::registry::checking::Checking;
use crate::node::registry::checking::evidence::{Leave, TargetEvidence};
use crate::node::registry::checking::shared_runs::ProbeSpec;

/// How often a target may be slow to answer a second connection, and quick once the first is let go, before that is
/// believed. Once may be chance, on a machine that is busy; a server with one thread does it every time.
const TRIES: u32 = 2;

/// What a run has seen of its target.
pub(super) struct TargetSeen<'a> {
    pub spec: &'a ProbeSpec,
    pub address: &'a Text,
    pub status: Status,
    /// Time that the run took.
    pub took: Duration,
    /// What was to be done for the target if it was slow, and after how long.
    pub courtesy: Option<(Courtesy, Duration)>,
}

impl Checking {
    /// What a run does for a slow target: it lets the connection go that is held to it, for perhaps that is why.
    pub(super) fn courtesy(self: &Arc<Self>, address: &Text) -> Option<(Courtesy, Duration)> {
        if !self.watched.holds(address) {
            return None;
        }
        let patience = self.bearing.lock().patience_of(address);
        let (checking, address) = (self.clone(), address.clone());
        Some((Courtesy::new(patience, move || checking.watched.let_go(&address)), patience))
    }

    /// Sees to the connection that a run has left, on behalf of `keepers`.
    pub(super) fn hold(
        self: &Arc<Self>,
        seen: &TargetSeen<'_>,
        kept: Option<IdleConnection>,
        keepers: Vec<CheckKey>,
    ) {
        let now = self.clock.now();
        let begun = now.checked_sub(seen.took).unwrap_or(now);
        if let Some((courtesy, patience)) = &seen.courtesy
            && let Some(done_at) = courtesy.done_at()
        {
            // It had waited for just that.
            if now.saturating_duration_since(done_at) <= *patience {
                self.bearing.lock().showed_contrary(seen.address, now);
            }
            return;
        }
        let Some(kept) = kept.filter(|_| !keepers.is_empty()) else {
            match seen.status {
                // It cannot be reached any more, or may not be.
                Status::Critical => self.watched.let_go(seen.address),
                _ => self.change(|health| self.join(health, seen.address, keepers.into_iter(), begun)),
            }
            return;
        };
        let is_second = seen.courtesy.is_some();
        let leave = match &seen.spec.probe {
            // That a connection is accepted shows nothing of whether the former is in the way: the system accepts.
            // Whoever asks for it in the definition knows the target.
            Probe::Tcp { .. } if self.bearing.lock().is_shy(seen.address, now) => Leave::Close,
            Probe::Tcp { .. } => Leave::Hold,
            _ => self.bearing.lock().leave(seen.address, now, seen.took, is_second),
        };
        let kept = match leave {
            Leave::Hold => Some(kept),
            Leave::Close => None,
            Leave::Try => {
                let (kept, bears) = self.try_bearing(seen, kept);
                self.bearing.lock().tried(seen.address, self.clock.now(), seen.took, bears);
                kept
            }
        };
        // Under one lock: a check that is deregistered now is left out, or its connection is closed after.
        self.change(|health| {
            let watched = keepers.into_iter().filter(|key| health.has(key));
            match kept {
                Some(kept) => self.watched.put(seen.address, kept, watched),
                None => {
                    let watched: Vec<CheckKey> = watched.collect();
                    self.join(health, seen.address, watched.into_iter(), begun);
                }
            }
        });
    }

    /// Has checks hear of the end of what is held to their target. Those that come too late, for it has ended since
    /// their run began, are run at once.
    fn join(
        &self,
        health: &mut HealthEngine,
        address: &Text,
        keys: impl Iterator<Item = CheckKey>,
        begun: Instant,
    ) {
        self.run_at_once(health, self.watched.join(address, keys, begun).into_iter());
    }

    /// Has the checks run at once whose connections have ended.
    pub(super) fn connections_ended(&self, tokens: &[u64]) {
        let ended: Vec<_> = tokens.iter().filter_map(|token| self.watched.take_ended(*token)).collect();
        self.stats.connections_lost.fetch_add(ended.len() as u64, Ordering::Relaxed);
        let mut health = self.health.lock();
        self.run_at_once(&mut health, ended.into_iter().flatten());
        drop(health);
        self.bell.notify_one();
    }

    /// Has checks run out of turn that have lost the connection to their target.
    fn run_at_once(&self, health: &mut HealthEngine, keys: impl Iterator<Item = CheckKey>) {
        let now = self.clock.now();
        for key in keys {
            self.stats.extra_runs.fetch_add(1, Ordering::Relaxed);
            health.connection_lost(now, &key);
        }
    }

    /// Asks the target over a second connection while the first is held. The one to hold, and whether it bears that;
    /// `None` when it cannot be told.
    fn try_bearing(
        self: &Arc<Self>,
        seen: &TargetSeen<'_>,
        first: IdleConnection,
    ) -> (Option<IdleConnection>, Option<bool>) {
        let mut held = first;
        for attempt in 1..=TRIES {
            let first = Arc::new(Mutex::new(Some(held)));
            let in_the_way = first.clone();
            let patience = TargetEvidence::patience(seen.took) * attempt;
            let courtesy = Courtesy::new(patience, move || drop(in_the_way.lock().take()));
            let finding = self.prober.run(Task {
                probe: &seen.spec.probe,
                timeout: seen.spec.timeout,
                output_bytes_max: seen.spec.output_bytes_max,
                keep: true,
                linger: false,
                recall: Recall::default(),
                courtesy: Some(courtesy.clone()),
            });
            let is_as_before = finding.has_replied && finding.observation.status == seen.status;
            let Some(done_at) = courtesy.done_at() else {
                return match is_as_before {
                    true => (finding.kept, Some(true)),
                    // It takes one client and turns others away.
                    false => (None, Some(false)),
                };
            };
            let since = self.clock.now().saturating_duration_since(done_at);
            if !is_as_before || since > patience {
                return (None, None);
            }
            let Some(second) = finding.kept else { return (None, Some(false)) };
            held = second;
        }
        (None, Some(false))
    }
}
