//! The health engine in a simulated world, beside an oracle that reckons plainly what it should do.
//!
//! Each seed is one life of some checks and their targets, with everything that may happen to them.

mod mutants;
mod oracle;
mod plan;
mod subject;
mod world;

use crate::health::mutants::Mutant;
use crate::health::plan::Plan;
use crate::health::world::World;
use crate::runner::{self, Failure, Simulation};
use crate::trace::Trace;

/// Lines that are shown of what came before a failure.
const TAIL: usize = 40;

struct HealthSimulation;

impl Simulation for HealthSimulation {
    const NAME: &'static str = "health";
    const SEEDS: u64 = 10_000;
    const SEEDS_PER_MUTANT: u64 = 300;
    const MUTANTS: &'static [Mutant] = Mutant::ALL;

    type Plan = Plan;
    type Mutant = Mutant;

    fn plan(seed: u64) -> Plan {
        Plan::of(seed)
    }

    fn live(plan: &Plan, seed: u64, mutant: Option<Mutant>, trace: Trace) -> Result<(), Failure> {
        World::new(plan, seed, mutant, trace).live().map(|_| ())
    }

    fn actions(plan: &Plan) -> usize {
        plan.actions.len()
    }

    fn remove(plan: &mut Plan, action: usize) {
        plan.actions.remove(action);
    }

    fn tell(plan: &Plan, (complaint, trace): &Failure) -> String {
        let check = (0..plan.checks.len()).find(|number| complaint.contains(&format!("check-{number}")));
        let check = check.filter(|_| plan.checks.len() > 1);
        let mut words = format!("{:?}\n", plan.settings);
        for planned in plan.checks.iter().enumerate().filter(|it| check.is_none_or(|check| it.0 == check)) {
            words += &format!("{:?}\n", planned.1);
        }
        for action in &plan.actions {
            words += &format!("  {action:?}\n");
        }
        words + &trace.tail("check", check, TAIL)
    }
}

#[test]
fn every_life_goes_as_it_should() {
    runner::live::<HealthSimulation>();
}

#[test]
fn every_mutant_is_found_out() {
    runner::find_mutants::<HealthSimulation>();
}
