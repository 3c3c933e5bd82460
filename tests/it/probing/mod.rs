//! Targets that mean harm, or are in trouble: whatever they do, the checks of others run in time.

mod bearing;
mod certificates;
pub mod greedy;
pub mod hanging;
mod names;
mod requests;
