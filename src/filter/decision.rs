//! A filter that is ready to decide on records. Built by `Expression::bind`; knows no syntax and cannot fail.

use regex::Regex;

use crate::filter::record::{Record, Value};

/// A filter whose selectors, operators and values have been checked against a schema.
///
/// Borrows nothing, so it can wait with a blocking query. Cost of a decision: one look at each field it
/// names, at worst, and for a `matches` time linear in the text.
#[derive(Debug)]
pub struct Filter {
    pub(super) rule: Rule,
}

impl Filter {
    /// Whether the record passes. It must show itself as the schema says that the filter was bound to; a
    /// field shown as another type counts as absent.
    pub fn matches(&self, record: &dyn Record) -> bool {
        self.rule.holds(record)
    }
}

/// An expression, bound. `not` becomes `None` of one.
#[derive(Debug)]
pub(super) enum Rule {
    Any(Vec<Rule>),
    All(Vec<Rule>),
    None(Vec<Rule>),
    Test(Test),
}

impl Rule {
    fn holds(&self, record: &dyn Record) -> bool {
        match self {
            Rule::Any(rules) => rules.iter().any(|rule| rule.holds(record)),
            Rule::All(rules) => rules.iter().all(|rule| rule.holds(record)),
            Rule::None(rules) => !rules.iter().any(|rule| rule.holds(record)),
            Rule::Test(test) => test.holds(Value::Struct(record), &test.path),
        }
    }
}

/// A comparison, bound.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) path: Box<[Step]>,
    pub(super) question: Question,
    pub(super) is_negated: bool,
}

/// One part of a selector, bound.
#[derive(Debug)]
pub(super) enum Step {
    Field(&'static str),
    Key(Box<str>),
}

/// What is asked of the value at the end of the path.
#[derive(Debug)]
pub(super) enum Question {
    EqualsText(Box<str>),
    EqualsInteger(i64),
    EqualsBoolean(bool),
    Contains(Box<str>),
    IsEmpty,
    Matches(Regex),
}

impl Test {
    /// Recurses once per step, so no deeper than the schema.
    fn holds(&self, value: Value<'_>, path: &[Step]) -> bool {
        match (value, path) {
            (Value::Struct(record), [Step::Field(name), rest @ ..]) => self.holds(record.field(name), rest),
            (Value::Map(map), [Step::Key(key), rest @ ..]) => {
                self.holds(map.get(key).unwrap_or(Value::Absent), rest)
            }
            (Value::StructList(records), [_, ..]) => {
                records.any(&mut |record| self.holds(Value::Struct(record), path))
            }
            (value, []) => self.question.ask(value) != self.is_negated,
            _ => self.question.ask(Value::Absent) != self.is_negated,
        }
    }
}

impl Question {
    /// The answer before negation.
    fn ask(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Question::EqualsText(expected), Value::Text(text)) => text == &**expected,
            (Question::EqualsInteger(expected), Value::Integer(integer)) => integer == *expected,
            (Question::EqualsBoolean(expected), Value::Boolean(boolean)) => boolean == *expected,
            (Question::Contains(part), Value::Text(text)) => text.contains(&**part),
            (Question::Contains(element), Value::TextList(list)) => list.contains(element),
            (Question::Contains(key), Value::Map(map)) => map.get(key).is_some(),
            (Question::IsEmpty, Value::TextList(list)) => list.is_empty(),
            (Question::IsEmpty, Value::Map(map)) => map.is_empty(),
            (Question::IsEmpty, Value::StructList(records)) => records.is_empty(),
            (Question::IsEmpty, Value::Absent) => true,
            (Question::Matches(pattern), Value::Text(text)) => pattern.is_match(text),
            _ => false,
        }
    }
}
