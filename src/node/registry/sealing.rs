//! How the secrets of tokens are sealed in rows: with the keys of this registry.

use std::sync::Arc;

use crate::base::sys::sealing::SealingKeys;
use crate::core::acl::row::Seal;
pub use crate::core::acl::row::SharedSeal;

/// Keys, and where they are kept.
struct KeySeal {
    keys: SealingKeys,
    place: String,
}

/// A seal with these keys; `place` says where they are kept, for people.
pub fn with_keys(keys: SealingKeys, place: String) -> SharedSeal {
    Arc::new(KeySeal { keys, place })
}

impl Seal for KeySeal {
    fn seal(&self, accessor: &str, secret: &str) -> String {
        self.keys.seal(accessor, secret)
    }

    fn open(&self, accessor: &str, sealed: &str) -> Result<String, String> {
        self.keys.open(accessor, sealed).map_err(|unopened| unopened.to_string())
    }

    fn key_id(&self) -> String {
        self.keys.key_id().to_owned()
    }

    fn is_current(&self, sealed: &str) -> bool {
        self.keys.is_current(sealed)
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}
