//! A filter that is ready to decide on records. Built by `Expression::bind`; knows no syntax and cannot fail.

use crate::base::stdx::meter::Meter;
use crate::core::filter::error::FilterError;
use crate::core::filter::pattern::Pattern;
use crate::core::filter::record::{FieldValue, Record};

/// Patterns that a filter may have without being costly, if each of them is cheap.
const CHEAP_PATTERNS_MAX: usize = 4;

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
        self.matches_within(record, &Meter::boundless())
    }

    /// As [`Filter::matches`], spending what it costs. Once the meter is exhausted the answer is `false` and means
    /// nothing.
    pub fn matches_within(&self, record: &dyn Record, meter: &Meter<'_>) -> bool {
        self.rule.holds(record, meter) && !meter.is_exhausted()
    }

    /// Whether it has patterns that a thread with other work should neither compile nor try: long ones, many, or such
    /// as repeat.
    pub fn is_costly(&self) -> bool {
        let mut patterns = 0;
        let has_costly = self.rule.any_pattern(&mut |pattern: &Pattern| {
            patterns += 1;
            pattern.is_costly()
        });
        has_costly || patterns > CHEAP_PATTERNS_MAX
    }

    /// Tries whether all patterns compile within their bounds, and keeps nothing of it: a compiled pattern takes up to
    /// a quarter of a megabyte, and a filter may wait for hours.
    ///
    /// # Errors
    /// The first pattern that does not.
    pub fn try_patterns(&self) -> Result<(), FilterError> {
        let mut outcome = Ok(());
        self.rule.any_pattern(&mut |pattern: &Pattern| {
            outcome = pattern.compile().map(drop);
            outcome.is_err()
        });
        outcome
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
    fn holds(&self, record: &dyn Record, meter: &Meter<'_>) -> bool {
        match self {
            Rule::Any(rules) => rules.iter().any(|rule| rule.holds(record, meter)),
            Rule::All(rules) => rules.iter().all(|rule| rule.holds(record, meter)),
            Rule::None(rules) => !rules.iter().any(|rule| rule.holds(record, meter)),
            Rule::Test(test) => test.holds(FieldValue::Struct(record), &test.path, meter),
        }
    }

    /// Whether `test` holds for a pattern in it. Recurses once per level of nesting.
    fn any_pattern(&self, test: &mut dyn FnMut(&Pattern) -> bool) -> bool {
        match self {
            Rule::Any(rules) | Rule::All(rules) | Rule::None(rules) => {
                rules.iter().any(|rule| rule.any_pattern(test))
            }
            Rule::Test(Test { question: ValueTest::Matches(pattern), .. }) => test(pattern),
            Rule::Test(_) => false,
        }
    }
}

/// A comparison, bound.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) path: Box<[PathStep]>,
    pub(super) question: ValueTest,
    pub(super) is_negated: bool,
}

/// One part of a selector, bound.
#[derive(Debug)]
pub(super) enum PathStep {
    Field(&'static str),
    Key(Box<str>),
}

/// What is asked of the value at the end of the path.
#[derive(Debug)]
pub(super) enum ValueTest {
    EqualsText(Box<str>),
    EqualsInteger(i64),
    EqualsBoolean(bool),
    Contains(Box<str>),
    IsEmpty,
    Matches(Pattern),
}

impl Test {
    /// Recurses once per step, so no deeper than the schema.
    fn holds(&self, value: FieldValue<'_>, path: &[PathStep], meter: &Meter<'_>) -> bool {
        match (value, path) {
            (FieldValue::Struct(record), [PathStep::Field(name), rest @ ..]) => {
                self.holds(record.field(name), rest, meter)
            }
            (FieldValue::Map(map), [PathStep::Key(key), rest @ ..]) => {
                self.holds(map.get(key).unwrap_or(FieldValue::Absent), rest, meter)
            }
            (FieldValue::StructList(records), [_, ..]) => {
                records.any(&mut |record| self.holds(FieldValue::Struct(record), path, meter))
            }
            (value, []) => self.question.ask(value, meter) != self.is_negated,
            _ => self.question.ask(FieldValue::Absent, meter) != self.is_negated,
        }
    }
}

impl ValueTest {
    /// The answer before negation.
    fn ask(&self, value: FieldValue<'_>, meter: &Meter<'_>) -> bool {
        match (self, value) {
            (ValueTest::EqualsText(expected), FieldValue::Text(text)) => text == &**expected,
            (ValueTest::EqualsInteger(expected), FieldValue::Integer(integer)) => integer == *expected,
            (ValueTest::EqualsBoolean(expected), FieldValue::Boolean(boolean)) => boolean == *expected,
            (ValueTest::Contains(part), FieldValue::Text(text)) => text.contains(&**part),
            (ValueTest::Contains(element), FieldValue::TextList(list)) => list.contains(element),
            (ValueTest::Contains(key), FieldValue::Map(map)) => map.get(key).is_some(),
            (ValueTest::IsEmpty, FieldValue::TextList(list)) => list.is_empty(),
            (ValueTest::IsEmpty, FieldValue::Map(map)) => map.is_empty(),
            (ValueTest::IsEmpty, FieldValue::StructList(records)) => records.is_empty(),
            (ValueTest::IsEmpty, FieldValue::Absent) => true,
            (ValueTest::Matches(pattern), FieldValue::Text(text)) => pattern.is_match(text, meter),
            _ => false,
        }
    }
}
