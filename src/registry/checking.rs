//! The health engine at work: runs what is due, hears reports, and turns verdicts into commands.
//!
//! `health` decides and `probe` looks; this joins them to the clock and the write path. One thread waits for the next
//! due time; every probe is a coroutine of its own. Identical probes that are due together are run once ([`joint`]),
//! each target waits in a line of its own ([`lanes`]), and connections that probes keep are watched for their end
//! ([`watched`]), which makes the check due at once.

pub mod follower;
pub mod joint;
pub mod lanes;
pub mod stats;
pub mod watched;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::health::{self, Arrival, CheckKey, Due, Health, Insight, Saved, Source, Verdict};
use crate::model::{Cause, Check, Command, Observation, Origin};
use crate::probe::{Finding, Prober, Task};
use crate::registry::carried::Carried;
use crate::registry::checking::joint::{Asker, Errand, JointRuns, Request, Start};
use crate::registry::checking::lanes::{Bounds, Ticket};
use crate::registry::checking::stats::CheckingStats;
use crate::registry::checking::watched::Watched;
use crate::registry::error::WriteError;
use crate::registry::write::Queue;
use crate::stdx::text::Text;
use crate::sys::clock::Clock;
use crate::sys::runtime;

/// Longest sleep of the thread when nothing is due: a heartbeat, so that a stall of the machine is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Shortest sleep, unless somebody rings: what falls due meanwhile is begun together. With a thousand probes a second,
/// waking for each was half of their cost; a hundredth of a second later is early enough for what has a time.
const SLEEP_MIN: Duration = Duration::from_millis(10);

/// What checks are run with.
pub struct Tools {
    /// Decides what is due.
    pub health: Health,
    /// Runs it.
    pub prober: Prober,
    /// The way to the writer.
    pub queue: Queue,
    /// The clocks.
    pub clock: Clock,
    /// Probes that may be under way at a time.
    pub probes_max: usize,
    /// Connections to targets that are held between runs, at most.
    pub watched_connections_max: usize,
    /// What is counted.
    pub stats: CheckingStats,
}

/// The health engine with its clock, its prober and its way to the writer.
///
/// Locks, in the order in which they may be held together: `health`, then those inside `watched`. `runs` is never held
/// with another, and none over a wait.
pub struct Checking {
    health: Mutex<Health>,
    /// Rung when something may be due earlier than thought.
    bell: Condvar,
    runs: Mutex<JointRuns>,
    watched: Watched,
    prober: Prober,
    queue: Queue,
    clock: Clock,
    /// Counters, for metrics.
    pub stats: CheckingStats,
}

impl Checking {
    /// An engine that watches nothing yet.
    ///
    /// # Errors
    /// The operating system's: it gives no descriptor to watch connections with.
    pub fn new(tools: Tools) -> io::Result<Checking> {
        let Tools { health, prober, queue, clock, probes_max, watched_connections_max, stats } = tools;
        Ok(Checking {
            health: Mutex::new(health),
            bell: Condvar::new(),
            runs: Mutex::new(JointRuns::new(Bounds::within(probes_max))),
            watched: Watched::new(watched_connections_max)?,
            prober,
            queue,
            clock,
            stats,
        })
    }

