//! Ends and restarts of the built program: by SIGKILL under load, in order, on a directory that somebody damaged, and
//! with checks whose time went on meanwhile. What was acknowledged is kept, and no first answer is half the truth.
//!
//! `MUSTER_KILLS` sets how often [`kills`] kills (50), `MUSTER_SEED` repeats a run; `scripts/crash` kills a thousand times.

pub mod chance;
mod checks;
mod damage;
mod directory;
mod ending;
pub mod files;
pub mod kills;
pub mod ledger;
pub mod life;
mod names;
mod reload;
pub mod views;
