//! The registry as one whole: a picture of it at one index, as a snapshot's bytes, and a snapshot's bytes as what it
//! shall be from now on.
//!
//! The writer only hands out or takes over records ([`orders`]); encoding ([`picture`]) and decoding ([`image`]) are
//! done on the threads of whoever asks; [`vet`] judges what comes in. [`schedule`] takes snapshots by itself.

pub mod image;
pub mod mend;
pub mod offline;
pub mod opening;
pub mod orders;
pub mod picture;
pub mod redaction;
pub mod schedule;
pub mod vet;

#[cfg(test)]
mod tests;
