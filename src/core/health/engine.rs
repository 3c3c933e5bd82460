//! Health itself: all checks under watch, and the attended time they live in.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Duration, Instant};

use crate::base::stdx::text::Text;
use crate::core::health::settings::{DOUBT_MIN, HEARTBEAT, STALL_MIN};
use crate::core::health::timers::Timers;
use crate::core::health::tracked::{HealthMoment, Tracked};
use crate::core::health::{
    CheckDiagnostics, CheckKey, DueAction, HealthSettings, ResultSource, Saved, TargetReply, TtlNews, Verdict,
};
use crate::core::model::{Check, Observation, Status};

/// Decides what is due and what results mean, and nothing else: it runs no check and writes to no catalog.
///
/// Time enters only through `now` of each call, which must not run backwards. Inside, time is *attended*
/// time: it stands still while there are no calls (a stopped process, a starved machine), since during a stall no
/// beat of an instance can be heard. So no TTL expires, nothing is reaped and no burst of runs follows
/// through a fault of ours.
///
/// What is handed out is settled by `observe` (runs), `note_shown` (changes) and `forget` (reaps). Until then it
/// is handed out again after a while: a change that a full disk swallowed is not lost.
///
/// Cost: O(log n) for each check that is due or changes; a heartbeat that changes nothing is a look-up.
/// Bound: `HealthSettings::checks_max`.
#[derive(Debug)]
pub struct HealthEngine {
    settings: HealthSettings,
    checks: HashMap<CheckKey, Box<Tracked>>,
    timers: Timers,
    /// Checks whose TTL was set anew, or that had one, since [`HealthEngine::ttl_news`] was last asked for.
    ttls_set_anew: HashSet<CheckKey>,
    runs_started: u64,
    /// The latest `now`; `None` before the first call.
    attended_at: Option<Instant>,
    /// The first `now`, which all grids begin at.
    origin: Option<Instant>,
    /// Sum of all stalls. Attended time is `now` less this.
    stalled: Duration,
    /// Number of stops of the process, shorter ones included, that may have made a run under way fail.
    stalls: u64,
}

/// How a check comes to be watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// Registered just now: it runs at once.
    Registered,
    /// Known from before a restart: it keeps its status, runs when its grid says so, and time in critical goes on where
    /// it was.
    Restored {
        /// How long its status had stood when it was restored, by the wall clock.
        status_age: Duration,
        /// What `HealthEngine::save` gave before an orderly end: counters, TTL and penalty go on exactly there. After
        /// a crash what [`HealthEngine::ttl_news`] told last, which is a TTL alone: that goes on there, and counters
        /// begin as if nothing were known, with as many runs as its threshold says. `None` when not even that is
        /// known: its instance gets a whole TTL to show that it is alive.
        saved: Option<Saved>,
    },
}

impl Arrival {
    /// Whether the check is known from before a restart.
    pub fn is_restored(&self) -> bool {
        matches!(self, Arrival::Restored { .. })
    }

    /// What was saved before a restart.
    pub fn saved(&self) -> Option<&Saved> {
        match self {
            Arrival::Restored { saved, .. } => saved.as_ref(),
            Arrival::Registered => None,
        }
    }
}

/// No room for another check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// The bound that was met.
    pub checks_max: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks_max = self.checks_max;
        write!(formatter, "{checks_max} checks are run already; deregister some or raise limits.checks_max")
    }
}

impl std::error::Error for Full {}

impl HealthEngine {
    /// Health that watches nothing yet.
    pub fn new(settings: HealthSettings) -> HealthEngine {
        HealthEngine {
            settings,
            checks: HashMap::new(),
            timers: Timers::default(),
            ttls_set_anew: HashSet::new(),
            runs_started: 0,
            attended_at: None,
            origin: None,
            stalled: Duration::ZERO,
            stalls: 0,
        }
    }

    /// Takes over changed settings, but for the seed and the bound, which stay. They hold from the next run of each
    /// check on.
    pub fn set_settings(&mut self, settings: HealthSettings) {
        let HealthSettings { seed, checks_max, .. } = self.settings;
        self.settings = HealthSettings { seed, checks_max, ..settings };
    }

