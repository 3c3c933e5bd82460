//! The health engine at work: runs what is due, hears reports, and turns verdicts into commands.
//!
//! `health` decides and `probe` looks; this joins them to the clock and the write path. One thread waits for the next
//! due time; every probe is a coroutine of its own, at most [`PROBES_MAX`] at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::catalog::change::Change;
use crate::catalog::state::State;
use crate::health::{Arrival, CheckKey, Due, Health, Insight, Run, Source, Verdict};
use crate::model::{Cause, Check, Command, Observation, Origin, Probe};
use crate::probe::Prober;
use crate::registry::aliases::Aliases;
use crate::registry::error::WriteError;
use crate::registry::write::{Follower, News, Queue};
use crate::stdx::text::Text;
use crate::sys::clock::Clock;
use crate::sys::runtime;

/// Probes under way at a time. Each holds a coroutine and a descriptor; with 10 s timeouts and every target hanging
/// this still starts a hundred a second.
pub const PROBES_MAX: usize = 1_024;

/// Longest sleep of the thread when nothing is due: a heartbeat, so that a stall of the machine is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// The health engine with its clock, its prober and its way to the writer.
pub struct Checking {
    health: Mutex<Health>,
    /// Rung when something may be due earlier than thought.
    bell: Condvar,
    waiting: Mutex<VecDeque<Job>>,
    running: AtomicUsize,
    prober: Prober,
    queue: Queue,
    clock: Clock,
    /// Counters, for metrics.
    pub stats: CheckingStats,
}

/// What the health engine has done.
#[derive(Debug, Default)]
pub struct CheckingStats {
    /// Probes finished.
    pub probes: AtomicU64,
    /// Reports taken through the API.
    pub reports: AtomicU64,
    /// Instances deregistered for being critical too long.
    pub reaped: AtomicU64,
}

/// A probe that is due.
struct Job {
    key: CheckKey,
    probe: Probe,
    timeout: Duration,
    output_bytes_max: usize,
    run: Run,
}

impl Checking {
    /// An engine that watches nothing yet.
    pub fn new(health: Health, prober: Prober, queue: Queue, clock: Clock) -> Arc<Checking> {
        Arc::new(Checking {
            health: Mutex::new(health),
            bell: Condvar::new(),
            waiting: Mutex::default(),
            running: AtomicUsize::new(0),
            prober,
            queue,
            clock,
            stats: CheckingStats::default(),
        })
    }

    /// Works for as long as the process lives; call it on a thread of its own.
    pub fn run(self: &Arc<Self>) {
        let mut due = Vec::new();
        loop {
            self.wait_for_due(&mut due);
            due.drain(..).for_each(|due| self.act(due));
            self.start_probes();
        }
    }

    /// Takes what an instance says of itself. Answers when the new status, if it is one, is durable.
    ///
    /// # Errors
    /// When the status changes and the write fails.
    pub fn report(&self, key: &CheckKey, observation: Observation) -> Result<(), WriteError> {
        self.stats.reports.fetch_add(1, Ordering::Relaxed);
        let verdict = self.health.lock().observe(self.clock.now(), key, observation, Source::Report);
        match verdict {
            Verdict::Changed(observation) => {
                self.queue.write(update(key, observation, Cause::Report)).map(|_| ())
            }
            Verdict::OutputOnly | Verdict::Unchanged | Verdict::Ignored => Ok(()),
        }
    }

    /// Somebody registered these checks, perhaps in the very words of before: those that are critical are tried at
    /// once.
    pub fn registered_again(&self, keys: &[CheckKey]) {
        if keys.is_empty() {
            return;
        }
        let now = self.clock.now();
        let mut health = self.health.lock();
        keys.iter().for_each(|key| health.registered_again(now, key));
        drop(health);
        self.bell.notify_one();
    }

    /// The freshest output of a check, where it is fresher than the catalog's.
    pub fn output(&self, key: &CheckKey) -> Option<Text> {
        self.health.lock().output(key).cloned()
    }

    /// What there is to tell people about a check.
    pub fn insight(&self, key: &CheckKey) -> Option<Insight> {
        let health = self.health.lock();
        health.insight(self.clock.now(), key)
    }

