//! When a check is due, and what a result means: cadence, thresholds, TTLs, reaping, lazily written output.
//!
//! Pure: `now` is an argument, the only chance is a hash of the check's key, and what is to be done comes out as values
//! ([`Due`], [`Verdict`]). It knows neither the catalog nor how a probe is run; it never reads a clock and takes no
//! lock. Start at [`Health`]; `DESIGN.md` draws the states of one check.

mod cadence;
mod due;
mod insight;
mod key;
mod keeper;
mod reaping;
pub mod settings;
mod spread;
mod standing;
mod threshold;
mod timers;
mod tracked;
mod watch;

pub mod alias;
pub mod output;

pub use due::{ConnectionUse, Due, Run, Source, Verdict};
pub use insight::Insight;
pub use keeper::{Arrival, Full, Health};
pub use key::CheckKey;
pub use settings::Settings;

#[cfg(test)]
mod tests;
