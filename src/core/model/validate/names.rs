//! What a name, an id or an address may be made of: of what everybody sees, so that two that look alike are one.
//!
//! Ordinary text of every script passes, and plain blanks within. What has no width passes where its script or picture
//! needs it and it changes what is seen: a joiner within Arabic or Indic words, the parts of an emoji. Properties are
//! those of Unicode.

use icu_properties::props::{
    CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier, EmojiPresentation,
    ExtendedPictographic, JoiningType,
};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::core::model::limits::NAME_BYTES_MAX;
use crate::core::model::validate::Violation;

const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// Has the character before it drawn as a picture.
const AS_PICTURE: char = '\u{fe0f}';
/// Makes a key of a digit, `#` or `*` and [`AS_PICTURE`].
const KEYCAP: char = '\u{20e3}';
/// The blank of East Asian scripts, as wide as their letters.
const WIDE_BLANK: char = '\u{3000}';

/// Refuses a name, id or address that is too long, holds control characters, or is nothing but what nobody sees.
/// `what` names it in the sentence.
///
/// This much holds for records that were acknowledged before there were further rules; see [`check`].
pub fn check_held(what: &str, name: &str) -> Result<(), Violation> {
    if is_plain(name) { Ok(()) } else { check_odd(what, name) }
}

fn check_odd(what: &str, name: &str) -> Result<(), Violation> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Violation::new(format!("Invalid {what}: longer than {NAME_BYTES_MAX} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err(Violation::new(format!("Invalid {what}: control characters are not allowed")));
    }
    if !name.is_empty() && name.chars().all(|it| it.is_whitespace() || is_unseen(it)) {
        return Err(Violation::new(format!("Invalid {what}: there is nothing in it but blanks")));
    }
    Ok(())
}

/// As [`check_held`], and refuses also what begins or ends with a blank, and characters that are not seen, that turn
/// the text beside them, or that are not the same to everybody.
pub fn check(what: &str, name: &str) -> Result<(), Violation> {
    if is_plain(name) {
        return Ok(());
    }
    check_odd(what, name)?;
    if name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace) {
        return Err(Violation::new(format!("Invalid {what}: it may not begin or end with a blank")));
    }
    let odd_blank = name.chars().find(|it| it.is_whitespace() && !matches!(*it, ' ' | WIDE_BLANK));
    odd_blank.map_or(Ok(()), |blank| Err(refused(what, blank)))?;
    check_seen(what, name)
}

/// Refuses characters that are not seen, that turn the text beside them, or that are not the same to everybody. Blanks
/// of every kind pass.
pub fn check_seen(what: &str, text: &str) -> Result<(), Violation> {
    if text.is_ascii() {
        return Ok(());
    }
    let characters: Vec<char> = text.chars().collect();
    let fault = (0..characters.len()).find(|at| is_unseen(characters[*at]) && !belongs(&characters, *at));
    fault.map_or(Ok(()), |at| Err(refused(what, characters[at])))
}

fn refused(what: &str, character: char) -> Violation {
    Violation::new(format!(
        "Invalid {what}: U+{:04X} is not allowed, which is not seen, may turn the text beside it, or is not the same \
         to everybody",
        u32::from(character)
    ))
}

