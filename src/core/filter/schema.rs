//! What a kind of record can be asked: names and types of its fields. Knows no values.

use crate::core::filter::expression::{Operator, Relation};

/// The fields of a kind of record that a filter may select, by name. Everything else is "not valid".
#[derive(Debug)]
pub struct Schema(
    /// Name and type of each field. Names are case-sensitive.
    pub &'static [(&'static str, FieldKind)],
);

impl Schema {
    /// The field's name, as long-lived as the schema, and its type.
    pub fn field(&self, name: &str) -> Option<(&'static str, FieldKind)> {
        self.0.iter().copied().find(|(field, _)| *field == name)
    }
}

/// The type of a field. It decides which operators are allowed and how a literal is read.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind {
    /// Text: `==`, `in` (as a part), `matches`.
    Text,
    /// A whole number: `==`.
    Integer,
    /// True or false: `==`.
    Boolean,
    /// Several texts: `in`, `is empty`.
    TextList,
    /// Texts by key: `in` (the keys), `is empty`; each value is a [`FieldKind::Text`] under its key.
    TextMap,
    /// A part with fields of its own; nothing can be asked of it as a whole.
    Struct(&'static Schema),
    /// Such parts by key: `in` (the keys), `is empty`.
    StructMap(&'static Schema),
    /// Several such parts: `is empty`. A comparison of their fields holds when it holds for any of them.
    StructList(&'static Schema),
}

impl FieldKind {
    /// Whether the operator can be asked of a value of this type.
    pub fn allows(self, operator: Operator) -> bool {
        match operator.relation {
            Relation::Equal => matches!(self, FieldKind::Text | FieldKind::Integer | FieldKind::Boolean),
            Relation::In => matches!(
                self,
                FieldKind::Text | FieldKind::TextList | FieldKind::TextMap | FieldKind::StructMap(_)
            ),
            Relation::Empty => {
                matches!(
                    self,
                    FieldKind::TextList
                        | FieldKind::TextMap
                        | FieldKind::StructMap(_)
                        | FieldKind::StructList(_)
                )
            }
            Relation::Matches => matches!(self, FieldKind::Text),
        }
    }
}
