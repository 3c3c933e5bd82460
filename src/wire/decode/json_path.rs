//! Where in a body the reader is, in Go's words.

use std::fmt;

/// The keys on the way from the body to the value being read. Lives on the stack of the reader.
#[derive(Clone, Copy, Debug)]
pub struct JsonPath<'a> {
    /// Go's name of the structure that `key` is in; empty where Go's has none.
    structure: &'static str,
    key: &'static str,
    parent: Option<&'a JsonPath<'a>>,
}

impl<'a> JsonPath<'a> {
    /// The body as a whole.
    pub fn root() -> JsonPath<'static> {
        JsonPath { structure: "", key: "", parent: None }
    }

    /// The field `key` of what is at this path, a structure that Go calls `structure`.
    pub fn field(&'a self, structure: &'static str, key: &'static str) -> JsonPath<'a> {
        JsonPath { structure, key, parent: Some(self) }
    }

    fn write_keys(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.write_keys(formatter)?;
            write!(formatter, ".{}", self.key)?;
        }
        Ok(())
    }
}

impl fmt::Display for JsonPath<'_> {
    /// `Go value`, or `Go struct field NodeService.Service.Tags`: the innermost structure, then all keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parent.is_none() {
            return formatter.write_str("Go value");
        }
        write!(formatter, "Go struct field {}", self.structure)?;
        self.write_keys(formatter)
    }
}
