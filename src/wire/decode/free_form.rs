//! Parts of a body that are kept as they are, whatever is in them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::wire::decode::place::Place;
use crate::wire::decode::read::Read;

/// Deepest nesting of a free-form part. It is written, compared and dropped by recursion on a coroutine's
/// small stack; proxy configurations, the only such part, are seldom deeper than five.
pub const FREE_FORM_DEPTH_MAX: usize = 32;

/// An object of which only the keys at the top are looked at, and these only by those who use them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FreeForm(
    /// The object as written, keys sorted.
    pub Map<String, Value>,
);

impl Read for FreeForm {
    fn go_type() -> String {
        "map[string]interface {}".into()
    }

    fn object<'de, A: MapAccess<'de>>(&mut self, mut entries: A, _place: Place<'_>) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Tree { levels_left: FREE_FORM_DEPTH_MAX - 1 })?;
            self.0.insert(key, value);
        }
        Ok(())
    }
}

/// Reads any value with at most so many levels of lists and objects.
struct Tree {
    levels_left: usize,
}

impl Tree {
    fn below<E: Error>(self) -> Result<Tree, E> {
        match self.levels_left.checked_sub(1) {
            Some(levels_left) => Ok(Tree { levels_left }),
            None => Err(E::custom(format_args!("nested deeper than {FREE_FORM_DEPTH_MAX} levels"))),
        }
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
        let levels_left = self.below()?.levels_left;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Tree { levels_left })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let levels_left = self.below()?.levels_left;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            map.insert(key, entries.next_value_seed(Tree { levels_left })?);
        }
        Ok(Value::Object(map))
    }
}
