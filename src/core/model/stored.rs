//! How every kind of record is read from its row: what is wrong with a row is said in the same words.

use std::fmt::Display;

use serde::Deserialize;

use crate::core::model::Indexes;

/// What the row says that is filed under `key`.
///
/// # Errors
/// A sentence when it is another thing.
pub fn read<'v, R: Deserialize<'v>>(key: &str, value: &'v [u8]) -> Result<R, String> {
    // Looking through the whole once is quicker than through each of its strings.
    let text = std::str::from_utf8(value).map_err(|error| fault(key, error))?;
    serde_json::from_str(text).map_err(|error| fault(key, error))
}

/// The sentence that says what is wrong with a row.
pub fn fault(key: &str, what: impl Display) -> String {
    format!("row {key:?}: {what}")
}

/// The indexes in a row.
///
/// # Errors
/// A sentence when they contradict each other.
pub fn indexes(key: &str, create: u64, modify: u64) -> Result<Indexes, String> {
    match create <= modify {
        true => Ok(Indexes { create, modify }),
        false => Err(fault(key, "it was changed before it was created")),
    }
}
