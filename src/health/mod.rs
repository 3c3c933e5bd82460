//! When a check is due, and what a result means: pace, thresholds, TTLs, flap damping, reaping, output written late.
//!
//! Pure: `now` is an argument, the only chance is a hash of what a check is, and what is to be done comes out as values
//! ([`Due`], [`Verdict`]). It knows neither the catalog nor how a probe is run; it never reads a clock and takes no
//! lock. Start at [`Health`]; `DESIGN.md` draws the states of one check.

mod damping;
mod due;
mod grid;
mod insight;
mod key;
mod keeper;
mod pace;
mod reaping;
mod reports;
mod runs;
mod saved;
pub mod settings;
mod spread;
mod standing;
mod threshold;
mod timers;
mod tracked;
mod watch;

pub mod alias;
pub mod output;

pub use due::{ConnectionUse, Due, Reply, Run, Source, Verdict};
pub use insight::{Insight, Phase};
pub use keeper::{Arrival, Full, Health};
pub use key::CheckKey;
pub use saved::{Counters, Saved, SavedFlaps, TtlLeft, TtlNews};
pub use settings::Settings;

#[cfg(test)]
mod tests;
