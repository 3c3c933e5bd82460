//! Which instances: the answer to a question about one service, whoever asks it and in whatever form it is answered.
//!
//! A [`query::ServiceQuery`] is the question as plain values, and [`query::ServiceQuery::select`] the answer: those of
//! the service's instances that are asked for, in answer order. [`mod@panic`] says when instances are kept that fail,
//! [`near`] which come first, and [`difference`] how two answers to one question differ. Start reading at [`query`].
//!
//! Instances are arguments, and so is the meter that the work is paid from: this knows no registry, no lock and no
//! protocol. Where questions come from and how answers are written is for others.

pub mod difference;
pub mod listing;
pub mod near;
pub mod panic;
pub mod query;
#[cfg(test)]
mod tests;
