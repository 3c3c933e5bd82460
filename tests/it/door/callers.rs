//! Who did what: in the log, in the history and in what explains.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ask, log_until, server};
use crate::support::client::{Request, ask_until};
use crate::support::process::Process;

fn named(method: &str, target: &str, id: &str) -> Request {
    Request::new(method, target).header("X-Request-Id", id)
}

/// The lines of the log about a request.
fn lines(log: &str, id: &str) -> Vec<String> {
    let needle = format!("request_id={id} ");
    log.lines().filter(|line| line.contains(&needle)).map(str::to_owned).collect()
}

#[test]
fn every_write_that_changes_something_leaves_one_line() {
    let server = server(&[]);
    let register = r#"{"ID":"api-1","Name":"api","Check":{"CheckID":"api-beat","TTL":"24h"}}"#;
    let put = |target: &str, id: &str, body: &str| named("PUT", target, id).body(body);
    let rows = [
        (put("/v1/agent/service/register", "r1", register), Some("\"api-1\" (\"api\")")),
        (put("/v1/agent/service/register", "r2", register), None),
        (put("/v1/agent/check/pass/api-beat", "r3", ""), Some("critical -> passing")),
        (put("/v1/agent/check/pass/api-beat", "r4", ""), None),
        (put("/v1/agent/check/pass/api-beat?note=again", "r5", ""), None),
        (put("/v1/agent/check/fail/api-beat", "r6", ""), Some("passing -> critical")),
        (put("/v1/agent/service/maintenance/api-1?enable=true", "r7", ""), Some("maintenance of service")),
        (put("/v1/agent/service/deregister/api-1", "r8", ""), Some("deregistered")),
        (put("/v1/catalog/register", "r9", r#"{"Node":"n2","Address":"10.0.0.2"}"#), Some("node \"n2\"")),
        (put("/v1/catalog/deregister", "r10", r#"{"Node":"n2"}"#), Some("node \"n2\" deregistered")),
        (put("/v1/agent/service/deregister/nobody", "r11", ""), None),
    ];
    for (request, said) in &rows {
        let answer = ask(&server, request);
        assert!(answer.status == 200 || said.is_none(), "{request:?}: {}", answer.text());
    }
    // One more, after which all lines of those before are there.
    ask(&server, &put("/v1/agent/service/deregister/web", "the-last", ""));
    let log = log_until(&server, |log| log.contains("request_id=the-last"));
    for (request, said) in rows {
        let id = request.headers[0].1.clone();
        let lines = lines(&log, &id);
        match said {
            Some(said) => {
                assert_eq!(lines.len(), 1, "{id}: {lines:?}");
                assert!(lines[0].contains(said) && lines[0].contains(" peer=127.0.0.1:"), "{lines:?}");
                assert!(lines[0].contains("[INFO]"), "{lines:?}");
            }
            None => assert_eq!(lines, Vec::<String>::new(), "{id}"),
        }
    }
}

#[test]
fn the_history_and_the_explanation_say_who_it_was() {
    let mut server = server(&[]);
    assert_eq!(ask(&server, &named("PUT", "/v1/agent/check/fail/beat", "the-one")).status, 200);
    let maintained = named("PUT", "/v1/agent/service/maintenance/web?enable=true", "the-other");
    assert_eq!(ask(&server, &maintained).status, 200);
    let explained = server.client().get("/v1/muster/explain/web").expect("an answer").json();
    let sentence = explained["Sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains("switched on by 127.0.0.1:") && sentence.contains("the-other"), "{sentence}");
    assert_eq!(ask(&server, &named("PUT", "/v1/agent/service/deregister/web", "the-last")).status, 200);
    let history = |server: &Process| -> Vec<(String, bool)> {
        let told = server.client().get("/v1/muster/history/service/web").expect("an answer").json();
        let transitions = told["Transitions"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |it: &Value| (text(&it["RequestID"]), text(&it["By"]).starts_with("127.0.0.1:"));
        transitions.iter().map(of).collect()
    };
    let ids = ["the-last", "the-last", "the-other", "the-one"].map(|id| (id.to_owned(), true));
    assert_eq!(history(&server), ids);
    let gone = server.client().get("/v1/muster/explain/web").expect("an answer").text();
    assert!(gone.contains("(request the-last) asked for that"), "{gone}");
    server.kill();
    server.start_again().expect("muster starts again");
    assert_eq!(history(&server), ids, "after a kill");
}

/// What muster does by itself has itself for a name.
#[test]
fn what_nobody_asked_for_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let defined = r#"{"service":{"name":"defined","check":{"id":"silent","ttl":"1s","status":"passing"}}}"#;
    std::fs::write(directory.path().join("service.json"), defined).expect("a file");
    let server = Process::muster(&["-config-dir", directory.path().to_str().expect("a path")]);
    let server = server.expect("muster starts");
    let probed = format!(
        r#"{{"Name":"probed","Check":{{"CheckID":"refused","TCP":"127.0.0.1:{}","Interval":"10s","Status":"passing"}}}}"#,
        crate::support::process::free_port()
    );
    assert_eq!(server.client().put("/v1/agent/service/register", &probed).expect("an answer").status, 200);
    for (check, by) in [("silent", "ttl"), ("refused", "probe")] {
        let request = Request::new("GET", &format!("/v1/muster/history/check/{check}"));
        let deadline = Instant::now() + Duration::from_secs(30);
        let is_told = |told: &Value| told["Transitions"].as_array().is_some_and(|all| !all.is_empty());
        let answer = ask_until(&mut server.client(), &request, deadline, |it| is_told(&it.json()));
        let told = answer.expect("an answer").json();
        assert_eq!(
            (&told["Transitions"][0]["By"], &told["Transitions"][0]["RequestID"]),
            (&by.into(), &"".into())
        );
        let needle = format!("check \"{check}\"");
        let is_of = |it: &str| it.contains(&needle) && it.contains("-> critical");
        let log = log_until(&server, |log| log.lines().any(is_of));
        let line = log.lines().find(|it| is_of(it));
        assert!(line.is_some_and(|line| line.contains(&format!("by={by}"))), "{log}");
    }
    let log = server.log();
    let line = log.lines().find(|it| it.contains("service \"defined\"")).unwrap_or_default();
    assert!(line.contains("by=\"definition files\""), "{log}");
}

/// Whoever looks for what is gone need not know where it was, nor more than the name of the service.
#[test]
fn what_is_gone_is_found_without_its_node_by_id_and_by_name() {
    let server = server(&[]);
    let body = r#"{"Node":"n2","Address":"10.0.0.2","Service":{"ID":"db-7","Service":"db"},
        "Check":{"CheckID":"db-up","Name":"up","ServiceID":"db-7","Status":"passing"}}"#;
    let put = |target: &str, id: &str, body: &str| {
        let answer = ask(&server, &named("PUT", target, id).body(body));
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    };
    put("/v1/catalog/register", "came", body);
    put("/v1/catalog/deregister", "went", r#"{"Node":"n2","ServiceID":"db-7"}"#);
    put("/v1/catalog/deregister", "node-went", r#"{"Node":"n2"}"#);
    for name in ["db-7", "db", "DB"] {
        let told = ask(&server, &Request::new("GET", &format!("/v1/muster/history/service/{name}")));
        assert_eq!(told.status, 200, "{name}: {}", told.text());
        let told = told.json();
        let newest = &told["Transitions"][0];
        assert_eq!((&told["Node"], &newest["Node"]), (&"n2".into(), &"n2".into()), "{told}");
        assert_eq!((&newest["ServiceID"], &newest["RequestID"]), (&"db-7".into(), &"went".into()), "{told}");
        let explained = ask(&server, &Request::new("GET", &format!("/v1/muster/explain/{name}")));
        let sentence = explained.text();
        assert_eq!(explained.status, 404, "{sentence}");
        for said in ["\"db-7\"", "\"db\"", "node n2", "was deregistered at", "(request went) asked for that"]
        {
            assert!(sentence.contains(said), "{name}: {said} in {sentence}");
        }
    }
    // Where a node is named, that one is meant.
    let named = Request::new("GET", "/v1/muster/history/service/db-7?node=node-one");
    assert_eq!(ask(&server, &named).status, 404);
}
