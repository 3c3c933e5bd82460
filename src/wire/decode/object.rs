//! Objects with known keys, written down as tables.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use crate::wire::decode::scope::SCOPE_KEYS;

/// Declares what a body may say: a structure whose rows are `"Key" | "OtherKey" => field: Type`.
///
/// `as "…"` is Go's name of the structure in its messages, and the second text what the type is called there.
macro_rules! object {
    ($(#[$about:meta])* pub struct $name:ident as $structure:literal of $go_type:literal {
        $($(#[$doc:meta])* $($key:literal)|+ => $field:ident: $type:ty,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)+
        }

        impl $crate::wire::decode::read::ReadJson for $name {
            fn go_type() -> String {
                $go_type.into()
            }

            fn object<'de, A: ::serde::de::MapAccess<'de>>(
                &mut self,
                mut entries: A,
                place: $crate::wire::decode::json_path::JsonPath<'_>,
            ) -> Result<(), A::Error> {
                use $crate::wire::decode::{object::KnownKey, read::Slot};
                const KEYS: &[&str] = &[$($($key),+),+];
                while let Some(key) = entries.next_key_seed(KnownKey(KEYS))? {
                    match key {
                        $(Some(key) if matches!(key, $($key)|+) => {
                            let place = place.field($structure, key);
                            entries.next_value_seed(Slot { target: &mut self.$field, place })?;
                        })+
                        Some(scope) => entries.next_value_seed($crate::wire::decode::scope::Scope(scope))?,
                        None => entries.next_value_seed($crate::wire::decode::free_form::Skipped::value())?,
                    }
                }
                Ok(())
            }

            fn audit(
                value: &mut ::serde_json::Value,
                path: &str,
                audit: &mut $crate::wire::decode::audit::SyntaxAudit,
            ) {
                const KEYS: &[&str] = &[$($($key),+),+];
                audit.object(value, path, KEYS, |audit, key, value, path| match key {
                    $($($key)|+ => audit.value::<$type>(value, path),)+
                    _ => {}
                });
            }
        }
    };
}

pub(in crate::wire) use object;

/// Reads a key as the one of these that it spells, or as one of [`SCOPE_KEYS`], if any.
pub struct KnownKey(pub &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KnownKey {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownKey {
    type Value = Option<&'static str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: Error>(self, written: &str) -> Result<Self::Value, E> {
        // Nearly everybody writes keys as the documentation does.
        let exact = self.0.iter().copied().find(|key| *key == written);
        let keys = || self.0.iter().chain(SCOPE_KEYS).copied();
        Ok(exact.or_else(|| keys().find(|key| spells(written, key))))
    }
}

/// Whether both are the same key: letters compare without regard to case, and `_` counts for nothing.
pub(in crate::wire) fn spells(written: &str, key: &str) -> bool {
    fold(written).eq(fold(key))
}

fn fold(text: &str) -> impl Iterator<Item = u8> + '_ {
    text.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_in_any_case_and_in_snake_case() {
        for (written, key, same) in [
            ("ServiceID", "ServiceID", true),
            ("service_id", "ServiceID", true),
            ("SERVICEID", "ServiceID", true),
            ("tls_skip_verify", "TLSSkipVerify", true),
            ("_name_", "Name", true),
            ("", "Name", false),
            ("Nam", "Name", false),
            ("Names", "Name", false),
        ] {
            assert_eq!(spells(written, key), same, "{written}");
        }
    }
}
