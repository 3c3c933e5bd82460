//! A pair as `/v1/kv/` shows it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::core::model::Pair;

/// One pair. `Value` is base64, or `null` for no bytes; `Session` is there while one holds the key.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KvPair<'a> {
    lock_index: u64,
    key: &'a str,
    flags: u64,
    #[serde(serialize_with = "base64")]
    value: &'a [u8],
    #[serde(skip_serializing_if = "str::is_empty")]
    session: &'a str,
    create_index: u64,
    modify_index: u64,
}

impl<'a> KvPair<'a> {
    /// The pair.
    pub fn new(pair: &'a Pair) -> Self {
        KvPair {
            lock_index: pair.lock_index,
            key: &pair.key,
            flags: pair.flags,
            value: &pair.value,
            session: &pair.session,
            create_index: pair.indexes.create,
            modify_index: pair.indexes.modify,
        }
    }
}

fn base64<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_empty() {
        serializer.serialize_none()
    } else {
        serializer.serialize_str(&STANDARD.encode(value))
    }
}
