//! What metadata may be: pairs that users attach to nodes and services.

use crate::core::model::Meta;
use crate::core::model::limits::{META_KEY_BYTES_MAX, META_PAIRS_MAX, META_VALUE_BYTES_MAX};
use crate::core::model::validate::Violation;

/// Prefix of metadata keys that Consul keeps for itself.
const META_KEY_RESERVED: &str = "consul-";

/// Refuses metadata that Consul does not take. The sentence goes after `prefix`.
///
/// # Errors
/// The first pair that is none.
pub fn check(prefix: &str, pairs: Option<&Meta>) -> Result<(), Violation> {
    check_size(prefix, pairs)?;
    for (key, value) in pairs.into_iter().flat_map(|pairs| pairs.iter()) {
        let fault = if key.is_empty() {
            "Key cannot be blank".to_owned()
        } else if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            "Key contains invalid characters".to_owned()
        } else if key.starts_with(META_KEY_RESERVED) {
            format!("Key prefix '{META_KEY_RESERVED}' is reserved for internal use")
        } else {
            continue;
        };
        return Err(bad_pair(prefix, key, value, &fault));
    }
    Ok(())
}

/// Refuses metadata that is too much, whatever its keys are. The sentence goes after `prefix`.
///
/// # Errors
/// When there are too many pairs, or the first that is too long.
pub fn check_size(prefix: &str, pairs: Option<&Meta>) -> Result<(), Violation> {
    let Some(pairs) = pairs else { return Ok(()) };
    if pairs.len() > META_PAIRS_MAX {
        return Err(Violation::new(format!(
            "{prefix}: Node metadata cannot contain more than {META_PAIRS_MAX} key/value pairs"
        )));
    }
    for (key, value) in pairs.iter() {
        let fault = if key.len() > META_KEY_BYTES_MAX {
            format!("Key is too long (limit: {META_KEY_BYTES_MAX} characters)")
        } else if value.len() > META_VALUE_BYTES_MAX {
            format!("Value is too long (limit: {META_VALUE_BYTES_MAX} characters)")
        } else {
            continue;
        };
        return Err(bad_pair(prefix, key, value, &fault));
    }
    Ok(())
}

fn bad_pair(prefix: &str, key: &str, value: &str, fault: &str) -> Violation {
    let (key, value) = (shortened(key), shortened(value));
    Violation::new(format!("{prefix}: Couldn't load metadata pair ('{key}', '{value}'): {fault}"))
}

/// Enough of a faulty text to find it again, so that the fault itself is not cut off.
fn shortened(text: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 600;
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(SHOWN_BYTES_MAX / 2)])
}
