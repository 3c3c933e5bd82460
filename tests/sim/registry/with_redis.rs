//! Lives of a registry with the Redis store.

use crate::registry::mutants::Mutant;
use crate::registry::plan::Plan;
use crate::registry::tally::Kind;
use crate::registry::{Ground, Lives, live};
use crate::runner::find_mutants;

struct WithRedis;

impl Ground for WithRedis {
    const NAME: &'static str = "registry::with_redis";
    const MUTANTS: &'static [Mutant] = Mutant::OF_REDIS;
    const KINDS: &'static [Kind] = Kind::OF_REDIS;

    fn plan(seed: u64) -> Plan {
        Plan::with_redis(seed)
    }
}

#[test]
fn every_life_goes_as_it_should() {
    live::<WithRedis>();
}

#[test]
fn every_mutant_is_found_out() {
    find_mutants::<Lives<WithRedis>>();
}
