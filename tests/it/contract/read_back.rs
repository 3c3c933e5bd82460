//! Tools read what there is, change a part of it and send it back.

use serde_json::{Value, json};

use super::{get, put, start};
use crate::support::client::Client;
use crate::support::process::NODE_NAME;

fn with(mut object: Value, more: &Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    object.as_object_mut().expect("an object").extend(more);
    object
}

/// As Ansible does: the check as it is shown, and over it what is wanted.
#[test]
fn a_check_of_the_agent_can_be_sent_back() {
    let (_server, mut client) = start();
    put(&mut client, "/v1/agent/service/register", &json!({"Name": "web"}));
    let wanted = [
        json!({"Name": "ttl", "TTL": "30m"}),
        json!({"Name": "tcp", "TCP": "127.0.0.1:1", "Interval": "1h", "Timeout": "1s"}),
        json!({"Name": "http", "HTTP": "http://127.0.0.1:1", "Interval": "1h", "ServiceID": "web"}),
    ];
    for body in &wanted {
        put(&mut client, "/v1/agent/check/register", body);
    }
    let before = get(&mut client, "/v1/agent/checks");
    for body in &wanted {
        let id = body["Name"].as_str().expect("a name");
        let shown = before[id].clone();
        put(&mut client, "/v1/agent/check/register", &with(body.clone(), &with(shown, &json!({"ID": id}))));
        let lower: serde_json::Map<_, _> = body
            .as_object()
            .expect("an object")
            .iter()
            .map(|(key, value)| (key.to_lowercase(), value.clone()))
            .collect();
        put(&mut client, "/v1/agent/check/register", &with(before[id].clone(), &Value::Object(lower)));
    }
    let ids = |checks: &Value| checks.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let after = get(&mut client, "/v1/agent/checks");
    assert_eq!(ids(&after), ids(&before));
    assert_eq!((&after["ttl"]["Type"], &after["http"]["ServiceID"]), (&json!("ttl"), &json!("web")));
}

#[test]
fn a_service_of_the_agent_can_be_sent_back() {
    let (_server, mut client) = start();
    let proxy = json!({"DestinationServiceName": "web", "Config": {"a": 1},
        "Upstreams": [{"DestinationName": "db", "LocalBindPort": 9}]});
    let wanted = [
        json!({"Name": "plain"}),
        json!({"Name": "web", "Port": 80, "Address": "10.0.0.1", "Tags": ["a"], "Meta": {"k": "v"},
            "TaggedAddresses": {"wan": {"Address": "1.2.3.4", "Port": 5}}, "Weights": {"Passing": 5, "Warning": 1},
            "EnableTagOverride": true}),
        json!({"Name": "side", "Kind": "connect-proxy", "Port": 1, "Proxy": proxy}),
    ];
    for body in &wanted {
        put(&mut client, "/v1/agent/service/register", body);
    }
    let list = get(&mut client, "/v1/agent/services");
    for body in &wanted {
        let id = body["Name"].as_str().expect("a name");
        let one = get(&mut client, &format!("/v1/agent/service/{id}"));
        for shown in [&list[id], &one] {
            let named = with(shown.clone(), &json!({"Name": id}));
            put(&mut client, "/v1/agent/service/register", &named);
        }
    }
    assert_eq!(get(&mut client, "/v1/agent/services"), list);
}

/// What later versions of Consul keep of an instance, over a restart too; what would be lost is refused.
#[test]
fn an_instance_keeps_its_socket_and_its_locality() {
    let (mut server, mut client) = start();
    let locality = json!({"Region": "eu-west", "Zone": "b"});
    let later = json!({"SocketPath": "/run/web.sock", "Locality": locality});
    put(&mut client, "/v1/agent/service/register", &with(json!({"Name": "web"}), &later));
    let service = with(json!({"Service": "db"}), &later);
    put(
        &mut client,
        "/v1/catalog/register",
        &json!({"Node": "n", "Address": "10.0.0.1", "Service": service}),
    );
    for is_restarted in [false, true] {
        if is_restarted {
            server.kill();
            server.start_again().expect("it starts again");
            client = server.client();
        }
        let of_agent = get(&mut client, "/v1/agent/service/web");
        let of_health = get(&mut client, "/v1/health/service/db")[0]["Service"].take();
        for shown in [of_agent, of_health] {
            assert_eq!(
                (&shown["SocketPath"], &shown["Locality"]),
                (&later["SocketPath"], &locality),
                "{shown}"
            );
        }
        let shown = get(&mut client, "/v1/catalog/service/web")[0].take();
        assert_eq!(shown["ServiceSocketPath"], later["SocketPath"], "{shown}");
        assert_eq!(shown["ServiceLocality"], locality, "{shown}");
    }
    let ports = json!({"Name": "many", "Ports": [{"Name": "http", "Port": 80, "Default": true}]});
    let answer = client.put("/v1/agent/service/register", &ports.to_string()).expect("an answer");
    assert_eq!((answer.status, answer.text().contains("Invalid Ports")), (400, true), "{}", answer.text());
}

