//! Snapshots: all rows of a registry at one moment, in one stream that a person can read.
//!
//! Owns the format, both ways, and the files of scheduled snapshots. Like its layer it refuses to know what a row
//! means. Start reading at [`mod@format`], which draws the bytes; [`encode`] and [`decode`] are its two directions,
//! [`error`] is why bytes are no snapshot, and [`files`] keeps the newest ones in a directory.

pub mod decode;
pub mod encode;
pub mod error;
pub mod files;
pub mod format;
pub mod opening;

#[cfg(test)]
mod tests;
