//! Compares the language with what Consul was measured to answer, row by row.
//!
//! Goal: same verdicts and same error texts. Method: `consul.txt` holds recorded answers, `fixture` the
//! records they were given for. Where we differ on purpose, [`OURS`] says so and why; a row there that no
//! longer differs is an error too.

mod fixture;

use std::collections::BTreeMap;

use crate::core::filter;
use crate::core::filter::record::Record;
use crate::core::filter::schema::Schema;

const RECORDED: &str = include_str!("consul.txt");

const PREFIX: &str = "Failed to create boolean expression evaluator: ";

/// Consul appends Go's explanation to this; ours comes from another library of regular expressions.
const PATTERN_REASON: &str = "error parsing regexp:";

/// Where we differ from 1.8.7 on purpose: the row, our outcome.
const OURS: &[(&str, &str)] = &[
    // A missing value matches no pattern; 1.8.7 holds that it matches every one, later releases do not.
    ("S|ServiceMeta.nope matches 2", "0"),
    ("S|ServiceTaggedAddresses.wan.Address matches \"^1\"", "0"),
    ("N|Meta.zzz matches \"\"", "0"),
    // Text is UTF-8 here, and so is what it is compared with.
    (r#"S|ServiceName == "\xff""#, r#"1:16 (15): rule "string": invalid syntax"#),
    // Patterns that Go's library refuses and ours reads.
    ("S|ServiceName matches \"a{1001}\"", "0"),
    ("S|ServiceName matches \"a**\"", "1"),
    ("S|ServiceName matches \"[[:foo:]]\"", "0"),
];

#[test]
fn answers_as_consul_was_measured_to() {
    let mut ours: BTreeMap<&str, &str> = OURS.iter().copied().collect();
    let mut rows = 0;
    let mut differences = Vec::new();
    for row in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        let (question, recorded) = row.split_once("|=> ").expect("a row has an outcome");
        let (endpoint, shown) = question.split_once('|').expect("a row has an endpoint");
        let (schema, records) = fixture::endpoint(endpoint);
        let answered = answer(&unescape(shown), schema, &records);
        let expected = match ours.remove(question) {
            Some(ours) => {
                assert_ne!(ours, comparable(recorded), "{question} is no difference");
                ours
            }
            None => recorded,
        };
        if comparable(&answered) != comparable(expected) {
            differences.push(format!("{question}\n  expected {expected}\n  answered {answered}"));
        }
        rows += 1;
    }
    assert!(ours.is_empty(), "differences without a row: {ours:?}");
    assert!(differences.is_empty(), "{} of {rows} rows:\n{}", differences.len(), differences.join("\n"));
}

/// How many records pass, or the error without its prefix.
fn answer(text: &str, schema: &'static Schema, records: &[&dyn Record]) -> String {
    match filter::parse(text).and_then(|expression| expression.bind(schema)) {
        Ok(filter) => records.iter().filter(|record| filter.matches(**record)).count().to_string(),
        Err(error) => {
            let message = error.to_string();
            escape(message.strip_prefix(PREFIX).expect("every error has the prefix"))
        }
    }
}

fn comparable(outcome: &str) -> &str {
    outcome.find(PATTERN_REASON).map_or(outcome, |at| &outcome[..at])
}

fn escape(text: &str) -> String {
    text.replace('\n', "␤").replace('\t', "␉").replace('\r', "␍")
}

fn unescape(text: &str) -> String {
    text.replace('␤', "\n").replace('␉', "\t").replace('␍', "\r")
}
