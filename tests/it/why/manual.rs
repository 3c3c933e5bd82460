//! The page for users, `docs/explain.md`, taken at its word: its commands are run in their order, and what muster answers is
//! what stands there, but for times, spans, indexes and ports.

use std::time::Instant;

use regex::Regex;
use serde_json::Value;

use super::EVENT_WAIT_MAX;
use super::target::Target;
use crate::support::client::{Answer, Request, ask_until};
use crate::support::process::Process;

const PAGE: &str = include_str!("../../../docs/explain.md");

/// Where the page says that its target is.
const TARGET: &str = "127.0.0.1:8080";

/// A command of the page, and what stands below it.
struct Sample {
    request: Request,
    answer: String,
}

#[test]
fn what_the_page_shows_is_what_is_answered() {
    let target = Target::new(true);
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let samples = samples(&target.address.to_string());
    assert_eq!(samples.len(), 7, "every command is found");
    for (number, Sample { request, answer }) in samples.iter().enumerate() {
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        let is_shown = |it: &Answer| differences(answer, it, &target.address.to_string()).is_empty();
        let answered = ask_until(&mut client, request, deadline, is_shown).expect("an answer");
        let differences = differences(answer, &answered, &target.address.to_string());
        assert!(differences.is_empty(), "{}: {differences:#?}\n{}", request.target, answered.text());
        if number == 0 {
            // The instance is well once it is registered; all the rest of the page is after its database went down.
            target.set_well(false);
        }
    }
}

/// Every key of an explained check stands on the page.
#[test]
fn no_key_goes_unmentioned() {
    let process = Process::muster(&[]).expect("muster starts");
    let explained = super::get(&mut process.client(), "/v1/muster/explain/consul");
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<String>>();
    for key in keys(&explained).into_iter().chain(keys(&explained["Checks"][0])) {
        assert!(PAGE.contains(&format!("`{key}`")) || PAGE.contains(&format!("\"{key}\"")), "{key}");
    }
}

/// The commands of the page, with the real address of the target.
fn samples(target: &str) -> Vec<Sample> {
    let page = PAGE.replace(TARGET, target);
    let blocks = page.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut samples: Vec<Sample> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ curl ") {
            Some(command) => samples.push(Sample { request: request(command), answer: String::new() }),
            None => {
                let sample = samples.last_mut().expect("a command comes first");
                sample.answer += line;
                sample.answer.push('\n');
            }
        }
    }
    samples
}

/// `[-X PUT] [-d 'BODY'] ['URL']`
fn request(command: &str) -> Request {
    let method = if command.contains("-X PUT") { "PUT" } else { "GET" };
    let body = command.split("-d '").nth(1).and_then(|rest| rest.split('\'').next());
    let target = command.rsplit("localhost:8500").next().expect("an address").trim_end_matches('\'');
    let request = Request::new(method, target);
    match body {
        Some(body) => request.body(body),
        None => request,
    }
}

/// What of `shown`, the text of the page, is not as in the answer.
fn differences(shown: &str, answer: &Answer, target: &str) -> Vec<String> {
    let shown = shown.trim();
    match serde_json::from_str::<Value>(shown) {
        Ok(shown) => {
            let mut found = Vec::new();
            let answered = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
            compare("", &shown, &answered, target, &mut found);
            found
        }
        Err(_) => {
            let (shown, answered) = (levelled(shown, target), levelled(answer.text().trim(), target));
            if shown == answered { Vec::new() } else { vec![format!("{shown:?}, not {answered:?}")] }
        }
    }
}

/// The page may leave keys out of an object, and shows what depends on the moment as it once was.
fn compare(place: &str, shown: &Value, answered: &Value, target: &str, found: &mut Vec<String>) {
    /// Whatever their value: they go by the moment.
    const OF_THE_MOMENT: [&str; 5] = ["Index", "FailuresInARow", "NextProbe", "Running", "Phase"];
    match (shown, answered) {
        (Value::Object(shown), Value::Object(answered)) => {
            for (key, shown) in shown {
                match answered.get(key) {
                    Some(_) if OF_THE_MOMENT.contains(&key.as_str()) => {}
                    Some(answered) => compare(&format!("{place}.{key}"), shown, answered, target, found),
                    None => found.push(format!("{place}.{key} is missing")),
                }
            }
        }
        (Value::Array(shown), Value::Array(answered)) if shown.len() == answered.len() => {
            for (number, (shown, answered)) in shown.iter().zip(answered).enumerate() {
                compare(&format!("{place}[{number}]"), shown, answered, target, found);
            }
        }
        (Value::String(shown), Value::String(answered))
            if levelled(shown, target) == levelled(answered, target) => {}
        (shown, answered) if shown == answered => {}
        (shown, answered) => found.push(format!("{place}: {shown}, not {answered}")),
    }
}

/// The text without what depends on the moment.
fn levelled(text: &str, target: &str) -> String {
    let patterns = [
        (r"\d{4}-\d{2}-\d{2}T[\d:.]+Z", "TIME"),
        (r"\b(\d+h)?(\d+m)?\d+(\.\d+)?(ms|s)\b", "SPAN"),
        (r"127\.0\.0\.1:\d+ \(request [\w.-]+\)", "CLIENT"),
        (r"is (being run at this moment|run next in SPAN)(, [a-z ]+)?\.", "RUN."),
    ];
    let text = text.replace(target, TARGET);
    patterns.iter().fold(text, |text, (pattern, word)| {
        Regex::new(pattern).expect("the pattern is valid").replace_all(&text, *word).into_owned()
    })
}
