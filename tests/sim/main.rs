//! The health engine in a simulated world, beside an oracle that reckons plainly what it should do.
//!
//! Each seed is one life of some checks and their targets, with everything that may happen to them. `SEEDS=n` lives
//! that many lives, `SEED=n` that one, in words. `README.md` tells what is in the world and what the oracle knows.

mod chance;
mod mutants;
mod oracle;
mod plan;
mod subject;
mod trace;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mutants::Mutant;
use crate::plan::Plan;
use crate::trace::Trace;
use crate::world::World;

/// Lives in a run of the tests.
const SEEDS: u64 = 10_000;

/// Lives in which a mutant must have been found out.
const SEEDS_PER_MUTANT: u64 = 300;

/// Times that a plan is tried with an action less, to tell its failure in few words.
const SHORTER_TRIES_MAX: usize = 400;

/// Lines that are shown of what came before a failure.
const TAIL: usize = 40;

/// Lives one life; what is wrong with it, if anything.
fn complaint(plan: &Plan, seed: u64, mutant: Option<Mutant>, trace: Trace) -> Option<(String, Trace)> {
    let lived = catch_unwind(AssertUnwindSafe(|| World::new(plan, seed, mutant, trace).live()));
    match lived {
        Ok(Ok(_)) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(("it panicked".to_owned(), Trace::none())),
    }
}

/// A failure in words: what, how it came about, and how to see it again.
fn report(seed: u64, mutant: Option<Mutant>) -> String {
    let plan = shortened(Plan::of(seed), seed, mutant);
    let Some((complaint, trace)) = complaint(&plan, seed, mutant, Trace::kept()) else {
        return format!("seed {seed} fails, but not when it is looked at");
    };
    let check = (0..plan.checks.len()).find(|number| complaint.contains(&format!("check-{number}")));
    let check = check.filter(|_| plan.checks.len() > 1);
    let mut words = format!("seed {seed}: {complaint}\n{:?}\n", plan.settings);
    for planned in plan.checks.iter().enumerate().filter(|it| check.is_none_or(|check| it.0 == check)) {
        words += &format!("{:?}\n", planned.1);
    }
    for action in &plan.actions {
        words += &format!("  {action:?}\n");
    }
    words + &trace.tail(check, TAIL) + &format!("again: SEED={seed} cargo test --test sim\n")
}

/// The plan without what its failure does not need.
fn shortened(mut plan: Plan, seed: u64, mutant: Option<Mutant>) -> Plan {
    let mut tries = 0;
    let mut at = plan.actions.len();
    while at > 0 && tries < SHORTER_TRIES_MAX {
        at -= 1;
        tries += 1;
        let mut shorter = plan.clone();
        shorter.actions.remove(at);
        if complaint(&shorter, seed, mutant, Trace::none()).is_some() {
            plan = shorter;
            at = at.min(plan.actions.len());
        }
    }
    plan
}

/// The first of `seeds` that fails, and its number in the order of trying.
fn first_failing(seeds: std::ops::Range<u64>, mutant: Option<Mutant>) -> Option<u64> {
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(None::<u64>);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = || failed.lock().expect("no holder panics").is_some_and(|it| it < seed);
                    if seed >= seeds.end || is_over() {
                        return;
                    }
                    if complaint(&Plan::of(seed), seed, mutant, Trace::none()).is_some() {
                        let mut failed = failed.lock().expect("no holder panics");
                        *failed = Some(failed.map_or(seed, |it| it.min(seed)));
                    }
                }
            });
        }
    });
    failed.into_inner().expect("no holder panics")
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
fn every_life_goes_as_it_should() {
    if let Some(seed) = number("SEED") {
        if complaint(&Plan::of(seed), seed, None, Trace::none()).is_some() {
            panic!("{}", report(seed, None));
        }
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    if let Some(seed) = first_failing(0..seeds, None) {
        panic!("{}", report(seed, None));
    }
}

#[test]
fn every_mutant_is_found_out() {
    for mutant in Mutant::ALL {
        let Some(seed) = first_failing(0..SEEDS_PER_MUTANT, Some(*mutant)) else {
            panic!("{mutant:?} lived through {SEEDS_PER_MUTANT} lives");
        };
        println!("{mutant:?}: {} lives", seed + 1);
    }
}
