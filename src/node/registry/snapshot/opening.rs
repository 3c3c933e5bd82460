//! Whether it is worth going on with a snapshot of which only the beginning is here.

use crate::node::registry::snapshot::row_validator::RowRules;
use crate::store::snapshot::error::SnapshotError;
use crate::store::snapshot::opening;

/// Why what begins like this can be no snapshot, however it goes on. Cost: some twenty comparisons.
pub fn refusal_at_sight(first: &[u8]) -> Option<String> {
    opening::check_magic(first).err().map(sentence)
}

/// As [`refusal_at_sight`], having unpacked it where it is packed, and read its first line if that is here.
pub fn refusal(first: &[u8], rules: &RowRules) -> Option<String> {
    opening::check_header(first, rules.decoded()).err().map(sentence)
}

fn sentence(error: SnapshotError) -> String {
    error.to_string()
}
