//! Simulations: parts of muster in a world that follows from a seed, beside an oracle that reckons plainly what they
//! should do.
//!
//! `README.md` tells what is in each world, what its oracle knows, and how a failure is seen again.

mod chance;
mod health;
mod registry;
mod runner;
mod trace;
