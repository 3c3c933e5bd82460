//! The health engine at work: runs what is due, hears reports, and turns verdicts into commands.
//!
//! `health` decides and `probe` looks; this joins them to the clock and the write path. One thread waits for the next
//! due time; every probe is a coroutine of its own. Identical probes that are due together are run once
//! ([`shared_runs`]), each target waits in a line of its own ([`scheduler`]), and connections that probes leave are
//! watched for their end ([`idle_connections`]), which makes the check due at once.

mod evidence;
pub mod follower;
mod holding;
pub mod shared_runs;
pub mod scheduler;
pub mod programs;
pub mod stats;
pub mod idle_connections;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::base::stdx::text::Text;
use crate::base::sys::clock::Clock;
use crate::base::sys::supervision::{self, WAIT_MAX};
use crate::base::sys::{runtime, turnstile};
use crate::base::telemetry::metrics::Metrics;
use crate::core::health::{
    self, Arrival, CheckDiagnostics, CheckKey, DueAction, HealthEngine, ResultSource, Saved, TargetReply,
    Verdict,
};
use crate::core::model::{Caller, Cause, Check, Command, NodeKey, Observation, Origin, Probe};
use crate::node::probe::{Destination, Finding, Prober, Task};
use crate::node::registry::checking::evidence::TargetEvidence;
use crate::node::registry::checking::holding::TargetSeen;
use crate::node::registry::checking::idle_connections::IdleConnections;
use crate::node::registry::checking::programs::{Armed, ArmedPrograms, Candidate, Rearmed};
use crate::node::registry::checking::scheduler::{ProbeBounds, ProbePermit, SpeedClass};
use crate::node::registry::checking::shared_runs::{JointRuns, ProbeSpec, RunRequest, RunWaiter, StartRun};
use crate::node::registry::checking::stats::CheckingStats;
use crate::node::registry::error::WriteError;
use crate::node::registry::health_checkpoint::{self, HealthCheckpoint};
use crate::node::registry::queue::WriteQueue;
use crate::node::registry::silences::{self, SilenceKeeper, TURN_EVERY};
use crate::store::change::RowChange;

/// Shortest sleep, unless somebody rings: what falls due meanwhile is begun together. With a thousand probes a second,
/// waking for each was half of their cost; a hundredth of a second later is early enough for what has a time.
const SLEEP_MIN: Duration = Duration::from_millis(10);

/// A run that has waited for longer is overdue: the check says less than its interval promises.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(1);

/// What checks are run with.
pub struct Probing {
    /// Decides what is due; it watches nothing yet.
    pub health: HealthEngine,
    /// Runs it.
    pub prober: Prober,
    /// Probes that may be under way at a time.
    pub probes_max: usize,
    /// Connections to targets that are held between runs, at most.
    pub idle_connections_max: usize,
    /// Where checks are counted.
    pub metrics: Arc<Metrics>,
}

/// The health engine with its clock, its prober and its way to the writer.
///
/// Locks, in the order in which they may be held together: `silences`, `programs`, `health`, then those inside
/// `watched`. `runs` and `bearing` are never held with another, and none over a wait.
pub struct Checking {
    own_node: NodeKey,
    /// Which checks may run a program.
    programs: Mutex<ArmedPrograms>,
    health: Mutex<HealthEngine>,
    /// Rung when something may be due earlier than thought.
    bell: Condvar,
    runs: Mutex<JointRuns>,
    watched: IdleConnections,
    silences: Mutex<SilenceKeeper>,
    bearing: Mutex<TargetEvidence>,
    prober: Prober,
    queue: WriteQueue,
    clock: Clock,
    /// Counters, for metrics.
    pub stats: CheckingStats,
}