    /// Runs what is due for as long as the process lives; call it on a thread of its own.
    pub fn run(self: &Arc<Self>) {
        let mut due = Vec::new();
        loop {
            let due_at = self.wait_for_due(&mut due);
            due.drain(..).for_each(|due| self.act(due, due_at));
            self.start_probes();
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
    pub fn report(&self, key: &CheckKey, observation: Observation) -> Result<(), WriteError> {
        self.stats.reports.fetch_add(1, Ordering::Relaxed);
        let verdict = self.observe(key, observation, Source::Report);
        match verdict {
            Verdict::Changed(observation) => {
                self.queue.write(update(key, observation, Cause::Report)).map(|_| ())
            }
            Verdict::OutputOnly | Verdict::Unchanged | Verdict::Ignored => Ok(()),
        }
    }

    /// Takes over what an operator has changed about health.
    pub fn set_settings(&self, settings: health::Settings) {
        self.health.lock().set_settings(settings);
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

    /// What an orderly restart takes along of the checks' lives.
    pub fn save(&self) -> Vec<(CheckKey, Saved)> {
        let health = self.health.lock();
        health.save(self.clock.now())
    }

    /// Starts the watch over checks that a restart brought back, with what was carried over of them.
    pub fn restore<'a>(&self, checks: impl Iterator<Item = (&'a Text, &'a Arc<Check>)>, carried: &Carried) {
        let (now, now_ms) = (self.clock.now(), self.clock.unix_ms());
        let mut health = self.health.lock();
        for (node, check) in checks.filter(|(_, check)| is_ours(check)) {
            let status_age = Duration::from_millis(now_ms.saturating_sub(check.status_since_ms));
            let key = CheckKey::new(node.clone(), check.id.clone());
            let saved = carried.of(&key);
            if let Err(full) = health.track(now, key, check, Arrival::Restored { status_age, saved }) {
                log::warn!(check = check.id.as_str(); "a restored check is not run: {full}");
            }
        }
    }

    fn end(&self, ticket: Ticket) -> Vec<Asker> {
        self.runs.lock().end(ticket, self.clock.now())
    }

    /// The numbers of probes that wait, are under way, and were fulfilled by the run of another.
    pub fn runs(&self) -> (usize, usize, u64) {
        let runs = self.runs.lock();
        (runs.waiting(), runs.running(), runs.shared())
    }

    /// The connections that probes have left and that are watched.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Waits until something is due; since when, at the earliest.
    fn wait_for_due(&self, due: &mut Vec<Due>) -> Instant {
        let mut health = self.health.lock();
        loop {
            let now = self.clock.now();
            let due_at = health.next_due().map_or(now, |at| at.min(now));
            health.tick(now, due);
            if !due.is_empty() {
                return due_at;
            }
            let until = health.next_due().map_or(SLEEP_MAX, |at| at.saturating_duration_since(now));
            self.bell.wait_for(&mut health, until.clamp(SLEEP_MIN, SLEEP_MAX));
        }
    }

    /// Tells the engine what was found, and sees to it that what follows from it is in time.
    fn observe(&self, key: &CheckKey, observation: Observation, source: Source) -> Verdict {
        self.change(|health| health.observe(self.clock.now(), key, observation, source))
    }

    /// Changes what the engine knows, and wakes the thread if something falls due sooner for it.
    fn change<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        let mut health = self.health.lock();
        let due_before = health.next_due();
        let outcome = change(&mut health);
        if let Some(due_at) = health.next_due()
            && due_before.is_none_or(|before| due_at < before)
        {
            self.bell.notify_one();
        }
        outcome
    }

    fn act(&self, due: Due, due_at: Instant) {
        let posted = match due {
            Due::Probe { key, probe, timeout, output_bytes_max, connection, run } => {
                let errand = Errand { probe, timeout, output_bytes_max };
                self.runs.lock().request(Request { key, errand, connection, run, due_at });
                return;
            }
            Due::Expired { key, observation } => self.queue.post(update(&key, observation, Cause::Ttl)),
            Due::Show { key, observation, cause } => self.queue.post(update(&key, observation, cause)),
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

    /// Starts waiting probes as far as the bounds allow.
    fn start_probes(self: &Arc<Self>) {
        loop {
            let Some(start) = self.runs.lock().start(self.clock.now()) else { return };
            let checking = self.clone();
            let under_way = UnderWay { checking: self.clone(), ticket: start.ticket };
            if let Err(error) = runtime::spawn("probe", move || checking.probe(start, under_way)) {
                log::warn!("a probe waits for its next turn: {error}");
                return;
            }
        }
    }

    fn probe(self: &Arc<Self>, start: Start, under_way: UnderWay) {
        let begun_at = self.clock.now();
        let delays = if start.is_slow { &self.stats.start_delay_slow } else { &self.stats.start_delay };
        delays.observe(begun_at.saturating_duration_since(start.due_at));
        let Errand { probe, timeout, output_bytes_max } = &*start.errand;
        // A run that wants a new connection has the former one closed.
        let kept = self.watched.take(&start.errand).filter(|_| start.connection.reuse);
        let task = Task {
            probe,
            timeout: *timeout,
            output_bytes_max: *output_bytes_max,
            kept,
            keep: start.connection.keep,
            linger: start.connection.linger,
        };
        let finding = self.prober.run(task);
        self.stats.duration.observe(self.clock.now().saturating_duration_since(begun_at));
        self.stats.probed(probe, finding.observation.status);
        self.conclude(&start.errand, finding, under_way.end());
        self.start_probes();
    }

    /// Tells everybody who asked what was found, and holds the connection for those who want it.
    fn conclude(&self, errand: &Arc<Errand>, finding: Finding, askers: Vec<Asker>) {
        let Finding { observation, kept } = finding;
        let mut verdicts = Vec::with_capacity(askers.len());
        let mut keepers = Vec::new();
        // Under one lock: a check that is deregistered now is told before, or its connection is closed after. A failure
        // is confirmed sooner than anything else is due.
        self.change(|health| {
            for Asker { key, run, keep } in askers {
                let verdict = health.observe(self.clock.now(), &key, observation.clone(), Source::Probe(run));
                if keep && verdict != Verdict::Ignored {
                    keepers.push(key.clone());
                }
                verdicts.push((key, verdict));
            }
            self.watched.put(errand, kept, keepers.into_iter());
        });
        verdicts.into_iter().for_each(|(key, verdict)| self.record(&key, verdict, Cause::Probe));
    }

    /// Has the checks run at once whose connections have ended.
    fn connections_ended(&self, tokens: &[u64]) {
        let ended: Vec<_> = tokens.iter().filter_map(|token| self.watched.take_ended(*token)).collect();
        self.stats.connections_lost.fetch_add(ended.len() as u64, Ordering::Relaxed);
        let now = self.clock.now();
        let mut health = self.health.lock();
        for key in ended.into_iter().flatten() {
            self.stats.extra_runs.fetch_add(1, Ordering::Relaxed);
            health.connection_lost(now, &key);
        }
        drop(health);
        self.bell.notify_one();
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

/// A run under way. It gives its place back however it ends.
struct UnderWay {
    checking: Arc<Checking>,
    ticket: Ticket,
}

impl UnderWay {
    /// Ends it: who wants to know the outcome.
    fn end(self) -> Vec<Asker> {
        self.checking.end(self.ticket)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // After an orderly end nobody is left. Otherwise the engine gives the run up, and runs the check again.
        drop(self.checking.end(self.ticket));
    }
}

/// Whether muster keeps time for a check: it runs it or hears its reports, or it reaps the instance, whoever says how
/// the instance is.
fn is_ours(check: &Check) -> bool {
    let definition = &check.definition;
    let is_run = check.origin == Origin::Agent && definition.probe.is_some();
    is_run || !definition.deregister_critical_service_after.is_zero()
}
