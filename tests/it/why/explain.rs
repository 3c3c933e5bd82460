//! What is explained of one instance and of one query.

use serde_json::{Value, json};

use super::target::Target;
use super::{beat, follow, get, put, register, statuses};
use crate::support::process::Process;

fn sentence(client: &mut crate::support::client::Client, target: &str) -> String {
    let answer = client.get(target).expect("an answer");
    match answer.status {
        200 => answer.json()["Sentence"].as_str().unwrap_or_default().to_owned(),
        _ => answer.text(),
    }
}

#[test]
fn an_instance_is_explained_through_its_life() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let target = "/v1/muster/explain/web-1";
    assert!(sentence(&mut client, target).contains("no instance \"web-1\" is registered on node node-one"));
    register(&mut client, "web-1", "web", &[]);
    let begin = "Instance \"web-1\" of service \"web\" on node \"node-one\" is ";
    let starts = |sentence: String, with: &str| {
        assert!(sentence.starts_with(&format!("{begin}{with}")), "{sentence}");
        sentence
    };
    let silent = starts(sentence(&mut client, target), "out of ?passing since ");
    assert!(silent.contains("check \"web-1-beat\" is critical, as "), "{silent}");
    beat(&mut client, "pass", "web-1-beat", "fine");
    let well = starts(sentence(&mut client, target), "in ?passing since ");
    assert!(well.contains("all 2 checks that bear on it pass"), "{well}");
    beat(&mut client, "fail", "web-1-beat", "on%20fire");
    let failing = starts(sentence(&mut client, target), "out of ?passing since ");
    assert!(
        failing.contains("check \"web-1-beat\" is critical, as the instance reported: \"on fire\""),
        "{failing}"
    );
    let explained = get(&mut client, &format!("{target}?node=Node-One"));
    assert_eq!(explained["Passing"], false);
    assert_eq!((&explained["DecidingCheck"], &explained["Cause"]), (&json!("web-1-beat"), &json!("report")));
    put(&mut client, "/v1/agent/maintenance?enable=true&reason=new%20disk", &Value::Null);
    let serviced = sentence(&mut client, target);
    assert!(serviced.contains("maintenance mode is on for the whole node: \"new disk\""), "{serviced}");
    assert_eq!(get(&mut client, target)["Maintenance"]["Reason"], "new disk");
    put(&mut client, "/v1/agent/service/deregister/web-1", &Value::Null);
    let gone = sentence(&mut client, target);
    assert!(gone.contains("it was deregistered at ") && gone.contains(" asked for that"), "{gone}");
    let pretty = client.get("/v1/muster/explain?service=consul&pretty").expect("an answer").text();
    assert!(pretty.starts_with("{\n    \"Sentence\""), "{pretty}");
}

#[test]
fn what_a_probe_found_and_what_comes_next_is_told_without_secrets() {
    let target = Target::new(false);
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let check = json!({"CheckID": "alive", "HTTP": target.url(), "Interval": "1s", "Header": {"X-Key": ["secret"]},
        "FailuresBeforeCritical": 1, "SuccessBeforePassing": 2, "DeregisterCriticalServiceAfter": "1h"});
    put(&mut client, "/v1/agent/service/register", &json!({"ID": "web-1", "Name": "web", "Check": check}));
    follow(&mut client, "web", |answer| {
        statuses(answer) == ["critical"]
            && get(&mut process.client(), "/v1/muster/explain/web-1").to_string().contains("503")
    });
    let explained = get(&mut client, "/v1/muster/explain/web-1");
    let check = &explained["Checks"][1];
    assert_eq!((&check["CheckID"], &check["Status"]), (&json!("alive"), &json!("critical")), "{explained}");
    assert!(check["DeregisteredAt"].is_string(), "{explained}");
    assert!(check["NextProbe"].is_string() || check["Running"] == true, "{explained}");
    assert!(explained["Sentence"].as_str().is_some_and(|it| it.contains("The instance is deregistered in ")));
    assert!(!explained.to_string().contains("secret"), "{explained}");
}

/// A query's parameters, who is in its answer, and who is not, each with what is in the reason.
type Row = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

