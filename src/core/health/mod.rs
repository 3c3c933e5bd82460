//! When a check is due, and what a result means: pace, thresholds, TTLs, flap damping, reaping, output written late.
//!
//! Pure: `now` is an argument, the only chance is a hash of what a check is, and what is to be done comes out as values
//! ([`DueAction`], [`Verdict`]). It knows neither the catalog nor how a probe is run; it never reads a clock and takes
//! no lock. Start at [`HealthEngine`]; `DESIGN.md` draws the states of one check.

mod damping;
mod action;
mod grid;
mod diagnostics;
mod key;
mod engine;
mod speed;
mod reaping;
mod reports;
mod runs;
mod saved;
pub mod settings;
mod spread;
mod reconciler;
mod threshold;
mod timers;
mod tracked;
mod mode;

pub mod alias;
pub mod output;

pub use action::{ConnectionUse, DueAction, ResultSource, Run, TargetReply, Verdict};
pub use diagnostics::{CheckDiagnostics, CheckPhase};
pub use engine::{Arrival, Full, HealthEngine};
pub use key::CheckKey;
pub use saved::{ResultCounters, Saved, SavedFlaps, TtlLeft, TtlNews};
pub use settings::HealthSettings;

#[cfg(test)]
mod tests;
