//! The key/value store: pairs, how they change, and how they are found. Pure: no I/O, no clock, no locks.
//!
//! [`state::PairState`] is the truth and belongs to the writer. What a [`PairWrite`](crate::core::model::PairWrite)
//! does to it comes out as [`change::PairChange`]s: the store writes their [`row`]s, an undo takes them back, and the
//! [`table::PairTable`] that readers look at takes them over.

pub mod change;
pub mod row;
pub mod state;
mod stretches;
pub mod table;

#[cfg(test)]
mod tests;
