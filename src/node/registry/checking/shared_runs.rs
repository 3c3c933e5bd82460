//! Runs that several checks ask for at once are made once: what identical checks want to know is one run.
//!
//! Ten instances behind one address are checked ten times at the same instant, since the engine has identical checks
//! due together; their target is asked once. Pure but for the hash tables' order, which nothing depends on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::sys::recall::Recall;
use crate::core::health::{CheckKey, ConnectionUse, Run, TargetReply};
use crate::core::model::Probe;
use crate::node::probe::Destination;
use crate::node::registry::checking::scheduler::{ProbeBounds, ProbePermit, ProbeScheduler, SpeedClass};
use crate::node::registry::silences::TURN_EVERY;

/// What is to be found out. Equal specs have the same outcome, whichever check they are for.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ProbeSpec {
    /// How to find out.
    pub probe: Probe,
    /// Time that it may take.
    pub timeout: Duration,
    /// Bytes of output that are kept.
    pub output_bytes_max: usize,
}

/// A run that one check asks for.
#[derive(Debug)]
pub struct RunRequest {
    /// The check.
    pub key: CheckKey,
    /// What is to be found out.
    pub spec: ProbeSpec,
    /// What becomes of connections.
    pub connection: ConnectionUse,
    /// How the target took the last run.
    pub last: TargetReply,
    /// Goes back with the result.
    pub run: Run,
    /// When it was due.
    pub due_at: Instant,
}

/// A run that may begin.
#[derive(Debug)]
pub struct StartRun {
    /// What is to be found out.
    pub spec: Arc<ProbeSpec>,
    /// What becomes of connections: kept if any check wants it.
    pub connection: ConnectionUse,
    /// When the first of the checks was due.
    pub due_at: Instant,
    /// Among whom it had to wait.
    pub class: SpeedClass,
    /// Ends the run before its time.
    pub recall: Recall,
    /// Goes back at the end.
    pub permit: ProbePermit,
}

/// A check that waits for the outcome of a spec.
#[derive(Debug)]
pub struct RunWaiter {
    /// The check.
    pub key: CheckKey,
    /// Its name for this run.
    pub run: Run,
    /// What it wants of connections.
    pub connection: ConnectionUse,
}

/// One spec, for those who take any outcome of it (`true`) or for those who want news.
type RunKey = (Arc<ProbeSpec>, bool);

/// Who waits for an outcome: each check with its name for the run, and what it wants of connections.
type RunWaiters = HashMap<CheckKey, (Run, ConnectionUse)>;

/// All runs that wait or are under way, and who waits for them.
#[derive(Debug)]
pub struct JointRuns {
    scheduler: ProbeScheduler<RunKey>,
    in_flight: HashMap<RunKey, InFlight>,
    under_way: HashMap<ProbePermit, (RunKey, Recall)>,
    /// Requests that were fulfilled by the run of another.
    shared: u64,
}

/// One run of a spec, to come or under way.
#[derive(Debug)]
struct InFlight {
    due_at: Instant,
    class: SpeedClass,
    is_under_way: bool,
    waiters: RunWaiters,
    /// Those who want to know what is after the present run began, and when they were due.
    next: Option<(Instant, RunWaiters)>,
}

impl JointRuns {
    /// Nothing to do.
    pub fn new(bounds: ProbeBounds) -> JointRuns {
        JointRuns {
            scheduler: ProbeScheduler::new(bounds),
            in_flight: HashMap::new(),
            under_way: HashMap::new(),
            shared: 0,
        }
    }

    /// Puts a request in line, or with an equal one. A request that takes any outcome also joins the run
    /// under way; one that wants news waits for the run after it.
    ///
    /// A check that asks again before it was answered has given up its last run: the new one takes its place.
    pub fn request(&mut self, request: RunRequest) {
        let RunRequest { key, spec, connection, last, run, due_at } = request;
        let waiter = (run, connection);
        let way = (Arc::new(spec), connection.joins);
        let Some(flight) = self.in_flight.get_mut(&way) else {
            let waiters = HashMap::from([(key, waiter)]);
            let class = SpeedClass::of(&way.0.probe, last);
            self.in_flight
                .insert(way.clone(), InFlight { due_at, class, is_under_way: false, waiters, next: None });
            self.scheduler.push(class, Destination::of(&way.0.probe), way);
            return;
        };
        let (waiters, is_shared) = if flight.is_under_way && !connection.joins {
            let (_, waiters) = flight.next.get_or_insert_with(|| (due_at, RunWaiters::new()));
            let is_shared = !waiters.is_empty();
            (waiters, is_shared)
        } else {
            (&mut flight.waiters, true)
        };
        if waiters.insert(key, waiter).is_none() && is_shared {
            self.shared += 1;
        }
    }

