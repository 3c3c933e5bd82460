//! The registry as one whole: a view of it at one index, as a snapshot's bytes, and a snapshot's bytes as what it
//! shall be from now on.
//!
//! The writer only hands out or takes over records ([`exclusive`](super::exclusive)); encoding ([`view`]) and decoding
//! ([`decoded`]) are done on the threads of whoever asks; [`row_validator`] judges what comes in. [`schedule`] takes
//! snapshots by itself.

pub mod decoded;
pub mod mend;
pub mod offline;
pub mod opening;
pub mod view;
pub mod redaction;
pub mod schedule;
pub mod row_validator;

#[cfg(test)]
mod tests;
