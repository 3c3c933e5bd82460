//! The chapter as its clients see it, where access control is on. The sentences are those of Consul 1.8.7.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::stdx::meter::Meter;
use crate::core::model::Command;
use crate::core::model::acl::{ANONYMOUS_ACCESSOR, AclWrite, MANAGEMENT_ID};
use crate::net::http::{Exchange, Handler, Request, Response};
use crate::node::registry::tests::open_guarded;
use crate::surface::answers::cache::CacheBounds;
use crate::surface::context::rights::Rights;
use crate::surface::dispatch::Dispatch;
use crate::surface::tests::over;

const ABSENT: &str = "00000000-0000-0000-0000-0000000000aa";

/// An API with access control, and whoever may do everything.
struct Scene {
    dispatch: Arc<Dispatch>,
    first: Value,
}

impl Scene {
    fn new() -> Scene {
        let dispatch = over(open_guarded, CacheBounds { entries_max: 0, bytes_max: 0 });
        let registry = &dispatch.api.registry;
        for record in registry.access().read(|state| state.missing(0)) {
            registry.write(Command::WriteAcl(Box::new(AclWrite::Create(record)))).unwrap();
        }
        let mut scene = Scene { dispatch, first: Value::Null };
        let (status, first) = scene.ask_as("", "PUT", "/v1/acl/bootstrap", "");
        assert_eq!(status, 200, "{first}");
        scene.first = serde_json::from_str(&first).unwrap();
        scene
    }

    fn ask_as(&self, token: &str, method: &str, target: &str, body: &str) -> (u16, String) {
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nX-Consul-Token: {token}\r\n\r\n");
        let mut request = Request::of_head(&head).unwrap();
        request.body = body.into();
        let mut response = Response::new(200);
        self.dispatch.handle(&mut Exchange::detached(&request), &mut response);
        (response.status, String::from_utf8(response.body.bytes().unwrap_or_default().to_vec()).unwrap())
    }