    /// Starts to watch a check, or takes over what the catalog has of it now. The same definition again leaves
    /// counters, deadlines and schedule as they are, so this may be called for every change of the record; that
    /// somebody registered it again says [`HealthEngine::registered_again`].
    ///
    /// # Errors
    /// [`Full`] when the check is new and there is no room for it.
    pub fn track(
        &mut self,
        now: Instant,
        key: CheckKey,
        check: &Check,
        arrival: Arrival,
    ) -> Result<(), Full> {
        let at = Self::moment(self.attend(now), &self.settings, self.origin, self.stalls);
        let checks_max = self.settings.checks_max;
        let is_full = self.checks.len() >= checks_max;
        match self.checks.entry(key.clone()) {
            Entry::Occupied(mut entry) => entry.get_mut().update(at, check),
            Entry::Vacant(_) if is_full => return Err(Full { checks_max }),
            Entry::Vacant(entry) => {
                entry.insert(Box::new(Tracked::new(at, &key, check, &arrival)));
            }
        }
        self.rearm(&key);
        Ok(())
    }

    /// Ends the watch. A result that is still under way will be ignored.
    pub fn forget(&mut self, key: &CheckKey) {
        if let Some(tracked) = self.checks.remove(key) {
            if tracked.reports() {
                self.ttls_set_anew.insert(key.clone());
            }
            tracked.disarm(&mut self.timers);
        }
    }

    /// Appends everything that is due by `now` to `due`. Wants to be called at [`HealthEngine::next_due`].
    pub fn tick(&mut self, now: Instant, due: &mut Vec<DueAction>) {
        let now = self.attend(now);
        let at = Self::moment(now, &self.settings, self.origin, self.stalls);
        while let Some(key) = self.timers.pop(now) {
            if let Some(tracked) = self.checks.get_mut(&key) {
                tracked.alarm_gone_off();
                tracked.collect(at, &key, &mut self.runs_started, due);
                tracked.rearm(&mut self.timers, &key);
                if tracked.take_ttl_set_anew() {
                    self.ttls_set_anew.insert(key);
                }
            }
        }
    }

    /// When `tick` wants to be called next: at most a heartbeat after the last call, `None` while nothing is
    /// watched.
    pub fn next_due(&self) -> Option<Instant> {
        let heartbeat_at = self.attended_at? + HEARTBEAT;
        let alarm_at = self.timers.next_at().map(|at| at + self.stalled);
        (!self.checks.is_empty()).then(|| alarm_at.map_or(heartbeat_at, |at| at.min(heartbeat_at)))
    }

    /// Takes a result, a report or the state of an alias's target, and says what to write to the catalog.
    pub fn observe(
        &mut self,
        now: Instant,
        key: &CheckKey,
        observation: Observation,
        source: ResultSource,
    ) -> Verdict {
        let at = Self::moment(self.attend(now), &self.settings, self.origin, self.stalls);
        let Some(tracked) = self.checks.get_mut(key) else { return Verdict::Ignored };
        let verdict = tracked.observe(at, observation, source);
        self.rearm(key);
        verdict
    }

    /// The catalog shows this of a check now, whatever the cause. To be called for every change it applies.
    pub fn note_shown(&mut self, now: Instant, key: &CheckKey, status: Status, output: &Text) {
        let at = Self::moment(self.attend(now), &self.settings, self.origin, self.stalls);
        if let Some(tracked) = self.checks.get_mut(key) {
            tracked.note_shown(at, status, output);
            self.rearm(key);
        }
    }

    /// Somebody registered a check again, changed or not. Of a check that is critical this means that its instance was
    /// started anew: it runs at once and quickly, as if it were new. It means nothing for any other.
    pub fn registered_again(&mut self, now: Instant, key: &CheckKey) {
        let now = self.attend(now);
        if self.checks.get_mut(key).is_some_and(|tracked| tracked.registered_again(now)) {
            self.rearm(key);
        }
    }

