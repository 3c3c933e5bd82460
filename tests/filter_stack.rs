//! Goal: no filter, however it nests, needs more stack than a coroutine has. Method: texts built to each
//! bound and one past it are read, bound and asked on a thread with a quarter of that stack; an overflow
//! would end the test run.

use muster::core::filter::decision::Filter;
use muster::core::filter::error::FilterError;
use muster::core::filter::record::{FieldValue, Record};
use muster::core::filter::schema::{FieldKind, Schema};
use muster::core::filter::{self, DEPTH_MAX, LENGTH_MAX, PATTERN_DEPTH_MAX};

/// A quarter of a coroutine's stack.
const STACK_BYTES: usize = 64 * 1024;

static SCHEMA: Schema = Schema(&[("Name", FieldKind::Text)]);

struct Web;

impl Record for Web {
    fn field(&self, _: &str) -> FieldValue<'_> {
        FieldValue::Text("web")
    }
}

fn bind(text: &str) -> Result<Filter, FilterError> {
    filter::parse(text)?.bind(&SCHEMA)
}

fn on_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run);
        thread.expect("a thread starts").join().expect("the filter is answered without a panic")
    })
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
        let verdict = on_small_stack(|| bind(&deepest).unwrap().matches(&Web));
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
        assert!(on_small_stack(|| bind(&text).unwrap().matches(&Web)), "{joint}");
    }
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
    assert!(on_small_stack(|| bind(&deepest).unwrap().matches(&Web)));
    let error = on_small_stack(|| bind(&pattern(depth_max + 1)).unwrap_err());
    assert!(matches!(error, FilterError::WrongPattern { .. }), "{error}");
}

#[test]
fn patterns_beyond_their_size_are_refused_on_a_small_stack() {
    let error = on_small_stack(|| bind(r#"Name matches "\\w{500}""#).unwrap_err());
    assert!(matches!(error, FilterError::PatternTooBig { .. }), "{error}");
}
