//! How soon a death is noticed: real processes, each with a blocking query on `?passing` parked beside it, end in every way
//! that processes and hosts end. The time counted is from just before the fault until the answer without the instance is
//! in the hands of the client.
//!
//! Here a few die in each way and muster is held to what it promises. `bench/deaths` has many die, at Consul as well, and
//! prints the tables of `docs/death-figures.md`: it sets `MUSTER_DEATHS`.

mod figures;
mod flapping;
mod full;
mod recovery;
mod scenario;
mod victim;

use std::thread;
use std::time::Duration;

use crate::instance::Place;
use crate::instance::certificates::Certificates;
use crate::instance::host::Host;
use crate::support::process::Process;
use figures::{Figures, readable};
use scenario::{DEAF, Fault, Kind, ON_A_HOST_OF_ITS_OWN, ON_THIS_HOST, Pace, Promise, Scenario};
use victim::{Victim, deregister};

/// As checks are made: seldom enough that whoever waits for the next run waits long.
const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Deaths in each way when the whole is a test among others.
const DEATHS: usize = 10;

/// A check that is run often, for what shows after many runs.
const INTERVAL_SHORT: Duration = Duration::from_secs(1);

/// How soon half of those deaths must be noticed that are noticed at once; the promise is a tenth of it.
const AT_ONCE_MAX: Duration = Duration::from_secs(1);

#[test]
fn deaths_on_a_live_host_are_noticed() {
    let certificates = Certificates::create();
    let server = muster(&certificates);
    let pace = Pace { interval: INTERVAL, timeout: TIMEOUT, deaths: DEATHS };
    hold(&server, ON_THIS_HOST, pace, &certificates);
}

#[test]
fn deaths_of_and_on_another_host_are_noticed() {
    if let Err(reason) = Host::start() {
        assert!(std::env::var_os("CI").is_none(), "{reason}");
        return eprintln!("skipped: no host of its own to be had: {reason}");
    }
    let certificates = Certificates::create();
    let pace = Pace { interval: INTERVAL, timeout: TIMEOUT, deaths: DEATHS };
    hold(&muster(&certificates), ON_A_HOST_OF_ITS_OWN, pace, &certificates);
}

#[test]
fn who_serves_nobody_new_is_found_out() {
    let certificates = Certificates::create();
    let pace = Pace { interval: INTERVAL_SHORT, timeout: TIMEOUT, deaths: DEATHS };
    hold(&muster(&certificates), &[DEAF], pace, &certificates);
}

/// Muster with a new registry, trusting the certificates' authority.
fn muster(certificates: &Certificates) -> Process {
    let trust = certificates.authority();
    Process::muster_with(&[], &[("SSL_CERT_FILE", &trust)]).expect("muster starts")
}

/// Runs the scenarios side by side, shows their figures, and holds muster to its promises.
fn hold(server: &Process, scenarios: &[Scenario], pace: Pace, certificates: &Certificates) {
    let figures: Vec<Figures> = thread::scope(|scope| {
        let run = |scenario| scope.spawn(move || run(server, scenario, pace, certificates));
        let runs: Vec<_> = scenarios.iter().map(run).collect();
        runs.into_iter().map(|run| run.join().expect("a scenario does not panic")).collect()
    });
    for (scenario, figures) in scenarios.iter().zip(&figures) {
        println!("{}: {figures} (p50 | p99 | max)", scenario.name);
    }
    for (scenario, figures) in scenarios.iter().zip(&figures) {
        let (name, promised) = (scenario.name, scenario.detection_max(pace));
        assert_eq!(figures.failures, [""; 0], "{name}");
        assert_eq!(figures.count(), pace.deaths, "{name}");
        let latest = figures.quantile(100);
        assert!(latest <= promised, "{name}: noticed after {}, at most {promised:?}", readable(latest));
        let half = figures.quantile(50);
        let is_soon = scenario.promise != Promise::AtOnce || half <= AT_ONCE_MAX;
        assert!(is_soon, "{name}: half of them after {}, at most {AT_ONCE_MAX:?}", readable(half));
    }
}

/// Has `pace.deaths` instances of one scenario die at moments spread over an interval, each with a watcher of its own.
fn run(server: &Process, scenario: &Scenario, pace: Pace, certificates: &Certificates) -> Figures {
    let host = scenario.on_host.then(|| Host::start().expect("a host of its own"));
    let place = match &host {
        Some(host) => host.place(),
        None if scenario.kind == Kind::Https => Place::here_with_tls(certificates.directory()),
        None => Place::here(),
    };
    let names: Vec<String> = (0..pace.deaths).map(|at| service_name(scenario, at)).collect();
    let mut victims: Vec<Result<Victim, String>> =
        together(names.iter(), |name| Victim::prepare(server, scenario, pace, name, &place));
    let patience = scenario.patience(pace);
    let outcomes = match (scenario.fault, &host) {
        (Fault::Vanish, Some(host)) => {
            let fault_at = host.vanish();
            together(victims.iter_mut(), |victim| noticed_of(victim, |it| it.noticed(fault_at, patience)))
        }
        _ => together(victims.iter_mut().enumerate(), |(at, victim)| {
            noticed_of(victim, |it| {
                it.live(moment(at, pace.interval))?;
                let fault_at = it.suffer(scenario.fault).ok_or("a host is needed for that")?;
                it.noticed(fault_at, patience)
            })
        }),
    };
    // The dead are not to be checked for ever after, while others die.
    together(names.iter(), |name| deregister(server.address, name).expect("the server is still there"));
    Figures::new(outcomes)
}

/// What becomes of a victim, if it could be prepared.
fn noticed_of(
    victim: &mut Result<Victim, String>,
    die: impl FnOnce(&mut Victim) -> Result<Duration, String>,
) -> Result<Duration, String> {
    victim.as_mut().map_err(|sentence| sentence.clone()).and_then(die)
}

/// When the one at `at` dies: moments that fill an interval evenly, however many there are (multiples of the golden ratio).
fn moment(at: usize, interval: Duration) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    interval.mul_f64((at as f64 * GOLDEN).fract())
}

/// The name of a scenario, made fit to name a service, and a number.
fn service_name(scenario: &Scenario, at: usize) -> String {
    let words = scenario.name.to_ascii_lowercase();
    let words: Vec<&str> =
        words.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty()).collect();
    format!("{}-{at}", words.join("-"))
}

/// Does it to each on a thread of its own; the results in order.
fn together<T: Send, R: Send>(each: impl Iterator<Item = T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = each.map(|it| scope.spawn(move || work(it))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread of a scenario does not panic"))
            .collect()
    })
}