    /// The connection that was kept to a check's target has ended: the check runs at once, out of turn, unless it is
    /// running.
    pub fn connection_lost(&mut self, now: Instant, key: &CheckKey) {
        let now = self.attend(now);
        if let Some(tracked) = self.checks.get_mut(key) {
            tracked.connection_lost(now);
            self.rearm(key);
        }
    }

    /// Whether a check is watched.
    pub fn has(&self, key: &CheckKey) -> bool {
        self.checks.contains_key(key)
    }

    /// How a check's target took a run. Given with the next one, so that its runner knows what to expect.
    pub fn replied(&mut self, key: &CheckKey, reply: TargetReply) {
        if let Some(tracked) = self.checks.get_mut(key) {
            tracked.replied(reply);
        }
    }

    /// What there is to tell people about a check; `None` when it is not watched.
    pub fn insight(&self, now: Instant, key: &CheckKey) -> Option<CheckDiagnostics> {
        let now = now - self.stalled;
        self.checks.get(key).map(|tracked| tracked.insight(now, &self.settings))
    }

    /// What an orderly restart takes along: of each check, what its catalog record does not show. Checks without any of
    /// it are left out; a healthy check that is run has none.
    pub fn save(&self, now: Instant) -> Vec<(CheckKey, Saved)> {
        let now = now - self.stalled;
        let saved = self.checks.iter().map(|(key, tracked)| (key.clone(), tracked.save(now)));
        saved.filter(|(_, saved)| !saved.is_empty()).collect()
    }

    /// Whether [`HealthEngine::ttl_news`] has any.
    pub fn has_ttl_news(&self) -> bool {
        !self.ttls_set_anew.is_empty()
    }

    /// What a crash from now on is to leave of the TTLs, as far as it has changed since this was last asked for.
    /// Cost: O(changed).
    pub fn ttl_news(&mut self, now: Instant) -> TtlNews {
        let now = self.attend(now);
        let left = |key: &CheckKey| self.checks.get(key).and_then(|tracked| tracked.ttl_left(now));
        let ttls = std::mem::take(&mut self.ttls_set_anew).into_iter().map(|key| {
            let left = left(&key);
            (key, left)
        });
        let ttls = ttls.collect();
        TtlNews { attended: now.saturating_duration_since(self.origin.unwrap_or(now)), ttls }
    }

    /// The newest output of a check, written to the catalog or not; `None` when it is not watched.
    pub fn output(&self, key: &CheckKey) -> Option<&Text> {
        self.checks.get(key).map(|tracked| tracked.output())
    }

    /// Number of checks under watch.
    pub fn len(&self) -> usize {
        self.checks.len()
    }

    /// Whether nothing is under watch.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    /// Time lost to stalls so far.
    pub fn stalled(&self) -> Duration {
        self.stalled
    }

    /// Notes a call, takes a stall out of the reckoning, and gives the attended time.
    fn attend(&mut self, now: Instant) -> Instant {
        let attended_at = *self.attended_at.get_or_insert(now);
        let silent_for = now.saturating_duration_since(attended_at);
        if silent_for > DOUBT_MIN {
            self.stalls += 1;
        }
        if silent_for > STALL_MIN {
            self.stalled += silent_for - HEARTBEAT;
        }
        let now = now.max(attended_at);
        self.origin.get_or_insert(now);
        self.attended_at = Some(now);
        now - self.stalled
    }

    fn moment(
        now: Instant,
        settings: &HealthSettings,
        origin: Option<Instant>,
        stalls: u64,
    ) -> HealthMoment<'_> {
        HealthMoment { now, origin: origin.unwrap_or(now), stalls, settings }
    }

    fn rearm(&mut self, key: &CheckKey) {
        if let Some(tracked) = self.checks.get_mut(key) {
            tracked.rearm(&mut self.timers, key);
            if tracked.take_ttl_set_anew() {
                self.ttls_set_anew.insert(key.clone());
            }
        }
    }
}
