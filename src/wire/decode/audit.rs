//! Everything that is wrong with a tree before it is read: what would be passed over in silence, and all of what would
//! be refused. For definition files, where every fault is reported at once; bodies of requests are read as Go reads
//! them.

use serde::de::DeserializeSeed;
use serde_json::Value;

use crate::base::stdx::nearest::nearest;
use crate::wire::decode::json_path::JsonPath;
use crate::wire::decode::keys::spells;
use crate::wire::decode::read::{ReadJson, Slot};

/// A type whose tree can be audited before it is read.
pub trait Audit: ReadJson {
    /// Collects everything that is wrong with a value that is to be read as this type, and converts its form where that
    /// is allowed.
    fn audit(value: &mut Value, path: &str, audit: &mut SyntaxAudit) {
        audit.single::<Self>(value, path);
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The keys on the way to it, as written: `checks[1].interval`.
    pub path: String,
    /// What stands there, as JSON.
    pub value: String,
    /// What is wrong with it.
    pub complaint: String,
    /// What would be taken; empty for an unknown key.
    pub allowed: String,
    /// The key that was probably meant.
    pub nearest: Option<&'static str>,
}

/// Which forms are taken for each other: a list of one object for the object, as Consul takes it from any file; in HCL,
/// where a block can be either, also an object for a list of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As JSON has it.
    Json,
    /// As HCL has it.
    Hcl,
}

/// The rules of an audit, and what it finds.
#[derive(Debug)]
pub struct SyntaxAudit {
    /// The form that the tree was written in.
    pub form: Form,
    /// Keys that Consul knows, and that mean nothing to muster: their paths are collected.
    pub foreign: &'static [&'static str],
    /// The paths of those that were found.
    pub ignored: Vec<String>,
    /// What is wrong.
    pub flaws: Vec<Flaw>,
}

impl SyntaxAudit {
    /// Looks at a value that is to be read as a `T`, and converts its form where that is allowed.
    pub fn value<T: Audit>(&mut self, value: &mut Value, path: &str) {
        T::audit(value, path, self);
    }

    /// Looks at an object with these keys; `field` looks at the value of a known one.
    pub fn object(
        &mut self,
        value: &mut Value,
        path: &str,
        keys: &[&'static str],
        field: impl Fn(&mut SyntaxAudit, &'static str, &mut Value, &str),
    ) {
        if let Value::Array(elements) = value
            && let [only @ Value::Object(_)] = &mut elements[..]
        {
            *value = only.take();
        }
        let Value::Object(object) = value else {
            if !value.is_null() {
                self.refuse(value, path, "an object");
            }
            return;
        };
        let mut ignored = Vec::new();
        for (written, value) in object.iter_mut() {
            let inner = join(path, written);
            let exact = keys.iter().copied().find(|key| *key == written);
            match exact.or_else(|| keys.iter().copied().find(|key| spells(written, key))) {
                Some(key) => field(self, key, value, &inner),
                None if self.foreign.iter().any(|key| spells(written, key)) => ignored.push(written.clone()),
                None => self.flaws.push(Flaw {
                    path: inner,
                    value: value.to_string(),
                    complaint: "there is no such key".to_owned(),
                    allowed: String::new(),
                    nearest: nearest(written, keys.iter().copied()),
                }),
            }
        }
        for key in ignored {
            object.remove(&key);
            self.ignored.push(join(path, &key));
        }
    }

    /// Looks at each element of a list.
    pub fn list<T: Audit>(&mut self, value: &mut Value, path: &str) {
        if self.form == Form::Hcl && value.is_object() {
            *value = Value::Array(vec![value.take()]);
        }
        match value {
            Value::Array(elements) => {
                for (at, element) in elements.iter_mut().enumerate() {
                    T::audit(element, &format!("{path}[{at}]"), self);
                }
            }
            Value::Null => {}
            _ => self.refuse(value, path, &list_of(&T::go_type())),
        }
    }

    /// Looks at each value of an object with any keys.
    pub fn map<T: Audit>(&mut self, value: &mut Value, path: &str) {
        if let Value::Array(elements) = value
            && let [only @ Value::Object(_)] = &mut elements[..]
        {
            *value = only.take();
        }
        match value {
            Value::Object(object) => {
                object.iter_mut().for_each(|(key, value)| T::audit(value, &join(path, key), self));
            }
            Value::Null => {}
            _ => self.refuse(value, path, "an object"),
        }
    }

    /// Tries to read a value by itself.
    pub fn single<T: ReadJson>(&mut self, value: &Value, path: &str) {
        let mut target = T::default();
        let slot = Slot { target: &mut target, path: JsonPath::root() };
        let Err(error) = slot.deserialize(value) else { return };
        let error = error.to_string();
        if error.starts_with("json: cannot unmarshal") {
            return self.refuse(value, path, &described(&T::go_type()));
        }
        self.flaws.push(Flaw {
            path: path.to_owned(),
            value: value.to_string(),
            complaint: error,
            allowed: described(&T::go_type()),
            nearest: None,
        });
    }

    fn refuse(&mut self, value: &Value, path: &str, allowed: &str) {
        let kind = match value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(number) if number.is_f64() => "a number with a fraction",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.flaws.push(Flaw {
            path: path.to_owned(),
            value: value.to_string(),
            complaint: format!("it is {kind}"),
            allowed: allowed.to_owned(),
            nearest: None,
        });
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A type of Go's in words.
fn described(go_type: &str) -> String {
    match go_type {
        "string" => "a text".to_owned(),
        "bool" => "true or false".to_owned(),
        "int" => "a whole number".to_owned(),
        "time.Duration" => "a duration such as \"10s\"".to_owned(),
        _ => match go_type.strip_prefix("[]") {
            Some(element) => list_of(element),
            None => "an object".to_owned(),
        },
    }
}

fn list_of(element: &str) -> String {
    match element {
        "string" => "a list of texts".to_owned(),
        _ => "a list of objects".to_owned(),
    }
}
