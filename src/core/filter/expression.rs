//! What a filter says, as a tree. Knows nothing of records, nor whether the selectors mean anything.

use std::fmt;

/// A filter that is well formed, but not yet checked against what it will filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// True when one of two or more is: `a or b or c`.
    Any(Vec<Expression>),
    /// True when all of two or more are: `a and b and c`.
    All(Vec<Expression>),
    /// True when the other is false: `not a`.
    Not(Box<Expression>),
    /// A single comparison.
    Comparison(Comparison),
}

/// One comparison of what a selector finds with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Where to look.
    pub selector: Selector,
    /// What must hold there.
    pub operator: Operator,
    /// What to compare with, unquoted; empty for `is empty`. Text until the schema says otherwise.
    pub value: String,
}

/// The way from a record to one of its values: a field, then fields and map keys. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(pub Vec<String>);

impl Selector {
    /// The first `length` parts, as errors name them.
    pub fn prefix(&self, length: usize) -> String {
        self.0[..length].join(".")
    }
}

impl fmt::Display for Selector {
    /// The parts joined by dots, as errors name a selector; keys with other characters do not read back from
    /// it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.prefix(self.0.len()))
    }
}

/// What a comparison asks, or its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The question.
    pub relation: Relation,
    /// Whether the answer must be no.
    pub is_negated: bool,
}

/// The questions of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `Field == value`
    Equal,
    /// `value in Field`, or the same thing said `Field contains value`: part of a text, element of a list,
    /// key of a map.
    In,
    /// `Field is empty`
    Empty,
    /// `Field matches pattern`, anywhere in the text.
    Matches,
}

impl Operator {
    /// The name errors use.
    pub fn name(self) -> &'static str {
        match (self.relation, self.is_negated) {
            (Relation::Equal, false) => "Equal",
            (Relation::Equal, true) => "Not Equal",
            (Relation::In, false) => "In",
            (Relation::In, true) => "Not In",
            (Relation::Empty, false) => "Is Empty",
            (Relation::Empty, true) => "Is Not Empty",
            (Relation::Matches, false) => "Matches",
            (Relation::Matches, true) => "Not Matches",
        }
    }
}