impl Checking {
    /// An engine that watches nothing yet, for the agent's own node: the checks that it keeps are on no other.
    ///
    /// # Errors
    /// The operating system's: it gives no descriptor to watch connections with.
    pub fn new(own_node: NodeKey, probing: Probing, queue: WriteQueue) -> io::Result<Checking> {
        let Probing { health, prober, probes_max, idle_connections_max, metrics } = probing;
        Ok(Checking {
            own_node,
            programs: Mutex::default(),
            health: Mutex::new(health),
            bell: Condvar::new(),
            runs: Mutex::new(JointRuns::new(ProbeBounds::within(probes_max))),
            watched: IdleConnections::new(idle_connections_max)?,
            silences: Mutex::default(),
            bearing: Mutex::default(),
            prober,
            queue,
            clock: Clock,
            stats: CheckingStats::new(metrics),
        })
    }

    /// Runs what is due for as long as the process lives; call it on a thread of its own.
    pub fn run(self: &Arc<Self>) {
        let mut due = Vec::new();
        loop {
            let due_at = self.wait_for_due(&mut due);
            for due in due.drain(..) {
                self.act(due, due_at);
                supervision::beat();
            }
            self.start_probes();
            self.silences.lock().turn(self.clock.now(), &self.health, &self.queue);
        }
    }

    /// Has the checks run whose targets end their connections, for as long as the process lives; call it on a thread of
    /// its own.
    pub fn run_watch(&self) {
        self.watched.run(|tokens| self.connections_ended(tokens));
    }

    /// Takes what an instance says of itself. Answers when the new status, if it is one, is durable.
    ///
    /// # Errors
    /// When the status changes and the write fails.
    pub fn report(
        &self,
        key: &CheckKey,
        observation: Observation,
        caller: impl FnOnce() -> Caller,
    ) -> Result<(), WriteError> {
        self.stats.reports.fetch_add(1, Ordering::Relaxed);
        let mut verdict = self.observe(key, observation.clone(), ResultSource::Report);
        if verdict == Verdict::Ignored {
            // Readers see a new check a moment before the engine hears of it.
            self.queue.catch_up()?;
            verdict = self.observe(key, observation, ResultSource::Report);
        }
        match verdict {
            Verdict::Changed(observation) => {
                self.queue.write_for(caller(), update(key, observation, Cause::Report)).map(|_| ())
            }
            Verdict::OutputOnly | Verdict::Unchanged | Verdict::Ignored => Ok(()),
        }
    }

    /// Takes over what an operator has changed about health.
    pub fn set_settings(&self, settings: health::HealthSettings) {
        self.health.lock().set_settings(settings);
    }

    /// Somebody registered these checks, perhaps in the very words of before: those that are critical are tried at
    /// once.
    pub fn registered_again(&self, keys: &[CheckKey]) {
        if keys.is_empty() {
            return;
        }
        let now = self.clock.now();
        self.change(|health| keys.iter().for_each(|key| health.registered_again(now, key)));
    }

    /// Why the target of a probe is never asked, as far as its definition tells.
    pub fn refusal(&self, probe: &Probe) -> Option<String> {
        self.prober.refusal(probe)
    }

    /// The freshest output of a check, where it is fresher than the catalog's.
    pub fn output(&self, key: &CheckKey) -> Option<Text> {
        self.health.lock().output(key).cloned()
    }

    /// What there is to tell people about a check.
    pub fn insight(&self, key: &CheckKey) -> Option<CheckDiagnostics> {
        let health = self.health.lock();
        health.insight(self.clock.now(), key)
    }

    /// Rows with what an orderly restart takes along of the checks' lives.
    pub fn save(&self) -> Vec<RowChange> {
        let (now, mut silences, mut health) = (self.clock.now(), self.silences.lock(), self.health.lock());
        let saved = health_checkpoint::rows(health.save(now));
        saved.into_iter().chain(silences.last(now, &mut health)).collect()
    }

    /// Has rows of the store removed when there is room for it.
    pub fn remove_later(&self, keys: impl Iterator<Item = String>) {
        self.silences.lock().remove(keys);
    }

