//! Lives of a registry with the embedded store alone.

use crate::registry::mutants::Mutant;
use crate::registry::plan::Plan;
use crate::registry::tally::Kind;
use crate::registry::{Ground, Lives, live};
use crate::runner::find_mutants;

struct OnDisk;

impl Ground for OnDisk {
    const NAME: &'static str = "registry::on_disk";
    const MUTANTS: &'static [Mutant] = Mutant::OF_DISK;
    const KINDS: &'static [Kind] = Kind::OF_DISK;

    fn plan(seed: u64) -> Plan {
        Plan::of(seed)
    }
}

#[test]
fn every_life_goes_as_it_should() {
    live::<OnDisk>();
}

#[test]
fn every_mutant_is_found_out() {
    find_mutants::<Lives<OnDisk>>();
}