    /// As whoever may do everything.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask_as(text(&self.first, "SecretID"), method, &format!("/v1/acl/{path}"), body)
    }

    fn json(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, &body.to_string());
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    fn get(&self, path: &str) -> Value {
        self.json("GET", path, Value::Null)
    }

    /// Each request has this answer.
    fn refuses(&self, rows: &[(&str, &str, &str, u16, &str)]) {
        for (method, path, body, status, sentence) in rows {
            let answer = self.ask(method, path, body);
            assert_eq!(answer, (*status, (*sentence).to_owned()), "{method} {path} {body}");
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn texts<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    list.as_array().unwrap().iter().map(|it| text(it, key)).collect()
}

#[test]
fn the_first_token_is_given_out_once() {
    let scene = Scene::new();
    let first = &scene.first;
    assert_eq!(first["ID"], first["SecretID"]);
    assert_eq!(first["Policies"], json!([{ "ID": MANAGEMENT_ID, "Name": "global-management" }]));
    let index = first["CreateIndex"].as_u64().unwrap();
    let sentence = format!("Permission denied: ACL bootstrap no longer allowed (reset index: {index})");
    assert_eq!(scene.ask_as("", "PUT", "/v1/acl/bootstrap", ""), (403, sentence));
    let own = scene.get("token/self");
    assert_eq!((&own["SecretID"], &own["ID"]), (&first["SecretID"], &Value::Null));
    let replication = scene.ask("GET", "replication", "");
    assert!(replication.1.starts_with(r#"{"Enabled":false,"Running":false,"SourceDatacenter":"","#));
}

#[test]
fn policies_are_created_read_replaced_and_removed() {
    let scene = Scene::new();
    let rules = r#"service "x" { policy = "read" }"#;
    let made = scene.json("PUT", "policy", json!({ "Name": "Web", "Rules": rules, "Datacenters": ["dc1"] }));
    let id = text(&made, "ID");
    let path = format!("policy/{id}");
    assert_eq!(scene.get(&path), made);
    assert_eq!(scene.get(&path.to_uppercase().replace("POLICY", "policy")), made);
    assert_eq!(scene.get("policy/name/wEB"), made);
    let listed = scene.get("policies");
    assert_eq!(texts(&listed, "ID"), [MANAGEMENT_ID, id]);
    assert!(listed[0]["Datacenters"].is_null() && listed[1].get("Rules").is_none(), "{listed}");
    let other = scene.json("PUT", "policy/", json!({ "Name": "other" }));
    let replaced = scene.json("PUT", &path, json!({ "Name": "web2", "Rules": r#"{"acl":"read"}"# }));
    assert_eq!((&replaced["ID"], &replaced["Description"]), (&made["ID"], &json!("")));
    assert!(replaced["ModifyIndex"].as_u64() > made["ModifyIndex"].as_u64());
    let (absent, other) = (format!("policy/{ABSENT}"), format!("policy/{}", text(&other, "ID")));
    let management = format!("policy/{MANAGEMENT_ID}");
    let no_such = format!("cannot find policy {ABSENT}");
    scene.refuses(&[
        ("PUT", "policy", "", 400, "Bad request: Policy decoding failed: EOF"),
        ("PUT", "policy", "null", 500, "Invalid Policy: no Name is set"),
        (
            "PUT",
            "policy",
            r#"{"Name":1}"#,
            400,
            "Bad request: Policy decoding failed: json: cannot unmarshal number into Go struct field .Name of type string",
        ),
        ("PUT", "policy", r#"{"Name":"WEB2"}"#, 500, "Invalid Policy: A Policy with Name \"WEB2\" already exists"),
        (
            "PUT",
            "policy",
            r#"{"Name":"a","ID":"x"}"#,
            400,
            "Bad request: Cannot specify the ID when creating a new policy",
        ),
        (
            "PUT",
            "policy",
            r#"{"Name":"a","Rules":"key \"a\" { policy = \"foo\" }"}"#,
            500,
            "Invalid key policy: &acl.KeyRule{Prefix:\"a\", Policy:\"foo\", EnterpriseRule:acl.EnterpriseRule{}}",
        ),
        ("PUT", &other, r#"{"Name":"web2"}"#, 500, "Invalid Policy: A policy with name \"web2\" already exists"),
        ("PUT", &other, r#"{"ID":"x","Name":"a"}"#, 400, "Bad request: Policy ID in URL and payload do not match"),
        ("PUT", "policy/zz", r#"{"Name":"a"}"#, 500, "Policy ID invalid UUID"),
        ("PUT", &absent, r#"{"Name":"a"}"#, 500, &no_such),
        (
            "PUT",
            &management,
            r#"{"Name":"a"}"#,
            500,
            "Changing the Rules for the builtin global-management policy is not permitted",
        ),
        ("GET", "policy/", "", 400, "Bad request: Missing policy ID"),
        ("GET", "policy/name/", "", 400, "Bad request: Missing policy Name"),
        ("GET", "policy/zz", "", 500, "failed acl policy lookup: index error: UUID must be 36 characters"),
        ("GET", &absent, "", 403, "ACL not found"),
        ("GET", "policy/name/web", "", 403, "ACL not found"),
        ("DELETE", "policy/", "", 400, "Bad request: Missing policy ID"),
        ("DELETE", "policy/zz", "", 500, "failed acl policy lookup: index error: UUID must be 36 characters"),
        ("DELETE", &management, "", 500, "Delete operation not permitted on the builtin global-management policy"),
        ("DELETE", &absent, "", 200, "true"),
        ("DELETE", &path, "", 200, "true"),
        ("GET", &path, "", 403, "ACL not found"),
        ("GET", "login", "", 501, "muster has no logins: give out tokens with policies or roles"),
        ("GET", "foo", "", 404, ""),
    ]);
}

#[test]
fn roles_are_created_read_replaced_and_removed() {
    let scene = Scene::new();
    let policy = scene.json("PUT", "policy", json!({ "Name": "p" }));
    let body = json!({
        "Name": "Ops", "Policies": [{ "Name": "P" }], "NodeIdentities": [{ "NodeName": "n", "Datacenter": "dc1" }],
    });
    let made = scene.json("PUT", "role", body);
    assert_eq!(made["Policies"], json!([{ "ID": policy["ID"], "Name": "p" }]));
    let id = text(&made, "ID");
    let path = format!("role/{id}");
    assert_eq!((scene.get(&path), scene.get("role/name/oPS")), (made.clone(), made.clone()));
    let other = scene.json("PUT", "role/", json!({ "Name": "other" }));
    let with_policy = scene.get(&format!("roles?policy={}", text(&policy, "ID")));
    assert_eq!(texts(&with_policy, "ID"), [id]);
    assert_eq!(scene.get("roles").as_array().unwrap().len(), 2);
    assert_eq!(scene.get("roles?policy=zz"), json!([]));
    // A link goes with what it leads to, and says how that is called now.
    scene.json("PUT", &format!("policy/{}", text(&policy, "ID")), json!({ "Name": "p2" }));
    assert_eq!(scene.get(&path)["Policies"][0]["Name"], json!("p2"));
    assert_eq!(scene.ask("DELETE", &format!("policy/{}", text(&policy, "ID")), "").1, "true");
    assert!(scene.get(&path).get("Policies").is_none());
    let other = format!("role/{}", text(&other, "ID"));
    let absent = format!("role/{ABSENT}");
    let no_such = format!("cannot find role {ABSENT}");
    scene.refuses(&[
        ("PUT", "role", "", 400, "Bad request: Role decoding failed: EOF"),
        ("PUT", "role", "{}", 500, "Invalid Role: no Name is set"),
        ("PUT", "role", r#"{"Name":"oPs"}"#, 500, "Invalid Role: A Role with Name \"oPs\" already exists"),
        (
            "PUT",
            "role",
            r#"{"Name":"x","ID":"x"}"#,
            400,
            "Bad request: Role ID in URL and payload do not match",
        ),
        (
            "PUT",
            "role",
            r#"{"Name":"x","Policies":[{"Name":"nope"}]}"#,
            500,
            "No such ACL policy with name \"nope\"",
        ),
        (
            "PUT",
            "role",
            r#"{"Name":"x","NodeIdentities":[{"NodeName":"a"}]}"#,
            500,
            "Node identity is missing the datacenter field on this role",
        ),
        ("PUT", &other, r#"{"Name":"ops"}"#, 500, "Invalid Role: A role with name \"ops\" already exists"),
        ("PUT", "role/zz", r#"{"Name":"x"}"#, 500, "Role ID invalid UUID"),
        ("PUT", &absent, r#"{"Name":"x"}"#, 500, &no_such),
        ("GET", &absent, "", 404, ""),
        ("GET", "role/name/nope", "", 404, ""),
        ("GET", "role/", "", 400, "Bad request: Missing role ID"),
        ("GET", "role/zz", "", 500, "failed acl role lookup: index error: UUID must be 36 characters"),
        ("DELETE", "role/zz", "", 500, "failed acl role lookup: index error: UUID must be 36 characters"),
        ("DELETE", &path, "", 200, "true"),
        ("DELETE", &path, "", 200, "true"),
        ("GET", &path, "", 404, ""),
    ]);
}

#[test]
fn tokens_are_created_read_replaced_cloned_and_removed() {
    let scene = Scene::new();
    let policy = scene.json("PUT", "policy", json!({ "Name": "p" }));
    let role = scene.json("PUT", "role", json!({ "Name": "r" }));
    let secret = "b1946ac9-2492-d234-7c62-35b4d2611184";
    let links = json!([{ "ID": policy["ID"], "Name": "wrong" }, { "Name": "P" }]);
    let made = scene.json(
        "PUT",
        "token",
        json!({
            "SecretID": secret, "Description": "d", "Policies": links, "Roles": [{ "Name": "r" }],
            "ExpirationTTL": "1h", "Local": true,
        }),
    );
    assert_eq!(text(&made, "SecretID"), secret);
    assert_eq!(made["Policies"], json!([{ "ID": policy["ID"], "Name": "p" }]));
    assert_eq!(made["Roles"], json!([{ "ID": role["ID"], "Name": "r" }]));
    let accessor = text(&made, "AccessorID");
    let path = format!("token/{accessor}");
    assert_eq!(scene.get(&path), made);

    // Lists show no secrets, in whose order they are.
    let listed = scene.get("tokens");
    assert!(listed.as_array().unwrap().iter().all(|it| it.get("SecretID").is_none()), "{listed}");
    assert_eq!(texts(&listed, "AccessorID").len(), 3);
    for (filter, is_listed) in [
        (format!("policy={}", text(&policy, "ID")), true),
        (format!("role={}", text(&role, "ID")), true),
        ("policy=zz".to_owned(), false),
        ("authmethod=zz".to_owned(), false),
    ] {
        let found = scene.get(&format!("tokens?{filter}"));
        assert_eq!(found.as_array().unwrap().len(), usize::from(is_listed), "{filter}");
    }

    let clone = scene.json("PUT", &format!("{path}/clone"), json!({ "AccessorID": "zz", "Description": "" }));
    for key in ["Description", "Policies", "Roles", "Local", "ExpirationTime", "Hash"] {
        assert_eq!(clone[key], made[key], "{key}");
    }
    for key in ["AccessorID", "SecretID"] {
        assert_ne!(clone[key], made[key], "{key}");
    }
    // What was answered may be sent back, and what is not sent is taken away.
    assert_eq!(scene.json("PUT", &path, made.clone()), made);
    let bare = scene.json("PUT", &path, json!({}));
    assert!(bare.get("Policies").is_none() && bare["Description"] == json!(""), "{bare}");
    for key in ["SecretID", "Local", "ExpirationTime", "CreateTime"] {
        assert_eq!(bare[key], made[key], "{key}");
    }

    let first = format!("token/{}", text(&scene.first, "AccessorID"));
    let (absent, clone_of_absent) = (format!("token/{ABSENT}"), format!("token/{ABSENT}/clone"));
    let anonymous = format!("token/{ANONYMOUS_ACCESSOR}");
    let no_such = format!("Cannot find token \"{ABSENT}\"");
    let toggled = format!("cannot toggle local mode of {accessor}");
    let expiry = format!("Cannot change expiration time of {accessor}");
    let method = format!("Cannot change AuthMethod of {accessor}");
    let in_use = format!(r#"{{"SecretID":"{accessor}"}}"#);
    scene.refuses(&[
        ("PUT", "token", "", 400, "Bad request: Token decoding failed: EOF"),
        ("PUT", "token", r#"{"SecretID":"zz"}"#, 500, "Invalid Token: SecretID is not a valid UUID"),
        ("PUT", "token", &in_use, 500, "Invalid Token: SecretID is already in use"),
        (
            "PUT",
            "token",
            r#"{"AccessorID":"zz"}"#,
            500,
            "Failed acl token lookup by accessor: failed acl token lookup: index error: UUID must be 36 characters",
        ),
        (
            "PUT",
            "token",
            r#"{"AccessorID":"00000000-0000-0000-0000-000000000005"}"#,
            500,
            "Invalid Token: UUIDs with the prefix \"00000000-0000-0000-0000-0000000000\" are reserved",
        ),
        ("PUT", "token", r#"{"Roles":[{"Name":"x"}]}"#, 500, "No such ACL role with name \"x\""),
        ("PUT", "token", r#"{"Rules":"x"}"#, 500, "Rules cannot be specified for this token"),
        ("PUT", "token", r#"{"AuthMethod":"x"}"#, 500, "AuthMethod field is disallowed outside of Login"),
        (
            "PUT",
            "token",
            r#"{"ExpirationTTL":"30s"}"#,
            500,
            "ExpirationTime cannot be less than 1m0s in the future (was 30s)",
        ),
        (
            "PUT",
            "token",
            r#"{"Local":true,"ServiceIdentities":[{"ServiceName":"a","Datacenters":["x"]}]}"#,
            500,
            "Service identity \"a\" cannot specify a list of datacenters on a local token",
        ),
        ("PUT", &path, r#"{"SecretID":"zz"}"#, 500, "Changing a tokens SecretID is not permitted"),
        ("PUT", &path, r#"{"AccessorID":"zz"}"#, 400, "Bad request: Token Accessor ID in URL and payload do not match"),
        ("PUT", &path, r#"{"Local":false}"#, 500, &toggled),
        ("PUT", &path, r#"{"ExpirationTTL":"2h"}"#, 500, &expiry),
        ("PUT", &path, r#"{"ExpirationTime":"2026-12-01T03:00:00Z"}"#, 500, &expiry),
        ("PUT", &path, r#"{"AuthMethod":"x"}"#, 500, &method),
        ("PUT", &absent, "{}", 500, &no_such),
        ("PUT", &clone_of_absent, "{}", 403, "ACL not found"),
        ("PUT", "token/zz/clone", "{}", 500, "failed acl token lookup: index error: UUID must be 36 characters"),
        ("GET", "token/", "", 400, "Bad request: Missing token ID"),
        ("GET", &absent, "", 403, "ACL not found"),
        ("GET", "token/zz", "", 500, "failed acl token lookup: index error: UUID must be 36 characters"),
        (
            "GET",
            "tokens?policy=a&role=b",
            "",
            500,
            "can only filter by one of policy, role, or methodName at a time",
        ),
        ("DELETE", "token/zz", "", 500, "Accessor ID is missing or an invalid UUID"),
        ("DELETE", &anonymous, "", 500, "Delete operation not permitted on the anonymous token"),
        ("DELETE", &first, "", 500, "Deletion of the request's authorization token is not permitted"),
        ("DELETE", &path, "", 200, "true"),
        ("DELETE", &path, "", 200, "true"),
        ("GET", &path, "", 403, "ACL not found"),
    ]);
}

/// A token is looked for in the query, then in Consul's header, then as a bearer's; an empty one is none.
#[test]
fn a_token_is_shown_in_three_ways() {
    let scene = Scene::new();
    let secret = text(&scene.first, "SecretID");
    let rows = [
        (format!("?token={secret}"), "X-Consul-Token: nope".to_owned(), 200),
        ("?token=".to_owned(), format!("X-Consul-Token: {secret}"), 200),
        (String::new(), format!("Authorization: bEARER   {secret}"), 200),
        (String::new(), format!("Authorization: {secret}"), 403),
        (String::new(), format!("Authorization: Basic {secret}"), 403),
        (String::new(), format!("X-Consul-Token: {}", text(&scene.first, "AccessorID")), 403),
        ("?token=nope".to_owned(), format!("X-Consul-Token: {secret}"), 403),
        (String::new(), "X-Consul-Token: ".to_owned(), 403),
        ("?token=anonymous".to_owned(), "X-Consul-Token: ".to_owned(), 200),
    ];
    for (query, header, status) in rows {
        let head = format!("GET /v1/acl/token/self{query} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
        let (request, mut response) = (Request::of_head(&head).unwrap(), Response::new(200));
        scene.dispatch.handle(&mut Exchange::detached(&request), &mut response);
        assert_eq!(response.status, status, "{query} {header}");
    }
}

#[test]
fn questions_are_answered_in_order() {
    let scene = Scene::new();
    let ask =
        |body: &str| scene.ask_as(text(&scene.first, "SecretID"), "POST", "/v1/internal/acl/authorize", body);
    let answered = r#"[{"Resource":"key","Segment":"a","Access":"list","Allow":true},{"Resource":"acl","Access":"WRITE","Allow":true}]"#;
    let asked = r#"[{"Resource":"key","Segment":"a","Access":"list"},{"Resource":"acl","Access":"WRITE"}]"#;
    let many = json!(vec![json!({ "Resource": "key", "Access": "read" }); 65]).to_string();
    for (body, status, expected) in [
        (asked, 200, answered),
        ("null", 200, "[]"),
        ("", 400, "Bad request: Failed to decode request body: EOF"),
        (&many, 400, "Bad request: Refusing to process more than 64 authorizations at once"),
    ] {
        assert_eq!(ask(body), (status, expected.to_owned()), "{body}");
    }
}

#[test]
fn the_agent_has_the_token_that_it_is_given() {
    let scene = Scene::new();
    let set = |name: &str, body: &str| {
        let target = format!("/v1/agent/token/{name}");
        scene.ask_as(text(&scene.first, "SecretID"), "PUT", &target, body)
    };
    let access = scene.dispatch.api.registry.access().clone();
    let agent = || access.agent_tokens().agent.map(|secret| secret.reveal().to_string());
    for (name, body, status, sentence, expected) in [
        ("agent", r#"{"Token":"a"}"#, 200, "", Some("a")),
        ("acl_agent_token", r#"{"Token":"b"}"#, 200, "", Some("b")),
        ("default", r#"{"Token":"c"}"#, 200, "", Some("b")),
        ("foo", r#"{"Token":"c"}"#, 404, "Token \"foo\" is unknown", Some("b")),
        ("foo", "", 400, "Request decode failed: EOF", Some("b")),
        ("agent", "null", 200, "", None),
    ] {
        assert_eq!(set(name, body), (status, sentence.to_owned()), "{name} {body}");
        assert_eq!(agent().as_deref(), expected, "{name} {body}");
    }
}

/// A list pays for each entry before it looks at it.
#[test]
fn lists_are_paid_for() {
    let scene = Scene::new();
    let secret = text(&scene.first, "SecretID");
    let always = || true;
    let is_exhausted = |list: &str| {
        let request = Request::get(&format!("/v1/acl/{list}?token={secret}")).unwrap();
        let (mut response, meter) = (Response::new(200), Meter::new(100, usize::MAX, &always));
        let rights = Rights::of(&request, scene.dispatch.api.registry.access(), || 0);
        scene.dispatch.dispatch(&rights, &mut Exchange::detached(&request), &mut response, &meter);
        meter.is_exhausted()
    };
    let lists = ["policies", "roles", "tokens"];
    assert!(!lists.iter().any(|list| is_exhausted(list)), "there is little");
    for number in 0..100 {
        let name = json!({ "Name": format!("n{number}") });
        scene.json("PUT", "policy", name.clone());
        scene.json("PUT", "role", name);
        scene.json("PUT", "token", json!({}));
    }
    for list in lists {
        assert!(is_exhausted(list), "{list}");
    }
}
