//! The way from open to closed: what would be denied is noted and let pass.

use serde_json::{Value, json};

use super::Closed;

#[test]
fn what_would_be_denied_is_noted_and_let_pass() {
    let mut closed = Closed::filled(&["--acl-permissive"]);
    let (token, accessor) = closed.token("node_prefix \"\" { policy = \"read\" }");
    let register = json!({ "Name": "api", "Port": 1 });
    assert_eq!(closed.ask_as(&token, "PUT", "/v1/agent/service/register", &register).status, 200);
    assert_eq!(closed.get_as(&token, "/v1/health/service/web").json().as_array().map(Vec::len), Some(2));
    assert_eq!(closed.get_as("deadbeef-0000-4000-8000-000000000000", "/v1/kv/web/a").status, 200);
    // Access control itself is closed at once.
    assert_eq!(closed.get_as(&token, "/v1/acl/tokens").status, 403);
    let target = format!("/v1/muster/acl/denials?accessor={accessor}");
    let denials = closed.managed("GET", &target, &Value::Null);
    let rules: Vec<&str> =
        denials.as_array().expect("a list").iter().filter_map(|it| it["Rule"].as_str()).collect();
    assert!(rules.contains(&"service \"api\" { policy = \"write\" }"), "{rules:?}");
    assert!(rules.contains(&"service \"web\" { policy = \"read\" }"), "{rules:?}");
    let all = closed.managed("GET", "/v1/muster/acl/denials", &Value::Null);
    assert!(
        all.as_array().expect("a list").iter().any(|it| it["AccessorID"] == ""),
        "what is no token: {all}"
    );
    // With these rules nothing is noted any more.
    let count =
        |closed: &mut Closed| closed.managed("GET", &target, &Value::Null).as_array().map_or(0, Vec::len);
    let before = count(&mut closed);
    let rules = format!("node_prefix \"\" {{ policy = \"read\" }} {}", rules.join("\n"));
    let (token, accessor) = closed.token(&rules);
    assert_eq!(closed.ask_as(&token, "PUT", "/v1/agent/service/register", &register).status, 200);
    assert_eq!(closed.get_as(&token, "/v1/health/service/web").json().as_array().map(Vec::len), Some(2));
    let own = closed.managed("GET", &format!("/v1/muster/acl/denials?accessor={accessor}"), &Value::Null);
    assert_eq!((own, count(&mut closed)), (json!([]), before));
}

#[test]
fn it_is_told_by_which_rule_a_request_is_allowed_or_not() {
    let mut closed = Closed::filled(&[]);
    let (_, accessor) =
        closed.token("service_prefix \"we\" { policy = \"write\" } service \"web\" { policy = \"read\" }");
    let mut ask = |rest: &str| {
        closed.managed("GET", &format!("/v1/muster/acl/explain?accessor={accessor}&{rest}"), &Value::Null)
    };
    let refused = ask("method=PUT&path=/v1/agent/service/deregister/web");
    let need = &refused["Needs"][0];
    assert_eq!(
        (refused["Allowed"].as_bool(), need["Allowed"].as_bool()),
        (Some(false), Some(false)),
        "{refused}"
    );
    assert_eq!(need["Permission"], "service:write");
    assert_eq!(need["Rule"], "service \"web\" { policy = \"read\" }");
    assert!(need["Of"].as_str().is_some_and(|of| of.starts_with("policy \"p")), "{need}");
    let allowed = ask("method=PUT&path=/v1/agent/service/register&service=web2");
    assert_eq!(allowed["Allowed"], true, "{allowed}");
    let by_default = ask("path=/v1/kv/a");
    assert_eq!(by_default["Needs"][0]["Rule"], "default_policy = \"deny\"", "{by_default}");
    let answer = closed.get_as("", "/v1/muster/acl/explain?path=/v1/kv/a");
    assert_eq!(answer.status, 403);
}
