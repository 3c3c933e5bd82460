//! The embedded store on disks that fail, crash and lie, with every fault constructed: a library loaded before the C
//! library (`shim.c`) strikes the n-th call that changes a file, for every n of a fixed script, and records the calls, so
//! that power cuts can be played through; and every file of a small store is cut and flipped everywhere.
//!
//! The rule for all of them: a start gives back exactly the state after some batch that is no older than the last
//! acknowledged one, or it refuses with a sentence and leaves the files alone. Never a hole, never a panic, never a hang.
//!
//! `MUSTER_FAULTS=all` tries everything; without it a part drawn by `MUSTER_SEED` is tried. `scripts/faults` does all.

#[path = "../it/restart/chance.rs"]
#[expect(dead_code, reason = "forks are for the clients of a server")]
mod chance;
mod cuts;
mod damage;
mod disk;
mod errors;
mod kills;
mod record;
mod script;
mod shim;
mod trial;

/// Whether everything is to be tried, however long that takes.
fn all() -> bool {
    std::env::var("MUSTER_FAULTS").is_ok_and(|text| text == "all")
}
