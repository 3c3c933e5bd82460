//! Reads any JSON value as a tree, within bounds that its reader sets: how deep it may be, and whether a key may stand
//! twice in one object.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What becomes of a key that stands twice in one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKeys {
    /// The later one counts, as in most languages.
    LaterWins,
    /// It is an error, for one of the two would be passed over in silence.
    Refused,
}

/// A value to be read.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    depth_max: usize,
    levels_left: usize,
    duplicates: DuplicateKeys,
}

impl Tree {
    /// One with at most so many levels of lists and objects. It is read by recursion.
    pub fn new(depth_max: usize, duplicates: DuplicateKeys) -> Tree {
        Tree { depth_max, levels_left: depth_max, duplicates }
    }

    /// What is in such a value.
    ///
    /// # Errors
    /// It would be too deep.
    pub fn below<E: Error>(self) -> Result<Tree, E> {
        match self.levels_left.checked_sub(1) {
            Some(levels_left) => Ok(Tree { levels_left, ..self }),
            None => Err(E::custom(format_args!("nested deeper than {} levels", self.depth_max))),
        }
    }

    /// The entries of an object.
    ///
    /// # Errors
    /// Those of the text, and of the bounds.
    pub fn object<'de, A: MapAccess<'de>>(self, mut entries: A) -> Result<Map<String, Value>, A::Error> {
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if self.duplicates == DuplicateKeys::Refused && object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} stands twice in one object")));
            }
            object.insert(key, entries.next_value_seed(below)?);
        }
        Ok(object)
    }
}

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<Value, E> {
        Ok(Value::Bool(boolean))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Value, A::Error> {
        self.object(entries).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_doubles_are_the_readers_choice() {
        let read = |text: &str, depth_max, duplicates| {
            Tree::new(depth_max, duplicates).deserialize(&mut serde_json::Deserializer::from_str(text))
        };
        let text = r#"{"a": [1, -1, 1.5, null, true, "x", {}], "a": 2}"#;
        assert_eq!(read(text, 3, DuplicateKeys::LaterWins).unwrap(), serde_json::json!({"a": 2}));
        for (depth_max, duplicates, expected) in [
            (3, DuplicateKeys::Refused, "the key \"a\" stands twice"),
            (2, DuplicateKeys::LaterWins, "deeper than 2 levels"),
        ] {
            assert!(
                read(text, depth_max, duplicates).unwrap_err().to_string().contains(expected),
                "{expected}"
            );
        }
        assert!(
            read("1", 0, DuplicateKeys::Refused).is_ok() && read("[]", 0, DuplicateKeys::Refused).is_err()
        );
    }
}
