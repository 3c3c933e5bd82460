//! What bodies read to, and the texts of those that do not read.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::base::stdx::text::{ERROR_BYTES_MAX, Text};
use crate::core::model::limits::FREE_FORM_DEPTH_MAX;
use crate::wire::decode::duration::Span;
use crate::wire::decode::free_form::FreeForm;
use crate::wire::decode::{from_bytes, from_value, object};

object! {
    /// One of everything.
    pub struct Sample as "" of "struct" {
        /// Text.
        "Name" => name: Text,
        /// Number.
        "Port" => port: i64,
        /// Boolean.
        "EnableTagOverride" => enabled: bool,
        /// List.
        "Tags" => tags: Vec<Text>,
        /// Map.
        "Meta" => meta: Option<BTreeMap<Text, Text>>,
        /// Lists by key.
        "Header" => header: BTreeMap<Text, Vec<Text>>,
        /// Duration.
        "TTL" => ttl: Span,
        /// Two names.
        "ID" | "CheckID" => id: Text,
        /// Inner objects.
        "Weights" => inner: Option<Inner>,
        /// Several of them.
        "Checks" => inners: Vec<Inner>,
        /// Anything.
        "Config" => config: FreeForm,
    }
}

object! {
    /// An object within.
    pub struct Inner as "Weights" of "structs.Weights" {
        /// A number.
        "Passing" => passing: i64,
    }
}

