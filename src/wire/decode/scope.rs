//! Keys by which a body names a part of Consul's world that muster does not have: a namespace, a partition, a peer.
//!
//! Every object of every body is looked at. A key of this kind that was passed over would have what was meant for
//! another namespace written into the one there is.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::wire::decode::free_form::SkipValue;
use crate::wire::decode::keys::{ENTERPRISE_META, KnownKey};

/// What newer versions of Consul answer where nothing else is meant, so that an answer can be sent back.
const OWN: &[&str] = &["", "default", "local"];

/// Whether a name of a namespace or the like means the one there is.
pub fn is_own(name: &str) -> bool {
    OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Reads the value of such a key, and takes only what names the one that there is.
#[derive(Clone, Copy)]
pub struct Scope(
    /// The key.
    pub &'static str,
);

impl<'de> DeserializeSeed<'de> for Scope {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scope {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the name of a {}", self.0)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        let Scope(key) = self;
        if key == ENTERPRISE_META && !name.is_empty() {
            return Err(E::custom(format_args!("{key} must be an object")));
        }
        if is_own(name) {
            return Ok(());
        }
        Err(E::custom(format_args!("{key} {name:?}: muster has none but the default one")))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Err(self.no_name())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Err(self.no_name())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Err(self.no_name())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Err(self.no_name())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.no_name())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if self.0 != ENTERPRISE_META {
            return Err(self.no_name());
        }
        while let Some(key) = entries.next_key_seed(KnownKey(&[]))? {
            match key {
                // Within itself it would be read without end.
                Some(key) if key != ENTERPRISE_META => entries.next_value_seed(Scope(key))?,
                _ => entries.next_value_seed(SkipValue::part())?,
            }
        }
        Ok(())
    }
}

impl Scope {
    /// A value of another type names nothing, so it is not known what was meant.
    fn no_name<E: Error>(self) -> E {
        let Scope(key) = self;
        E::custom(format_args!("{key} must be a text, and muster has none but the default one"))
    }
}
