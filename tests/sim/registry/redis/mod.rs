//! A Redis in the simulation: what it holds, how it fails, the way to it, and whose turn it is.

pub mod faults;
mod honest;
pub mod keyspace;
pub mod line;
pub mod server;
pub mod turns;