fn read(body: &str) -> Sample {
    from_bytes(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn error(body: &str) -> String {
    from_bytes::<Sample>(body.as_bytes()).map(|_| body).unwrap_err().to_string()
}

#[test]
fn keys_are_found_however_they_are_written() {
    for body in [
        r#"{"Name":"x","EnableTagOverride":true,"CheckID":"i"}"#,
        r#"{"name":"x","enabletagoverride":true,"check_id":"i"}"#,
        r#"{"NAME":"x","enable_tag_override":true,"id":"i"}  "#,
        r#"{"Bogus":{"a":[1,2,{"b":null}]},"Name":"first","Name":"x","ID":"i","enable_tag_override":true}"#,
        r#"{"Name":"x","ID":"i","enable_tag_override":true,"Tags":null,"Port":null,"Meta":null,"TTL":null}"#,
    ] {
        let expected = Sample { name: "x".into(), enabled: true, id: "i".into(), ..Sample::default() };
        assert_eq!(read(body), expected, "{body}");
    }
}

#[test]
fn null_and_nothing_are_empty() {
    for body in ["null", "{}", r#"{"Name":"x","Name":null}"#, r#"{"Weights":{"Passing":1},"Weights":null}"#] {
        assert_eq!(read(body), Sample::default(), "{body}");
    }
}

#[test]
fn durations_are_text_or_nanoseconds_or_ignored() {
    for (value, nanoseconds) in [
        (r#""1m30s""#, 90_000_000_000),
        ("1500", 1500),
        ("2.9", 2),
        ("-5", -5),
        ("true", 0),
        (r#"{"a":[{}]}"#, 0),
        (r#"["1s"]"#, 0),
        ("null", 0),
    ] {
        assert_eq!(read(&format!(r#"{{"TTL":{value}}}"#)).ttl.0.nanoseconds, nanoseconds, "{value}");
    }
}

#[test]
fn wrong_types_are_told_as_go_tells_them() {
    for (body, text) in [
        (r#"{"Name":5}"#, "number into Go struct field .Name of type string"),
        (r#"{"Name":5.5}"#, "number into Go struct field .Name of type string"),
        (r#"{"Name":true}"#, "bool into Go struct field .Name of type string"),
        (r#"{"Name":[]}"#, "array into Go struct field .Name of type string"),
        (r#"{"Name":{}}"#, "object into Go struct field .Name of type string"),
        (r#"{"Port":"80"}"#, "string into Go struct field .Port of type int"),
        (r#"{"Port":80.5}"#, "number 80.5 into Go struct field .Port of type int"),
        (r#"{"Tags":"a"}"#, "string into Go struct field .Tags of type []string"),
        (r#"{"Tags":[5]}"#, "number into Go struct field .Tags of type string"),
        (r#"{"Meta":[]}"#, "array into Go struct field .Meta of type map[string]string"),
        (r#"{"Meta":{"a":5}}"#, "number into Go struct field .Meta of type string"),
        (r#"{"Header":{"a":"b"}}"#, "string into Go struct field .Header of type []string"),
        (r#"{"enable_tag_override":"yes"}"#, "string into Go struct field .EnableTagOverride of type bool"),
        (r#"{"Weights":5}"#, "number into Go struct field .Weights of type structs.Weights"),
        (r#"{"Weights":{"Passing":"a"}}"#, "string into Go struct field Weights.Weights.Passing of type int"),
        (r#"{"Checks":{}}"#, "object into Go struct field .Checks of type []structs.Weights"),
        ("[]", "array into Go value of type struct"),
        (
            r#"{"Port":99999999999999999999}"#,
            "number 100000000000000000000 into Go struct field .Port of type int",
        ),
    ] {
        assert_eq!(error(body), format!("json: cannot unmarshal {text}"), "{body}");
    }
}

#[test]
fn other_faults_are_told_too() {
    for (body, text) in [
        ("", "EOF"),
        (r#"{"Name":5,"#, "unexpected EOF"),
        (r#"{"TTL":"x"}"#, r#"time: invalid duration "x""#),
        (r#"{"TTL":"10"}"#, r#"time: missing unit in duration "10""#),
        (r#"{"TTL":"1d"}"#, r#"time: unknown unit "d" in duration "1d""#),
        (r#"{"TTL":"1d","Name":bogus}"#, "invalid character 'b' looking for beginning of value"),
    ] {
        assert_eq!(error(body), text, "{body}");
    }
    let tree = serde_json::json!({"ttl": "at line 1 column 1"});
    let text = r#"time: invalid duration "at line 1 column 1""#;
    assert_eq!(from_value::<Sample>(&tree).unwrap_err().to_string(), text);
}

#[test]
fn texts_of_errors_are_bounded() {
    let long = "ä".repeat(ERROR_BYTES_MAX);
    let text = error(&format!(r#"{{"TTL":"{long}"}}"#));
    assert!(text.len() <= ERROR_BYTES_MAX && text.ends_with('…'));
}

#[test]
fn free_form_parts_are_kept_up_to_a_depth() {
    let nested =
        |levels: usize| format!(r#"{{"Config":{}1{}}}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels));
    read(&nested(FREE_FORM_DEPTH_MAX));
    assert_eq!(error(&nested(FREE_FORM_DEPTH_MAX + 1)), "nested deeper than 32 levels");
}

#[test]
fn deep_and_broken_text_does_no_harm() {
    let deep = "[".repeat(1_000_000);
    assert_eq!(error(&deep), "unexpected EOF");
    assert!(error(&format!(r#"{{"Unknown":{deep}"#)).contains("EOF"));
}

/// A body is read to its end or refused: nothing of it is guessed or left.
#[test]
fn all_of_a_body_counts() {
    let broken = [&b"{\"Name\":\"a\xffb\"}"[..], b"{\"Name\":\"\xc0\xaf\"}", b"{\"a\":\"\xed\xa0\x80\"}"];
    for body in broken {
        let error = from_bytes::<Sample>(body).unwrap_err().to_string();
        assert!(error.starts_with("the body is not UTF-8 from its byte "), "{error}");
    }
    for (body, text) in [
        (r#"{"Name":"x"} and so on"#, "invalid character 'a' after top-level value"),
        (r#"{"Name":"x"}{"Name":"y"}"#, "invalid character '{' after top-level value"),
        ("{}\n{}", "invalid character '{' after top-level value"),
        ("null,", "invalid character ',' after top-level value"),
        ("{}\u{0}", r"invalid character '\x00' after top-level value"),
        ("{}}", "invalid character '}' after top-level value"),
    ] {
        assert_eq!(error(body), text, "{body}");
    }
    for body in ["{}\n", " {} \r\n\t ", "null\n"] {
        assert_eq!(read(body), Sample::default(), "{body:?}");
    }
}

/// What is passed over is as shallow as what is read.
#[test]
fn depth_is_bounded_where_nobody_looks() {
    let lists = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    for key in ["Unknown", "TTL"] {
        for value in [lists, objects] {
            let body = |levels: usize| format!(r#"{{"{key}":{}}}"#, value(levels));
            read(&body(FREE_FORM_DEPTH_MAX));
            for levels in [FREE_FORM_DEPTH_MAX + 1, 100, 200, 100_000] {
                let error = error(&body(levels));
                assert!(error.starts_with("nested deeper than 32 levels"), "{key} {levels}: {error}");
            }
        }
    }
}

/// JSON of any shape whose keys are often those of the sample.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[0-9]{1,3}(s|ms|d|)".prop_map(Value::from),
    ];
    let key = prop_oneof!["name|Port|TAGS|meta|header|ttl|check_id|Weights|checks|Config", ".{0,4}"];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_reads_or_is_told_why(tree in any_json()) {
        let body = tree.to_string();
        let from_text = from_bytes::<Sample>(body.as_bytes());
        if let Err(error) = &from_text {
            prop_assert!(!error.to_string().is_empty());
        }
        prop_assert_eq!(from_text.is_ok(), from_value::<Sample>(&tree).is_ok());
    }

    #[test]
    fn any_bytes_read_or_are_told_why(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = from_bytes::<Sample>(&bytes);
    }

    #[test]
    fn any_cut_of_a_body_is_an_early_end(cut in 0usize..70) {
        let body = br#"{"Name":"x","Tags":["a"],"Weights":{"Passing":1},"TTL":"10s","Port":80}"#;
        prop_assert_eq!(from_bytes::<Sample>(&body[..cut]).unwrap_err().to_string(),
            if cut == 0 { "EOF" } else { "unexpected EOF" });
    }
}
