//! Why bytes are no snapshot that could be restored, and what to do about it.

use std::fmt;
use std::io;

use crate::base::stdx::counted::counted;
use crate::base::sys::budget::OverBudget;
use crate::store::snapshot::format::FORMAT;

/// A refusal. `Display` is a sentence or two for an operator and ends in the remedy.
#[derive(Debug)]
pub enum SnapshotError {
    /// The bytes do not begin as a snapshot does.
    NotASnapshot,
    /// They are a snapshot of Consul's.
    OfConsul,
    /// A later muster wrote it.
    Newer {
        /// Format version found.
        found: u64,
    },
    /// It ends before its last line.
    Cut {
        /// Lines that are there.
        lines: u64,
    },
    /// It is not as it was written.
    Damaged {
        /// The line at fault, from 1; the one after the last when all of it together does not add up.
        line: u64,
        /// What is wrong.
        detail: String,
    },
    /// All of it is more than may be read here.
    TooLarge {
        /// Bytes that it may have, uncompressed.
        bytes_max: u64,
    },
    /// It unpacks to more than any snapshot that was packed.
    TooDense {
        /// How many times its packed bytes it may have.
        ratio_max: u64,
    },
    /// One line is longer than any of a registry with these bounds.
    TooLong {
        /// Its number, from 1.
        line: u64,
        /// Bytes that it may have.
        line_bytes_max: usize,
    },
    /// One line is as it was written, and holds what no registry takes.
    Refused {
        /// Its number, from 1.
        line: u64,
        /// Which rule it breaks, and what to do about it.
        detail: String,
    },
    /// All of it is more than the registry may hold.
    Full {
        /// The line at which it is too much, from 1.
        line: u64,
        /// What there is too much of, and what to do about it.
        detail: String,
    },
    /// Holding it until it is in the registry would take more memory than there is for that.
    OverBudget(OverBudget),
    /// It is whole, but holds what makes no sense.
    Senseless(String),
    /// It cannot be read.
    Io(io::Error),
}

impl SnapshotError {
    pub(super) fn damaged(line: u64, detail: impl fmt::Display) -> SnapshotError {
        SnapshotError::Damaged { line, detail: detail.to_string() }
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::NotASnapshot => {
                out.write_str("this is no snapshot of muster's; give a file that `muster snapshot save` made")
            }
            SnapshotError::OfConsul => out.write_str(
                "this is a snapshot of Consul's, which only Consul can read; to move a catalog over, run `muster \
                 import --from URL` against a Consul that is running",
            ),
            SnapshotError::Newer { found } => write!(
                out,
                "the snapshot has format {found}, and this muster reads up to {FORMAT}; use the version that wrote it, \
                 or a later one"
            ),
            SnapshotError::Cut { lines } => write!(
                out,
                "the snapshot is cut off after {}; fetch it again, or use another copy",
                counted(*lines, "whole line")
            ),
            SnapshotError::Damaged { line, detail } => {
                write!(out, "the snapshot is damaged at line {line}: {detail}; use another copy")
            }
            SnapshotError::TooLarge { bytes_max } => write!(
                out,
                "the snapshot has more than {bytes_max} bytes uncompressed; raise limits.snapshot_bytes_max for \
                 one that is to be so large"
            ),
            SnapshotError::TooDense { ratio_max } => write!(
                out,
                "the snapshot unpacks to more than {ratio_max} times its size, as none does that is one; unpack it \
                 first, and give it as it is then"
            ),
            SnapshotError::TooLong { line, line_bytes_max } => write!(
                out,
                "line {line} of the snapshot has more than {line_bytes_max} bytes, as no registry writes them under \
                 this limits.body_bytes_max; raise that if the snapshot is of one with a higher bound"
            ),
            SnapshotError::Refused { line, detail } => {
                write!(out, "line {line} of the snapshot cannot be taken: {detail}")
            }
            SnapshotError::Full { line, detail } => {
                write!(out, "line {line} of the snapshot is more than fits: {detail}")
            }
            SnapshotError::OverBudget(over) => write!(
                out,
                "the snapshot takes more memory than there is now for restoring: {over}; try again once no other is \
                 restored, raise that, or make a data directory of it, which takes none: muster store restore"
            ),
            SnapshotError::Senseless(detail) => {
                write!(out, "the snapshot holds what makes no sense: {detail}; use another one")
            }
            SnapshotError::Io(error) => {
                write!(out, "the snapshot cannot be read: {error}; look at its disk, or use another copy")
            }
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SnapshotError::Io(error) => Some(error),
            SnapshotError::OverBudget(over) => Some(over),
            _ => None,
        }
    }
}
