//! How one log line looks: for people, or as a JSON object. Pure; the time comes in.
//!
//! Values come from clients, so control characters are escaped in both forms and a line has a bound: nobody
//! forges a second line or fills a disk with one.

use std::fmt::Write;

use jiff::Timestamp;
use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use serde_json::{Map, Value as Json};

/// Bytes of a message or of one value that are kept. A page is enough to see what went wrong; a client could
/// otherwise have a megabyte logged with one request.
pub const PART_BYTES_MAX: usize = 2048;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// `2026-01-02T15:04:05.000Z [INFO]  http: message key=value`
    Text,
    /// `{"@level":"info","@message":"…","@module":"http","@timestamp":"2026-01-02T15:04:05.000Z","key":1}`:
    /// the keys that log pipelines for Consul read already. The `@` keeps them apart from the record's own.
    Json,
}

impl LineFormat {
    /// The line for `record`, with its line end.
    pub fn line(self, at: Timestamp, record: &Record<'_>) -> String {
        match self {
            LineFormat::Text => text(at, record),
            LineFormat::Json => json(at, record),
        }
    }
}

/// The part of muster a record comes from: its layer, or the crate for others' records.
fn module(target: &str) -> &str {
    let mut parts = target.split("::");
    match (parts.next().unwrap_or_default(), parts.next()) {
        ("muster", Some(floor @ ("base" | "core" | "net" | "node"))) => parts.next().unwrap_or(floor),
        // Operators search for these.
        ("muster", Some("surface")) => "api",
        ("muster", Some("store")) => "persist",
        ("muster", Some(layer)) => layer,
        ("muster", None) => "agent",
        (other, _) => other,
    }
}

fn text(at: Timestamp, record: &Record<'_>) -> String {
    let level = format!("[{}]", record.level());
    let mut line = format!("{at:.3} {level:<7} {}: ", module(record.target()));
    push_escaped(&mut line, &record.args().to_string());
    let mut pairs = TextPairs(line);
    // Writing to a String does not fail, so neither does the visit.
    let _ = record.key_values().visit(&mut pairs);
    pairs.0.push('\n');
    pairs.0
}

struct TextPairs(String);

impl<'kvs> VisitSource<'kvs> for TextPairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let shown = value.to_string();
        let is_plain = !shown.is_empty() && !shown.contains([' ', '"', '=']);
        let (before, after) = if is_plain { ("", "") } else { ("\"", "\"") };
        let _ = write!(self.0, " {key}={before}");
        push_escaped(&mut self.0, &shown.replace('"', "\\\""));
        self.0.push_str(after);
        Ok(())
    }
}

fn json(at: Timestamp, record: &Record<'_>) -> String {
    let mut pairs = JsonPairs(Map::new());
    let level = record.level().as_str().to_ascii_lowercase();
    pairs.put("@level", &level);
    pairs.put("@message", &record.args().to_string());
    pairs.put("@module", module(record.target()));
    pairs.put("@timestamp", &format!("{at:.3}"));
    // Collecting into a map does not fail, so neither does the visit.
    let _ = record.key_values().visit(&mut pairs);
    format!("{}\n", Json::Object(pairs.0))
}

struct JsonPairs(Map<String, Json>);

impl JsonPairs {
    fn put(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), Json::from(bounded(value)));
    }
}

impl<'kvs> VisitSource<'kvs> for JsonPairs {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let number = value.to_u64().map(Json::from).or_else(|| value.to_i64().map(Json::from));
        let plain =
            number.or_else(|| value.to_f64().map(Json::from)).or_else(|| value.to_bool().map(Json::from));
        match plain {
            Some(plain) => drop(self.0.insert(key.to_string(), plain)),
            None => self.put(key.as_str(), &value.to_string()),
        }
        Ok(())
    }
}

/// Appends `part` with control characters escaped, cut at its bound.
fn push_escaped(line: &mut String, part: &str) {
    let kept = bounded(part);
    for character in kept.chars() {
        match character {
            it if it.is_control() => line.extend(it.escape_default()),
            it => line.push(it),
        }
    }
}

/// The first [`PART_BYTES_MAX`] bytes, at a character's end.
fn bounded(part: &str) -> &str {
    let end = (0..=PART_BYTES_MAX.min(part.len())).rev().find(|at| part.is_char_boundary(*at));
    &part[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn lines(target: &str, message: &str, pairs: &[(&str, Value<'_>)]) -> (String, String) {
        let at: Timestamp = "2026-01-02T15:04:05Z".parse().expect("a valid time");
        let line = |format: LineFormat| {
            let mut builder = Record::builder();
            builder.level(Level::Info).target(target).key_values(&pairs);
            format.line(at, &builder.args(format_args!("{message}")).build())
        };
        (line(LineFormat::Text), line(LineFormat::Json))
    }

    #[test]
    fn lines_look_as_drawn() {
        let (text, json) = lines(
            "muster::net::http::connection",
            "request refused",
            &[
                ("status", Value::from(431)),
                ("reason", Value::from("head too long")),
                ("peer", Value::from("::1")),
            ],
        );
        let pairs = r#"status=431 reason="head too long" peer=::1"#;
        assert_eq!(text, format!("2026-01-02T15:04:05.000Z [INFO]  http: request refused {pairs}\n"));
        let expected = concat!(
            r#"{"@level":"info","@message":"request refused","@module":"http","#,
            r#""@timestamp":"2026-01-02T15:04:05.000Z","peer":"::1","reason":"head too long","status":431}"#,
        );
        assert_eq!(json.trim_end(), expected);
    }

    #[test]
    fn nobody_forges_a_line() {
        let (text, json) = lines("muster", "a\nb", &[("name", Value::from("x\" y=\r\u{1b}[0m"))]);
        assert_eq!(text, "2026-01-02T15:04:05.000Z [INFO]  agent: a\\nb name=\"x\\\" y=\\r\\u{1b}[0m\"\n");
        assert_eq!(json.matches('\n').count(), 1);
    }

    #[test]
    fn parts_are_bounded_at_a_character() {
        let whole = "é".repeat(PART_BYTES_MAX / 2);
        assert_eq!(bounded(&whole), whole);
        assert_eq!(bounded(&format!("x{whole}")).len(), PART_BYTES_MAX - 1);
    }

    #[test]
    fn records_of_others_are_named_by_their_crate() {
        for (target, name) in [
            ("rustls::client", "rustls"),
            ("muster", "agent"),
            ("muster::server", "server"),
            ("muster::node::registry::write", "registry"),
            ("muster::surface::dispatch", "api"),
            ("muster::store::embedded", "persist"),
        ] {
            assert_eq!(module(target), name);
        }
    }
}
