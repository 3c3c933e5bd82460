//! A pair as the value of a stored row: JSON that a person can read, but for the value, whose bytes may be any.
//!
//! The row is filed under the key as it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::base::stdx::text::Text;
use crate::core::model::Pair;
use crate::core::model::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::core::model::stored::{self, fault};

/// What stands on disk. It names its fields by itself, so that they may be called otherwise in memory.
#[derive(Serialize, Deserialize)]
struct Row {
    value: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    flags: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    lock_index: u64,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    session: Text,
    create: u64,
    modify: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The row's value.
pub fn encode(pair: &Pair) -> Vec<u8> {
    let Pair { value, flags, lock_index, session, indexes, .. } = pair;
    let row = Row {
        value: STANDARD.encode(value),
        flags: *flags,
        lock_index: *lock_index,
        session: session.clone(),
        create: indexes.create,
        modify: indexes.modify,
    };
    serde_json::to_vec(&row).expect("it has text keys only")
}

/// The pair in the row that is filed under `key`.
///
/// # Errors
/// A sentence when it is not as [`encode`] writes it, or holds more than a pair may.
pub fn decode(key: &str, row: &[u8]) -> Result<Pair, String> {
    let row: Row = stored::read(key, row)?;
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(fault(key, format_args!("a key has 1 to {KEY_BYTES_MAX} bytes")));
    }
    let value = STANDARD.decode(&row.value);
    let value = value.map_err(|error| fault(key, format_args!("its value: {error}")))?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(fault(key, format_args!("its value has more than {VALUE_BYTES_MAX} bytes")));
    }
    Ok(Pair {
        key: key.into(),
        value: value.into(),
        flags: row.flags,
        lock_index: row.lock_index,
        session: row.session,
        indexes: stored::indexes(key, row.create, row.modify)?,
    })
}