    /// Starts the watch over checks that a restart brought back, with what was carried over of them. Only after a
    /// crash, when nothing was, the time instances may be silent goes by what was `left` of it. Checks that run a
    /// program wait for [`Checking::arm`].
    pub fn restore<'a>(
        &self,
        checks: impl Iterator<Item = (&'a NodeKey, &'a Arc<Check>)>,
        carried: &HealthCheckpoint,
        left: &silences::SavedSilences,
    ) {
        *self.silences.lock() = SilenceKeeper::resumed(left);
        let (now, now_ms) = (self.clock.now(), self.clock.unix_ms());
        let mut programs = self.programs.lock();
        let mut health = self.health.lock();
        for (node, check) in checks.filter(|(node, check)| self.is_ours(node, check)) {
            let key = CheckKey::new(node.clone(), check.id.clone());
            let saved = if carried.is_there() { carried.of(&key) } else { left.of(&key) };
            if check.origin != Origin::Agent || programs.take(check, saved) {
                track_restored(&mut health, (now, now_ms), key, check, saved);
            }
        }
    }

    /// For how long the next run of a check has been waiting for its turn, and among whom; `None` when it is not
    /// overdue.
    pub fn overdue(&self, key: &CheckKey) -> Option<(Duration, SpeedClass)> {
        self.runs.lock().waits(key, self.clock.now()).filter(|(waits, _)| *waits >= OVERDUE_AFTER)
    }

    /// Of the runs that are overdue, how many there are of each class, and the longest wait of all.
    pub fn overdue_runs(&self) -> ([u64; SpeedClass::ALL.len()], Duration) {
        self.runs.lock().overdue(self.clock.now(), OVERDUE_AFTER)
    }

    /// Lets checks run these programs and no others; what was restored goes on where it was.
    pub fn arm(&self, armed: Armed) {
        let (now, now_ms) = (self.clock.now(), self.clock.unix_ms());
        let mut programs = self.programs.lock();
        let Rearmed { begin, end } = programs.arm(armed);
        self.change(|health| {
            for Candidate { check, saved } in &begin {
                let key = CheckKey::new(self.own_node.clone(), check.id.clone());
                track_restored(health, (now, now_ms), key, check, *saved);
            }
            end.into_iter().for_each(|id| health.forget(&CheckKey::new(self.own_node.clone(), id)));
        });
    }

    /// Logs which checks are not run because their programs are not armed.
    pub fn tell_of_programs_kept(&self) {
        let kept = self.programs.lock().kept();
        for id in kept {
            log::warn!(check = id.as_str();
                "this check runs a program, and no definition file holds it like that: it is kept as it stands and not \
                 run; add it to a file and reload, or deregister it");
        }
    }

    /// The programs that checks may run now.
    pub fn armed(&self) -> Armed {
        self.programs.lock().armed()
    }

    /// Whether muster keeps time for a check: it runs it or hears its reports, or it reaps the instance, whoever says
    /// how the instance is. What an agent keeps is on its own node; on another it is what somebody has made up.
    fn is_ours(&self, node: &NodeKey, check: &Check) -> bool {
        let definition = &check.definition;
        let is_reaping = !definition.deregister_critical_service_after.is_zero();
        match check.origin {
            Origin::Agent => *node == self.own_node && (definition.probe.is_some() || is_reaping),
            Origin::Catalog | Origin::Server => is_reaping,
        }
    }

    fn end(&self, permit: ProbePermit) -> Vec<RunWaiter> {
        self.runs.lock().end(permit)
    }

    /// The numbers of probes that wait, are under way, and were fulfilled by the run of another.
    pub fn runs(&self) -> (usize, usize, u64) {
        let runs = self.runs.lock();
        (runs.waiting(), runs.running(), runs.shared())
    }

    /// The connections that probes have left and that are watched.
    pub fn watched(&self) -> &IdleConnections {
        &self.watched
    }

    /// Waits until something is due, or until it is time to look at what is under way; since when it is due, at the
    /// earliest.
    fn wait_for_due(&self, due: &mut Vec<DueAction>) -> Instant {
        let begun = self.clock.now();
        let look_at = self.look_at(begun);
        let mut health = self.health.lock();
        loop {
            let now = self.clock.now();
            let look_at = if health.has_ttl_news() { look_at.min(begun + TURN_EVERY) } else { look_at };
            let due_at = health.next_due().map_or(now, |at| at.min(now));
            health.tick(now, due);
            if !due.is_empty() || look_at <= now {
                return due_at;
            }
            let next = health.next_due().map_or(look_at, |at| at.min(look_at));
            let until = next.saturating_duration_since(now).clamp(SLEEP_MIN, WAIT_MAX);
            supervision::waiting(|| self.bell.wait_for(&mut health, until));
        }
    }

    fn look_at(&self, now: Instant) -> Instant {
        let looks = [self.runs.lock().look_at(now), self.silences.lock().look_at(now)];
        looks.into_iter().flatten().min().unwrap_or(now + WAIT_MAX)
    }

    /// Tells the engine what was found, and sees to it that what follows from it is in time.
    fn observe(&self, key: &CheckKey, observation: Observation, source: ResultSource) -> Verdict {
        self.change(|health| health.observe(self.clock.now(), key, observation, source))
    }

    /// Changes what the engine knows, and wakes the thread if something falls due sooner for it.
    fn change<T>(&self, change: impl FnOnce(&mut HealthEngine) -> T) -> T {
        let mut health = self.health.lock();
        let (due_before, had_news) = (health.next_due(), health.has_ttl_news());
        let outcome = change(&mut health);
        let is_sooner = |at: Instant| due_before.is_none_or(|before| at < before);
        if health.next_due().is_some_and(is_sooner) || (health.has_ttl_news() && !had_news) {
            self.bell.notify_one();
        }
        outcome
    }

    fn act(&self, due: DueAction, due_at: Instant) {
        let posted = match due {
            DueAction::Probe { key, probe, .. } if !self.programs.lock().may_run(&key, &probe) => {
                // It is asked for again when this run counts as lost.
                log::debug!(check = key.check_id.as_str(); "a program that is not armed is not run");
                return;
            }
            DueAction::Probe { key, probe, timeout, output_bytes_max, connection, last, run } => {
                let spec = ProbeSpec { probe, timeout, output_bytes_max };
                self.runs.lock().request(RunRequest { key, spec, connection, last, run, due_at });
                return;
            }
            DueAction::Expired { key, observation } => self.queue.post(update(&key, observation, Cause::Ttl)),
            DueAction::Show { key, observation, cause } => self.queue.post(update(&key, observation, cause)),
            // The status stays, and with it its cause.
            DueAction::Sync { key, observation } => self.queue.post(update(&key, observation, Cause::Probe)),
            DueAction::Reap { key, service_id, critical_for } => {
                self.stats.reaped.fetch_add(1, Ordering::Relaxed);
                let CheckKey { node, check_id } = key;
                log::info!(node = node.as_str(), check = check_id.as_str(), service = service_id.as_str();
                    "deregistering an instance that has been critical for {critical_for:?}");
                self.queue.post(Command::Reap { node, service_id, check_id })
            }
        };
        if let Err(error) = posted {
            log::warn!("a finding waits for its next turn: {error}");
        }
    }

    /// Starts waiting probes as far as the bounds allow.
    fn start_probes(self: &Arc<Self>) {
        loop {
            let start = {
                let mut runs = self.runs.lock();
                let start = runs.start(self.clock.now());
                runs.call_back();
                start
            };
            let Some(start) = start else { return };
            let checking = self.clone();
            let under_way = UnderWay { checking: self.clone(), permit: start.permit };
            if let Err(error) = runtime::spawn("probe", move || checking.probe(start, under_way)) {
                log::warn!("a probe waits for its next turn: {error}");
                return;
            }
        }
    }

    fn probe(self: &Arc<Self>, start: StartRun, under_way: UnderWay) {
        let is_quick = start.class == SpeedClass::Quick;
        (if is_quick { turnstile::pass_at_the_head } else { turnstile::pass })();
        let begun_at = self.clock.now();
        self.stats.start_delay(start.class).observe(begun_at.saturating_duration_since(start.due_at));
        let ProbeSpec { probe, timeout, output_bytes_max } = &*start.spec;
        if !self.programs.lock().may_run_at_all(probe) {
            return;
        }
        let address = Destination::of(probe).address;
        let courtesy = self.courtesy(&address);
        let task = Task {
            probe,
            timeout: *timeout,
            output_bytes_max: *output_bytes_max,
            keep: start.connection.keep,
            linger: start.connection.linger,
            recall: start.recall.clone(),
            courtesy: courtesy.as_ref().map(|(courtesy, _)| courtesy.clone()),
        };
        let mut finding = self.prober.run(task);
        if finding.is_recalled {
            under_way.again();
        } else {
            let took = self.clock.now().saturating_duration_since(begun_at);
            self.stats.duration.observe(took);
            self.stats.probed(probe, finding.observation.status);
            let reply = if finding.has_replied { TargetReply::After(took) } else { TargetReply::Never };
            let (status, kept) = (finding.observation.status, finding.kept.take());
            let keepers = self.conclude(finding, reply, under_way.end());
            let seen = TargetSeen { spec: &start.spec, address: &address, status, took, courtesy };
            self.hold(&seen, kept, keepers);
        }
        self.start_probes();
    }

    /// Tells everybody who asked what was found; who of them wants the connection held.
    fn conclude(&self, finding: Finding, reply: TargetReply, waiters: Vec<RunWaiter>) -> Vec<CheckKey> {
        let observation = finding.observation;
        let mut verdicts = Vec::with_capacity(waiters.len());
        let mut keepers = Vec::new();
        // Under one lock. A failure is confirmed sooner than anything else is due.
        self.change(|health| {
            for RunWaiter { key, run, connection } in waiters {
                let verdict =
                    health.observe(self.clock.now(), &key, observation.clone(), ResultSource::Probe(run));
                health.replied(&key, reply);
                if connection.keep && verdict != Verdict::Ignored {
                    keepers.push(key.clone());
                } else if !connection.keep && !connection.linger {
                    self.watched.forget(&key);
                }
                verdicts.push((key, verdict));
            }
        });
        verdicts.into_iter().for_each(|(key, verdict)| self.record(&key, verdict, Cause::Probe));
        keepers
    }

    /// Has a change of status written. If the queue is full, `health` hands it out again later.
    fn record(&self, key: &CheckKey, verdict: Verdict, cause: Cause) {
        if let Verdict::Changed(observation) = verdict
            && let Err(error) = self.queue.post(update(key, observation, cause))
        {
            log::warn!(check = key.check_id.as_str(); "a new status waits for its next turn: {error}");
        }
    }
}

