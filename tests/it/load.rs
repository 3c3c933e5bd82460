//! The load generator, which is linked here, on the built program: every scenario, shrunk, finds every answer right; what is wrong is noticed;
//! memory stays what it is while instances come and go.
//!
//! No test here looks at a rate or a latency to judge: a small and busy machine makes any of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use clap::Parser;
use loadtest::command::CommandLine;
use serde_json::Value;

use crate::support::process::Process;

/// Scenarios that have a test of their own below.
const APART: [&str; 2] = ["restart", "growth"];

/// The load generator with these arguments: what it printed, and whether it succeeded.
fn bench(arguments: &[&str]) -> (bool, String) {
    let words = std::iter::once(&"loadtest").chain(arguments);
    let line = CommandLine::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    line.run().map_or_else(|error| (false, error), |said| (true, said))
}

/// The names that `list` gives.
fn scenarios() -> Vec<String> {
    let (_, list) = bench(&["list"]);
    list.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

/// Runs a scenario, shrunk, and gives its figures.
fn figures(server: &Process, scenario: &str, further: &[&str]) -> Value {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("figures.json");
    let (json, address) = (json.display().to_string(), server.address.to_string());
    let shrunk = ["--connections", "8", "--idle-connections", "50", "--watchers", "40", "--changes", "20"];
    let mut arguments = vec!["run", scenario, "--http-addr", &address, "--json", &json, "--seconds", "0.5"];
    arguments.extend(shrunk);
    arguments.extend(further);
    let (succeeded, said) = bench(&arguments);
    assert!(succeeded, "{scenario}: {said}");
    let text = fs::read_to_string(&json).expect("the figures were written");
    serde_json::from_str(&text).expect("they are JSON")
}

/// What was registered before and fails is named within seconds, in place of a wait for what will not come.
#[test]
fn what_was_registered_before_is_named() {
    let server = Process::muster(&[]).expect("muster starts");
    let check = serde_json::json!({"TTL": "1h", "Status": "critical"});
    let body = serde_json::json!({"ID": "web-1", "Name": "web", "Check": check}).to_string();
    let answer = server.client().put("/v1/agent/service/register", &body).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (succeeded, said) = bench(&["run", "discovery", "--http-addr", &server.address.to_string()]);
    assert!(
        !succeeded && said.contains("check \"service:web-1\" of instance \"web-1\" is \"critical\""),
        "{said}"
    );
    assert!(said.contains("deregister it"), "{said}");
}

#[test]
fn every_scenario_finds_every_answer_right() {
    let names = scenarios();
    assert!(names.iter().any(|name| name == "discovery"), "{names:?}");
    for name in names.iter().filter(|name| !APART.contains(&name.as_str())) {
        let server = Process::muster(&[]).expect("muster starts");
        let figures = figures(&server, name, &[]);
        assert_eq!(figures["errors"], 0, "{name}: {figures:#}");
        let rows = figures["requests"].as_array().expect("there are rows");
        for row in rows {
            assert!(row["answers"].as_u64().is_some_and(|it| it > 0), "{name}: nothing of {row:#}");
        }
    }
}

#[test]
fn wrong_answers_are_counted_as_errors() {
    let server = Process::muster(&[]).expect("muster starts");
    // Nothing is registered, so that every list is empty and no check is there to be passed.
    let figures = figures(&server, "mixed", &["--no-seed"]);
    assert!(figures["errors"].as_u64().is_some_and(|it| it > 0), "{figures:#}");
    let said = figures["total"]["complaints"].to_string();
    for complaint in ["0 elements instead of 20", "instead of 200"] {
        assert!(said.contains(complaint), "{complaint} is not among {said}");
    }
}

#[test]
fn a_rate_is_kept_whatever_the_server_does() {
    let server = Process::muster(&[]).expect("muster starts");
    let figures = figures(&server, "discovery", &["--rate", "400"]);
    assert_eq!(figures["requests"][0]["answers"], 200, "{figures:#}");
}

#[test]
fn a_server_may_come_back_under_load_and_memory_does_not_grow() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = directory.path().display().to_string();
    let programs = ["--muster", env!("CARGO_BIN_EXE_muster"), "--directory", &place];
    let json = directory.path().join("figures.json").display().to_string();
    let restart = ["compare", "restart", "--rounds", "1", "--rate", "200", "--seconds", "3", "--json", &json];
    let (succeeded, said) = bench(&[&restart[..], &programs].concat());
    assert!(succeeded, "{said}");
    let text = fs::read_to_string(&json).expect("the figures were written");
    let figures: Value = serde_json::from_str(&text).expect("they are JSON");
    let complaints = figures[0]["rounds"][0]["total"]["complaints"].as_object().expect("there is a total");
    // While it is away connections break; what is answered before and after is right.
    let wrong: Vec<&String> = complaints.keys().filter(|it| it.contains("instead of")).collect();
    assert!(wrong.is_empty(), "{complaints:?}");

    let growth = ["growth", "--rounds", "5", "--seconds", "1"];
    let (succeeded, said) = bench(&[&growth[..], &programs].concat());
    assert!(succeeded, "{said}");
}

/// What `muster bench` becomes with the load generator in each place, and nothing but it.
#[test]
fn muster_bench_is_the_program_beside_it_or_on_the_path() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let [alone, full, broken] = ["alone", "full", "broken"].map(|name| directory.path().join(name));
    for folder in [&alone, &full, &broken] {
        fs::create_dir(folder).expect("it is new");
        fs::hard_link(env!("CARGO_BIN_EXE_muster"), folder.join("muster")).expect("one file system");
    }
    // It says what it is given, and the other one would fail.
    symlink("/bin/echo", full.join("loadtest")).expect("a link can be made");
    symlink("/bin/false", broken.join("loadtest")).expect("a link can be made");
    let rows = [
        (&full, &broken, "run x --rate 1\n"),
        (&alone, &full, "run x --rate 1\n"),
        (&alone, &alone, "neither beside"),
    ];
    for (folder, path, expected) in rows {
        let mut command = Command::new(folder.join("muster"));
        let typed = command.args(["bench", "run", "x", "-rate", "1"]).env("PATH", path);
        let output = typed.output().expect("the program starts");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains(expected), "{expected}: {said}");
        assert_eq!(output.status.code(), Some(i32::from(expected == "neither beside")), "{said}");
    }
}
