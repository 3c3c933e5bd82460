//! Makes of HCL the tree that JSON would give: a key that stands there several times becomes a list.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::base::stdx::hcl::{self, HclContent, HclError, HclItem, HclValue};
use crate::config::json;
use crate::config::key_finder::KeyFinder;

/// Reads a file's text. JSON is read as in a file of JSON, which refuses more than HCL 1 does.
///
/// # Errors
/// The first thing that is no HCL.
pub fn read(text: &str) -> Result<Map<String, Value>, HclError> {
    if hcl::is_json(text) {
        return json::read(text).map_err(|(position, complaint)| HclError { position, complaint });
    }
    hcl::read(text).map(object)
}

fn object(items: Vec<HclItem>) -> Map<String, Value> {
    let mut object = Map::new();
    for HclItem { key, labels, value: below } in items {
        let mut value = value(below);
        for label in labels.into_iter().rev() {
            value = Value::Object(Map::from_iter([(label.text, value)]));
        }
        match (object.get_mut(&key.text), value) {
            (None, value) => drop(object.insert(key.text, value)),
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (Some(Value::Array(list)), value) => list.push(value),
            (Some(first), value) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    object
}

fn value(value: HclValue) -> Value {
    match value.content {
        HclContent::Null => Value::Null,
        HclContent::Bool(is_true) => Value::Bool(is_true),
        HclContent::Number(number) => Value::Number(number),
        HclContent::Text(text) => Value::String(text),
        HclContent::List(elements) => Value::Array(elements.into_iter().map(self::value).collect()),
        HclContent::Block(items) => Value::Object(object(items)),
    }
}

/// Looks in a text of HCL or JSON that has been read already for the keys that are to be found.
pub fn look_into(text: &str, finder: &mut KeyFinder) {
    if let Ok(items) = hcl::read(text) {
        look_at_items(&items, finder);
    }
}

fn look_at_items(items: &[HclItem], finder: &mut KeyFinder) {
    // Values that came before, by key.
    let mut before: HashMap<&str, usize> = HashMap::new();
    for HclItem { key, labels, value } in items {
        let before = before.entry(&key.text).or_default();
        finder.enter(&key.text, *before, key.at);
        labels.iter().for_each(|label| finder.enter(&label.text, 0, label.at));
        look_at_value(value, finder);
        (0..=labels.len()).for_each(|_| finder.leave());
        *before += if let HclContent::List(elements) = &value.content { elements.len() } else { 1 };
    }
}

fn look_at_value(value: &HclValue, finder: &mut KeyFinder) {
    match &value.content {
        HclContent::List(elements) => {
            let before = finder.index();
            for (index, element) in elements.iter().enumerate() {
                finder.element(before + index, element.at);
                look_at_value(element, finder);
            }
        }
        HclContent::Block(items) => look_at_items(items, finder),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_several_times_becomes_a_list() {
        let rows = [
            ("", json!({})),
            ("service \"web\" { port = 80 }", json!({"service": {"web": {"port": 80}}})),
            ("a \"b\" c { d = [1, {e = false}] }", json!({"a": {"b": {"c": {"d": [1, {"e": false}]}}}})),
            (
                "services {a=1}\nservices {a=2}\nservices = [{a=3}]",
                json!({"services": [{"a": 1}, {"a": 2}, {"a": 3}]}),
            ),
            (" {\"service\": {\"name\": null}}", json!({"service": {"name": null}})),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text).map(Value::Object), Ok(expected), "{text}");
        }
    }

    #[test]
    fn json_is_held_to_what_json_is() {
        for (text, said) in [("{\"a\": 1,\n\"a\": 2}", "stands twice"), ("{\"a\":\n", "EOF")] {
            let error = read(text).expect_err(text);
            assert!(error.position.line == 2 && error.complaint.contains(said), "{text}: {error:?}");
        }
    }
}
