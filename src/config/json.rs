//! Reads JSON files into trees, and refuses a key that stands twice in one object: one of the two would be passed over
//! in silence.

use serde::de::DeserializeSeed;
use serde_json::{Deserializer, Map, Value};

use crate::base::stdx::hcl::DEPTH_MAX;
use crate::base::stdx::text_position::TextPosition;
use crate::base::stdx::tree::{DuplicateKeys, Tree};

/// Reads a file's text; an empty one is an empty object, as for Consul.
///
/// # Errors
/// The position and what is wrong there.
pub fn read(text: &str) -> Result<Map<String, Value>, (TextPosition, String)> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let mut source = Deserializer::from_str(text);
    let read = Tree::new(DEPTH_MAX, DuplicateKeys::Refused).deserialize(&mut source);
    match read.and_then(|value| source.end().map(|()| value)) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err((TextPosition { line: 1, column: 1 }, "it is no object".to_owned())),
        Err(error) => {
            let text = error.to_string();
            let suffix = format!(" at line {} column {}", error.line(), error.column());
            let position = TextPosition { line: error.line().max(1), column: error.column().max(1) };
            Err((position, text.strip_suffix(&suffix).unwrap_or(&text).to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_what_is_no_object_are_refused() {
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        let rows = [
            ("", Ok(0)),
            (" \n", Ok(0)),
            ("null", Ok(0)),
            ("{\"a\": 1, \"b\": [{\"a\": null}]}", Ok(2)),
            ("[]", Err((1, "no object"))),
            ("{\"a\": 1,\n\"a\": 2}", Err((2, "\"a\" stands twice"))),
            ("{\"b\": [{\"a\": 1,\n \"a\": 2}]}", Err((2, "stands twice"))),
            ("{} x", Err((1, "trailing"))),
            (deep.as_str(), Err((1, "deeper than 32"))),
            ("{\n\"a\": ", Err((2, "EOF"))),
        ];
        for (text, expected) in rows {
            match (read(text), expected) {
                (Ok(object), Ok(keys)) => assert_eq!(object.len(), keys, "{text}"),
                (Err((TextPosition { line, .. }, said)), Err((expected, words))) => {
                    assert!(line == expected && said.contains(words), "{text}: {line} {said}");
                }
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }
}
