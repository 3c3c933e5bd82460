//! Objects with known keys, written down as tables.

/// Declares what a body may hold: a structure whose rows are `"Key" | "OtherKey" => field: Type`.
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
                path: $crate::wire::decode::json_path::JsonPath<'_>,
            ) -> Result<(), A::Error> {
                use $crate::wire::decode::{keys::KnownKey, read::Slot};
                const KEYS: &[&str] = &[$($($key),+),+];
                while let Some(key) = entries.next_key_seed(KnownKey(KEYS))? {
                    match key {
                        $(Some(key) if matches!(key, $($key)|+) => {
                            let path = path.field($structure, key);
                            entries.next_value_seed(Slot { target: &mut self.$field, path })?;
                        })+
                        Some(scope) => entries.next_value_seed($crate::wire::decode::scope::Scope(scope))?,
                        None => entries.next_value_seed($crate::wire::decode::free_form::SkipValue::value())?,
                    }
                }
                Ok(())
            }
        }

        impl $crate::wire::decode::audit::Audit for $name {
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
