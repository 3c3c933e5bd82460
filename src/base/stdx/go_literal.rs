//! Literals as the Go language reads and quotes them: strings, integers, booleans. Knows nothing of where
//! they stand.
//!
//! Consul hands what users write in a filter to Go's `strconv`, so which spellings of a number are accepted,
//! and how a faulty one is quoted back, is part of its contract.

use std::fmt::Write as _;

/// Puts `text` in double quotes as Go's `strconv.Quote` does: printable characters stand, the rest is
/// escaped.
///
/// Combining marks are escaped too, unlike in Go, which makes them readable beside a quote.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            _ if character == '\'' || character.escape_debug().len() == 1 => quoted.push(character),
            _ => push_number_escape(&mut quoted, u32::from(character)),
        }
    }
    quoted.push('"');
    quoted
}

fn push_number_escape(quoted: &mut String, code: u32) {
    let written = match code {
        0..0x20 => write!(quoted, "\\x{code:02x}"),
        0x20..0x1_0000 => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok(), "writing to a String does not fail");
}

/// The text that a quoted Go string stands for: `"…"` with escapes, or `` `…` `` without them (and without
/// carriage returns, which Go leaves out). `None` when the literal is malformed or not UTF-8.
pub fn unquote(literal: &str) -> Option<String> {
    let quote = literal.chars().next().filter(|quote| matches!(quote, '"' | '`'))?;
    let content = literal[1..].strip_suffix(quote)?;
    if content.contains('\n') && quote == '"' {
        return None;
    }
    if quote == '`' {
        return (!content.contains('`')).then(|| content.replace('\r', ""));
    }
    let mut bytes = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        match next {
            '"' => return None,
            '\\' => rest = unescape(rest, &mut bytes)?,
            _ => push_character(&mut bytes, next),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Decodes one escape whose backslash has been read, and returns what follows it. `None` when there is no such escape.
pub fn unescape<'a>(rest: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let kind = rest.chars().next()?;
    let after = &rest[kind.len_utf8()..];
    let single = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' | 'u' | 'U' => return unescape_hexadecimal(kind, after, bytes),
        '0'..='7' => {
            bytes.push(u8::try_from(digits(rest.get(..3)?, 8)?).ok()?);
            return rest.get(3..);
        }
        _ => return None,
    };
    bytes.push(single);
    Some(after)
}

/// `\xhh` is a byte; `\uhhhh` and `\Uhhhhhhhh` are characters.
fn unescape_hexadecimal<'a>(kind: char, after: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let length = match kind {
        'x' => 2,
        'u' => 4,
        _ => 8,
    };
    let code = digits(after.get(..length)?, 16)?;
    match kind {
        'x' => bytes.push(u8::try_from(code).ok()?),
        _ => push_character(bytes, char::from_u32(code)?),
    }
    after.get(length..)
}

fn digits(text: &str, radix: u32) -> Option<u32> {
    text.chars().try_fold(0u32, |sum, digit| sum.checked_mul(radix)?.checked_add(digit.to_digit(radix)?))
}

fn push_character(bytes: &mut Vec<u8>, character: char) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Why a text is no integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerError {
    /// Not an integer in any of Go's spellings.
    Syntax,
    /// One that 64 bits do not hold.
    Range,
}

impl std::fmt::Display for IntegerError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            IntegerError::Syntax => "invalid syntax",
            IntegerError::Range => "value out of range",
        })
    }
}

impl std::error::Error for IntegerError {}

/// Reads an integer as `strconv.ParseInt(text, 0, 64)`: decimal, `0x…`, `0o…`, `0b…`, or octal after a
/// leading zero; underscores may stand between digits.
///
/// # Errors
/// [`IntegerError::Syntax`] or [`IntegerError::Range`].
pub fn parse_integer(text: &str) -> Result<i64, IntegerError> {
    let (is_negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = split_radix(unsigned);
    let magnitude = parse_magnitude(digits, radix)?;
    // After a prefix, the prefix counts as the digit an underscore must follow.
    let misplaced_underscore =
        digits.ends_with('_') || digits.contains("__") || (radix == 10 && digits.starts_with('_'));
    if misplaced_underscore {
        return Err(IntegerError::Syntax);
    }
    let value =
        if is_negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    value.ok_or(IntegerError::Range)
}

fn split_radix(unsigned: &str) -> (u32, &str) {
    match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    }
}

