//! Service and check definition files: Consul's JSON form, `{"service": {…}}`, `{"services": […]}`,
//! `{"check": {…}}`, `{"checks": […]}`.
//!
//! Only the outer shape is read here. What a definition means is the wire's business, so each one leaves as
//! the JSON it was written in, with its place for whoever has to complain about it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::config::problem::{Origin, Problem, Problems};
use crate::config::settings;

/// What a definition defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinitionKind {
    /// A service with its checks.
    Service,
    /// A check of the node, or of a service it names.
    Check,
}

/// One definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The file it stands in.
    pub file: PathBuf,
    /// Which of that file's definitions of its kind it is, from 1.
    pub position: usize,
    /// What it defines.
    pub kind: DefinitionKind,
    /// The JSON object, as written.
    pub value: Value,
}

impl fmt::Display for Definition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DefinitionKind::Service => "service",
            DefinitionKind::Check => "check",
        };
        write!(formatter, "{kind} {} of {}", self.position, self.file.display())
    }
}

/// The keys a definition file may have: `(key, kind, whether it is a list)`.
const KEYS: &[(&str, DefinitionKind, bool)] = &[
    ("service", DefinitionKind::Service, false),
    ("services", DefinitionKind::Service, true),
    ("check", DefinitionKind::Check, false),
    ("checks", DefinitionKind::Check, true),
];

/// Reads the outer shape of one file.
///
/// # Errors
/// Everything that is wrong with the shape.
pub fn read(file: &Path, text: &str) -> Result<Vec<Definition>, Problems> {
    let complain = |key: &str, complaint: String, remedy: String| Problem {
        key: key.to_owned(),
        value: String::new(),
        origin: Origin::File(file.to_path_buf()),
        complaint,
        allowed: "an object with `service`, `services`, `check` or `checks`".to_owned(),
        remedy,
    };
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        Problems(vec![complain("definitions", error.to_string(), "mend the JSON".to_owned())])
    })?;
    let (mut definitions, mut problems) = (Vec::new(), Vec::new());
    for (key, value) in object {
        let Some((_, kind, is_list)) = KEYS.iter().find(|(name, ..)| *name == key) else {
            let near = settings::nearest(&key, KEYS.iter().map(|(name, ..)| *name));
            let remedy = near
                .map_or("settings belong into a .toml file".to_owned(), |it| format!("did you mean `{it}`?"));
            problems.push(complain(&key, "there is no such kind of definition".to_owned(), remedy));
            continue;
        };
        let values = match value {
            Value::Array(values) if *is_list => values,
            single @ Value::Object(_) if !is_list => vec![single],
            _ => vec![Value::Null],
        };
        for value in values {
            let position = 1 + definitions.iter().filter(|it: &&Definition| it.kind == *kind).count();
            if value.is_object() {
                definitions.push(Definition { file: file.to_path_buf(), position, kind: *kind, value });
            } else {
                let shape = if *is_list { "a list of objects" } else { "an object" };
                problems.push(complain(&key, format!("it is not {shape}"), format!("write {shape}")));
            }
        }
    }
    if problems.is_empty() { Ok(definitions) } else { Err(Problems(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let text = r#"{"service": {"name": "a"}, "services": [{"name": "b"}, {"name": "c"}],
                       "check": {"name": "d"}, "checks": []}"#;
        let definitions = read(Path::new("web.json"), text).expect("it is well formed");
        let mut shown: Vec<String> =
            definitions.iter().map(|it| format!("{}: {it}", it.value["name"])).collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                "\"a\": service 1 of web.json",
                "\"b\": service 2 of web.json",
                "\"c\": service 3 of web.json",
                "\"d\": check 1 of web.json",
            ]
        );
    }

    #[test]
    fn a_wrong_shape_is_told() {
        let rows = [
            ("[]", "definitions", "mend the JSON"),
            ("{\"service\": ", "definitions", "mend the JSON"),
            ("{\"servcie\": {}}", "servcie", "did you mean `service`?"),
            ("{\"node_name\": \"x\"}", "node_name", ".toml"),
            ("{\"service\": []}", "service", "write an object"),
            ("{\"services\": {}}", "services", "write a list of objects"),
            ("{\"checks\": [1]}", "checks", "write a list of objects"),
        ];
        for (text, key, remedy) in rows {
            let problems = read(Path::new("web.json"), text).expect_err(text).0;
            assert_eq!(problems.len(), 1, "{text}");
            assert_eq!(problems[0].key, key, "{text}");
            assert!(problems[0].remedy.contains(remedy), "{text}: {}", problems[0]);
        }
    }
}
