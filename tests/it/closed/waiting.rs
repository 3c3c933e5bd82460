//! Whoever waits is answered by what he may see when he is answered, not by what he might when he came.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Closed, listed};
use crate::support::client::Request;

const READ: &str = "service_prefix \"\" { policy = \"read\" } node_prefix \"\" { policy = \"read\" }";

/// A read that waits, by a token; on a connection of its own.
fn waiting(closed: &mut Closed, token: &str, target: &str) -> crate::support::client::Client {
    let index = closed.get_as(token, target).index().expect("an index");
    let mut client = closed.process.client();
    let target = format!("{target}?index={index}&wait=60s");
    client.send(&Request::new("GET", &target).header("X-Consul-Token", token)).expect("it is sent");
    assert!(!client.answered_within(Duration::from_millis(300)).expect("a connection"), "it waits");
    client
}

#[test]
fn a_token_that_is_deleted_while_it_waits_shows_nothing() {
    let mut closed = Closed::filled(&[]);
    let (token, accessor) = closed.token(READ);
    let mut client = waiting(&mut closed, &token, "/v1/health/service/web");
    closed.managed("DELETE", &format!("/v1/acl/token/{accessor}"), &Value::Null);
    closed.managed("PUT", "/v1/agent/check/pass/beat-web", &Value::Null);
    let answer = client.receive().expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (403, "ACL not found"));
}

#[test]
fn a_policy_that_is_narrowed_while_it_waits_counts() {
    let mut closed = Closed::filled(&[]);
    let policy = closed.policy("narrow", READ);
    let (token, _) = closed.token_of(&json!({ "Policies": [{ "ID": policy }] }));
    let mut client = waiting(&mut closed, &token, "/v1/health/service/web");
    let rules = "service_prefix \"\" { policy = \"read\" } node \"other\" { policy = \"read\" }";
    let body = json!({ "ID": policy, "Name": "narrow", "Rules": rules });
    closed.managed("PUT", &format!("/v1/acl/policy/{policy}"), &body);
    closed.managed("PUT", "/v1/agent/check/pass/beat-web", &Value::Null);
    let answer = client.receive().expect("an answer");
    assert_eq!(listed(&answer, "/Service/ID"), ["web9"]);
    assert_eq!(answer.header("X-Consul-Results-Filtered-By-ACLs"), Some("true"));
}

#[test]
fn a_stream_ends_when_what_its_reader_may_see_changes() {
    let mut closed = Closed::filled(&[]);
    let policy = closed.policy("narrow", READ);
    let (token, _) = closed.token_of(&json!({ "Policies": [{ "ID": policy }] }));
    let mut client = closed.process.client();
    let target = "/v1/muster/stream?service=web&bookmark=1s";
    client.send(&Request::new("GET", target).header("X-Consul-Token", &token)).expect("it is sent");
    assert!(client.answered_within(Duration::from_secs(5)).expect("a connection"), "it begins");
    let body = json!({ "ID": policy, "Name": "narrow", "Rules": "" });
    closed.managed("PUT", &format!("/v1/acl/policy/{policy}"), &body);
    closed.managed("PUT", "/v1/agent/check/pass/beat-web", &Value::Null);
    // The whole answer: it ends.
    let answer = client.receive().expect("an answer that ends");
    assert!(
        !answer
            .text()
            .contains("\"Status\":\"passing\",\"Notes\":\"\",\"Output\":\"\",\"ServiceID\":\"web\""),
        "{}",
        answer.text()
    );
}
