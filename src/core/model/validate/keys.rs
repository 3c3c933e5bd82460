//! What a key may be made of: what can be printed, and the plain blank.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

use crate::core::model::limits::KEY_BYTES_MAX;
use crate::core::model::validate::Violation;

/// Refuses a key, or the beginning of keys, that is too long or holds what is not printed: control characters, blanks
/// but the plain one, and what has no width. Consul refuses the same without a word.
///
/// # Errors
/// A sentence that names the character.
pub fn check(key: &str) -> Result<(), Violation> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Violation::new(format!("Invalid key: longer than {KEY_BYTES_MAX} bytes")));
    }
    match key.chars().find(|it| !is_printed(*it)) {
        Some(odd) => {
            let code = u32::from(odd);
            Err(Violation::new(format!("Invalid key: the character U+{code:04X} in it is not printed")))
        }
        None => Ok(()),
    }
}

fn is_printed(character: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate, Unassigned,
    };
    if character.is_ascii() {
        return character == ' ' || character.is_ascii_graphic();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    !matches!(
        category,
        Control
            | Format
            | LineSeparator
            | ParagraphSeparator
            | PrivateUse
            | SpaceSeparator
            | Surrogate
            | Unassigned
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_a_key() {
        for key in ["", "a", "a b/c", "%+?#\"<>", "é/日本/🙂", "x".repeat(KEY_BYTES_MAX).as_str()] {
            assert_eq!(check(key), Ok(()), "{key}");
        }
        let long = "x".repeat(KEY_BYTES_MAX + 1);
        let rows =
            ["a\tb", "\u{7f}", "\u{80}", "a\u{a0}b", "\u{200b}", "\u{feff}", "\u{2028}", "\u{3000}", &long];
        for key in rows {
            assert!(check(key).is_err(), "{key:?}");
        }
    }
}
