//! Every route and every kind of caller.

use serde_json::{Value, json};

use super::{Closed, OTHER_ID, listed};

/// The routes, as the document lists them: `| METHODS | PATH | … |`.
const DOCUMENT: &str = include_str!("../../../docs/http-api.md");

/// The paths that ask for no right, and so not for a token either.
const PUBLIC: &[&str] = &[
    "/",
    "/health",
    "/livez",
    "/readyz",
    "/v1/acl/bootstrap",
    "/v1/acl/login",
    "/v1/acl/replication",
    "/v1/agent/version",
    "/v1/catalog/datacenters",
    "/v1/status/leader",
    "/v1/status/peers",
];

/// Each method and path of the document, with something in the place of what a path leaves open.
fn routes() -> Vec<(String, String)> {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    let mut routes = Vec::new();
    for (methods, rest) in rows {
        let path = rest.split('`').next().expect("a path");
        let open = match path {
            "/v1/kv/" => "web/a",
            _ if path.contains("/check/") && path.ends_with('/') => "beat-web",
            "/v1/catalog/node/" | "/v1/catalog/node-services/" | "/v1/health/node/" => "other",
            "/v1/muster/history/node/" => "other",
            "/v1/health/state/" => "any",
            _ if path.ends_with('/') && path != "/" => "web",
            _ => "",
        };
        routes.extend(methods.split(' ').map(|method| (method.to_owned(), format!("{path}{open}"))));
    }
    assert!(routes.len() > 50, "{routes:?}");
    routes
}

fn is_public(target: &str) -> bool {
    PUBLIC.contains(&target)
}

/// Nobody who shows what is no token gets anything: not one that never was, nor one that was deleted, nor an accessor.
#[test]
fn what_is_no_token_opens_nothing() {
    let mut closed = Closed::filled(&[]);
    let (deleted, accessor) = closed.token("service_prefix \"\" { policy = \"write\" }");
    assert_eq!(closed.get_as(&deleted, "/v1/catalog/services").status, 200);
    let (_, other) = closed.token("");
    closed.managed("DELETE", &format!("/v1/acl/token/{accessor}"), &Value::Null);
    for (method, target) in routes() {
        for token in ["deadbeef-0000-4000-8000-000000000000", "x", &deleted, &other] {
            let answer = closed.ask_as(token, &method, &target, &Value::Null);
            if is_public(&target) {
                assert_ne!(answer.text(), "ACL not found", "{method} {target}");
            } else {
                assert_eq!(
                    (answer.status, answer.text().as_str()),
                    (403, "ACL not found"),
                    "{method} {target} {token}"
                );
            }
        }
    }
}

/// Whoever has no right sees nothing and changes nothing, whatever he asks for.
#[test]
fn who_has_no_right_sees_and_changes_nothing() {
    let mut closed = Closed::filled(&[]);
    let (empty, _) = closed.token("");
    let before = closed.managed("GET", "/v1/health/state/any", &Value::Null);
    for (method, target) in routes() {
        for token in ["", &empty] {
            if is_public(&target) || target == "/v1/acl/token/self" {
                continue;
            }
            let answer = closed.ask_as(token, &method, &target, &Value::Null);
            let text = answer.text();
            let is_empty =
                matches!(text.as_str(), "[]" | "{}" | "null" | "{\"Node\":null,\"Services\":null}" | "true");
            let is_refused = matches!(answer.status, 400 | 403 | 404 | 405 | 411 | 415 | 500 | 501);
            assert!(is_refused || is_empty, "{method} {target}: {} {text}", answer.status);
            for hidden in ["\"web\"", "\"db\"", "\"other\"", "127.0.0.9", "secret"] {
                let is_asked =
                    target.contains(hidden.trim_matches('"')) || text.contains("Permission denied");
                assert!(is_asked || !text.contains(hidden), "{method} {target} tells {hidden}: {text}");
            }
        }
    }
    assert_eq!(closed.managed("GET", "/v1/health/state/any", &Value::Null), before, "nothing has changed");
    assert_eq!(closed.managed("GET", "/v1/kv/?keys", &Value::Null), json!(["db/a", "web/a"]));
}

