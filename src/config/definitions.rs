//! Service and check definitions in files, as Consul's agent reads them: `service`, `services`, `check` and `checks`,
//! in JSON or HCL.
//!
//! Only the form is read here, and everything that is wrong with it is told. What a definition registers is worked out
//! by [`plan`](crate::config::plan).

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::config::problem::{Problem, SettingSource, shortened};
use crate::core::model::secrets;
use crate::wire::decode::audit::{Flaw, Form};
use crate::wire::intake::definition::{Findings, audit_check, audit_service};

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
    /// Where in the file, as keys: `service`, `checks[2]`.
    pub path: String,
    /// What it defines.
    pub kind: DefinitionKind,
    /// The JSON object, as written, in the form that registrations have.
    pub value: Value,
}

impl Definition {
    /// Something that is wrong with it, at `path` within the file.
    pub(in crate::config) fn problem(&self, path: &str, complaint: String, remedy: String) -> Problem {
        Problem {
            key: path.to_owned(),
            value: String::new(),
            origin: SettingSource::File(self.file.clone()),
            complaint,
            allowed: String::new(),
            remedy,
        }
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {}", self.path, self.file.display())
    }
}

/// The keys of definitions in a file: `(key, kind, whether it is a list)`.
pub(in crate::config) const KEYS: &[(&str, DefinitionKind, bool)] = &[
    ("service", DefinitionKind::Service, false),
    ("services", DefinitionKind::Service, true),
    ("check", DefinitionKind::Check, false),
    ("checks", DefinitionKind::Check, true),
];

/// The definitions of one file.
#[derive(Debug, Default)]
pub struct FileDefinitions {
    /// Those that are well formed.
    pub definitions: Vec<Definition>,
    /// Paths of keys that mean nothing here.
    pub ignored: Vec<String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Takes the definitions out of what a file says.
pub fn take(file: &Path, object: &mut Map<String, Value>, form: Form) -> FileDefinitions {
    let mut read = FileDefinitions::default();
    for (key, kind, is_list) in KEYS {
        let written = object.keys().find(|it| it.eq_ignore_ascii_case(key)).cloned();
        let Some((written, value)) = written.and_then(|it| object.remove_entry(&it)) else { continue };
        for (path, mut value) in elements(file, &written, value, *is_list, form, &mut read.problems) {
            let Findings { flaws, ignored } = match kind {
                DefinitionKind::Service => audit_service(&mut value, &path, form),
                DefinitionKind::Check => audit_check(&mut value, &path, form),
            };
            read.ignored.extend(ignored);
            if flaws.is_empty() {
                read.definitions.push(Definition { file: file.to_path_buf(), path, kind: *kind, value });
            } else {
                read.problems.extend(flaws.into_iter().map(|flaw| problem_of(file, flaw)));
            }
        }
    }
    read
}

/// The objects under a key, each with its path.
fn elements(
    file: &Path,
    key: &str,
    value: Value,
    is_list: bool,
    form: Form,
    problems: &mut Vec<Problem>,
) -> Vec<(String, Value)> {
    let mut refuse = |path: &str, shown: &Value, allowed: &str, remedy: String| {
        problems.push(Problem {
            key: path.to_owned(),
            value: shortened(&shown.to_string()),
            origin: SettingSource::File(file.to_path_buf()),
            complaint: format!("it is not {allowed}"),
            allowed: allowed.to_owned(),
            remedy,
        });
    };
    match value {
        // As if it were not there, as Consul has it.
        Value::Null => Vec::new(),
        Value::Object(_) if !is_list || form == Form::Hcl => vec![(key.to_owned(), value)],
        Value::Array(mut values) if !is_list && values.len() == 1 && values[0].is_object() => {
            vec![(key.to_owned(), values.remove(0))]
        }
        Value::Array(values) if is_list => {
            let mut elements = Vec::new();
            for (at, value) in values.into_iter().enumerate() {
                let path = format!("{key}[{at}]");
                match value {
                    Value::Null => {}
                    Value::Object(_) => elements.push((path, value)),
                    _ => refuse(&path, &value, "an object", "write an object, in braces".to_owned()),
                }
            }
            elements
        }
        _ if is_list => {
            refuse(key, &value, "a list of objects", "write a list of objects, in brackets".to_owned());
            Vec::new()
        }
        _ => {
            refuse(key, &value, "an object", format!("write an object, or `{key}s` with a list of them"));
            Vec::new()
        }
    }
}

fn problem_of(file: &Path, flaw: Flaw) -> Problem {
    let remedy = match flaw.nearest {
        Some(near) => format!("did you mean `{}`?", in_snake_case(near)),
        None if flaw.allowed.is_empty() => "remove it: `muster help checks` tells of the keys".to_owned(),
        None => format!("write {}", flaw.allowed),
    };
    // What stands under a key that is unknown may be a secret under a misspelt one.
    let is_known = !flaw.allowed.is_empty();
    let value = serde_json::from_str(&flaw.value).ok().filter(|_| is_known);
    Problem {
        value: value
            .map_or_else(String::new, |value| shortened(&secrets::said_at(&flaw.path, &value).to_string())),
        key: flaw.path,
        origin: SettingSource::File(file.to_path_buf()),
        complaint: flaw.complaint,
        allowed: flaw.allowed,
        remedy,
    }
}

/// `DeregisterCriticalServiceAfter` as files write it; `TLSSkipVerify` is `tls_skip_verify`.
fn in_snake_case(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let mut written = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let begins_word = letter.is_ascii_uppercase()
            && at > 0
            && (letters[at - 1].is_ascii_lowercase()
                || letters.get(at + 1).is_some_and(char::is_ascii_lowercase));
        if begins_word {
            written.push('_');
        }
        written.push(letter.to_ascii_lowercase());
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value, form: Form) -> FileDefinitions {
        let mut object = value.as_object().expect("an object").clone();
        take(Path::new("web.json"), &mut object, form)
    }

