//! JSON as the Go language writes it: its escapes, its numbers, its indentation. Knows no shapes.

use std::io::{self, Write};

use serde::ser::{Serialize, Serializer as _};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::base::stdx::meter::Meter;

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
        value.serialize(&mut indenting(&mut *out))
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

/// As [`to_vec`], spending what it costs. What is written once the meter is exhausted is no JSON, and for nobody.
pub fn within<T: Serialize + ?Sized>(meter: &Meter<'_>, value: &T, pretty: bool) -> Vec<u8> {
    let mut out = Metered::new(meter, LIST_ENTRY_BYTES);
    let written = if pretty {
        value.serialize(&mut indenting(&mut out))
    } else {
        value.serialize(&mut Serializer::with_formatter(&mut out, Go(CompactFormatter)))
    };
    out.finish(written, pretty)
}

/// As [`list_to_vec`], spending what it costs; see [`within`].
pub fn list_within<I>(meter: &Meter<'_>, entries: I, pretty: bool) -> Vec<u8>
where
    I: IntoIterator<Item: Serialize>,
{
    let entries = entries.into_iter();
    let mut out = Metered::new(meter, LIST_ENTRY_BYTES * entries.size_hint().0);
    let written = if pretty {
        indenting(&mut out).collect_seq(entries)
    } else {
        Serializer::with_formatter(&mut out, Go(CompactFormatter)).collect_seq(entries)
    };
    out.finish(written, pretty)
}

/// As [`map_to_vec`], spending what it costs; see [`within`].
pub fn map_within<'k, I, V>(meter: &Meter<'_>, entries: I, pretty: bool) -> Vec<u8>
where
    I: IntoIterator<Item = (&'k str, V)>,
    V: Serialize,
{
    let entries = entries.into_iter();
    let mut out = Metered::new(meter, LIST_ENTRY_BYTES * entries.size_hint().0);
    let written = if pretty {
        indenting(&mut out).collect_map(entries)
    } else {
        Serializer::with_formatter(&mut out, Go(CompactFormatter)).collect_map(entries)
    };
    out.finish(written, pretty)
}

/// A buffer that refuses bytes once its meter is exhausted.
struct Metered<'a> {
    out: Vec<u8>,
    meter: &'a Meter<'a>,
    /// Bytes that are spent already, and how many there are when the next are: most writes are a few bytes.
    spent: usize,
    spend_at: usize,
}

impl<'a> Metered<'a> {
    /// Bytes after which they are spent.
    const SPENT_AT_ONCE: usize = 4096;

    fn new(meter: &'a Meter<'a>, bytes_expected: usize) -> Metered<'a> {
        let out = Vec::with_capacity(bytes_expected.min(1 << 20));
        Metered { out, meter, spent: 0, spend_at: Metered::SPENT_AT_ONCE }
    }

    fn finish(mut self, written: serde_json::Result<()>, pretty: bool) -> Vec<u8> {
        self.spend();
        if !self.meter.is_exhausted() {
            finish(&mut self.out, written, pretty);
        }
        self.out
    }

    /// Spends what was written since the last time.
    #[inline(never)]
    fn spend(&mut self) -> bool {
        let (total, before) = (self.out.len(), self.spent);
        (self.spent, self.spend_at) = (total, total + Metered::SPENT_AT_ONCE);
        self.meter.spend_bytes(total - before, total)
    }
}

impl Write for Metered<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.extend_from_slice(bytes);
        if self.out.len() >= self.spend_at && !self.spend() {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn indenting<W: Write>(out: W) -> Serializer<W, Go<PrettyFormatter<'static>>> {
    Serializer::with_formatter(out, Go(PrettyFormatter::with_indent(INDENT)))
}

fn finish(out: &mut Vec<u8>, written: serde_json::Result<()>, pretty: bool) {
    written.expect("a buffer takes every byte, and every map key of a shape is text");
    if pretty {
        out.push(b'\n');
    }
}

/// Bytes with which something begins that Go escapes and JSON need not.
const MAY_NEED_ESCAPE: [bool; 256] = {
    let mut table = [false; 256];
    (table[b'<' as usize], table[b'>' as usize], table[b'&' as usize]) = (true, true, true);
    table["\u{2028}".as_bytes()[0] as usize] = true;
    table
};

/// Whether something may be in `bytes` that Go escapes and JSON need not. Nearly no text has it, so this look is what
/// most texts cost: eight bytes at a time, the last eight once more, and only what is suspect byte by byte.
fn may_need_escape(bytes: &[u8]) -> bool {
    let is_suspect = match (bytes.last_chunk(), bytes.first_chunk(), bytes.last_chunk()) {
        (Some(last), ..) => {
            let (words, rest) = bytes.as_chunks();
            words.iter().any(|word| is_suspect(u64::from_ne_bytes(*word)))
                || (!rest.is_empty() && is_suspect(u64::from_ne_bytes(*last)))
        }
        (None, Some(first), Some(last)) => {
            let (first, last) = (u32::from_ne_bytes(*first), u32::from_ne_bytes(*last));
            is_suspect(u64::from(first) << u32::BITS | u64::from(last))
        }
        _ => true,
    };
    is_suspect && bytes.iter().any(|byte| MAY_NEED_ESCAPE[usize::from(*byte)])
}

/// Whether one of eight bytes is `<`, `>`, `&` or none of ASCII.
fn is_suspect(word: u64) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // `<` and `>` differ in one bit.
    let (angle, ampersand) = ((word & !(0x02 * EACH)) ^ (0x3c * EACH), word ^ (0x26 * EACH));
    // The highest bit of a byte that is zero, or of one above it (Hacker's Delight, section 6-1).
    let zero = |word: u64| word.wrapping_sub(EACH) & !word;
    (zero(angle) | zero(ampersand) | word) & (0x80 * EACH) != 0
}

/// Go's manner of writing text and numbers, laid over a layout.
struct Go<F>(F);

impl<F: Formatter> Formatter for Go<F> {
    /// Besides what JSON demands, Go escapes what could end a script element or a JavaScript line.
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        if !may_need_escape(bytes) {
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
    fn what_go_escapes_is_found_wherever_it_stands() {
        for (length, suspect) in (0..20).flat_map(|length| (0..=255).map(move |byte| (length, byte))) {
            let plain = vec![b'=' - (length % 2) as u8 * 20; length];
            assert!(!may_need_escape(&plain), "{plain:?}");
            for at in 0..length {
                let mut text = plain.clone();
                text[at] = suspect;
                assert_eq!(may_need_escape(&text), MAY_NEED_ESCAPE[usize::from(suspect)], "{text:?}");
            }
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
