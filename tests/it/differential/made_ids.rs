//! Ids that a server makes at random, by the order in which they are seen: so two servers' become the same.

use serde_json::Value;

/// Marks ids that a sequence gives itself, or that every server has: they are compared as they stand.
const FIXED: &str = "-0000-0000-0000-";

/// The ids seen so far in one sequence on one server.
#[derive(Default)]
pub struct MadeIds(Vec<String>);

impl MadeIds {
    /// Puts names in the places of ids.
    pub fn name(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.named(text),
            Value::Array(array) => array.iter_mut().for_each(|value| self.name(value)),
            Value::Object(object) => object.values_mut().for_each(|value| self.name(value)),
            _ => {}
        }
    }

    fn named(&mut self, text: &str) -> String {
        let mut named = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            match rest.get(..36).filter(|part| is_uuid(part)) {
                Some(id) if !id.contains(FIXED) => {
                    let known = self.0.iter().position(|known| known == id);
                    let number = known.unwrap_or_else(|| {
                        self.0.push(id.to_owned());
                        self.0.len() - 1
                    });
                    named += &format!("<id {number}>");
                    rest = &rest[36..];
                }
                Some(id) => {
                    named += id;
                    rest = &rest[36..];
                }
                None => {
                    named.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        named
    }
}

fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_become_names_in_the_order_of_their_sight() {
        let (one, two) = ("e2b6ff2c-7a0c-4b8e-9d7e-3c51a7b8a001", "0d9b66f1-1b7f-4c1a-8a05-5a8ff0c1d002");
        let fixed = "5ec2e700-0000-0000-0000-000000000001";
        let mut seen = json!([one, {"a": format!("no {two}é, {one}"), "b": fixed}]);
        MadeIds::default().name(&mut seen);
        assert_eq!(seen, json!(["<id 0>", {"a": "no <id 1>é, <id 0>", "b": fixed}]));
    }
}
