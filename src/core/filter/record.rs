//! How a record shows itself to a filter: by reference, field by field, without copying. Knows no schema.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::stdx::pairs::Pairs;
use crate::base::stdx::text::Text;

/// Something that can be filtered.
pub trait Record {
    /// What the field of this name holds; [`FieldValue::Absent`] for a name the record does not know.
    fn field(&self, name: &str) -> FieldValue<'_>;
}

/// What a field holds, borrowed from the record.
#[derive(Clone, Copy)]
pub enum FieldValue<'a> {
    /// Nothing: a missing map key, or a part the record does not have. Equal to nothing, contained in
    /// nothing, empty.
    Absent,
    /// Text.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// Several texts.
    TextList(&'a dyn TextList),
    /// Values by key.
    Map(&'a dyn Map),
    /// A part with fields of its own.
    Struct(&'a dyn Record),
    /// Several such parts.
    StructList(&'a dyn StructList),
}

/// Several texts, such as tags.
pub trait TextList {
    /// Whether there are none.
    fn is_empty(&self) -> bool;
    /// Whether `text` is one of them.
    fn contains(&self, text: &str) -> bool;
}

/// Values by key, such as metadata.
pub trait Map {
    /// Whether there are none.
    fn is_empty(&self) -> bool;
    /// The value under `key`, if there is one.
    fn get(&self, key: &str) -> Option<FieldValue<'_>>;
}

/// Several records inside a record, such as the checks of an instance.
pub trait StructList {
    /// Whether there are none.
    fn is_empty(&self) -> bool;
    /// Whether the test holds for at least one of them.
    fn any(&self, test: &mut dyn FnMut(&dyn Record) -> bool) -> bool;
}

/// A thing that is itself a value, so that maps of it can be shown.
pub trait Show {
    /// The thing as a value.
    fn show(&self) -> FieldValue<'_>;
}

impl Show for Text {
    fn show(&self) -> FieldValue<'_> {
        FieldValue::Text(self)
    }
}

impl Show for String {
    fn show(&self) -> FieldValue<'_> {
        FieldValue::Text(self)
    }
}

impl<T: AsRef<str>> TextList for Vec<T> {
    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }

    fn contains(&self, text: &str) -> bool {
        self.iter().any(|element| element.as_ref() == text)
    }
}

impl<K: Borrow<str> + Ord, V: Show> Map for BTreeMap<K, V> {
    fn is_empty(&self) -> bool {
        BTreeMap::is_empty(self)
    }

    fn get(&self, key: &str) -> Option<FieldValue<'_>> {
        BTreeMap::get(self, key).map(Show::show)
    }
}

impl<V: Show> Map for Pairs<V> {
    fn is_empty(&self) -> bool {
        <[_]>::is_empty(self)
    }

    fn get(&self, key: &str) -> Option<FieldValue<'_>> {
        Pairs::get(self, key).map(Show::show)
    }
}

/// No map is an empty map.
impl<M: Map> Map for Option<M> {
    fn is_empty(&self) -> bool {
        self.as_ref().is_none_or(Map::is_empty)
    }

    fn get(&self, key: &str) -> Option<FieldValue<'_>> {
        self.as_ref().and_then(|map| map.get(key))
    }
}

impl<R: Record> StructList for Vec<R> {
    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }

    fn any(&self, test: &mut dyn FnMut(&dyn Record) -> bool) -> bool {
        self.iter().any(|record| test(record))
    }
}

impl<R: Record + ?Sized> Record for &R {
    fn field(&self, name: &str) -> FieldValue<'_> {
        (**self).field(name)
    }
}

impl<R: Record + ?Sized> Record for Arc<R> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        (**self).field(name)
    }
}
