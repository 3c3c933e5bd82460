//! Short words of a definition: what `Criticality` stands for, and `Damping`.

use std::fs;

use serde_json::{Value, json};

use super::registry::Registry;

/// A port where nothing need listen: the checks are looked at, not what they find.
const TCP: &str = "127.0.0.1:1";

/// `(word, interval, timeout)`
const WORDS: [(&str, &str, &str); 3] =
    [("critical", "2s", "1s"), ("standard", "10s", "5s"), ("low", "1m0s", "10s")];

fn pace(check: &Value) -> (&str, &str) {
    (check["Interval"].as_str().unwrap_or_default(), check["Timeout"].as_str().unwrap_or_default())
}

#[test]
fn criticality_fills_in_what_a_check_leaves_open() {
    let mut registry = Registry::start();
    for (word, interval, timeout) in WORDS {
        let rows = [
            (json!({}), (interval, timeout)),
            (json!({"Interval": "7s"}), ("7s", timeout)),
            (json!({"Timeout": "3s"}), (interval, "3s")),
        ];
        for (given, expected) in rows {
            let mut check = json!({"Name": "c", "TCP": TCP, "Criticality": word.to_uppercase()});
            for (key, value) in given.as_object().into_iter().flatten() {
                check[key] = value.clone();
            }
            registry.accept("/v1/agent/check/register", &check);
            assert_eq!(pace(&registry.shown("c")), expected, "{check}");
        }
    }
}

#[test]
fn criticality_of_an_instance_is_that_of_its_checks() {
    let mut registry = Registry::start();
    for (word, interval, timeout) in WORDS {
        let own = json!({"CheckID": "own", "TCP": TCP, "Criticality": "low"});
        let checks = json!([{"CheckID": "inherited", "TCP": TCP}, own]);
        let service = json!({"Name": "web", "Meta": {"criticality": word}, "Checks": checks});
        registry.accept("/v1/agent/service/register", &service);
        let later = json!({"Name": "later", "TCP": TCP, "ServiceID": "web"});
        registry.accept("/v1/agent/check/register", &later);
        let rows =
            [("inherited", (interval, timeout)), ("own", ("1m0s", "10s")), ("later", (interval, timeout))];
        for (name, expected) in rows {
            assert_eq!(pace(&registry.shown(name)), expected, "{name} of a {word} instance");
        }
    }
    // In metadata any other word is the user's own, and means nothing.
    let service = |check: Value| json!({"Name": "web", "Meta": {"criticality": "tier-1"}, "Check": check});
    registry.accept(
        "/v1/agent/service/register",
        &service(json!({"CheckID": "c", "TCP": TCP, "Interval": "7s"})),
    );
    assert_eq!(pace(&registry.shown("c")), ("7s", ""));
    let answer = registry.put("/v1/agent/service/register", &service(json!({"TCP": TCP})));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("Interval must be > 0"), "{}", answer.text());
}

#[test]
fn criticality_may_stand_in_definition_files() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let web = json!({"name": "web", "meta": {"criticality": "critical"}, "check": {"id": "a", "tcp": TCP}});
    let file = json!({
        "service": web,
        "checks": [
            {"name": "b", "tcp": TCP, "service_id": "web"},
            {"name": "c", "tcp": TCP, "criticality": "low"},
        ],
    });
    fs::write(directory.path().join("web.json"), file.to_string()).expect("a file can be written");
    let path = directory.path().to_str().expect("a path in UTF-8");
    let mut registry = Registry::start_with(&["--config-dir", path], &[]);
    for (name, expected) in [("a", ("2s", "1s")), ("b", ("2s", "1s")), ("c", ("1m0s", "10s"))] {
        assert_eq!(pace(&registry.shown(name)), expected, "{name}");
    }
}

#[test]
fn damping_keeps_out_what_comes_and_goes() {
    let rows = [
        ("usual", json!(true), 2),
        ("strict", json!({"HalfLife": "1h", "Suppress": 1000, "Reuse": 500}), 1),
        ("off", json!(false), usize::MAX),
    ];
    let mut registry = Registry::start();
    for (name, damping, falls_borne) in rows {
        let check = json!({"Name": name, "TTL": "10m", "Damping": damping});
        registry.accept("/v1/agent/check/register", &check);
        for fall in 0..4 {
            registry.accept(&format!("/v1/agent/check/pass/{name}"), &json!(null));
            let check = registry.shown(name);
            // Penalties shrink from the first moment on, so the fall that makes two thousand falls short of it.
            let is_kept = fall >= falls_borne + usize::from(falls_borne == 2);
            let status = if is_kept { "critical" } else { "passing" };
            assert_eq!(check["Status"], status, "{name} after {fall} falls: {check}");
            let says_so =
                check["Output"].as_str().is_some_and(|it| it.starts_with("Kept critical by flap damping"));
            assert_eq!(says_so, is_kept, "{name} after {fall} falls: {check}");
            registry.accept(&format!("/v1/agent/check/fail/{name}"), &json!(null));
        }
    }
}

#[test]
fn every_example_of_the_documentation_is_taken() {
    let document = include_str!("../../../docs/checks.md");
    let examples = document.split("```json\n").skip(1).map(|it| it.split("```").next().unwrap_or_default());
    let (files, checks): (Vec<Value>, Vec<Value>) = examples
        .map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}")))
        .partition(|example: &Value| example["checks"].is_array());
    assert!(checks.len() >= 11 && !files.is_empty(), "{} checks, {} files", checks.len(), files.len());
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (at, file) in files.iter().enumerate() {
        let path = directory.path().join(format!("{at}.json"));
        fs::write(path, file.to_string()).expect("a file can be written");
    }
    let path = directory.path().to_str().expect("a path in UTF-8");
    let mut registry = Registry::start_with(&["--config-dir", path, "--enable-local-script-checks"], &[]);
    let file_checks = files.iter().flat_map(|file| file["checks"].as_array().into_iter().flatten());
    for name in file_checks.map(|check| check["name"].as_str().expect("a name")) {
        assert_eq!(registry.shown(name)["Type"], "script", "{name}");
    }
    for check in checks {
        registry.accept("/v1/agent/check/register", &check);
    }
}

#[test]
fn the_documentation_says_what_criticality_stands_for() {
    let document = include_str!("../../../docs/checks.md");
    for (word, interval, timeout) in WORDS {
        let row = format!("| `{word}` | {} | {timeout} |", if interval == "1m0s" { "60s" } else { interval });
        assert!(document.contains(&row), "{row}");
    }
}