#[test]
fn every_instance_is_in_a_querys_answer_or_there_is_a_reason() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    for (id, tags, word) in
        [("a", &["blue"][..], "pass"), ("b", &["Blue"], "fail"), ("c", &["green"], "pass")]
    {
        register(&mut client, id, "web", tags);
        beat(&mut client, "pass", &format!("{id}-beat"), "well");
        beat(&mut client, word, &format!("{id}-beat"), "said");
    }
    let remote = json!({"Node": "far", "Address": "10.0.0.1", "NodeMeta": {"zone": "z1"},
        "Service": {"ID": "d", "Service": "web", "Tags": ["blue"]}});
    put(&mut client, "/v1/catalog/register", &remote);
    let rows: [Row; 6] = [
        ("", &["a", "b", "c", "d"], &[]),
        (
            "&passing",
            &["a", "c", "d"],
            &[("b", "check \"b-beat\" is critical, as the instance reported: \"said\"")],
        ),
        ("&tag=BLUE", &["a", "b", "d"], &[("c", "it does not have the tag \"blue\"")]),
        (
            "&passing&tag=blue&filter=Service.ID%20!=%20a",
            &["d"],
            &[
                ("a", "the filter does not match it"),
                ("b", "check \"b-beat\""),
                ("c", "it does not have the tag"),
            ],
        ),
        (
            "&node-meta=zone:z1",
            &["d"],
            &[("a", "has no \"zone\", which should be \"z1\""), ("b", "has no"), ("c", "has no")],
        ),
        (
            "&node-meta=zone:z2&filter=Service.ID%20==%20d",
            &[],
            &[("a", "has no"), ("b", "has no"), ("c", "has no"), ("d", "has \"zone\" = \"z1\", not \"z2\"")],
        ),
    ];
    for (parameters, included, excluded) in rows {
        let explained = get(&mut client, &format!("/v1/muster/explain?service=web{parameters}"));
        let answer =
            get(&mut client, &format!("/v1/health/service/web?{}", parameters.trim_start_matches('&')));
        let answered = answer.as_array().expect("a list").iter().map(|entry| entry["Service"]["ID"].clone());
        let instances = explained["Instances"].as_array().expect("a list");
        let told = instances.iter().filter(|it| it["Included"] == true).map(|it| it["ServiceID"].clone());
        let mut told: Vec<Value> = told.collect();
        told.sort_by_key(Value::to_string);
        let mut answered: Vec<Value> = answered.collect();
        answered.sort_by_key(Value::to_string);
        assert_eq!(told, answered, "{parameters}: what is explained is what is answered");
        assert_eq!(told, included, "{parameters}");
        for (id, reason) in excluded {
            let judged = instances.iter().find(|it| it["ServiceID"] == *id).expect("it is told of");
            assert!(
                judged["Reason"].as_str().is_some_and(|it| it.contains(reason)),
                "{parameters}: {judged}"
            );
        }
        assert_eq!(instances.len(), included.len() + excluded.len(), "{parameters}");
    }
    for (target, status, sentence) in [
        ("/v1/muster/explain", 400, "which service?"),
        ("/v1/muster/explain?service=web&filter=Nope%20==%201", 400, "Nope"),
        ("/v1/muster/explain/d", 404, "one of that id is on node far: add ?node=far"),
        ("/v1/muster/explain/d?node=far", 200, "it has no checks, and so always passes"),
        ("/v1/muster/explain?service=none", 200, "No instance of service \\\"none\\\" is registered"),
    ] {
        let answer = client.get(target).expect("an answer");
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        assert!(answer.text().contains(sentence), "{target}: {}", answer.text());
    }
}

/// What a query says of an instance that fails is a part of what is said of the instance.
#[test]
fn a_query_and_an_instance_are_explained_in_the_same_words() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    for id in ["silent", "said", "kept"] {
        register(&mut client, id, "web", &[]);
    }
    beat(&mut client, "pass", "said-beat", "");
    beat(&mut client, "fail", "said-beat", "on%20fire");
    beat(&mut client, "pass", "kept-beat", "");
    put(&mut client, "/v1/agent/service/maintenance/kept?enable=true&reason=upgrade", &Value::Null);
    let explained = get(&mut client, "/v1/muster/explain?service=web&passing");
    let instances = explained["Instances"].as_array().expect("a list").clone();
    for (id, words) in [
        ("silent", "the instance has not reported yet"),
        ("said", "as the instance reported: \"on fire\""),
        ("kept", "maintenance mode is on: \"upgrade\", switched on by 127.0.0.1:"),
    ] {
        let judged = instances.iter().find(|it| it["ServiceID"] == id).expect("it is told of");
        let reason = judged["Reason"].as_str().unwrap_or_default();
        assert!(reason.contains(words), "{id}: {judged}");
        let whole = sentence(&mut client, &format!("/v1/muster/explain/{id}"));
        assert!(whole.contains(&format!(": {reason}.")), "{id}: {reason}: {whole}");
    }
}

#[test]
fn a_drain_is_told_while_it_goes_on_and_when_it_is_over() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web-1", "web", &[]);
    beat(&mut client, "pass", "web-1-beat", "fine");
    let target = "/v1/muster/explain/web-1";
    put(&mut client, "/v1/muster/drain/web-1?deadline=1h&reason=old%20version", &Value::Null);
    let explained = get(&mut client, target);
    assert_eq!((&explained["Passing"], &explained["Drain"]["State"]), (&json!(true), &json!("draining")));
    let sentence = explained["Sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains(" is in ?passing since ") && sentence.contains(" It drains: "), "{sentence}");
    put(&mut client, "/v1/muster/drain/web-1?deadline=1s", &Value::Null);
    follow(&mut client, "web", |answer| answer.text().contains("_service_drain:web-1"));
    let explained = get(&mut client, target);
    assert_eq!((&explained["Passing"], &explained["Cause"]), (&json!(false), &json!("drain")));
    let sentence = explained["Sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains(": its drain is over. It is out because "), "{sentence}");
    assert!(sentence.contains("(reason: old version)"), "{sentence}");
    let history = get(&mut client, "/v1/muster/history/check/_service_drain:web-1");
    assert_eq!(super::told(&history), ["none -> critical drain"]);
}

#[test]
fn what_a_panic_keeps_is_told_so() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    for id in ["a", "b"] {
        register(&mut client, id, "web", &[]);
        beat(&mut client, "pass", &format!("{id}-beat"), "well");
    }
    beat(&mut client, "fail", "a-beat", "down");
    for (parameters, included, because) in [
        ("&passing", 1, json!("passing")),
        ("&passing&panic_threshold=40", 2, json!("panic")),
        ("&passing&panic_threshold=60", 1, json!("passing")),
        ("&panic_threshold=40", 2, Value::Null),
    ] {
        let explained = get(&mut client, &format!("/v1/muster/explain?service=web{parameters}"));
        assert_eq!(explained["Included"], included, "{parameters}: {explained}");
        assert_eq!(explained["Instances"][0]["Because"], because, "{parameters}: {explained}");
    }
}