    #[test]
    fn every_form_is_read() {
        let all = json!({"service": {"name": "a"}, "services": [{"name": "b"}, {"name": "c"}],
                         "check": {"name": "d"}, "checks": []});
        let shown =
            |read: &FileDefinitions| read.definitions.iter().map(ToString::to_string).collect::<Vec<_>>();
        let read_all = read(all, Form::Json);
        let expected = [
            "service of web.json",
            "services[0] of web.json",
            "services[1] of web.json",
            "check of web.json",
        ];
        assert_eq!(shown(&read_all), expected);
        let odd = json!({"Service": [{"name": "a"}], "services": null, "CHECK": null, "checks": [null]});
        assert_eq!(shown(&read(odd, Form::Json)), ["Service of web.json"]);
        let one = json!({"services": {"name": "b", "checks": {"ttl": "1s"}, "check": [{"ttl": "1s"}]}});
        let one = read(one, Form::Hcl);
        assert_eq!(one.definitions[0].value["checks"], json!([{"ttl": "1s"}]));
        assert_eq!(one.definitions[0].value["check"], json!({"ttl": "1s"}));
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let rows = [
            (json!({"service": []}), "service", "`services` with a list"),
            (json!({"service": [{}, {}]}), "service", "`services` with a list"),
            (json!({"services": {}}), "services", "in brackets"),
            (json!({"checks": [1]}), "checks[0]", "in braces"),
            (json!({"service": {"chekc": {}}}), "service.chekc", "did you mean `check`?"),
            (
                json!({"service": {"check": {"intervall": "1s"}}}),
                "service.check.intervall",
                "did you mean `interval`?",
            ),
            (
                json!({"check": {"tls_skip_verfy": true}}),
                "check.tls_skip_verfy",
                "did you mean `tls_skip_verify`?",
            ),
            (json!({"service": {"zzzzzzzzz": 1}}), "service.zzzzzzzzz", "muster help checks"),
            (json!({"service": {"port": "80"}}), "service.port", "write a whole number"),
            (json!({"service": {"name": 3}}), "service.name", "write a text"),
            (json!({"service": {"tags": "a"}}), "service.tags", "write a list of texts"),
            (json!({"service": {"tags": ["a", 1]}}), "service.tags[1]", "write a text"),
            (json!({"service": {"meta": {"a": 5}}}), "service.meta.a", "write a text"),
            (
                json!({"service": {"checks": [{"interval": "soon"}]}}),
                "service.checks[0].interval",
                "write a duration",
            ),
            (
                json!({"service": {"weights": {"pasing": 1}}}),
                "service.weights.pasing",
                "did you mean `passing`?",
            ),
            (
                json!({"service": {"proxy": {"upstreams": [{"nmae": 1}]}}}),
                "service.proxy.upstreams[0].nmae",
                "remove it",
            ),
        ];
        for (value, key, remedy) in rows {
            let read = read(value.clone(), Form::Json);
            let [problem] = &read.problems[..] else { panic!("{value}: {:?}", read.problems) };
            assert_eq!(problem.key, key, "{value}");
            assert!(problem.remedy.contains(remedy), "{value}: {problem}");
            assert!(read.definitions.is_empty());
        }
        let many =
            read(json!({"service": {"a1": 1, "port": "x", "check": {"b1": 1, "ttl": "soon"}}}), Form::Json);
        let keys: Vec<&str> = many.problems.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(keys, ["service.a1", "service.check.b1", "service.check.ttl", "service.port"]);
    }

    #[test]
    fn what_means_nothing_is_named() {
        let read = read(
            json!({"service": {"name": "a", "token": "x", "check": {"ttl": "1s", "shell": "y"}}}),
            Form::Json,
        );
        assert_eq!(read.ignored, ["service.check.shell", "service.token"]);
        assert_eq!(read.definitions[0].value, json!({"name": "a", "check": {"ttl": "1s"}}));
    }
}
