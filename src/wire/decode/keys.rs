//! Keys of objects, as Go compares them: in any case, and here in snake case too.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// The keys of [`Scope`](crate::wire::decode::scope::Scope), as Consul writes them: of what is registered, and of what
/// it is to reach.
const SCOPE_KEYS: &[&str] = &[
    "Namespace",
    // As the query has it. Consul refuses it in a body, as it does all keys that it does not know.
    "Ns",
    "Partition",
    "PeerName",
    "Peer",
    "SamenessGroup",
    ENTERPRISE_META,
    "DestinationNamespace",
    "DestinationPartition",
    "DestinationPeer",
    "SourceNamespace",
    "SourcePartition",
    "SourcePeer",
    "AliasNamespace",
    "AliasPartition",
];

/// The object in which Consul's own structures keep some of these.
pub(super) const ENTERPRISE_META: &str = "EnterpriseMeta";

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
        // Nearly all clients write keys as the documentation does.
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
