//! Namespaces, partitions, peers and datacenters that are not there: nothing is written for them into what is there.

use super::{ask, server, state};
use crate::support::client::Request;

const WRITES: [(&str, &str); 14] = [
    ("/v1/agent/service/register", r#"{"Name":"other"}"#),
    ("/v1/agent/service/deregister/web", ""),
    ("/v1/agent/service/maintenance/web?enable=true", ""),
    ("/v1/agent/maintenance?enable=true", ""),
    ("/v1/agent/check/register", r#"{"Name":"other","TTL":"10s"}"#),
    ("/v1/agent/check/deregister/beat", ""),
    ("/v1/agent/check/pass/beat", ""),
    ("/v1/agent/check/warn/beat", ""),
    ("/v1/agent/check/fail/beat", ""),
    ("/v1/agent/check/update/beat", r#"{"Status":"critical"}"#),
    ("/v1/agent/reload", ""),
    ("/v1/catalog/register", r#"{"Node":"n2","Address":"10.0.0.1"}"#),
    ("/v1/catalog/deregister", r#"{"Node":"node-one","ServiceID":"web"}"#),
    ("/v1/muster/drain/web", ""),
];

fn put(target: &str, body: &str) -> Request {
    Request::new("PUT", target).body(body)
}

#[test]
fn no_write_reaches_past_what_it_names() {
    let server = server(&[]);
    let before = state(&server);
    for (target, body) in WRITES {
        for scope in ["ns=foo", "partition=foo", "peer=foo", "dc=mars", "ns=default&ns=foo"] {
            let mark = if target.contains('?') { '&' } else { '?' };
            let answer = ask(&server, &put(&format!("{target}{mark}{scope}"), body));
            assert_eq!(answer.status, 400, "{target} {scope}: {}", answer.text());
            assert!(!answer.text().is_empty(), "{target} {scope}");
        }
    }
    let bodies = [
        ("/v1/agent/service/register", r#"{"Name":"x","Namespace":"foo"}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","namespace":"foo"}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","Ns":"foo"}"#),
        ("/v1/catalog/register", r#"{"Node":"n2","Address":"10.0.0.1","Check":{"Name":"x","ns":"foo"}}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","Partition":"foo"}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","PeerName":"foo"}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","Namespace":5}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","Namespace":true}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","Namespace":["default"]}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","Namespace":{"Name":"foo"}}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","EnterpriseMeta":{"Namespace":"foo"}}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","enterprise_meta":{"partition":"foo"}}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","EnterpriseMeta":"foo"}"#),
        (
            "/v1/agent/service/register",
            r#"{"Name":"x","Check":{"TTL":"1s","EnterpriseMeta":{"Namespace":1.5}}}"#,
        ),
        (
            "/v1/agent/service/register",
            r#"{"Name":"x","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"y",
            "Upstreams":[{"DestinationName":"z","DestinationNamespace":"foo"}]}}"#,
        ),
        (
            "/v1/agent/service/register",
            r#"{"Name":"x","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"y",
            "Upstreams":[{"DestinationName":"z","DestinationPartition":"foo"}]}}"#,
        ),
        (
            "/v1/catalog/register",
            r#"{"Node":"n2","Address":"10.0.0.1","EnterpriseMeta":{"Partition":"foo"}}"#,
        ),
        (
            "/v1/catalog/deregister",
            r#"{"Node":"node-one","ServiceID":"web","EnterpriseMeta":{"Namespace":"foo"}}"#,
        ),
        ("/v1/agent/service/register", r#"{"Name":"x","Datacenter":"mars"}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","Check":{"TTL":"1s","Namespace":"foo"}}"#),
        ("/v1/agent/service/register", r#"{"Name":"x","Checks":[{"TTL":"1s","partition":"foo"}]}"#),
        ("/v1/agent/check/register", r#"{"Name":"x","TTL":"1s","Namespace":"foo"}"#),
        ("/v1/agent/check/register", r#"{"Name":"x","TTL":"1s","Datacenter":"mars"}"#),
        ("/v1/agent/check/update/beat", r#"{"Status":"critical","Namespace":"foo"}"#),
        ("/v1/catalog/register", r#"{"Node":"n2","Address":"10.0.0.1","Partition":"foo"}"#),
        ("/v1/catalog/register", r#"{"Node":"n2","Address":"10.0.0.1","PeerName":"foo"}"#),
        ("/v1/catalog/register", r#"{"Node":"n2","Address":"10.0.0.1","Datacenter":"mars"}"#),
        (
            "/v1/catalog/register",
            r#"{"Node":"n2","Address":"10.0.0.1","Service":{"Service":"x","Namespace":"foo"}}"#,
        ),
        (
            "/v1/catalog/register",
            r#"{"Node":"n2","Address":"10.0.0.1","Check":{"Name":"x","Namespace":"foo"}}"#,
        ),
        ("/v1/catalog/deregister", r#"{"Node":"node-one","ServiceID":"web","Namespace":"foo"}"#),
        ("/v1/catalog/deregister", r#"{"Node":"node-one","ServiceID":"web","Partition":"foo"}"#),
    ];
    for (target, body) in bodies {
        let answer = ask(&server, &put(target, body));
        assert_eq!(answer.status, 400, "{target} {body}: {}", answer.text());
    }
    assert_eq!(state(&server), before, "nothing was written");
}

/// What newer clients send unasked, and what muster has answered itself, is taken; metadata may have any key.
#[test]
fn what_names_the_place_there_is_is_taken() {
    let server = server(&[]);
    for scope in ["ns=default", "ns=", "partition=default", "peer=", "dc=dc1", "dc=DC1"] {
        assert_eq!(
            ask(&server, &put(&format!("/v1/agent/check/pass/beat?{scope}"), "")).status,
            200,
            "{scope}"
        );
    }
    let own = r#"{"Name":"x","Namespace":"default","EnterpriseMeta":{"Namespace":"default",
        "Partition":"","Other":5},"Partition":"default","PeerName":"","Datacenter":"dc1",
        "Meta":{"Namespace":"foo","Partition":"foo"},"Check":{"TTL":"1h","Namespace":null}}"#;
    assert_eq!(ask(&server, &put("/v1/agent/service/register", own)).status, 200);
}
