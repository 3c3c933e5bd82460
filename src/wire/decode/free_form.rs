//! Parts of a body that are kept as they are, whatever is in them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::base::stdx::tree::{DuplicateKeys, Tree};
use crate::core::model::limits::FREE_FORM_DEPTH_MAX;
use crate::wire::decode::audit::Audit;
use crate::wire::decode::json_path::JsonPath;
use crate::wire::decode::read::ReadJson;

/// An object of which only the keys at the top are looked at, and these only by those who use them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FreeForm(
    /// The object as written, keys sorted.
    pub Map<String, Value>,
);

impl ReadJson for FreeForm {
    fn go_type() -> String {
        "map[string]interface {}".into()
    }

    fn object<'de, A: MapAccess<'de>>(&mut self, entries: A, _path: JsonPath<'_>) -> Result<(), A::Error> {
        self.0.extend(Tree::new(FREE_FORM_DEPTH_MAX, DuplicateKeys::LaterWins).object(entries)?);
        Ok(())
    }
}

impl Audit for FreeForm {}

/// Passes over any value. Not by `IgnoredAny`, which takes any depth and so would accept what no other reader of the
/// body can read.
#[derive(Clone, Copy)]
pub struct SkipValue {
    levels_left: usize,
}

impl SkipValue {
    /// Skips the value of a key that is not known, or that is not of a kind to be read.
    pub fn value() -> SkipValue {
        SkipValue { levels_left: FREE_FORM_DEPTH_MAX }
    }

    /// Skips what is in such a value.
    pub fn part() -> SkipValue {
        SkipValue { levels_left: FREE_FORM_DEPTH_MAX - 1 }
    }

    fn below<E: Error>(self) -> Result<SkipValue, E> {
        let levels_left = self.levels_left.checked_sub(1).ok_or_else(too_deep)?;
        Ok(SkipValue { levels_left })
    }
}

impl<'de> DeserializeSeed<'de> for SkipValue {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SkipValue {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let below = self.below()?;
        while items.next_element_seed(below)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let below = self.below()?;
        while entries.next_key::<IgnoredAny>()?.is_some() {
            entries.next_value_seed(below)?;
        }
        Ok(())
    }
}

fn too_deep<E: Error>() -> E {
    E::custom(format_args!("nested deeper than {FREE_FORM_DEPTH_MAX} levels"))
}