fn update(key: &CheckKey, observation: Observation, cause: Cause) -> Command {
    let Observation { status, output } = observation;
    let CheckKey { node, check_id } = key.clone();
    Command::UpdateCheck { node, check_id, status, output, cause }
}

/// A run under way. It gives its place back however it ends.
struct UnderWay {
    checking: Arc<Checking>,
    permit: ProbePermit,
}

impl UnderWay {
    /// Ends it: who wants to know the outcome.
    fn end(self) -> Vec<RunWaiter> {
        self.checking.end(self.permit)
    }

    /// It was called back before it found anything: who wants to know the outcome waits for another run.
    fn again(self) {
        self.checking.runs.lock().again(self.permit);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // After an orderly end nobody is left. Otherwise the engine gives the run up, and runs the check again.
        drop(self.checking.end(self.permit));
    }
}

/// Goes on with the watch over a check that a restart brought back.
fn track_restored(
    health: &mut HealthEngine,
    (now, now_ms): (Instant, u64),
    key: CheckKey,
    check: &Check,
    saved: Option<Saved>,
) {
    let status_age = Duration::from_millis(now_ms.saturating_sub(check.status_since_ms));
    if let Err(full) = health.track(now, key, check, Arrival::Restored { status_age, saved }) {
        log::warn!(check = check.id.as_str(); "a restored check is not run: {full}");
    }
}

#[cfg(test)]
mod tests;
