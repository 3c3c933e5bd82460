//! A request's query: names and values in order, decoded once.

use std::fmt;
use std::ops::Range;

use crate::net::http::percent::{PercentError, Plus, decode};

/// The parameters after `?`, in the order they were sent.
///
/// `+` and `%20` are blanks; a name without `=` has the value `""`. A part that cannot be decoded, or
/// contains `;`, is left out and kept as [`Query::error`], so that the caller may ignore it as Go's servers
/// do, or refuse.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// All names and values, one after another.
    text: String,
    parameters: Vec<Parameter>,
    error: Option<QueryError>,
}

/// Where a parameter's name and value stand in the text.
#[derive(Clone, Debug)]
struct Parameter {
    name: Range<u16>,
    value: Range<u16>,
}

impl Query {
    /// Parses the text after `?`.
    pub fn parse(raw: &str) -> Query {
        let mut query = Query::default();
        query.refill(raw);
        query
    }

    /// Parses `raw` in place of what was there, keeping the memory. At most 64 KiB, which the bound of a
    /// request line guarantees.
    pub(crate) fn refill(&mut self, raw: &str) {
        self.clear();
        let mut rest = raw;
        while !rest.is_empty() {
            let end = memchr::memchr(b'&', rest.as_bytes()).unwrap_or(rest.len());
            let part = &rest[..end];
            if !part.is_empty()
                && let Err(error) = self.push(part)
            {
                self.error.get_or_insert(error);
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.parameters.clear();
        self.error = None;
    }

    /// The first value of `name`; `""` when it was given without one.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|&(candidate, _)| candidate == name).map(|(_, value)| value)
    }

    /// Every value of `name`, in order.
    pub fn all<'q>(&'q self, name: &str) -> impl Iterator<Item = &'q str> {
        self.iter().filter(move |&(candidate, _)| candidate == name).map(|(_, value)| value)
    }

    /// Whether `name` was given, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Every name with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|parameter| (self.text(&parameter.name), self.text(&parameter.value)))
    }

    /// What was wrong with the first part that was left out.
    pub fn error(&self) -> Option<QueryError> {
        self.error
    }

    fn text(&self, range: &Range<u16>) -> &str {
        &self.text[usize::from(range.start)..usize::from(range.end)]
    }

    fn push(&mut self, part: &str) -> Result<(), QueryError> {
        // One look at the bytes, for nearly every part is plain.
        let (mut name_end, mut is_encoded) = (None, false);
        for (at, byte) in part.bytes().enumerate() {
            match byte {
                b'=' if name_end.is_none() => name_end = Some(at),
                b'%' | b'+' => is_encoded = true,
                b';' => return Err(QueryError::Semicolon),
                _ => {}
            }
        }
        let (name, value) = name_end.map_or((part, ""), |end| (&part[..end], &part[end + 1..]));
        let parameter = if is_encoded {
            let (name, value) = (decode(name, Plus::Blank)?, decode(value, Plus::Blank)?);
            Parameter { name: self.push_text(&name)?, value: self.push_text(&value)? }
        } else {
            Parameter { name: self.push_text(name)?, value: self.push_text(value)? }
        };
        self.parameters.push(parameter);
        Ok(())
    }

    fn push_text(&mut self, text: &str) -> Result<Range<u16>, QueryError> {
        let position = |length: usize| u16::try_from(length).map_err(|_| QueryError::TooLong);
        let start = position(self.text.len())?;
        self.text.push_str(text);
        Ok(start..position(self.text.len())?)
    }
}

/// Why a part of a query was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// A `%` that two hexadecimal digits do not follow.
    Escape,
    /// The decoded bytes are no UTF-8.
    Utf8,
    /// A `;`, which some read as a separator and others as text.
    Semicolon,
    /// More than 64 KiB of text.
    TooLong,
}

impl From<PercentError> for QueryError {
    fn from(error: PercentError) -> QueryError {
        match error {
            PercentError::Escape => QueryError::Escape,
            PercentError::Utf8 => QueryError::Utf8,
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QueryError::Escape => "invalid URL escape in the query: write % as %25",
            QueryError::Utf8 => "the query is not UTF-8 once decoded",
            QueryError::Semicolon => {
                "invalid semicolon separator in the query: separate with &, or write ; as %3B"
            }
            QueryError::TooLong => "the query is too long",
        })
    }
}

impl std::error::Error for QueryError {}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn names_and_values_keep_their_order() {
        let rows: [(&str, Pairs<'_>, Option<QueryError>); 10] = [
            ("", &[], None),
            ("a", &[("a", "")], None),
            ("a=", &[("a", "")], None),
            ("&&a=1&", &[("a", "1")], None),
            ("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")], None),
            ("a=b=c", &[("a", "b=c")], None),
            ("filter=x+%3D%3D+%22y%22", &[("filter", "x == \"y\"")], None),
            ("a=%zz&b=2", &[("b", "2")], Some(QueryError::Escape)),
            ("a=%FF&b=%z", &[], Some(QueryError::Utf8)),
            ("a;b=1&c", &[("c", "")], Some(QueryError::Semicolon)),
        ];
        for (raw, pairs, error) in rows {
            let query = Query::parse(raw);
            assert_eq!(query.iter().collect::<Vec<_>>(), pairs, "{raw}");
            assert_eq!(query.error(), error, "{raw}");
        }
    }

    #[test]
    fn lookups_see_the_first_and_all() {
        let query = Query::parse("tag=a&passing&tag=b");
        assert_eq!(query.first("tag"), Some("a"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert!(query.has("passing") && !query.has("stale"));
    }
}
