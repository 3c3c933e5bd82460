//! Ways around access control that there must not be.

use serde_json::Value;

use super::{Closed, FIRST, listed};
use crate::support::client::Request;

/// What one may see was asked for before, in every way in which an answer is kept.
#[test]
fn nobody_gets_what_was_kept_for_another() {
    let mut closed = Closed::filled(&[]);
    let (web, _) =
        closed.token("service \"web\" { policy = \"read\" } node_prefix \"\" { policy = \"read\" }");
    let (db, _) = closed.token("service \"db\" { policy = \"read\" } node_prefix \"\" { policy = \"read\" }");
    let targets = [
        "/v1/health/service/web",
        "/v1/catalog/service/web",
        "/v1/health/checks/web",
        "/v1/health/service/web?passing",
    ];
    for target in targets {
        for _ in 0..3 {
            let whole = closed.get_as(FIRST, target);
            assert_eq!(whole.status, 200);
            let tag = whole.header("ETag").expect("a tag").to_owned();
            for token in [&db, &String::new()] {
                let answer = closed.get_as(token, target);
                assert_eq!(answer.text(), "[]", "{target}");
                let request =
                    Request::new("GET", target).header("X-Consul-Token", token).header("If-None-Match", &tag);
                let answer = closed.client.request(&request).expect("an answer");
                assert_eq!(
                    (answer.status, answer.text().as_str()),
                    (200, "[]"),
                    "{target}: it is another's tag"
                );
            }
            let seen = closed.get_as(&web, target);
            assert_eq!(seen.text(), whole.text(), "{target}");
        }
    }
    for (target, expected) in [("/v1/catalog/services", "consul db web"), ("/v1/internal/none", "")] {
        let names =
            |answer: Value| answer.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>().join(" "));
        if !expected.is_empty() {
            assert_eq!(names(closed.get_as(FIRST, target).json()).as_deref(), Some(expected));
            assert_eq!(names(closed.get_as(&web, target).json()).as_deref(), Some("web"));
            assert_eq!(names(closed.get_as("", target).json()).as_deref(), Some(""));
        }
    }
}

/// The same request, written otherwise, or the same token, shown otherwise.
#[test]
fn writing_it_otherwise_opens_nothing() {
    let mut closed = Closed::filled(&[]);
    let (web, _) = closed.token("key_prefix \"web/\" { policy = \"read\" }");
    for target in [
        "/v1/kv/db/a",
        "/v1/kv/db%2Fa",
        "/v1/kv/%64b/a",
        "/v1/kv/web/../db/a",
        "/v1/kv/web%2F..%2Fdb%2Fa",
        "/v1/kv//db/a",
        "/v1/./kv/db/a",
        "/v1/kv/db/a?raw",
        "/v1/kv/db/a?recurse",
        "/v1/kv/db?keys",
        "/V1/KV/db/a",
        "/v1/kv/DB/a",
    ] {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            let answer = closed.ask_as(&web, method, target, &Value::Null);
            assert!(
                matches!(answer.status, 301 | 403 | 404 | 405),
                "{method} {target}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    assert_eq!(closed.managed("GET", "/v1/kv/?keys", &Value::Null), serde_json::json!(["db/a", "web/a"]));
    let with = |headers: &[(&str, &str)], target: &str| {
        headers.iter().fold(Request::new("GET", target), |request, (name, value)| request.header(name, value))
    };
    let bearer = format!("Bearer {web}");
    let (read, refused, unknown) = (200, 403, 403);
    for (request, expected) in [
        (with(&[("X-Consul-Token", &web)], "/v1/kv/web/a"), read),
        (with(&[("x-consul-TOKEN", &web)], "/v1/kv/web/a"), read),
        (with(&[("Authorization", &bearer)], "/v1/kv/web/a"), read),
        (with(&[("Authorization", &bearer.replace("Bearer", "bEARER"))], "/v1/kv/web/a"), read),
        (with(&[("Authorization", &bearer.replace("Bearer", "Basic"))], "/v1/kv/web/a"), refused),
        (with(&[("Authorization", &web)], "/v1/kv/web/a"), refused),
        (with(&[], &format!("/v1/kv/web/a?token={web}")), read),
        // The first way to show one counts, whatever the others say.
        (with(&[("X-Consul-Token", FIRST)], &format!("/v1/kv/db/a?token={web}")), refused),
        (
            with(&[("X-Consul-Token", &web), ("Authorization", &format!("Bearer {FIRST}"))], "/v1/kv/db/a"),
            refused,
        ),
        (with(&[("X-Consul-Token", FIRST)], "/v1/kv/db/a?token="), read),
        (with(&[("X-Consul-Token", &web.to_uppercase())], "/v1/kv/web/a"), unknown),
        (with(&[("X-Consul-Token", &format!("{web} "))], "/v1/kv/web/a"), read),
        (with(&[("X-Consul-Token", "anonymous")], "/v1/kv/web/a"), refused),
    ] {
        let answer = closed.client.request(&request).expect("an answer");
        assert_eq!(answer.status, expected, "{request:?}: {}", answer.text());
    }
}

/// Differences and streams show what their reader may see, and nothing of what came before his rights.
#[test]
fn differences_show_what_may_be_seen() {
    let mut closed = Closed::filled(&[]);
    let other = "service_prefix \"\" { policy = \"read\" } node \"other\" { policy = \"read\" }";
    let (token, _) = closed.token(other);
    let first = closed.get_as(FIRST, "/v1/health/service/web?delta=1");
    let index = first.index().expect("an index");
    let seen = closed.get_as(&token, &format!("/v1/health/service/web?delta=1&index={index}&wait=1s"));
    let all = seen.text();
    assert!(!all.contains("\"ID\":\"web\""), "{all}");
    closed.managed("PUT", "/v1/agent/check/pass/beat-web", &Value::Null);
    let seen = closed.get_as(&token, &format!("/v1/health/service/web?delta=1&index={index}&wait=1s"));
    assert!(!seen.text().contains("beat-web"), "{}", seen.text());
    assert_eq!(listed(&closed.get_as(&token, "/v1/health/service/web"), "/Service/ID"), ["web9"]);
    let history = closed.get_as(&token, "/v1/muster/history/service/web");
    assert_eq!(history.status, 404, "{}", history.text());
    let explained = closed.get_as(&token, "/v1/muster/explain/web");
    assert!(explained.status == 404 && !explained.text().contains("beat-web"), "{}", explained.text());
}
