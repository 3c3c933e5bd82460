//! Why bytes are no snapshot that could be restored, and what to do about it.

use std::fmt;
use std::io;

use crate::persist::snapshot::format::FORMAT;

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
                "the snapshot is cut off after {lines} whole lines; fetch it again, or use another copy"
            ),
            SnapshotError::Damaged { line, detail } => {
                write!(out, "the snapshot is damaged at line {line}: {detail}; use another copy")
            }
            SnapshotError::Senseless(detail) => {
                write!(out, "the snapshot holds what makes no sense: {detail}; use another one")
            }
            SnapshotError::Io(error) => write!(out, "the snapshot cannot be read: {error}"),
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SnapshotError::Io(error) => Some(error),
            _ => None,
        }
    }
}
