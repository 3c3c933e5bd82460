//! JSON as the Go language reads it: keys without regard to case, `null` as unset, and its texts when it does
//! not fit.
//!
//! A body is a table of keys and fields ([`object!`](macro@crate::wire::decode::object)), read in one pass without
//! an intermediate tree. Keys also match in snake case, unknown keys are passed over and a later duplicate wins.
//! Depth is bounded by [`free_form`], also of what is passed over. Nothing here knows a particular body. Start at
//! [`read::ReadJson`].

pub mod read;
pub mod audit;
pub mod json_path;
pub mod keys;
pub mod scalars;
pub mod collections;
pub mod duration;
pub mod calendar_time;
pub mod free_form;
pub mod object;
pub mod scope;
mod syntax;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::de::DeserializeSeed;

use json_path::JsonPath;
use read::{ReadJson, Slot};

use crate::base::stdx::text::bounded;

pub(in crate::wire) use object::object;

/// Why a body could not be read. Its text is Go's, because clients match on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(String);

impl DecodeError {
    fn new(text: String) -> DecodeError {
        DecodeError(bounded(text))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

/// Reads the one JSON value of a body.
///
/// # Errors
/// When there is no complete JSON value, a part of it has the wrong type, more follows it, or it is no UTF-8.
pub fn from_bytes<T: ReadJson>(bytes: &[u8]) -> Result<T, DecodeError> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let fault = syntax::first_error(bytes);
        DecodeError::new(fault.unwrap_or_else(|| format!("the body is not UTF-8 from its byte {at} on")))
    })?;
    let mut value = T::default();
    let slot = Slot { target: &mut value, path: JsonPath::root() };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match slot.deserialize(&mut deserializer) {
        // All of a body was meant: half of it, and the rest taken for read, is neither what was sent nor refused.
        Ok(()) if deserializer.end().is_ok() => Ok(value),
        Ok(()) => Err(DecodeError::new(syntax::after_first_value(bytes))),
        // Go checks the whole value's syntax before it looks at any part, so bad syntax prevails over a wrong
        // type.
        Err(error) => {
            Err(DecodeError::new(syntax::first_error(bytes).unwrap_or_else(|| text_without_position(&error))))
        }
    }
}

/// Reads a value that is a tree already, such as a part of a definition file.
///
/// # Errors
/// When a part of it has the wrong type.
pub fn from_value<T: ReadJson>(tree: &serde_json::Value) -> Result<T, DecodeError> {
    let mut value = T::default();
    match (Slot { target: &mut value, path: JsonPath::root() }).deserialize(tree) {
        Ok(()) => Ok(value),
        Err(error) => Err(DecodeError::new(text_without_position(&error))),
    }
}

/// The text of an error raised while reading, without the position that `serde_json` appends.
fn text_without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&position) {
        Some(text) if error.is_data() => text.to_owned(),
        _ => text,
    }
}