/// Whether nothing can be wrong with a name, as with nearly all: it is not long, and of characters that are seen alone.
fn is_plain(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether nothing is seen of a character by itself, or everybody may see another: it has no width or no ink, says how
/// others are read or drawn (<https://www.unicode.org/reports/tr36/>), or is nobody's or everybody's to define.
fn is_unseen(character: char) -> bool {
    let has_no_ink = matches!(character,
        // Of Braille, of musical notes, of Egyptian; the place of an object; marks of annotations.
        '\u{2800}' | '\u{1d159}' | '\u{13430}'..='\u{13442}' | '\u{fffc}' | '\u{fff9}'..='\u{fffb}');
    let code = u32::from(character);
    let is_private = matches!(code, 0xe000..=0xf8ff | 0xf0000..=0xffffd | 0x100000..=0x10fffd);
    let is_no_character = (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe;
    // The empty letters of Hangul among them.
    has_no_ink
        || is_private
        || is_no_character
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

/// Whether the unseen character at a place changes how those beside it are drawn, as its script or its picture needs
/// it (RFC 5892, appendix A; Unicode Technical Standard 51).
fn belongs(characters: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).map(|at| characters[at]);
    let after = characters.get(at + 1).copied();
    let (Some(before), character) = (before, characters[at]) else { return false };
    match character {
        AS_PICTURE if before.is_ascii() => after == Some(KEYCAP),
        AS_PICTURE => is_of::<Emoji>(before) && !is_of::<EmojiPresentation>(before),
        JOINER | NON_JOINER if is_virama(before) => after.is_some_and(char::is_alphabetic),
        JOINER => {
            let is_picture = before == AS_PICTURE
                || is_of::<ExtendedPictographic>(before)
                || is_of::<EmojiModifier>(before);
            is_picture && after.is_some_and(is_of::<ExtendedPictographic>)
        }
        NON_JOINER => {
            let joining = |it: &char| CodePointMapData::<JoiningType>::new().get(*it);
            let is_passed_over = |it: &&char| joining(it) == JoiningType::Transparent;
            let left = characters[..at].iter().rev().find(|it| !is_passed_over(it)).map(joining);
            let right = characters[at + 1..].iter().find(|it| !is_passed_over(it)).map(joining);
            matches!(left, Some(JoiningType::LeftJoining | JoiningType::DualJoining))
                && matches!(right, Some(JoiningType::RightJoining | JoiningType::DualJoining))
        }
        _ => false,
    }
}

fn is_of<P: icu_properties::props::BinaryProperty>(character: char) -> bool {
    CodePointSetData::new::<P>().contains(character)
}

fn is_virama(character: char) -> bool {
    CodePointMapData::<CanonicalCombiningClass>::new().get(character) == CanonicalCombiningClass::Virama
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_can_see_or_tell_apart_are_refused() {
        let (blanks, hidden, control, edge) =
            (Some("nothing in it but blanks"), Some("is not allowed"), Some("control"), Some("begin or end"));
        let rows = [
            ("web", None),
            ("Büro Süd 3", None),
            ("サービス", None),
            ("خدمة", None),
            ("🚀", None),
            ("a\u{3000}b", None),
            // A heart drawn as a picture, people holding hands, a family of the same, a key, a flag.
            ("\u{2764}\u{fe0f} up", None),
            ("\u{1f468}\u{1f3fd}\u{200d}\u{1f91d}\u{200d}\u{1f468}\u{1f3fb}", None),
            ("\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}", None),
            ("1\u{fe0f}\u{20e3}", None),
            ("🇨🇭", None),
            // Persian, Sinhala, Hindi, Hangul, letters with combining accents.
            ("می\u{200c}خواهم", None),
            ("ශ්\u{200d}රී", None),
            ("क्\u{200d}ष", None),
            ("한국어", None),
            ("e\u{301}", None),
            (" ", blanks),
            ("\u{a0}\u{2003}", blanks),
            ("\u{3164}", blanks),
            ("\u{2800}", blanks),
            ("\u{115f}\u{1160}", blanks),
            ("\u{ffa0}", blanks),
            ("\u{200b}", blanks),
            (" \u{feff}\u{202e}", blanks),
            ("\u{e0041}", blanks),
            ("\u{e000}", blanks),
            ("a\u{202e}b", hidden),
            ("\u{202a}a", hidden),
            ("a\u{2066}b\u{2069}", hidden),
            ("we\u{200b}b", hidden),
            ("web\u{200f}", hidden),
            ("\u{feff}web", hidden),
            ("w\u{ad}eb", hidden),
            ("w\u{2060}eb", hidden),
            ("web\u{3164}", hidden),
            ("w\u{115f}eb", hidden),
            ("\u{ffa0}web", hidden),
            ("web\u{2800}", hidden),
            ("web\u{fe0f}", hidden),
            ("1\u{fe0f}", hidden),
            ("🚀\u{fe0f}", hidden),
            ("web\u{200d}", hidden),
            ("we\u{200c}b", hidden),
            ("🚀\u{200d}", hidden),
            ("خدمة\u{200c}", hidden),
            ("क्\u{200d}", hidden),
            ("a\u{a0}b", hidden),
            ("a\u{202f}b", hidden),
            ("a\u{2028}b", hidden),
            ("a\u{2003}b", hidden),
            ("a\u{fffe}", hidden),
            ("a\u{fdd0}", hidden),
            ("a\u{10ffff}", hidden),
            ("a\u{e000}", hidden),
            ("a\u{f8ff}", hidden),
            ("a\u{100000}", hidden),
            ("a\u{fff9}b", hidden),
            ("a\u{e0100}", hidden),
            (" web", edge),
            ("web ", edge),
            ("web\u{a0}", edge),
            ("\u{3000}web", edge),
            ("\u{2029}web", edge),
            ("a\u{85}", control),
            ("a\u{7f}", control),
            ("a\tb", control),
        ];
        for (name, expected) in rows {
            let told = check("name", name).err().map(|refused| refused.to_string());
            match expected {
                None => assert_eq!(told, None, "{name:?}"),
                Some(words) => {
                    assert!(told.as_ref().is_some_and(|it| it.contains(words)), "{name:?}: {told:?}")
                }
            }
            // What was taken before there were these rules is held.
            let is_held = check_held("name", name).is_ok();
            assert_eq!(is_held, [None, hidden, edge].contains(&expected), "{name:?}");
        }
        assert!(check("name", "").is_ok() && check("name", &"x".repeat(NAME_BYTES_MAX)).is_ok());
        assert!(check("name", &"x".repeat(NAME_BYTES_MAX + 1)).is_err());
        assert!(check_seen("tag", " a\tb\u{a0}").is_ok() && check_seen("tag", "a\u{200b}").is_err());
    }
}
