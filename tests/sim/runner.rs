//! How simulations are run, whatever they simulate: lives by seed, a failing one told in few words, and mutants that
//! must be found out.
//!
//! `SEEDS=n` lives that many lives, `SEED=n` that one, in words, and `MUTANT=Name` with either of them spoils the
//! subject on purpose.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::trace::Trace;

/// Times that a plan is tried with an action less, to tell its failure in few words.
const SHORTER_TRIES_MAX: usize = 400;

/// A complaint and how it came about.
pub type Failure = (String, Trace);

/// Something that lives through plans.
pub trait Simulation {
    /// Module of its tests, by which a failure is seen again.
    const NAME: &'static str;
    /// Lives in a run of the tests.
    const SEEDS: u64;
    /// Lives in which a mutant must have been found out.
    const SEEDS_PER_MUTANT: u64;
    /// Every mutant there is.
    const MUTANTS: &'static [Self::Mutant];

    /// What is going to happen, as data.
    type Plan: Clone;
    /// A fault that is planted on purpose.
    type Mutant: Copy + Debug + Sync + 'static;

    /// The plan of a seed.
    fn plan(seed: u64) -> Self::Plan;

    /// Lives to the end, or to the first complaint.
    fn live(plan: &Self::Plan, seed: u64, mutant: Option<Self::Mutant>, trace: Trace) -> Result<(), Failure>;

    /// How many actions the plan has.
    fn actions(plan: &Self::Plan) -> usize;

    /// Leaves out the action of that number.
    fn remove(plan: &mut Self::Plan, action: usize);

    /// The plan, as far as it concerns the complaint, and what happened, in words.
    fn tell(plan: &Self::Plan, failure: &Failure) -> String;
}

/// Lives as many lives as are asked for.
///
/// # Panics
/// With the first failing one, told in words.
pub fn live<S: Simulation>() {
    let mutant = std::env::var("MUTANT").ok().map(|name| mutant_called::<S>(&name));
    if let Some(seed) = number("SEED") {
        if complaint::<S>(&S::plan(seed), seed, mutant, Trace::none()).is_some() {
            panic!("{}", report::<S>(seed, mutant));
        }
        return;
    }
    let seeds = number("SEEDS").unwrap_or(S::SEEDS);
    if let Some(seed) = first_failing::<S>(0..seeds, mutant) {
        panic!("{}", report::<S>(seed, mutant));
    }
}

/// Plants every mutant.
///
/// # Panics
/// With the first that is not found out.
pub fn find_mutants<S: Simulation>() {
    for mutant in S::MUTANTS {
        let seeds = S::SEEDS_PER_MUTANT;
        let Some(seed) = first_failing::<S>(0..seeds, Some(*mutant)) else {
            panic!("{mutant:?} lived through {seeds} lives");
        };
        println!("{mutant:?}: {} lives", seed + 1);
    }
}

fn mutant_called<S: Simulation>(name: &str) -> S::Mutant {
    let mutant = S::MUTANTS.iter().find(|mutant| format!("{mutant:?}") == name);
    *mutant.unwrap_or_else(|| panic!("there is no mutant {name:?}: {:?}", S::MUTANTS))
}

/// Lives one life; what is wrong with it, if anything.
fn complaint<S: Simulation>(
    plan: &S::Plan,
    seed: u64,
    mutant: Option<S::Mutant>,
    trace: Trace,
) -> Option<Failure> {
    match catch_unwind(AssertUnwindSafe(|| S::live(plan, seed, mutant, trace))) {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(("it panicked".to_owned(), Trace::none())),
    }
}

/// A failure in words: what, how it came about, and how to see it again.
fn report<S: Simulation>(seed: u64, mutant: Option<S::Mutant>) -> String {
    let plan = shortened::<S>(S::plan(seed), seed, mutant);
    let Some(failure) = complaint::<S>(&plan, seed, mutant, Trace::kept()) else {
        return format!("seed {seed} fails, but not when it is looked at");
    };
    let mutant = mutant.map_or(String::new(), |mutant| format!("MUTANT={mutant:?} "));
    let (words, name) = (S::tell(&plan, &failure), S::NAME);
    format!("seed {seed}: {}\n{words}again: {mutant}SEED={seed} cargo test --test sim {name}::\n", failure.0)
}

/// The plan without what its failure does not need.
fn shortened<S: Simulation>(mut plan: S::Plan, seed: u64, mutant: Option<S::Mutant>) -> S::Plan {
    let mut tries = 0;
    let mut at = S::actions(&plan);
    while at > 0 && tries < SHORTER_TRIES_MAX {
        at -= 1;
        tries += 1;
        let mut shorter = plan.clone();
        S::remove(&mut shorter, at);
        if complaint::<S>(&shorter, seed, mutant, Trace::none()).is_some() {
            plan = shorter;
            at = at.min(S::actions(&plan));
        }
    }
    plan
}

/// The first of `seeds` that fails, and its number in the order of trying.
fn first_failing<S: Simulation>(seeds: std::ops::Range<u64>, mutant: Option<S::Mutant>) -> Option<u64> {
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
                    if complaint::<S>(&S::plan(seed), seed, mutant, Trace::none()).is_some() {
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
