//! Lists, maps, and things that may be absent.

use std::collections::BTreeMap;

use serde::de::{MapAccess, SeqAccess};
use serde_json::Value;

use crate::base::stdx::text::Text;
use crate::wire::decode::audit::{Audit, SyntaxAudit};
use crate::wire::decode::json_path::JsonPath;
use crate::wire::decode::read::{FieldFault, ReadJson, Slot};

impl<T: ReadJson> ReadJson for Vec<T> {
    fn go_type() -> String {
        format!("[]{}", T::go_type())
    }

    fn list<'de, A: SeqAccess<'de>>(&mut self, mut items: A, path: JsonPath<'_>) -> Result<(), A::Error> {
        self.clear();
        loop {
            let mut item = T::default();
            if items.next_element_seed(Slot { target: &mut item, path })?.is_none() {
                return Ok(());
            }
            self.push(item);
        }
    }
}

impl<T: ReadJson> ReadJson for BTreeMap<Text, T> {
    fn go_type() -> String {
        format!("map[string]{}", T::go_type())
    }

    fn object<'de, A: MapAccess<'de>>(&mut self, mut entries: A, path: JsonPath<'_>) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<Text>()? {
            let mut value = T::default();
            entries.next_value_seed(Slot { target: &mut value, path })?;
            self.insert(key, value);
        }
        Ok(())
    }
}

/// `None` while it is not given, or given as `null`.
impl<T: ReadJson> ReadJson for Option<T> {
    fn go_type() -> String {
        T::go_type()
    }

    fn text(&mut self, text: &str) -> Result<(), FieldFault> {
        self.get_or_insert_default().text(text)
    }

    fn integer(&mut self, number: i64) -> Result<(), FieldFault> {
        self.get_or_insert_default().integer(number)
    }

    fn float(&mut self, number: f64) -> Result<(), FieldFault> {
        self.get_or_insert_default().float(number)
    }

    fn boolean(&mut self, boolean: bool) -> Result<(), FieldFault> {
        self.get_or_insert_default().boolean(boolean)
    }

    fn list<'de, A: SeqAccess<'de>>(&mut self, items: A, path: JsonPath<'_>) -> Result<(), A::Error> {
        self.get_or_insert_default().list(items, path)
    }

    fn object<'de, A: MapAccess<'de>>(&mut self, entries: A, path: JsonPath<'_>) -> Result<(), A::Error> {
        self.get_or_insert_default().object(entries, path)
    }
}

impl<T: Audit> Audit for Vec<T> {
    fn audit(value: &mut Value, path: &str, audit: &mut SyntaxAudit) {
        audit.list::<T>(value, path);
    }
}

impl<T: Audit> Audit for BTreeMap<Text, T> {
    fn audit(value: &mut Value, path: &str, audit: &mut SyntaxAudit) {
        audit.map::<T>(value, path);
    }
}

impl<T: Audit> Audit for Option<T> {
    fn audit(value: &mut Value, path: &str, audit: &mut SyntaxAudit) {
        T::audit(value, path, audit);
    }
}
