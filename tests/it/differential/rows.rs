//! What `docs/compatibility.md` states about differences, as data: the rows with an id, the fields of later versions, and
//! a step's reference to a row. The document is the source; nothing here repeats it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::compare::Difference;

/// The parts of the document the runner holds the answers against.
pub struct Statement {
    /// Ids of the rows of deliberate differences.
    pub rows: BTreeSet<String>,
    /// (kind of object, key) that muster may answer beyond Consul 1.8.7.
    fields: BTreeSet<(String, String)>,
}

impl Statement {
    /// Reads the document: table rows below the heading that speaks of differences and the one that speaks of fields.
    pub fn parse(document: &str) -> Statement {
        let mut statement = Statement { rows: BTreeSet::new(), fields: BTreeSet::new() };
        let mut heading = "";
        for line in document.lines() {
            if let Some(text) = line.strip_prefix("## ") {
                heading = text;
            }
            let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            match (heading, cells.as_slice()) {
                ("Deliberate differences", ["", id, _, _, _, ..]) if is_row(id) => {
                    statement.rows.insert((*id).to_owned());
                }
                ("Fields of later versions", ["", kind, key, _, ..]) => {
                    statement.fields.insert(((*kind).to_owned(), (*key).to_owned()));
                }
                _ => {}
            }
        }
        statement
    }

    /// Whether muster may answer `key` in an object in which Consul has the keys of `reference` only.
    pub fn allows(&self, path: &str, reference: &Map<String, Value>, key: &str) -> bool {
        kind(path, reference).is_some_and(|kind| self.fields.contains(&(kind.to_owned(), key.to_owned())))
    }
}

/// What an object is, told by where it stands or by the keys it cannot lack.
fn kind(path: &str, object: &Map<String, Value>) -> Option<&'static str> {
    let has = |key: &str| object.contains_key(key);
    match path {
        "header" => Some("header"),
        "body/Config" => Some("agent config"),
        "body" if has("Config") && has("Member") => Some("agent self"),
        _ if path.ends_with("/Definition") => Some("check definition"),
        _ if has("CheckID") => Some("check"),
        _ if has("ServiceName") => Some("catalog service"),
        _ if has("Service") && has("ID") => Some("service"),
        _ if has("Node") && has("Address") => Some("node"),
        _ => None,
    }
}

fn is_row(id: &str) -> bool {
    id.len() == 3 && id.starts_with('D') && id[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// One stated difference: `D03 status 500 -> 400`. The sides are JSON or, failing that, plain text; `absent` is nothing at
/// that path; `* -> *` takes every difference at or below the path.
#[derive(Clone, Debug)]
pub struct Differs {
    pub row: String,
    pub path: String,
    reference: Pattern,
    subject: Pattern,
}

#[derive(Clone, Debug)]
enum Pattern {
    Any,
    Exactly(Option<Value>),
}

impl Pattern {
    fn parse(text: &str) -> Pattern {
        match text.trim() {
            "*" => Pattern::Any,
            "absent" => Pattern::Exactly(None),
            text => {
                let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
                Pattern::Exactly(Some(value))
            }
        }
    }

    fn takes(&self, value: Option<&Value>) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Exactly(wanted) => wanted.as_ref() == value,
        }
    }
}

impl Differs {
    /// # Errors
    /// A sentence when the row, the path or the arrow is missing.
    pub fn parse(text: &str) -> Result<Differs, String> {
        let shape = "a difference reads `D01 path consul -> muster`";
        let (row, rest) = text.split_once(' ').ok_or(shape)?;
        let (path, sides) = rest.split_once(' ').ok_or(shape)?;
        let (reference, subject) = sides.split_once(" -> ").ok_or(shape)?;
        if !is_row(row) {
            return Err(shape.to_owned());
        }
        let (reference, subject) = (Pattern::parse(reference), Pattern::parse(subject));
        Ok(Differs { row: row.to_owned(), path: path.to_owned(), reference, subject })
    }

    /// Whether this states that difference.
    pub fn states(&self, difference: &Difference) -> bool {
        let below = || {
            let rest = difference.path.strip_prefix(&self.path);
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let everything = matches!((&self.reference, &self.subject), (Pattern::Any, Pattern::Any));
        (difference.path == self.path || (everything && below()))
            && self.reference.takes(difference.reference.as_ref())
            && self.subject.takes(difference.subject.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_document_is_read() {
        let statement = Statement::parse(
            "## Deliberate differences\n| id | a | b | c |\n|---|---|---|---|\n| D01 | x | y | z |\n\
             ## Fields of later versions\n| check | `Interval` | 1.10 | s |\n## Other\n| D02 | x | y | z |\n",
        );
        assert_eq!(statement.rows, BTreeSet::from(["D01".to_owned()]));
        let check = json!({"CheckID": "x"});
        let check = check.as_object().unwrap();
        assert!(statement.allows("body/0", check, "Interval"));
        assert!(!statement.allows("body/0", check, "Bogus"));
        assert!(!statement.allows("body/0", &Map::new(), "Interval"));
    }

    #[test]
    fn a_statement_takes_its_difference_only() {
        let found = |path: &str, reference, subject| Difference { path: path.to_owned(), reference, subject };
        let status = Differs::parse("D03 status 500 -> 400").unwrap();
        assert!(status.states(&found("status", Some(json!(500)), Some(json!(400)))));
        assert!(!status.states(&found("status", Some(json!(500)), Some(json!(404)))));
        assert!(!status.states(&found("statuses", Some(json!(500)), Some(json!(400)))));
        let header = Differs::parse("D03 header/Allow absent -> \"GET\"").unwrap();
        assert!(header.states(&found("header/Allow", None, Some(json!("GET")))));
        let body = Differs::parse("D03 body * -> *").unwrap();
        assert!(body.states(&found("body/0/ID", Some(json!(1)), None)));
        assert!(!body.states(&found("bodyguard", Some(json!(1)), None)));
        let words = Differs::parse("D03 body old text -> new text").unwrap();
        assert!(words.states(&found("body", Some(json!("old text")), Some(json!("new text")))));
        for text in ["D3 status 1 -> 2", "D03 status 1->2", "D03"] {
            assert!(Differs::parse(text).is_err(), "{text}");
        }
    }
}
