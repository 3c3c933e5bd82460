//! Percent-decoding of paths and queries (RFC 3986 section 2.1), once and strictly.

use std::borrow::Cow;

/// What `+` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plus {
    /// Itself, as in a path.
    Literal,
    /// A blank, as in a query.
    Blank,
}

/// Why a text could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PercentError {
    /// A `%` that two hexadecimal digits do not follow.
    Escape,
    /// The decoded bytes are no UTF-8.
    Utf8,
}

/// Decodes `%XX` once, and `+` as told. Allocates only when there is something to decode.
pub(crate) fn decode(text: &str, plus: Plus) -> Result<Cow<'_, str>, PercentError> {
    let first = match plus {
        Plus::Literal => memchr::memchr(b'%', text.as_bytes()),
        Plus::Blank => memchr::memchr2(b'%', b'+', text.as_bytes()),
    };
    let Some(first) = first else { return Ok(Cow::Borrowed(text)) };
    let (plain, encoded) = text.as_bytes().split_at(first);
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(plain);
    let mut bytes = encoded.iter();
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = hex_digit(bytes.next()).ok_or(PercentError::Escape)?;
                let low = hex_digit(bytes.next()).ok_or(PercentError::Escape)?;
                high << 4 | low
            }
            b'+' if plus == Plus::Blank => b' ',
            _ => byte,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| PercentError::Utf8)
}

/// Appends `text` so that it may stand in a path or as the value of a parameter, and decodes to itself.
pub fn encode_into(out: &mut String, text: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    // Most names and paths have nothing to encode.
    if text.bytes().all(is_plain) {
        return out.push_str(text);
    }
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
}

fn hex_digit(byte: Option<&u8>) -> Option<u8> {
    match *byte? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let rows = [
            ("/v1/a-b_c.d~e:1", "/v1/a-b_c.d~e:1"),
            ("a b&c=d%+#?", "a%20b%26c%3Dd%25%2B%23%3F"),
            ("é", "%C3%A9"),
        ];
        for (text, expected) in rows {
            let mut encoded = String::new();
            encode_into(&mut encoded, text);
            assert_eq!(encoded, expected);
            assert_eq!(
                [Plus::Literal, Plus::Blank].map(|plus| decode(&encoded, plus).unwrap().into_owned()),
                [text, text]
            );
        }
    }

    #[test]
    fn decoding_happens_once_and_strictly() {
        use Plus::{Blank, Literal};
        let rows: [(&str, Plus, Result<&str, PercentError>); 12] = [
            ("", Literal, Ok("")),
            ("plain", Literal, Ok("plain")),
            ("a+b", Literal, Ok("a+b")),
            ("a+b", Blank, Ok("a b")),
            ("a%2Bb", Blank, Ok("a+b")),
            ("%2525", Literal, Ok("%25")),
            ("a%2fb%2F", Literal, Ok("a/b/")),
            ("%C3%A9", Literal, Ok("é")),
            ("%", Literal, Err(PercentError::Escape)),
            ("%4", Literal, Err(PercentError::Escape)),
            ("%+4", Blank, Err(PercentError::Escape)),
            ("%FF", Literal, Err(PercentError::Utf8)),
        ];
        for (text, plus, expected) in rows {
            assert_eq!(decode(text, plus).as_deref().map_err(|error| *error), expected, "{text}");
        }
    }
}