/// What a rule gives and what it does not, each asked for.
#[test]
fn a_right_gives_that_and_nothing_else() {
    let mut closed = Closed::filled(&[]);
    let register = |name: &str| json!({ "Name": name, "ID": format!("{name}-x"), "Port": 1 });
    let nothing = Value::Null;
    let denied = |rules: &str| format!("service_prefix \"\" {{ policy = \"read\" }} {rules}");
    let rows: &[(&str, &str, &str, Value, u16)] = &[
        ("service \"web\" { policy = \"write\" }", "PUT", "/v1/agent/service/register", register("web"), 200),
        (
            "service \"web\" { policy = \"write\" }",
            "PUT",
            "/v1/agent/service/register",
            register("web2"),
            403,
        ),
        ("service \"web\" { policy = \"read\" }", "PUT", "/v1/agent/service/register", register("web"), 403),
        ("service \"Web\" { policy = \"write\" }", "PUT", "/v1/agent/service/register", register("web"), 403),
        (
            "service_prefix \"we\" { policy = \"write\" }",
            "PUT",
            "/v1/agent/service/register",
            register("web2"),
            200,
        ),
        (
            "service \"web\" { policy = \"write\" }",
            "PUT",
            "/v1/agent/check/pass/beat-web",
            nothing.clone(),
            200,
        ),
        (
            "service \"web\" { policy = \"read\" }",
            "PUT",
            "/v1/agent/check/pass/beat-web",
            nothing.clone(),
            403,
        ),
        (
            "service \"web\" { policy = \"write\" }",
            "PUT",
            "/v1/agent/check/pass/beat-db",
            nothing.clone(),
            403,
        ),
        (
            "service \"web\" { policy = \"write\" }",
            "PUT",
            "/v1/agent/service/deregister/db",
            nothing.clone(),
            403,
        ),
        (
            "service \"web\" { policy = \"write\" }",
            "PUT",
            "/v1/agent/service/maintenance/db?enable=true",
            nothing.clone(),
            403,
        ),
        (
            "service \"web\" { policy = \"write\" }",
            "PUT",
            "/v1/muster/drain/db?deadline=60s",
            nothing.clone(),
            404,
        ),
        (
            "node \"other\" { policy = \"write\" }",
            "PUT",
            "/v1/catalog/register",
            json!({ "Node": "other", "Address": "127.0.0.8" }),
            200,
        ),
        (
            "node \"other\" { policy = \"read\" }",
            "PUT",
            "/v1/catalog/register",
            json!({ "Node": "other", "Address": "127.0.0.7" }),
            403,
        ),
        // It would give another's node this name, with everything on it.
        (
            "node \"mine\" { policy = \"write\" } node \"other\" { policy = \"read\" }",
            "PUT",
            "/v1/catalog/register",
            json!({ "Node": "mine", "ID": OTHER_ID, "Address": "127.0.0.7" }),
            403,
        ),
        (
            "node \"mine\" { policy = \"write\" }",
            "PUT",
            "/v1/catalog/register",
            json!({ "Node": "mine", "Address": "127.0.0.7" }),
            200,
        ),
        (
            "service \"web\" { policy = \"write\" }",
            "PUT",
            "/v1/catalog/register",
            json!({ "Node": "other", "Address": "127.0.0.8", "Service": { "Service": "web", "ID": "web9" } }),
            200,
        ),
        // It would take the id of another's service.
        (
            "service \"db\" { policy = \"write\" }",
            "PUT",
            "/v1/catalog/register",
            json!({ "Node": "other", "Address": "127.0.0.8", "Service": { "Service": "db", "ID": "web9" } }),
            403,
        ),
        (
            "service \"db\" { policy = \"write\" }",
            "PUT",
            "/v1/agent/service/register",
            json!({ "Name": "db", "ID": "web" }),
            403,
        ),
        (
            "service \"db\" { policy = \"write\" }",
            "PUT",
            "/v1/agent/check/register",
            json!({ "Name": "c", "ID": "beat-web", "ServiceID": "db", "TTL": "1h" }),
            403,
        ),
        (
            "service \"db\" { policy = \"write\" }",
            "PUT",
            "/v1/catalog/deregister",
            json!({ "Node": "other", "ServiceID": "web9" }),
            403,
        ),
        (
            "service \"db\" { policy = \"write\" }",
            "PUT",
            "/v1/catalog/deregister",
            json!({ "Node": "other" }),
            403,
        ),
        ("key \"web/a\" { policy = \"read\" }", "GET", "/v1/kv/web/a", nothing.clone(), 200),
        ("key \"web/a\" { policy = \"read\" }", "GET", "/v1/kv/db/a", nothing.clone(), 403),
        ("key \"web/a\" { policy = \"read\" }", "PUT", "/v1/kv/web/a", json!(1), 403),
        ("key_prefix \"web/\" { policy = \"write\" }", "PUT", "/v1/kv/web/a", json!(1), 200),
        (
            "key_prefix \"web/\" { policy = \"write\" } key \"web/b\" { policy = \"deny\" }",
            "DELETE",
            "/v1/kv/web/?recurse",
            nothing.clone(),
            403,
        ),
        ("key_prefix \"web/\" { policy = \"write\" }", "DELETE", "/v1/kv/?recurse", nothing.clone(), 403),
        ("agent_prefix \"\" { policy = \"read\" }", "GET", "/v1/agent/self", nothing.clone(), 200),
        ("agent_prefix \"\" { policy = \"read\" }", "PUT", "/v1/agent/reload", nothing.clone(), 403),
        ("operator = \"read\"", "GET", "/v1/agent/host", nothing.clone(), 200),
        ("operator = \"read\"", "GET", "/v1/agent/self", nothing.clone(), 403),
        ("acl = \"read\"", "GET", "/v1/acl/tokens", nothing.clone(), 200),
        ("acl = \"read\"", "PUT", "/v1/acl/token", json!({}), 403),
        ("acl = \"read\"", "GET", "/v1/snapshot", nothing.clone(), 403),
        ("operator = \"write\"", "GET", "/v1/snapshot", nothing.clone(), 403),
    ];
    for (rules, method, target, body, expected) in rows {
        let (token, accessor) = closed.token(rules);
        let answer = closed.ask_as(&token, method, target, body);
        assert_eq!(answer.status, *expected, "{rules}: {method} {target} {body}: {}", answer.text());
        if *expected == 403 {
            let text = answer.text();
            let names = format!("Permission denied: token with AccessorID '{accessor}' lacks permission '");
            assert!(text.starts_with(&names), "{text}");
        }
    }
    let reader = closed.token(&denied("node \"other\" { policy = \"read\" }")).0;
    let answer = closed.get_as(&reader, "/v1/health/service/web");
    assert_eq!(listed(&answer, "/Service/ID"), ["web9"], "those on a node that may be seen");
    assert_eq!(answer.header("X-Consul-Results-Filtered-By-ACLs"), Some("true"));
    assert_eq!(answer.header("X-Consul-Default-Acl-Policy"), Some("deny"));
    assert_eq!(listed(&closed.get_as(&reader, "/v1/catalog/nodes"), "/Node"), ["other"]);
    let services = closed.get_as(&reader, "/v1/catalog/services").json();
    assert_eq!(
        services.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>().join(" ")).as_deref(),
        Some("consul db web web2")
    );
    // A filter does not tell of a node that is not seen.
    for filter in ["Address%20==%20%22127.0.0.1%22", "Node%20!=%20other"] {
        let services = closed.get_as(&reader, &format!("/v1/catalog/services?filter={filter}"));
        assert_eq!(services.text(), "{}", "{filter}");
    }
}
