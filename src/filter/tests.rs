//! Goal: every bound holds at the limit and refuses one past it, on a small stack; printing reads back.
//! Method: texts built to the bound, and random expressions. What the language means is tested in `measured`.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::filter::decision::Filter;
use crate::filter::error::FilterError;
use crate::filter::expression::{Comparison, Expression, Operator, Relation, Selector};
use crate::filter::record::{Record, Value};
use crate::filter::schema::{Kind, Schema};
use crate::filter::{self, DEPTH_MAX, LENGTH_MAX, PATTERN_DEPTH_MAX, PATTERNS_MAX};
use crate::stdx::text::Text;

/// A quarter of a coroutine's stack.
const STACK_BYTES: usize = 64 * 1024;

static SCHEMA: Schema = Schema(&[("Name", Kind::Text), ("Tags", Kind::TextList), ("Meta", Kind::TextMap)]);

/// Built of the types that the registry's records are built of.
struct Instance {
    name: Text,
    tags: Vec<Text>,
    meta: Option<BTreeMap<Text, Text>>,
}

impl Record for Instance {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Name" => Value::Text(&self.name),
            "Tags" => Value::TextList(&self.tags),
            "Meta" => Value::Map(&self.meta),
            _ => Value::Absent,
        }
    }
}

fn web() -> Instance {
    Instance { name: "web".into(), tags: vec!["prod".into()], meta: None }
}

fn bind(text: &str) -> Result<Filter, FilterError> {
    filter::parse(text)?.bind(&SCHEMA)
}

/// Runs on a stack much smaller than the one filters will run on.
fn on_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run);
        thread.expect("a thread starts").join().expect("the stack is large enough")
    })
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
fn depth_is_bounded_and_fits_a_small_stack() {
    for (open, close) in
        [("(", ")"), ("not ", ""), ("not (", ")"), ("(Name == x or ", ")"), ("(Name != x and ", ")")]
    {
        let levels_each = open.matches('(').count() + open.matches("not ").count();
        let nested = |levels: usize| {
            let count = levels / levels_each;
            format!("{}Name == web{}", open.repeat(count), close.repeat(count))
        };
        // The limit is even, so that one level more or two of them pass it for every pair.
        let deepest = nested(DEPTH_MAX);
        let verdict = on_small_stack(|| bind(&deepest).unwrap().matches(&web()));
        assert!(verdict, "{open}");
        for levels in [DEPTH_MAX + levels_each, LENGTH_MAX / 20] {
            let error = on_small_stack(|| filter::parse(&nested(levels)).unwrap_err());
            assert_eq!(error, FilterError::TooDeep, "{open}");
        }
    }
}

#[test]
fn brackets_without_end_are_refused_on_a_small_stack() {
    for piece in ["(", "not ", "A[", "A.", "not(", "((A==1)", "A==\"\\q\"or "] {
        let text = piece.repeat(LENGTH_MAX / piece.len());
        let error = on_small_stack(|| filter::parse(&text).unwrap_err());
        assert!(error.to_string().len() < 2_000, "{piece}");
    }
}

#[test]
fn chains_do_not_nest() {
    let chain = |joint: &str| vec!["Name == web"; LENGTH_MAX / 20].join(joint);
    for joint in [" or ", " and "] {
        let text = chain(joint);
        assert!(on_small_stack(|| bind(&text).unwrap().matches(&web())), "{joint}");
    }
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
    let error = on_small_stack(|| bind(r#"Name matches "\\w{500}""#).unwrap_err());
    assert_eq!(error, FilterError::PatternTooBig { pattern: r"\w{500}".into() });
}

#[test]
fn depth_of_patterns_is_bounded_and_fits_a_small_stack() {
    // Groups and repetitions cost the compiler of patterns the most stack; they stand at the deepest place of
    // a filter.
    let pattern = |depth: usize| {
        let groups = depth;
        let pattern = format!("{}web{}", "(".repeat(groups), ")".repeat(groups));
        format!("{}Name matches \"{pattern}\"{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX))
    };
    // The literal text within the innermost group is a level of its own.
    let depth_max = PATTERN_DEPTH_MAX as usize - 1;
    let deepest = pattern(depth_max);
    assert!(on_small_stack(|| bind(&deepest).unwrap().matches(&web())));
    let error = on_small_stack(|| bind(&pattern(depth_max + 1)).unwrap_err());
    assert!(matches!(error, FilterError::WrongPattern { .. }), "{error}");
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
