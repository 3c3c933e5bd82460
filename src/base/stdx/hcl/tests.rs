//! The tree of what is HCL and JSON, what is neither, and the bounds.

use serde_json::Value;
use serde_json::json;

use super::*;

/// A tree as JSON: a block is a list of pairs, for a key may stand there twice; its labels stand in its key.
fn shown(items: &[HclItem]) -> Value {
    let pair = |item: &HclItem| {
        let labels = item.labels.iter().map(|label| format!("/{}", label.text));
        json!([format!("{}{}", item.key.text, labels.collect::<String>()), shown_value(&item.value)])
    };
    items.iter().map(pair).collect()
}

fn shown_value(value: &HclValue) -> Value {
    match &value.content {
        HclContent::Null => Value::Null,
        HclContent::Bool(is_true) => json!(is_true),
        HclContent::Number(number) => json!(number),
        HclContent::Text(text) => json!(text),
        HclContent::List(elements) => json!({ "list": elements.iter().map(shown_value).collect::<Vec<_>>() }),
        HclContent::Block(items) => shown(items),
    }
}

#[test]
fn what_consul_takes_is_read() {
    let rows = [
        ("", json!([])),
        ("# nothing\n// at\n/* all\n*/", json!([])),
        ("a = 1 b = \"2\"\nc = true,d=false", json!([["a", 1], ["b", "2"], ["c", true], ["d", false]])),
        ("service { name = \"web\" port = 80 }", json!([["service", [["name", "web"], ["port", 80]]]])),
        (
            "\"service\" = { \"name\" = \"web\", port=80 }",
            json!([["service", [["name", "web"], ["port", 80]]]]),
        ),
        ("service \"web\" b-c { port = 80 }", json!([["service/web/b-c", [["port", 80]]]])),
        ("a {x=1}\na {}\na = 2", json!([["a", [["x", 1]]], ["a", []], ["a", 2]])),
        ("a = [{a=1},\n # one\n [],]", json!([["a", {"list": [[["a", 1]], {"list": []}]}]])),
        (
            "args = [\"sh\", \"-c\", <<EOF\necho \"hi\"\n  x\nEOF\n]",
            json!([["args", {"list": ["sh", "-c", "echo \"hi\"\n  x\n"]}]]),
        ),
        ("a = <<-EOF\n   hi\n     there\n\n   EOF\nb = 1", json!([["a", "hi\n  there\n\n"], ["b", 1]])),
        ("a = <<-EOF\n hi\n   EOF\n", json!([["a", " hi\n"]])),
        ("n = [0x50, -0X50, -3, 1.5, 8e1, 1E-1]", json!([["n", {"list": [80, -80, -3, 1.5, 80, 0.1]}]])),
        ("n = [0, 007, 010, -010]", json!([["n", {"list": [0, 7, 8, -8]}]])),
        (r#"t = "\xc3\xa9\303\251""#, json!([["t", "éé"]])),
        (
            r#"t = "q\"\\\n\t\u00e9\x41\101 ${x("y")} $z""#,
            json!([["t", "q\"\\\n\té\u{41}\u{41} ${x(\"y\")} $z"]]),
        ),
        ("a-b.c_d = 1", json!([["a-b.c_d", 1]])),
    ];
    for (text, expected) in rows {
        assert_eq!(read(text).map(|it| shown(&it)), Ok(expected), "{text}");
    }
}

#[test]
fn json_gives_the_same_tree_as_far_as_it_goes() {
    let rows = [
        ("{}", json!([])),
        (
            "\u{feff} {\"a\": {\"b\": null}, \"a\": [1, \"x\"]}\n",
            json!([["a", [["b", null]]], ["a", {"list": [1, "x"]}]]),
        ),
        (
            r#"{"t": "\/\ud83d\ude00 ${\"", "n": 18446744073709551615}"#,
            json!([["t", "/😀 ${\""], ["n", u64::MAX]]),
        ),
        (r#"{"t": "\x41\101\""}"#, json!([["t", "AA\""]])),
        ("{\"a\": 1,}", json!([["a", 1]])),
        ("{", json!([])),
        ("{\"a\"", json!([])),
        ("{\"a\":", json!([])),
        ("{\"a\": 1", json!([["a", 1]])),
        ("{\"a\": {\"b\": 1, \"c\":", json!([["a", [["b", 1]]]])),
        ("{\"a\": {\"b\": 1},", json!([["a", [["b", 1]]]])),
    ];
    for (text, expected) in rows {
        assert_eq!(read(text).map(|it| shown(&it)), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_neither_is_told_with_its_line() {
    let deep = format!("a = {}", "[".repeat(DEPTH_MAX + 1));
    let labels = format!("a {} {{}}", "b ".repeat(DEPTH_MAX));
    let both = format!("a {}", "b c d { e ".repeat(DEPTH_MAX / 4 + 1));
    let objects = "{\"a\":".repeat(DEPTH_MAX + 2);
    let rows = [
        ("a", 1, "neither `=` nor"),
        ("\na = web", 2, "quote a text"),
        ("a = null", 1, "quote a text"),
        ("a = \"x\nb", 2, "close the quote"),
        ("a = 0x-50", 1, "no number"),
        ("a = 0x+50", 1, "no number"),
        ("a = 0x", 1, "no number"),
        ("a = -", 1, "no number"),
        ("a = 08", 1, "no number"),
        ("a = 1_0", 1, "no number"),
        ("a = 0b11", 1, "no number"),
        ("a = +1", 1, "neither a number"),
        ("a = 9223372036854775808", 1, "no number"),
        ("a = 1e999", 1, "no number"),
        ("a = \"\\x+1\"", 1, "no such escape"),
        ("a = \"\\u+123\"", 1, "no such escape"),
        ("a = \"\\+12\"", 1, "no such escape"),
        ("a = \"\\xff\"", 1, "no characters"),
        (labels.as_str(), 1, "deeper than 32"),
        (both.as_str(), 1, "deeper than 32"),
        ("a {\nb = 1\n", 3, "no `}`"),
        ("a = [1, 2", 1, "no `]`"),
        ("}", 1, "closes nothing"),
        ("a = 1x", 1, "no number"),
        ("\"a\": 1", 1, "neither `=` nor"),
        ("/* a", 1, "no end"),
        ("a = <<EOF\nx", 2, "no line `EOF`"),
        ("= 1", 1, "cannot begin a key"),
        ("# a\n{\"a\": 1}", 2, "cannot begin a key"),
        ("a = \"\\q\"", 1, "no such escape"),
        (deep.as_str(), 1, "deeper than 32"),
        (objects.as_str(), 1, "deeper than 32"),
        ("{\"a\": \"b", 1, "no closing quote"),
        ("{\"a\" = 1}", 1, "no `:`"),
        ("{a: 1}", 1, "cannot begin a key"),
        ("{,\"a\": 1}", 1, "cannot begin a key"),
        ("{\"a\": 1\n\"b\": 2}", 2, "no `}`"),
        ("{\"a\": 1}\nx", 2, "after the end"),
        ("{\"a\": \"\\q\"}", 1, "no such escape"),
    ];
    for (text, line, said) in rows {
        let error = read(text).expect_err(text);
        assert!(error.position.line == line && error.complaint.contains(said), "{text}: {error:?}");
    }
    let deepest = [
        format!("a = {}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)),
        format!("a {} {{}}", "b ".repeat(DEPTH_MAX - 1)),
        "{\"a\":".repeat(DEPTH_MAX + 1),
    ];
    deepest.iter().for_each(|text| assert!(read(text).is_ok(), "{text}"));
    let error = read("a = 1\n  b = é web").expect_err("a word");
    assert_eq!(error.position, TextPosition { line: 2, column: 7 });
    assert!(error.to_string().starts_with("At 2:7: `"), "{error}");
}

#[test]
fn everything_says_where_it_stands() {
    let text = "a = 1\nb \"c\" { d = [2] }";
    let items = read(text).expect("HCL");
    let block = &items[1];
    assert_eq!((items[0].key.at, items[0].value.at), (0, 4));
    assert_eq!((block.key.at, block.labels[0].at, block.value.at), (6, 8, 12));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[a-z\"{}=<>:,\\[\\]\\\\$#/* \n-]{0,60}") {
        let _ = read(&text);
        let _ = read(&format!("{{{text}"));
    }
}