/// A sidecar as later versions of Consul know it: it listens on a socket, and all that it says is told on and can be
/// selected by.
#[test]
fn a_proxy_keeps_what_later_versions_say_of_it() {
    let (_server, mut client) = start();
    let upstream = json!({"DestinationType": "service", "DestinationName": "db", "LocalBindPort": 0,
        "LocalBindSocketPath": "/run/db.sock", "LocalBindSocketMode": "0600", "CentrallyConfigured": true,
        "MeshGateway": {"Mode": "local"}});
    let later = json!({
        "Mode": "transparent", "LocalServiceSocketPath": "/run/web.sock", "MutualTLSMode": "permissive",
        "TransparentProxy": {"OutboundListenerPort": 15001, "DialedDirectly": true},
        "MeshGateway": {"Mode": "remote"},
        "Expose": {"Checks": true, "Paths": [{"ListenerPort": 1, "Path": "/a", "LocalPathPort": 2, "Protocol": "http"}]},
        "AccessLogs": {"Enabled": true, "Type": "file", "Path": "/var/log/a", "JSONFormat": "{}"},
        "EnvoyExtensions": [{"Name": "builtin/lua", "Required": true, "Arguments": {"Script": "x", "Deep": {"a": [1]}}}],
        "Upstreams": [upstream],
    });
    let proxy = with(json!({"DestinationServiceName": "web"}), &later);
    let sidecar = json!({"Kind": "connect-proxy", "SocketPath": "/run/side.sock", "Proxy": proxy});
    put(&mut client, "/v1/agent/service/register", &with(sidecar.clone(), &json!({"Name": "side"})));
    let service = with(sidecar, &json!({"Service": "other"}));
    let body = json!({"Node": "n", "Address": "10.0.0.1", "Service": service});
    put(&mut client, "/v1/catalog/register", &body);
    let shown = [
        get(&mut client, "/v1/agent/service/side")["Proxy"].take(),
        get(&mut client, "/v1/health/service/other")[0]["Service"]["Proxy"].take(),
        get(&mut client, "/v1/catalog/service/other")[0]["ServiceProxy"].take(),
    ];
    for mut shown in shown {
        // That of a path which nobody has registered for a check.
        shown["Expose"]["Paths"][0].as_object_mut().expect("a path").remove("ParsedFromCheck");
        for (key, said) in later.as_object().expect("an object").iter().filter(|(key, _)| *key != "Upstreams")
        {
            assert_eq!(shown[key], *said, "{key}: {shown}");
        }
        for (key, said) in
            upstream.as_object().expect("an object").iter().filter(|(_, said)| **said != json!(0))
        {
            assert_eq!(shown["Upstreams"][0][key], *said, "{key}: {shown}");
        }
    }
    // What is shown can be sent back.
    let before = get(&mut client, "/v1/agent/service/side");
    put(&mut client, "/v1/agent/service/register", &with(before.clone(), &json!({"Name": "side"})));
    assert_eq!(get(&mut client, "/v1/agent/service/side"), before);

    let locality = json!({"Region": "eu", "Zone": "b"});
    put(&mut client, "/v1/agent/service/register", &json!({"Name": "web", "Port": 80, "Locality": locality}));
    let rows = [
        ("SocketPath == `/run/side.sock`", "side"),
        ("Proxy.Mode == transparent and Proxy.TransparentProxy.OutboundListenerPort == 15001", "side"),
        ("Proxy.TransparentProxy.DialedDirectly == true", "side"),
        ("Proxy.Upstreams.LocalBindSocketPath == `/run/db.sock`", "side"),
        ("Locality.Region == eu and Locality.Zone == b", "web"),
        ("Proxy.Mode == `` and SocketPath == `` and Locality.Region != ``", "web"),
    ];
    for (filter, expected) in rows {
        let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = get(&mut client, &format!("/v1/agent/services?filter={encoded}"));
        let found: Vec<_> = found.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(found, [expected], "{filter}");
    }
    let found = get(&mut client, "/v1/catalog/service/web?filter=ServiceLocality.Zone%20==%20b");
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    let found = get(&mut client, "/v1/health/service/web?filter=Service.Locality.Zone%20==%20c");
    assert_eq!(found.as_array().map(Vec::len), Some(0), "{found}");
    let neither = json!({"Name": "x", "Kind": "connect-proxy", "Proxy": {"DestinationServiceName": "web"}});
    let answer = client.put("/v1/agent/service/register", &neither.to_string()).expect("an answer");
    assert_eq!((answer.status, answer.text().contains("Port must be set")), (400, true), "{}", answer.text());
}

/// As tools do that copy a catalog.
#[test]
fn a_node_of_the_catalog_can_be_sent_back() {
    let (_server, mut client) = start();
    let service = json!({"ID": "w1", "Service": "web", "Port": 80, "Tags": ["a"]});
    let definition = json!({"TCP": "x:1", "Interval": "10s", "Timeout": "1s", "TTL": "5s"});
    let check = json!({"Name": "c", "ServiceID": "w1", "Status": "passing", "Definition": definition});
    let body = json!({"Node": "n1", "Address": "10.0.0.1", "NodeMeta": {"a": "b"}, "Service": service, "Check": check});
    put(&mut client, "/v1/catalog/register", &body);
    put(&mut client, "/v1/agent/service/register", &json!({"Name": "own", "Check": {"TTL": "1h"}}));
    let picture = |client: &mut Client| {
        ["n1", NODE_NAME].map(|node| {
            let checks = get(client, &format!("/v1/health/node/{node}"));
            (get(client, &format!("/v1/catalog/node/{node}")), checks)
        })
    };
    let before = picture(&mut client);
    for (node, checks) in &before {
        for service in node["Services"].as_object().expect("an object").values() {
            let node = &node["Node"];
            let body =
                with(node.clone(), &json!({"NodeMeta": node["Meta"], "Service": service, "Checks": checks}));
            put(&mut client, "/v1/catalog/register", &body);
        }
    }
    assert_eq!(picture(&mut client), before);
}
