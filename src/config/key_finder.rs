//! Finds where in the text of a file something stands that is named by its keys, as `services[1].check.interval`: trees
//! do not say it, and are read again only when something is wrong with one.

use std::collections::HashMap;

use crate::base::stdx::text_position::TextPosition;

/// The keys and elements on the way from the top of a text, or to what is wanted of it.
type Trail = Vec<(String, usize)>;

/// Keys that are to be found, and where they were.
#[derive(Debug, Default)]
pub struct KeyFinder {
    keys: HashMap<Trail, KeyPosition>,
    trail: Trail,
}

#[derive(Debug, Default)]
struct KeyPosition {
    /// Whether an element of a list is meant, or else the key of its list.
    is_element: bool,
    at: Option<usize>,
}

impl KeyFinder {
    /// Has a path found, and everything on the way to it: what is missing stands nowhere.
    pub fn add(&mut self, path: &str) {
        let trail = parsed(path);
        for length in 1..=trail.len() {
            let way = trail[..length].iter().map(|(key, at)| (key.clone(), at.unwrap_or(0))).collect();
            let is_element = trail[length - 1].1.is_some();
            self.keys.entry(way).or_default().is_element |= is_element;
        }
    }

    /// Where a path leads in `text`, or as far as it was found.
    pub fn found(&self, path: &str, text: &str) -> Option<TextPosition> {
        let trail: Trail = parsed(path).into_iter().map(|(key, at)| (key, at.unwrap_or(0))).collect();
        let ways = (1..=trail.len()).rev().map(|length| &trail[..length]);
        let at = ways.filter_map(|way| self.keys.get(way)?.at).next()?;
        Some(TextPosition::of(text, at))
    }

    /// A key stands here; what follows is its value, the `index`-th under that key.
    pub fn enter(&mut self, key: &str, index: usize, at: usize) {
        if !self.keys.is_empty() {
            self.trail.push((folded(key), index));
            self.note(at, false);
        }
    }

    /// The value is over.
    pub fn leave(&mut self) {
        self.trail.pop();
    }

    /// The `index`-th element of the present list stands here.
    pub fn element(&mut self, index: usize, at: usize) {
        if let Some((_, last)) = self.trail.last_mut() {
            *last = index;
            self.note(at, true);
        }
    }

    /// Which element of a list is being read, or how many blocks of the same name came before.
    pub fn index(&self) -> usize {
        self.trail.last().map_or(0, |(_, index)| *index)
    }

    fn note(&mut self, at: usize, is_element: bool) {
        if let Some(key) = self.keys.get_mut(&self.trail)
            && (key.at.is_none() || (is_element && key.is_element))
        {
            key.at = Some(at);
        }
    }
}

/// Keys are the same in any case and in snake case, as for who reads them.
fn folded(key: &str) -> String {
    key.chars().filter(|it| *it != '_').map(|it| it.to_ascii_lowercase()).collect()
}

/// The keys of a path, each with the element that is meant.
fn parsed(path: &str) -> Vec<(String, Option<usize>)> {
    let step = |step: &str| {
        let element = step.strip_suffix(']').and_then(|step| {
            let (key, index) = step.rsplit_once('[')?;
            Some((key, index.parse().ok()?))
        });
        element.map_or((folded(step), None), |(key, index): (&str, usize)| (folded(key), Some(index)))
    };
    path.split('.').map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::hcl;

    #[test]
    fn what_is_named_by_its_keys_is_found() {
        let json = "{\n \"Service\": {\"port\": \"é\\\"]\", \"meta\": {\"a\": 5}},\n \"services\": [ {\"name\": 1},\n\
                    {\"checks\": [{}, {\"ServiceID\": [[1]], \"ttl\": -1}]}]\n}";
        let hcl = "service {\n name = \"é}\" port = \"x\"\n meta { a = 5 } }\nservices { name = 1 }\n\
                   services { checks = [{}, {\n ttl = -1 }] }";
        let rows = [
            ("service", Some((2, 2)), Some((1, 1))),
            ("service.port", Some((2, 14)), Some((2, 14))),
            ("service.meta.a", Some((2, 39)), Some((3, 9))),
            ("service.name", Some((2, 2)), Some((2, 2))),
            ("services[0]", Some((3, 16)), Some((4, 1))),
            ("services[0].name", Some((3, 17)), Some((4, 12))),
            ("services[1]", Some((4, 1)), Some((5, 1))),
            ("services[1].checks[1].ttl", Some((4, 38)), Some((6, 2))),
            ("services[1].checks[1].interval", Some((4, 17)), Some((5, 26))),
            ("services[1].checks[1].service_id", Some((4, 18)), Some((5, 26))),
            ("ports.http", None, None),
        ];
        let mut finder = [KeyFinder::default(), KeyFinder::default()];
        rows.iter().for_each(|(path, ..)| finder.iter_mut().for_each(|it| it.add(path)));
        let [mut in_json, mut in_hcl] = finder;
        hcl::look_into(json, &mut in_json);
        hcl::look_into(hcl, &mut in_hcl);
        let position = |position: Option<TextPosition>| position.map(|it| (it.line, it.column));
        for (path, of_json, of_hcl) in rows {
            assert_eq!(position(in_json.found(path, json)), of_json, "{path} in JSON");
            assert_eq!(position(in_hcl.found(path, hcl)), of_hcl, "{path} in HCL");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_holds_anybody(text in "[a-z\"{},:\\[\\]\\\\ é-]{0,60}") {
            let mut finder = KeyFinder::default();
            finder.add("a.b[1].c");
            hcl::look_into(&text, &mut finder);
            hcl::look_into(&format!("{{{text}"), &mut finder);
        }
    }
}
