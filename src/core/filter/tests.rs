//! Goal: every bound holds at the limit and refuses one past it; printing reads back. Method: texts built
//! to the bound, and random expressions. Nesting, on a small stack, is tested in `tests/filter_stack.rs`.
//! What the language means is tested in `measured`.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::base::stdx::text::Text;
use crate::core::filter::decision::Filter;
use crate::core::filter::error::FilterError;
use crate::core::filter::expression::{Comparison, Expression, Operator, Relation, Selector};
use crate::core::filter::record::{FieldValue, Record};
use crate::core::filter::schema::{FieldKind, Schema};
use crate::core::filter::{self, LENGTH_MAX, PATTERNS_MAX};

static SCHEMA: Schema =
    Schema(&[("Name", FieldKind::Text), ("Tags", FieldKind::TextList), ("Meta", FieldKind::TextMap)]);

/// Built of the types that the registry's records are built of.
struct Instance {
    name: Text,
    tags: Vec<Text>,
    meta: Option<BTreeMap<Text, Text>>,
}

impl Record for Instance {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Name" => FieldValue::Text(&self.name),
            "Tags" => FieldValue::TextList(&self.tags),
            "Meta" => FieldValue::Map(&self.meta),
            _ => FieldValue::Absent,
        }
    }
}

fn web() -> Instance {
    Instance { name: "web".into(), tags: vec!["prod".into()], meta: None }
}

fn bind(text: &str) -> Result<Filter, FilterError> {
    filter::parse(text)?.bind(&SCHEMA)
}

#[test]
fn filters_can_be_shared_and_kept() {
    fn shared_and_kept<T: Send + Sync + 'static>() {}
    shared_and_kept::<Filter>();
    shared_and_kept::<FilterError>();
}

#[test]
fn no_map_is_an_empty_map() {
    for (text, expected) in [("Meta is empty", true), ("a in Meta", false), ("Meta.a != 1", true)] {
        assert_eq!(bind(text).unwrap().matches(&web()), expected, "{text}");
    }
}

#[test]
fn length_is_bounded() {
    let longest = format!("{:<LENGTH_MAX$}", "Name == web");
    assert!(bind(&longest).unwrap().matches(&web()));
    let refused = filter::parse(&format!("{longest} "));
    assert_eq!(refused, Err(FilterError::TooLong { bytes: LENGTH_MAX + 1 }));
}

#[test]
fn number_of_patterns_is_bounded() {
    let patterns = |count| vec!["Name matches w"; count].join(" and ");
    assert!(bind(&patterns(PATTERNS_MAX)).unwrap().matches(&web()));
    assert_eq!(bind(&patterns(PATTERNS_MAX + 1)).unwrap_err(), FilterError::TooManyPatterns);
}

#[test]
fn size_of_patterns_is_bounded() {
    assert!(bind(r#"Name matches "^\\w{3}$""#).unwrap().matches(&web()));
    let error = bind(r#"Name matches "\\w{500}""#).unwrap_err();
    assert_eq!(error, FilterError::PatternTooBig { pattern: r"\w{500}".into() });
}

fn operator() -> impl Strategy<Value = Operator> {
    let relations = vec![Relation::Equal, Relation::In, Relation::Empty, Relation::Matches];
    let relation = prop::sample::select(relations);
    (relation, any::<bool>()).prop_map(|(relation, is_negated)| Operator { relation, is_negated })
}

fn comparison() -> impl Strategy<Value = Expression> {
    let parts =
        ("[a-zA-Z][a-zA-Z0-9_]{0,4}|not|in|is", prop::collection::vec("[a-zA-Z0-9_]{0,4}|.{0,4}", 0..3));
    let value = "[a-z]{0,4}|[-0-9.]{0,4}|.{0,6}|[\"`\\\\\n]{0,4}";
    // `not not matches "x"` can be said of a field named `not` in one way only: as the opposite of `not
    // matches "x"`.
    let is_sayable = |((first, _), operator, _): &((String, Vec<String>), Operator, String)| {
        first != "not" || operator.name() != "Not Matches"
    };
    (parts, operator(), value).prop_filter("has no text", is_sayable).prop_map(
        |((first, rest), operator, value)| {
            let selector = Selector([first].into_iter().chain(rest).collect());
            let value = if operator.relation == Relation::Empty { String::new() } else { value };
            Expression::Comparison(Comparison { selector, operator, value })
        },
    )
}

fn expression() -> impl Strategy<Value = Expression> {
    comparison().prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::Any),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
            inner.prop_map(|operand| Expression::Not(Box::new(operand))),
        ]
    })
}

proptest! {
    #[test]
    fn reading_undoes_printing(expression in expression()) {
        let text = expression.to_string();
        prop_assert_eq!(filter::parse(&text), Ok(expression), "{}", text);
    }

    #[test]
    fn whatever_is_sent_is_answered(
        text in "(Name|Tags|Meta|not|and|or|in|is|empty|matches|==|!=|[ ().\\[\\]\"`0-9\n\\-]|é){0,40}",
    ) {
        if let Err(error) = bind(&text) {
            prop_assert!(error.to_string().starts_with("Failed to create boolean expression evaluator: "));
        }
    }
}
