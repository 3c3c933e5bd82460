//! Nobody but muster says anything of the node it runs on, and of the service and the check by which it shows itself.

use serde_json::{Value, json};

use super::{get, put, send, start};
use crate::support::client::Client;
use crate::support::process::NODE_NAME;

/// All that clients see of the node.
fn shown(client: &mut Client) -> Vec<Value> {
    let targets = [
        "/v1/catalog/nodes".to_owned(),
        "/v1/catalog/service/consul".to_owned(),
        format!("/v1/health/node/{NODE_NAME}"),
        "/v1/health/service/web?passing".to_owned(),
        "/v1/agent/services".to_owned(),
    ];
    targets.iter().map(|target| get(client, target)).collect()
}

#[test]
fn one_request_takes_no_node_out_of_discovery() {
    let (_server, mut client) = start();
    put(&mut client, "/v1/agent/service/register", &json!({"Name": "web", "Port": 80}));
    let before = shown(&mut client);
    assert_eq!(before[3].as_array().map(Vec::len), Some(1), "web passes");
    let id = before[0][0]["ID"].as_str().expect("an id").to_owned();

    let critical = json!({"CheckID": "serfHealth", "Name": "x", "Status": "critical"});
    let names = [NODE_NAME.to_owned(), NODE_NAME.to_uppercase()];
    for node in names {
        let of_node = |more: Value| {
            let mut body = json!({"Node": node, "Address": "6.6.6.6", "TaggedAddresses": {"lan": "6.6.6.6"}});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            body
        };
        for body in [
            of_node(json!({})),
            of_node(json!({"ID": id, "NodeMeta": {"a": "b"}})),
            of_node(json!({"ID": id.to_uppercase(), "Check": critical})),
            of_node(json!({"SkipNodeUpdate": true, "Checks": [critical]})),
            of_node(json!({"Check": {"CheckID": "SerfHealth", "Name": "x", "Status": "critical"}})),
            of_node(json!({"Check": {"CheckID": "disk", "Name": "x", "Status": "critical"}})),
            of_node(json!({"Service": {"ID": "consul", "Service": "evil", "Port": 6}})),
            of_node(json!({"Service": {"Service": "web", "Port": 6, "Address": "6.6.6.6"}})),
        ] {
            put(&mut client, "/v1/catalog/register", &body);
            assert_eq!(shown(&mut client), before, "{body}");
        }
        for body in [
            json!({"Node": node}),
            json!({"Node": node, "CheckID": "serfHealth"}),
            json!({"Node": node, "ServiceID": "consul"}),
        ] {
            put(&mut client, "/v1/catalog/deregister", &body);
            assert_eq!(shown(&mut client), before, "{body}");
        }
    }
    for (target, body) in [
        ("/v1/agent/check/register", json!({"CheckID": "serfHealth", "Name": "x", "TTL": "10m"})),
        ("/v1/agent/check/register", json!({"Name": "serfHealth", "TTL": "10m", "ServiceID": "web"})),
        ("/v1/agent/service/register", json!({"Name": "evil", "ID": "consul"})),
        (
            "/v1/agent/service/register",
            json!({"Name": "web", "Port": 80, "Check": {"CheckID": "serfHealth", "TTL": "10m"}}),
        ),
    ] {
        let (status, text) = send(&mut client, "PUT", target, &body.to_string());
        assert_eq!(status, 400, "{target} {body}: {text}");
        assert!(text.contains("register yours under another id"), "{text}");
        assert_eq!(shown(&mut client), before, "{target} {body}");
    }
    for target in ["check/deregister/serfHealth", "check/fail/serfHealth", "service/deregister/consul"] {
        let (status, text) = send(&mut client, "PUT", &format!("/v1/agent/{target}"), "");
        assert_eq!(status, 404, "{target}: {text}");
        assert_eq!(shown(&mut client), before, "{target}");
    }
}
