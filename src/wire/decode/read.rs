//! What it means to be readable from JSON: take one kind of value, refuse the others in Go's words.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::wire::decode::json_path::JsonPath;

/// Something that one JSON value can be read into. Implementations override the kinds of value they take.
pub trait ReadJson: Default {
    /// Go's name of the type, as its messages give it.
    fn go_type() -> String;

    /// Takes `null`: the value is then as if it had not been given.
    fn null(&mut self) {
        *self = Self::default();
    }

    /// Takes a string.
    fn text(&mut self, _text: &str) -> Result<(), FieldFault> {
        Err(FieldFault::Mismatch("string".into()))
    }

    /// Takes a whole number.
    fn integer(&mut self, _number: i64) -> Result<(), FieldFault> {
        Err(FieldFault::Mismatch("number".into()))
    }

    /// Takes a number with a fraction, an exponent, or beyond 64 bits.
    fn float(&mut self, _number: f64) -> Result<(), FieldFault> {
        Err(FieldFault::Mismatch("number".into()))
    }

    /// Takes `true` or `false`.
    fn boolean(&mut self, _boolean: bool) -> Result<(), FieldFault> {
        Err(FieldFault::Mismatch("bool".into()))
    }

    /// Takes an array.
    fn list<'de, A: SeqAccess<'de>>(&mut self, _items: A, path: JsonPath<'_>) -> Result<(), A::Error> {
        Err(FieldFault::Mismatch("array".into()).at::<Self, _>(path))
    }

    /// Takes an object.
    fn object<'de, A: MapAccess<'de>>(&mut self, _entries: A, path: JsonPath<'_>) -> Result<(), A::Error> {
        Err(FieldFault::Mismatch("object".into()).at::<Self, _>(path))
    }
}

/// Why a value was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldFault {
    /// It is of this kind (Go's word for it, numbers with their digits where these matter), which does not
    /// fit.
    Mismatch(String),
    /// It says something impossible; the sentence is complete.
    Nonsense(String),
}

impl FieldFault {
    /// The error to raise for it while reading a `T` at `path`.
    pub fn at<T: ReadJson, E: Error>(self, path: JsonPath<'_>) -> E {
        match self {
            FieldFault::Mismatch(kind) => {
                E::custom(format_args!("json: cannot unmarshal {kind} into {path} of type {}", T::go_type()))
            }
            FieldFault::Nonsense(sentence) => E::custom(sentence),
        }
    }
}

/// Where the next value goes: into `target`, which is at `path` in the body.
pub struct Slot<'t, 'p, T> {
    /// What is read into.
    pub target: &'t mut T,
    /// Where it is, for messages.
    pub path: JsonPath<'p>,
}

impl<'de, T: ReadJson> DeserializeSeed<'de> for Slot<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: ReadJson> Visitor<'de> for Slot<'_, '_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&T::go_type())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.target.null();
        Ok(())
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<(), E> {
        self.target.boolean(boolean).map_err(|fault| fault.at::<T, E>(self.path))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.target.integer(number).map_err(|fault| fault.at::<T, E>(self.path))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.target.float(number).map_err(|fault| fault.at::<T, E>(self.path))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.target.text(text).map_err(|fault| fault.at::<T, E>(self.path))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        self.target.list(items, self.path)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        self.target.object(entries, self.path)
    }
}
