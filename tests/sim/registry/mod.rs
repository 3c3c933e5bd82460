//! The registry with its store in a simulated world: the shipped write path, store logic and recovery over a disk that
//! fails, beside a naive catalog that remembers what was acknowledged.
//!
//! Each seed is one life of processes on one disk.

mod commands;
mod disk;
mod mutants;
mod oracle;
mod plan;
mod process;
mod spoiled;
mod tally;
mod watchers;
mod world;

use crate::registry::mutants::Mutant;
use crate::registry::plan::{Action, Plan};
use crate::registry::tally::Kind;
use crate::registry::world::World;
use crate::runner::{self, Failure, Simulation};
use crate::trace::Trace;

/// Lines that are shown of what came before a failure.
const TAIL: usize = 60;

/// Times that every fault must have struck in a run of the tests.
const STRIKES_MIN: u64 = 10;

struct RegistrySimulation;

impl Simulation for RegistrySimulation {
    const NAME: &'static str = "registry";
    const SEEDS: u64 = 1_000;
    const SEEDS_PER_MUTANT: u64 = 300;
    const MUTANTS: &'static [Mutant] = Mutant::ALL;

    type Plan = Plan;
    type Mutant = Mutant;

    fn plan(seed: u64) -> Plan {
        Plan::of(seed)
    }

    fn live(plan: &Plan, seed: u64, mutant: Option<Mutant>, trace: Trace) -> Result<(), Failure> {
        World::new(plan, seed, mutant, trace).live()
    }

    fn actions(plan: &Plan) -> usize {
        plan.actions.iter().map(Action::parts).sum()
    }

    fn remove(plan: &mut Plan, action: usize) {
        plan.remove_part(action);
    }

    fn tell(_: &Plan, (_, trace): &Failure) -> String {
        trace.tail("", None, TAIL)
    }
}

#[test]
fn every_life_goes_as_it_should() {
    runner::live::<RegistrySimulation>();
    if std::env::var_os("SEED").is_some() || std::env::var_os("SEEDS").is_some() {
        return;
    }
    for kind in Kind::ALL {
        println!("{kind:?}: {} times", kind.counted());
        assert!(kind.counted() >= STRIKES_MIN, "{kind:?} has struck {} times", kind.counted());
    }
}

#[test]
fn every_mutant_is_found_out() {
    runner::find_mutants::<RegistrySimulation>();
}
