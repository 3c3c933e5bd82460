//! The whole of it, at muster and at a Consul beside it, for the tables of the documentation. Only when `MUSTER_DEATHS` says
//! how many are to die in each way: it takes a quarter of an hour.

use std::time::Duration;

use super::flapping::{Schedule, summary, watch};
use super::recovery::come_back;
use super::scenario::{DEAF, ON_A_HOST_OF_ITS_OWN, ON_THIS_HOST, Pace, Scenario};
use super::{INTERVAL, TIMEOUT, run, together};
use crate::differential::find_consul;
use crate::instance::certificates::Certificates;
use crate::instance::host::Host;
use crate::support::process::Process;

/// Most instances at a time: each is a process and two threads.
const DEATHS_MAX: usize = 400;

/// Most instances that come back in each of the ways.
const RETURNS_MAX: usize = 50;

/// The ways to die of which `MUSTER_DEATHS_ONLY` names a part; all when it is not set.
fn is_wanted(name: &str) -> bool {
    std::env::var("MUSTER_DEATHS_ONLY").map_or(true, |part| name.contains(&part))
}

#[test]
fn every_death_at_muster_and_at_consul() {
    let Ok(count) = std::env::var("MUSTER_DEATHS") else { return };
    let deaths = count.parse().ok().filter(|count| (1..=DEATHS_MAX).contains(count));
    let deaths = deaths.unwrap_or_else(|| panic!("MUSTER_DEATHS is a whole number up to {DEATHS_MAX}"));
    let certificates = Certificates::create();
    let trust = certificates.authority();
    let environment = [("SSL_CERT_FILE", trust.as_path())];
    let consul = find_consul().expect("a Consul to compare with");
    let consul = Process::consul_with(&consul, &environment).expect("Consul starts");
    let muster = Process::muster_with(&[], &environment).expect("muster starts");

    let pace = Pace { interval: INTERVAL, timeout: TIMEOUT, deaths };
    let may_have_hosts =
        Host::start().inspect_err(|reason| println!("no hosts of their own: {reason}")).is_ok();
    println!("| What happens | muster p50 | p99 | max | Consul p50 | p99 | max | Consul's p99 / muster's |");
    println!("|---|---|---|---|---|---|---|---|");
    let scenarios = ON_THIS_HOST.iter().chain([&DEAF]);
    let on_hosts = ON_A_HOST_OF_ITS_OWN.iter().filter(|_| may_have_hosts);
    let mut failures = Vec::new();
    for scenario in scenarios.chain(on_hosts).filter(|it| is_wanted(it.name)) {
        failures.extend(print_row(&muster, &consul, scenario, pace, &certificates));
    }
    if is_wanted("returning") {
        print_returns(&muster, &consul, pace);
    }
    if is_wanted("flapping") {
        print_flapping(&muster, &consul);
    }
    assert_eq!(failures, [""; 0]);
}

/// One row: first one server, then the other, so that neither disturbs the other. What failed, for the end.
fn print_row(
    muster: &Process,
    consul: &Process,
    scenario: &Scenario,
    pace: Pace,
    certificates: &Certificates,
) -> Vec<String> {
    let ours = run(muster, scenario, pace, certificates);
    let theirs = run(consul, scenario, pace, certificates);
    let ratio = theirs.quantile(99).as_secs_f64() / ours.quantile(99).as_secs_f64().max(f64::EPSILON);
    println!("| {} | {ours} | {theirs} | {ratio:.1} |", scenario.name);
    [ours.failures, theirs.failures].concat()
}

fn print_returns(muster: &Process, consul: &Process, pace: Pace) {
    let rows = [
        ("dead for a minute, then well again", 60, false),
        ("dead for five minutes, then well again", 300, false),
        ("the same, and registers again", 300, true),
    ];
    println!("\n| What comes back | muster p50 | p99 | max | Consul p50 | p99 | max |");
    println!("|---|---|---|---|---|---|---|");
    // Mostly they wait, so they do not disturb each other; fewer, since all are there at the same time.
    let pace = Pace { deaths: pace.deaths.min(RETURNS_MAX), ..pace };
    let tasks = rows.iter().flat_map(|row| [muster, consul].map(|server| (server, row)));
    let figures = together(tasks, |(server, (_, dead_for_s, registers))| {
        come_back(server, pace, Duration::from_secs(*dead_for_s), *registers)
    });
    for ((name, ..), figures) in rows.iter().zip(figures.chunks(2)) {
        println!("| {name} | {} | {} |", figures[0], figures[1]);
    }
}

fn print_flapping(muster: &Process, consul: &Process) {
    let schedule = Schedule {
        interval: Duration::from_secs(2),
        phase: Duration::from_secs(5),
        watched_for: Duration::from_secs(120),
        instances: 20,
    };
    let rows = [("Consul", consul, false), ("muster", muster, false), ("muster, damped", muster, true)];
    // Mostly they wait, so they do not disturb each other.
    let seen = together(rows.iter().enumerate(), |(at, (_, server, damped))| {
        watch(server, &format!("row{at}"), schedule, *damped)
    });
    println!("\n{schedule:?}\n| Server | falls, on average | at most | in the answer |");
    println!("|---|---|---|---|");
    for ((name, ..), seen) in rows.iter().zip(&seen) {
        println!("| {name} | {} |", summary(seen));
    }
}