    /// Starts the watch over checks that a restart brought back.
    pub fn restore<'a>(&self, checks: impl Iterator<Item = (&'a Text, &'a Arc<Check>)>) {
        let (now, now_ms) = (self.clock.now(), self.clock.unix_ms());
        let mut health = self.health.lock();
        for (node, check) in checks.filter(|(_, check)| is_ours(check)) {
            let status_age = Duration::from_millis(now_ms.saturating_sub(check.status_since_ms));
            let key = CheckKey::new(node.clone(), check.id.clone());
            if let Err(full) = health.track(now, key, check, Arrival::Restored { status_age, saved: None }) {
                log::warn!(check = check.id.as_str(); "a restored check is not run: {full}");
            }
        }
    }

    fn wait_for_due(&self, due: &mut Vec<Due>) {
        let mut health = self.health.lock();
        loop {
            let now = self.clock.now();
            health.tick(now, due);
            if !due.is_empty() {
                return;
            }
            let until =
                health.next_due().map_or(SLEEP_MAX, |at| at.saturating_duration_since(now).min(SLEEP_MAX));
            self.bell.wait_for(&mut health, until);
        }
    }

    fn act(&self, due: Due) {
        let posted = match due {
            Due::Probe { key, probe, timeout, output_bytes_max, run, .. } => {
                self.waiting.lock().push_back(Job { key, probe, timeout, output_bytes_max, run });
                return;
            }
            Due::Expired { key, observation } => self.queue.post(update(&key, observation, Cause::Ttl)),
            Due::Released { key, observation } => self.queue.post(update(&key, observation, Cause::Damping)),
            // The status stays, and with it its cause.
            Due::Sync { key, observation } => self.queue.post(update(&key, observation, Cause::Probe)),
            Due::Reap { key, service_id, critical_for } => {
                self.stats.reaped.fetch_add(1, Ordering::Relaxed);
                let (node, check) = (key.node.as_str(), key.check_id.as_str());
                log::info!(node = node, check = check, service = service_id.as_str();
                    "deregistering an instance that has been critical for {critical_for:?}");
                self.queue.post(Command::Reap { node: key.node, service_id, check_id: key.check_id })
            }
        };
        if let Err(error) = posted {
            log::warn!("a finding waits for its next turn: {error}");
        }
    }

    /// Starts waiting probes as far as the bound allows.
    fn start_probes(self: &Arc<Self>) {
        while self.running.fetch_add(1, Ordering::AcqRel) < PROBES_MAX {
            let Some(job) = self.waiting.lock().pop_front() else { break };
            let checking = self.clone();
            if let Err(error) = runtime::spawn("probe", move || checking.probe(job)) {
                log::warn!("a probe waits for its next turn: {error}");
                break;
            }
        }
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    fn probe(self: &Arc<Self>, job: Job) {
        let observation = self.prober.run(&job.probe, job.timeout, job.output_bytes_max);
        self.stats.probes.fetch_add(1, Ordering::Relaxed);
        let verdict =
            self.health.lock().observe(self.clock.now(), &job.key, observation, Source::Probe(job.run));
        self.record(&job.key, verdict, Cause::Probe);
        self.running.fetch_sub(1, Ordering::AcqRel);
        self.start_probes();
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
    Command::UpdateCheck { node: key.node.clone(), check_id: key.check_id.clone(), status, output, cause }
}

/// Whether muster keeps time for a check.
fn is_ours(check: &Check) -> bool {
    check.origin == Origin::Agent && check.definition.probe.is_some()
}

/// Tells the engine what the writer has done.
pub struct CheckingFollower {
    checking: Arc<Checking>,
    aliases: Aliases,
}

impl CheckingFollower {
    /// A follower of everything after `changes`, which led from nothing to `state` and are known to the engine.
    pub fn restored(checking: Arc<Checking>, state: &State, changes: &[Change]) -> CheckingFollower {
        let mut follower = CheckingFollower { checking, aliases: Aliases::default() };
        follower.follow_aliases(state, changes);
        follower
    }

    fn follow_checks(&self, changes: &[Change]) {
        let checking = &self.checking;
        let now = checking.clock.now();
        let mut health = checking.health.lock();
        for change in changes {
            let Change::Check { node, id, before, after } = change else { continue };
            let key = CheckKey::new(node.clone(), id.clone());
            let was_ours = before.as_deref().is_some_and(is_ours);
            match after.as_deref().filter(|check| is_ours(check)) {
                Some(check) => {
                    if let Err(full) = health.track(now, key.clone(), check, Arrival::Registered) {
                        log::warn!(check = id.as_str(); "a new check is not run: {full}");
                    }
                    health.settled(now, &key, check.status, &check.output);
                }
                None if was_ours => health.forget(&key),
                None => {}
            }
        }
    }

    fn follow_aliases(&mut self, state: &State, changes: &[Change]) {
        let judged = self.aliases.follow(state, changes);
        for (key, observation) in judged {
            let now = self.checking.clock.now();
            let verdict = self.checking.health.lock().observe(now, &key, observation, Source::Alias);
            self.checking.record(&key, verdict, Cause::Alias);
        }
    }
}

impl Follower for CheckingFollower {
    fn follow(&mut self, news: &News<'_>) {
        self.follow_checks(news.changes);
        self.follow_aliases(news.state, news.changes);
        self.checking.bell.notify_one();
    }
}
