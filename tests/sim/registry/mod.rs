//! The registry with its store in a simulated world: the shipped write path, store logic and recovery over a disk that
//! fails, and with a Redis beside it that dies anywhere, beside a naive catalog that remembers what was acknowledged.
//!
//! Each seed is one life of processes on one disk.

mod access;
mod commands;
mod disk;
mod mutants;
mod on_disk;
mod oracle;
mod plan;
mod process;
mod redis;
mod spoiled;
mod tally;
mod watchers;
mod with_redis;
mod world;

use std::marker::PhantomData;

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

/// Where rows are kept, and what can go wrong there.
trait Ground {
    const NAME: &'static str;
    const MUTANTS: &'static [Mutant];
    /// Faults, each of which has to strike.
    const KINDS: &'static [Kind];

    fn plan(seed: u64) -> Plan;
}

/// Lives of registries on one ground.
struct Lives<G>(PhantomData<G>);

impl<G: Ground> Simulation for Lives<G> {
    const NAME: &'static str = G::NAME;
    const SEEDS: u64 = 1_000;
    const SEEDS_PER_MUTANT: u64 = 300;
    const MUTANTS: &'static [Mutant] = G::MUTANTS;

    type Plan = Plan;
    type Mutant = Mutant;

    fn plan(seed: u64) -> Plan {
        G::plan(seed)
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

/// Lives as many lives as are asked for; in a run of the tests every fault must have struck.
fn live<G: Ground>() {
    runner::live::<Lives<G>>();
    if std::env::var_os("SEED").is_some() || std::env::var_os("SEEDS").is_some() {
        return;
    }
    for kind in G::KINDS {
        println!("{kind:?}: {} times", kind.counted());
        assert!(kind.counted() >= STRIKES_MIN, "{kind:?} has struck {} times", kind.counted());
    }
}