    /// The next run that may begin; it is under way from now on.
    pub fn start(&mut self, now: Instant) -> Option<StartRun> {
        let (permit, way) = self.scheduler.next(now)?;
        let (spec, joins) = (way.0.clone(), way.1);
        let flight = self.in_flight.get_mut(&way).expect("what stands in line has its askers");
        flight.is_under_way = true;
        let wanted_by_any =
            |what: fn(&ConnectionUse) -> bool| flight.waiters.values().any(|(_, it)| what(it));
        let (keep, linger) = (wanted_by_any(|it| it.keep), wanted_by_any(|it| it.linger));
        let due_at = flight.due_at;
        let recall = Recall::default();
        self.under_way.insert(permit, (way, recall.clone()));
        let connection = ConnectionUse { joins, keep, linger };
        let class = self.scheduler.class(permit);
        Some(StartRun { spec, connection, due_at, class, recall, permit })
    }

    /// Asks the runs to end that have been under way for too long while others wait.
    pub fn call_back(&mut self) {
        for permit in self.scheduler.take_recalls() {
            if let Some((_, recall)) = self.under_way.get(&permit) {
                recall.ask();
            }
        }
    }

    /// When [`JointRuns::start`] may find something though nothing has ended.
    pub fn look_at(&self, now: Instant) -> Option<Instant> {
        let is_busy = self.waiting() + self.running() > 0;
        let soon = is_busy.then_some(now + TURN_EVERY);
        soon.into_iter().chain(self.scheduler.look_at()).min()
    }

    /// Puts a run that was called back in line once more. Who waits for its outcome goes on waiting.
    pub fn again(&mut self, permit: ProbePermit) {
        let class = self.scheduler.class_again(permit);
        self.scheduler.end(permit);
        let Some((way, _)) = self.under_way.remove(&permit) else { return };
        if let Some(flight) = self.in_flight.get_mut(&way) {
            (flight.is_under_way, flight.class) = (false, class);
            self.scheduler.push(class, Destination::of(&way.0.probe), way);
        }
    }

    /// Ends a run: who wanted to know its outcome.
    pub fn end(&mut self, permit: ProbePermit) -> Vec<RunWaiter> {
        self.scheduler.end(permit);
        let flight = self.under_way.remove(&permit).and_then(|(way, _)| self.in_flight.remove_entry(&way));
        let Some((way, flight)) = flight else { return Vec::new() };
        if let Some((due_at, waiters)) = flight.next {
            let class = flight.class;
            self.in_flight
                .insert(way.clone(), InFlight { due_at, class, is_under_way: false, waiters, next: None });
            self.scheduler.push(class, Destination::of(&way.0.probe), way);
        }
        flight
            .waiters
            .into_iter()
            .map(|(key, (run, connection))| RunWaiter { key, run, connection })
            .collect()
    }

    /// For how long the run that a check asked for has been waiting for its turn, and among whom; `None` when it is
    /// under way, or none was asked for. Cost: O(runs that wait), for those who ask about one check.
    pub fn waits(&self, key: &CheckKey, now: Instant) -> Option<(Duration, SpeedClass)> {
        let flight = self
            .in_flight
            .values()
            .find(|flight| !flight.is_under_way && flight.waiters.contains_key(key))?;
        Some((now.saturating_duration_since(flight.due_at), flight.class))
    }

    /// Of the runs that have been waiting for longer than `span`, how many there are of each class, and the longest
    /// time. Cost: O(runs that wait).
    pub fn overdue(&self, now: Instant, span: Duration) -> ([u64; SpeedClass::ALL.len()], Duration) {
        let (mut counts, mut longest) = ([0; SpeedClass::ALL.len()], Duration::ZERO);
        for flight in self.in_flight.values().filter(|flight| !flight.is_under_way) {
            let waits = now.saturating_duration_since(flight.due_at);
            counts[flight.class as usize] += u64::from(waits >= span);
            longest = longest.max(waits);
        }
        (counts, longest)
    }

