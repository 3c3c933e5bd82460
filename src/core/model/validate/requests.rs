//! The request that an HTTP check sends: what may be in it, and what would break it.

use std::collections::BTreeMap;

use crate::base::stdx::text::Text;
use crate::core::model::validate::Violation;

/// Headers that say where a message ends. Those are the sender's to say, not the user's: with a length of his own he
/// could make two requests of one. Consul takes them, and sends none of them.
const FRAMING: &[&str] = &["content-length", "trailer", "transfer-encoding"];

/// Refuses a method and headers that cannot be sent as they are. What a header's value is never stands in the sentence:
/// it may be a secret.
///
/// # Errors
/// The first part that cannot.
pub fn check(method: &str, headers: &BTreeMap<Text, Vec<Text>>) -> Result<(), Violation> {
    let refused = |sentence: String| Err(Violation::new(format!("Invalid check: {sentence}")));
    if !method.is_empty() && !is_token(method) {
        return refused("Method must be a word of letters, digits and !#$%&'*+-.^_`|~".to_owned());
    }
    for (name, values) in headers {
        if !is_token(name) {
            return refused(format!(
                "the name of Header {name:?} must be letters, digits and !#$%&'*+-.^_`|~"
            ));
        }
        if FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name)) {
            return refused(format!("Header {name:?} cannot be set: muster frames its own requests"));
        }
        if values.iter().any(|value| value.chars().any(|it| it.is_control() && it != '\t')) {
            return refused(format!("control characters are not allowed in a value of Header {name:?}"));
        }
    }
    Ok(())
}

/// Whether it is a token of HTTP (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}
