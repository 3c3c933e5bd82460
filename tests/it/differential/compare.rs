//! Two observations side by side: every place where they differ, with both values. Pure.

use std::fmt;

use serde_json::{Map, Value};

/// One place where the answers differ. `None` is a place that only the other side has.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where, as `body/0/Service/Meta`; `/` inside a key is written `~1`.
    pub path: String,
    pub reference: Option<Value>,
    pub subject: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), Value::to_string);
        write!(to, "{}: {} -> {}", self.path, side(&self.reference), side(&self.subject))
    }
}

/// Decides, by path, the reference's object and the key, on a key that only the subject has.
pub type Allows<'a> = dyn Fn(&str, &Map<String, Value>, &str) -> bool + 'a;

/// All differences between what the reference showed and what the subject showed, in path order.
pub fn compare(reference: &Value, subject: &Value, allows: &Allows) -> Vec<Difference> {
    let mut found = Vec::new();
    descend("", Some(reference), Some(subject), allows, &mut found);
    found
}

fn descend(
    path: &str,
    reference: Option<&Value>,
    subject: Option<&Value>,
    allows: &Allows,
    found: &mut Vec<Difference>,
) {
    match (reference, subject) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            for (key, value) in left {
                descend(&join(path, key), Some(value), right.get(key), allows, found);
            }
            let extra = right.iter().filter(|(key, _)| !left.contains_key(*key) && !allows(path, left, key));
            for (key, value) in extra {
                descend(&join(path, key), None, Some(value), allows, found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for index in 0..left.len().max(right.len()) {
                let path = join(path, &index.to_string());
                descend(&path, left.get(index), right.get(index), allows, found);
            }
        }
        (left, right) if left == right => {}
        (left, right) => {
            found.push(Difference {
                path: path.to_owned(),
                reference: left.cloned(),
                subject: right.cloned(),
            });
        }
    }
}

/// `path` one key deeper.
pub fn join(path: &str, key: &str) -> String {
    let key = key.replace('~', "~0").replace('/', "~1");
    if path.is_empty() { key } else { format!("{path}/{key}") }
}

/// What stands at a path as [`compare`] writes it.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    value.pointer(&format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_difference_is_found_and_nothing_else() {
        let cases = [
            (json!({"a": [1, 2]}), json!({"a": [1, 2]}), vec![]),
            (json!({"a": [1]}), json!({"a": [1, 3]}), vec!["a/1: absent -> 3"]),
            (json!({"a": null}), json!({"a": []}), vec!["a: null -> []"]),
            (json!({"a": 1, "b": 2}), json!({"a": "1"}), vec!["a: 1 -> \"1\"", "b: 2 -> absent"]),
            (json!({"x/y": {}}), json!({"x/y": {"k": 0}}), vec!["x~1y/k: absent -> 0"]),
            (json!([1, 2]), json!([2, 1]), vec!["0: 1 -> 2", "1: 2 -> 1"]),
            (json!({"a": {}}), json!({"a": {"later": 0}}), vec![]),
        ];
        for (reference, subject, wanted) in cases {
            let found = compare(&reference, &subject, &|path, _, key| (path, key) == ("a", "later"));
            let found: Vec<String> = found.iter().map(Difference::to_string).collect();
            assert_eq!(found, wanted, "{reference} {subject}");
        }
    }

    #[test]
    fn a_path_leads_back() {
        let value = json!({"a/b": [{"c~d": 7}]});
        let path = join(&join(&join("", "a/b"), "0"), "c~d");
        assert_eq!(at(&value, &path), Some(&json!(7)));
    }
}
