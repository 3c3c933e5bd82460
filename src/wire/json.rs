//! JSON as the Go language writes it: its escapes, its numbers, its indentation. Knows no shapes.

use std::io::{self, Write};

use serde::ser::{Serialize, Serializer as _};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Indentation of `?pretty`.
const INDENT: &[u8] = b"    ";

/// Bytes set aside for one entry of a list, near the size of an instance with one check; saves the first few
/// moves.
const LIST_ENTRY_BYTES: usize = 512;

/// One value as JSON: on one line without an end of line, or indented and ended with one.
pub fn to_vec<T: Serialize + ?Sized>(value: &T, pretty: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(LIST_ENTRY_BYTES);
    write_into(&mut out, value, pretty);
    out
}

/// Appends one value as JSON.
pub fn write_into<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T, pretty: bool) {
    let written = if pretty {
        value.serialize(&mut indenting(out))
    } else {
        value.serialize(&mut Serializer::with_formatter(&mut *out, Go(CompactFormatter)))
    };
    finish(out, written, pretty);
}

/// A JSON array of the entries, straight from the iterator into one buffer.
pub fn list_to_vec<I>(entries: I, pretty: bool) -> Vec<u8>
where
    I: IntoIterator<Item: Serialize>,
{
    let entries = entries.into_iter();
    let mut out = Vec::with_capacity(2 + LIST_ENTRY_BYTES * entries.size_hint().0);
    let written = if pretty {
        indenting(&mut out).collect_seq(entries)
    } else {
        Serializer::with_formatter(&mut out, Go(CompactFormatter)).collect_seq(entries)
    };
    finish(&mut out, written, pretty);
    out
}

/// A JSON object of the entries in the iterator's order, straight into one buffer.
pub fn map_to_vec<'k, I, V>(entries: I, pretty: bool) -> Vec<u8>
where
    I: IntoIterator<Item = (&'k str, V)>,
    V: Serialize,
{
    let entries = entries.into_iter();
    let mut out = Vec::with_capacity(2 + LIST_ENTRY_BYTES * entries.size_hint().0);
    let written = if pretty {
        indenting(&mut out).collect_map(entries)
    } else {
        Serializer::with_formatter(&mut out, Go(CompactFormatter)).collect_map(entries)
    };
    finish(&mut out, written, pretty);
    out
}

fn indenting(out: &mut Vec<u8>) -> Serializer<&mut Vec<u8>, Go<PrettyFormatter<'static>>> {
    Serializer::with_formatter(out, Go(PrettyFormatter::with_indent(INDENT)))
}

fn finish(out: &mut Vec<u8>, written: serde_json::Result<()>, pretty: bool) {
    written.expect("a buffer takes every byte, and every map key of a shape is text");
    if pretty {
        out.push(b'\n');
    }
}

/// Bytes with which something begins that Go escapes and JSON need not. Nearly no text has one, so a look at each byte
/// is what most texts cost.
const MAY_NEED_ESCAPE: [bool; 256] = {
    let mut table = [false; 256];
    (table[b'<' as usize], table[b'>' as usize], table[b'&' as usize]) = (true, true, true);
    table["\u{2028}".as_bytes()[0] as usize] = true;
    table
};

/// Go's manner of writing text and numbers, laid over a layout.
struct Go<F>(F);

impl<F: Formatter> Formatter for Go<F> {
    /// Besides what JSON demands, Go escapes what could end a script element or a JavaScript line.
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        if !bytes.iter().any(|byte| MAY_NEED_ESCAPE[usize::from(*byte)]) {
            return writer.write_all(bytes);
        }
        let mut from = 0;
        for at in 0..bytes.len() {
            let (escape, length): (&[u8], usize) = match bytes[at] {
                b'<' => (b"\\u003c", 1),
                b'>' => (b"\\u003e", 1),
                b'&' => (b"\\u0026", 1),
                0xe2 if bytes[at..].starts_with("\u{2028}".as_bytes()) => (b"\\u2028", 3),
                0xe2 if bytes[at..].starts_with("\u{2029}".as_bytes()) => (b"\\u2029", 3),
                _ => continue,
            };
            writer.write_all(&bytes[from..at])?;
            writer.write_all(escape)?;
            from = at + length;
        }
        writer.write_all(&bytes[from..])
    }

    fn write_char_escape<W: Write + ?Sized>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Backspace => writer.write_all(b"\\u0008"),
            CharEscape::FormFeed => writer.write_all(b"\\u000c"),
            other => self.0.write_char_escape(writer, other),
        }
    }

    /// Decimal notation for magnitudes from 1e-6 to 1e21, otherwise `1e+21`, `1e-7`.
    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let magnitude = value.abs();
        if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
            return write!(writer, "{value}");
        }
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        write!(writer, "{digits}e{sign}{exponent}")
    }

    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compact<T: Serialize>(value: T) -> String {
        String::from_utf8(to_vec(&value, false)).unwrap()
    }

    #[test]
    fn text_is_escaped_as_go_does() {
        for (text, written) in [
            ("plain ä €", r#""plain ä €""#),
            ("<a href=\"x\">&", r#""\u003ca href=\"x\"\u003e\u0026""#),
            ("\u{2028}x\u{2029}", r#""\u2028x\u2029""#),
            ("\u{2027}\u{202a}", "\"\u{2027}\u{202a}\""),
            ("\\\n\r\t", r#""\\\n\r\t""#),
            ("\u{0}\u{8}\u{c}\u{1f}\u{7f}", "\"\\u0000\\u0008\\u000c\\u001f\u{7f}\""),
            ("", r#""""#),
        ] {
            assert_eq!(compact(text), written, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        for (number, written) in [
            (json!(12345678), "12345678"),
            (json!(100000000000000000000.0), "100000000000000000000"),
            (json!(1e21), "1e+21"),
            (json!(-1.5e300), "-1.5e+300"),
            (json!(1e-7), "1e-7"),
            (json!(0.000001), "0.000001"),
            (json!(1.0), "1"),
            (json!(0.0), "0"),
            (json!(1.5), "1.5"),
        ] {
            assert_eq!(compact(&number), written);
        }
    }

    #[test]
    fn lists_and_maps_are_written_from_iterators() {
        assert_eq!(list_to_vec(["a", "<"], false), br#"["a","\u003c"]"#);
        assert_eq!(list_to_vec([0u8; 0], true), b"[]\n");
        assert_eq!(map_to_vec([("b", 1), ("a", 2)], false), br#"{"b":1,"a":2}"#);
        assert_eq!(map_to_vec([("b", [1])], true), b"{\n    \"b\": [\n        1\n    ]\n}\n");
        assert_eq!(
            to_vec(&json!({"a": {}, "b": [[]]}), true),
            b"{\n    \"a\": {},\n    \"b\": [\n        []\n    ]\n}\n"
        );
    }
}