fn parse_magnitude(digits: &str, radix: u32) -> Result<u64, IntegerError> {
    let mut magnitude = 0u64;
    if digits.is_empty() {
        return Err(IntegerError::Syntax);
    }
    for character in digits.chars().filter(|character| *character != '_') {
        let digit = character.to_digit(radix).ok_or(IntegerError::Syntax)?;
        magnitude = magnitude
            .checked_mul(u64::from(radix))
            .and_then(|shifted| shifted.checked_add(u64::from(digit)))
            .ok_or(IntegerError::Range)?;
    }
    Ok(magnitude)
}

/// Reads a boolean as `strconv.ParseBool`: `1 t T true TRUE True` and their opposites; `None` for anything
/// else.
pub fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_as_go_quotes() {
        let rows = [
            ("", r#""""#),
            ("it's", r#""it's""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\u{1}\u{a0}\u{200b}\u{7f}", r#""\x01\u00a0\u200b\u007f""#),
            ("é☃😀", "\"é☃😀\""),
            ("\u{e0001}", r#""\U000e0001""#),
        ];
        for (text, quoted) in rows {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn unquotes_as_go_unquotes() {
        let rows = [
            (r#""""#, Some("")),
            ("``", Some("")),
            (r#""web""#, Some("web")),
            (r#""\x77\145\u0062\U0001F600""#, Some("web😀")),
            (r#""\a\b\f\n\r\t\v\\\"""#, Some("\u{7}\u{8}\u{c}\n\r\t\u{b}\\\"")),
            ("`a\\n\n\r\"b`", Some("a\\n\n\"b")),
            (r#""\xc3\xa9""#, Some("é")),
            (r#""\xff""#, None),
            (r#""\d""#, None),
            (r#""\'""#, None),
            (r#""\400""#, None),
            (r#""\18""#, None),
            (r#""\x4""#, None),
            (r#""\ud800""#, None),
            (r#""\U00110000""#, None),
            (r#""\"#, None),
            (r#""\""#, None),
            ("\"a\nb\"", None),
            ("\"a\"b\"", None),
            ("`a`b`", None),
            ("\"", None),
            ("'a'", None),
            ("", None),
        ];
        for (literal, text) in rows {
            assert_eq!(unquote(literal).as_deref(), text, "{literal}");
        }
    }

    #[test]
    fn reads_integers_as_go_does() {
        use IntegerError::{Range, Syntax};
        let rows = [
            ("0", Ok(0)),
            ("8080", Ok(8080)),
            ("+5", Ok(5)),
            ("-5", Ok(-5)),
            ("0x1F90", Ok(8080)),
            ("0X1f90", Ok(8080)),
            ("0x_1", Ok(1)),
            ("0o17620", Ok(8080)),
            ("017620", Ok(8080)),
            ("0_1", Ok(1)),
            ("0b11", Ok(3)),
            ("8_080", Ok(8080)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-0x8000000000000000", Ok(i64::MIN)),
            ("9223372036854775808", Err(Range)),
            ("-9223372036854775809", Err(Range)),
            ("99999999999999999999x", Err(Range)),
            ("", Err(Syntax)),
            ("-", Err(Syntax)),
            ("--1", Err(Syntax)),
            ("0x", Err(Syntax)),
            ("0_", Err(Syntax)),
            ("_1", Err(Syntax)),
            ("1_", Err(Syntax)),
            ("1__0", Err(Syntax)),
            ("09", Err(Syntax)),
            ("1.5", Err(Syntax)),
            (" 5", Err(Syntax)),
            ("é", Err(Syntax)),
        ];
        for (text, value) in rows {
            assert_eq!(parse_integer(text), value, "{text}");
        }
    }

    #[test]
    fn reads_booleans_as_go_does() {
        assert!(["1", "t", "T", "true", "TRUE", "True"].iter().all(|text| parse_boolean(text) == Some(true)));
        assert!(
            ["0", "f", "F", "false", "FALSE", "False"].iter().all(|text| parse_boolean(text) == Some(false))
        );
        assert!(["", "tRUE", "yes", "no", "2", " 1"].iter().all(|text| parse_boolean(text).is_none()));
    }

    proptest! {
        #[test]
        fn unquoting_undoes_quoting(text: String) {
            prop_assert_eq!(unquote(&quote(&text)), Some(text));
        }

        #[test]
        fn unquoting_never_panics(content in "(\\\\[abfnrtvxuU0-9\"']?|[0-9a-fé]|.){0,12}") {
            let _ = unquote(&format!("\"{content}\""));
        }
    }
}