    /// Runs that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.scheduler.waiting()
    }

    /// Runs under way.
    pub fn running(&self) -> usize {
        self.scheduler.running()
    }

    /// Requests so far that were fulfilled by the run of another.
    pub fn shared(&self) -> u64 {
        self.shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::health::{Arrival, DueAction, HealthEngine, HealthSettings};
    use crate::core::model::{Check, CheckDefinition, Origin};

    /// Numbers of runs, which only the engine gives out.
    fn numbers() -> Vec<Run> {
        let (mut health, now) = (HealthEngine::new(HealthSettings::default()), Instant::now());
        let probe = Some(Probe::Tcp { address: "h:1".into(), tls: None });
        let definition = CheckDefinition { probe, ..CheckDefinition::default() };
        let check = Check { definition: definition.into(), origin: Origin::Agent, ..Check::default() };
        for id in 0..10 {
            let key = CheckKey::new("n", id.to_string().as_str());
            health.track(now, key, &check, Arrival::Registered).unwrap();
        }
        let mut due = Vec::new();
        health.tick(now + Duration::from_secs(1), &mut due);
        let run = |due| if let DueAction::Probe { run, .. } = due { Some(run) } else { None };
        due.into_iter().filter_map(run).collect()
    }

    struct SharedRuns {
        runs: JointRuns,
        now: Instant,
        numbers: Vec<Run>,
    }

    impl SharedRuns {
        fn new() -> SharedRuns {
            SharedRuns {
                runs: JointRuns::new(ProbeBounds::default()),
                now: Instant::now(),
                numbers: numbers(),
            }
        }

        fn request(&mut self, check: &str, port: u16, joins: bool, keep: bool) -> Run {
            let run = self.numbers.pop().unwrap();
            self.runs.request(RunRequest {
                key: CheckKey::new("n", check),
                spec: ProbeSpec {
                    probe: Probe::Tcp { address: format!("h:{port}").as_str().into(), tls: None },
                    timeout: Duration::from_secs(1),
                    output_bytes_max: 100,
                },
                connection: ConnectionUse { joins, keep, linger: false },
                last: TargetReply::After(Duration::ZERO),
                run,
                due_at: self.now,
            });
            run
        }

        fn start(&mut self) -> Vec<StartRun> {
            std::iter::from_fn(|| self.runs.start(self.now)).collect()
        }

        fn end(&mut self, start: &StartRun) -> Vec<(String, Run)> {
            let waiters = self.runs.end(start.permit);
            let mut waiters: Vec<_> =
                waiters.into_iter().map(|it| (it.key.check_id.to_string(), it.run)).collect();
            waiters.sort();
            waiters
        }
    }

    #[test]
    fn equal_requests_are_one_run() {
        let mut probes = SharedRuns::new();
        let a = probes.request("a", 1, true, false);
        let b = probes.request("b", 1, true, true);
        let other = probes.request("c", 2, true, false);
        let starts = probes.start();
        assert_eq!(starts.len(), 2);
        assert_eq!(starts[0].connection, ConnectionUse { joins: true, keep: true, linger: false });
        let late = probes.request("d", 1, true, false);
        assert!(probes.start().is_empty(), "it joins the run under way");
        assert_eq!(probes.end(&starts[0]), [("a".into(), a), ("b".into(), b), ("d".into(), late)]);
        assert_eq!(probes.end(&starts[1]), [("c".into(), other)]);
        assert_eq!((probes.runs.shared(), probes.runs.running(), probes.runs.waiting()), (2, 0, 0));
        assert!(probes.runs.in_flight.is_empty());
    }

    #[test]
    fn news_come_from_a_run_that_begins_afterwards() {
        let mut probes = SharedRuns::new();
        probes.request("a", 1, true, true);
        let fresh = probes.request("b", 1, false, false);
        let starts = probes.start();
        assert_eq!(starts.len(), 2, "who wants news goes another way");
        let next = probes.request("c", 1, false, false);
        let shared = probes.request("d", 1, false, false);
        assert!(probes.start().is_empty());
        assert_eq!(probes.end(&starts[1]), [("b".into(), fresh)]);
        let again = probes.start();
        assert_eq!(again.len(), 1);
        assert_eq!(probes.end(&again[0]), [("c".into(), next), ("d".into(), shared)]);
        assert_eq!(probes.runs.shared(), 1);
    }

    #[test]
    fn who_asks_again_has_given_up_the_last_run() {
        let mut probes = SharedRuns::new();
        probes.request("a", 1, true, true);
        let again = probes.request("a", 1, true, true);
        let starts = probes.start();
        assert_eq!(probes.end(&starts[0]), [("a".into(), again)]);
        assert_eq!(probes.runs.shared(), 0);
        assert!(probes.end(&starts[0]).is_empty(), "a run ends once");
    }
}
