//! Golden bytes of every shape: what a Consul 1.8.7 answered, and the keys of later releases that are added.

use std::sync::Arc;

use serde::Serialize;

use crate::core::model::{
    Check, ExistingChecks, Indexes, Node, NodePart, Registration, Service, Status, hold,
};
use crate::wire::intake::{AgentNode, catalog_registration, service_registration};
use crate::wire::json;
use crate::wire::show::*;

/// One instance as the catalog would hold it after a registration.
struct Held {
    node: Node,
    service: Service,
    checks: Vec<Arc<Check>>,
}

impl Held {
    fn new(registration: Registration, index: u64) -> Held {
        let indexes = Indexes { create: index, modify: index };
        let node = match registration.node {
            NodePart::Set { name, id, address, tagged_addresses, meta, .. } => {
                Node { name, id, address, tagged_addresses, meta, indexes }
            }
            NodePart::Existing { name } => Node { name, indexes, ..Node::default() },
        };
        let checks = registration.checks.into_iter().map(|check| Arc::new(Check { indexes, ..check }));
        let service = Service { indexes, ..registration.service.unwrap() };
        Held { node, service, checks: checks.collect() }
    }

    fn from_catalog(body: &str, index: u64) -> Held {
        Held::new(catalog_registration(body.as_bytes(), "dc1").unwrap(), index)
    }

    fn from_agent(body: &str) -> Held {
        let agent = AgentNode { name: "n1".into(), datacenter: "dc1".into() };
        Held::new(service_registration(body.as_bytes(), ExistingChecks::KeepStatus, &agent).unwrap(), 33)
    }

    fn health_entry(&self) -> HealthEntry<'_> {
        HealthEntry::new(&self.node, &self.service, &self.checks, "dc1")
    }
}

fn full() -> Held {
    Held::from_catalog(
        r#"{"Node":"df-n2","ID":"40e4a748-2192-161a-0510-9bf59fe950b5","Address":"10.0.0.2",
            "TaggedAddresses":{"wan":"1.1.1.2","lan":"10.0.0.2"},"NodeMeta":{"os":"linux"},
            "Service":{"ID":"df-web-1","Service":"df-web","Tags":["prod","v1"],"Address":"10.0.0.22",
            "TaggedAddresses":{"wan":{"Address":"9.9.9.9","Port":81}},"Meta":{"ver":"1"},"Port":80,
            "Weights":{"Passing":5,"Warning":1}},"Check":{"CheckID":"df-web-1-c","Name":"web check",
            "Status":"passing","Notes":"nt","Output":"ok","ServiceID":"df-web-1",
            "Definition":{"TCP":"localhost:80",
            "Interval":"5s","Timeout":"1s","DeregisterCriticalServiceAfter":"30s"}}}"#,
        30,
    )
}

fn bare() -> Held {
    Held::from_catalog(
        r#"{"Node":"df-n3","Address":"b","Service":{"Service":"df-bare"},"Checks":[{"Name":"nc"},{"Name":"hc",
            "ServiceID":"df-bare","Definition":{"HTTP":"http://x","Header":{"b":["1"],"a":["2","3"]},
            "Method":"PUT",
            "Body":"<b>","TLSSkipVerify":true,"Interval":"7s"}}]}"#,
        31,
    )
}

fn proxy() -> Held {
    Held::from_catalog(
        r#"{"Node":"df-n3","Address":"b","Service":{"Service":"df-prox","Kind":"connect-proxy",
            "Port":81,"Meta":{},
            "Proxy":{"DestinationServiceName":"df-web","DestinationServiceID":"df-web-1",
            "LocalServiceAddress":"127.0.0.1","LocalServicePort":80,
            "Config":{"b":1,"a":{"z":1.5,"y":"<","w":1e21,"v":1e-7,"u":100000000000000000000,"f":12345678}},
            "Upstreams":[{"destination_name":"u","local_bind_port":9},{"DestinationType":"service",
            "DestinationName":"v","Datacenter":"d","LocalBindAddress":"1.1.1.1","LocalBindPort":9,
            "Config":{"c":1},
            "MeshGateway":{"Mode":"local"}}],"MeshGateway":{"Mode":"remote"},"Expose":{"Checks":true,
            "Paths":[{"ListenerPort":1,"Path":"/a","LocalPathPort":2,"Protocol":"http"}]}}}}"#,
        50,
    )
}

/// The bytes of that name in the file of golden bytes: a name, a blank, the bytes, on a line each.
fn golden(name: &str) -> &'static str {
    let lines = include_str!("golden.txt").lines();
    lines.filter_map(|line| line.split_once(' ')).find(|(each, _)| *each == name).expect("a golden name").1
}

fn assert_bytes<T: Serialize>(shape: T, golden: &str) {
    let written = String::from_utf8(json::to_vec(&shape, false)).unwrap();
    assert_eq!(written, golden);
}

#[test]
fn nodes() {
    assert_bytes(CatalogNode::new(&full().node, "dc1"), golden("node"));
    assert_bytes(CatalogNode::new(&bare().node, "dc1"), golden("node-bare"));
}

#[test]
fn catalog_services() {
    let held = full();
    assert_bytes(CatalogService::new(&held.node, &held.service, "dc1"), golden("catalog-service"));
    let held = Held::from_catalog(
        r#"{"Node":"df-n3","Address":"b","Service":{"Service":"df-native","Connect":{"Native":true}}}"#,
        32,
    );
    assert_bytes(CatalogService::new(&held.node, &held.service, "dc1"), golden("catalog-service-native"));
    let (held, proxy) = (proxy(), golden("proxy"));
    let written = json::to_vec(&CatalogService::new(&held.node, &held.service, "dc1"), false);
    let written = String::from_utf8(written).unwrap();
    assert!(written.contains(&format!(r#""ServiceProxy":{proxy},"ServiceConnect":{{}},"#)), "{written}");
}

#[test]
fn health_entries() {
    let [node, node_service, check] = ["node", "node-service", "check"].map(golden);
    assert_bytes(
        full().health_entry(),
        &format!(r#"{{"Node":{node},"Service":{node_service},"Checks":[{check}]}}"#),
    );
    let held = bare();
    let [node_bare, node_service_bare, checks_bare] =
        ["node-bare", "node-service-bare", "checks-bare"].map(golden);
    let golden = format!(r#"[{{"Node":{node_bare},"Service":{node_service_bare},"Checks":{checks_bare}}}]"#);
    assert_eq!(json::list_to_vec([held.health_entry()], false), golden.as_bytes());
}

#[test]
fn nodes_with_services() {
    let held = full();
    let services = || [&held.service].into_iter();
    let (node, node_service) = (golden("node"), golden("node-service"));
    assert_bytes(
        NodeServicesMap::new(&held.node, services(), "dc1"),
        &format!(r#"{{"Node":{node},"Services":{{"df-web-1":{node_service}}}}}"#),
    );
    assert_bytes(
        NodeServicesList::new(&held.node, services(), "dc1", false),
        &format!(r#"{{"Node":{node},"Services":[{node_service}]}}"#),
    );
    assert_bytes(
        NodeServicesMap::new(&held.node, services().take(0), "dc1"),
        &format!(r#"{{"Node":{node},"Services":{{}}}}"#),
    );
    assert_bytes(
        NodeServicesList::new(&held.node, services().take(0), "dc1", false),
        &format!(r#"{{"Node":{node},"Services":null}}"#),
    );
    assert_bytes(NodeServicesList::unknown(), r#"{"Node":null,"Services":null}"#);
}

#[test]
fn agent_services() {
    for (body, golden) in [
        (r#"{"Name":"bare"}"#, golden("agent-service-bare")),
        (
            r#"{"Name":"web","Port":80,"Address":"10.1.1.1","Tags":["<a>"],"Meta":{"z":"1","a":"2"},
                "Weights":{"Passing":5}}"#,
            golden("agent-service"),
        ),
        (
            r#"{"Name":"prox","Kind":"connect-proxy","Port":81,
                "Proxy":{"DestinationServiceName":"df-web","Config":{"b":1},
                "Upstreams":[{"destination_name":"u","local_bind_port":9}]}}"#,
            golden("agent-service-proxy"),
        ),
        (r#"{"Name":"nat","ID":"n","Connect":{"Native":true}}"#, golden("agent-service-native")),
    ] {
        let held = Held::from_agent(body);
        assert_bytes(AgentService::new(&held.service, "dc1"), golden);
        let with_hash = golden.replace("Override\":false,", "Override\":false,\"ContentHash\":\"8e7efb\",");
        assert_bytes(AgentService::new(&held.service, "dc1").with_content_hash("8e7efb"), &with_hash);
    }
}

#[test]
fn agent_checks() {
    let held = Held::from_agent(r#"{"Name":"w","Check":{"TCP":"a:1","Interval":"10s","Timeout":"1m30s"}}"#);
    assert_bytes(HealthCheck::of_agent(&held.checks[0], "n1", Some(&held.service)), golden("agent-check"));
}

#[test]
fn agent_health() {
    let held = Held::from_agent(
        r#"{"Name":"bare","Check":{"CheckID":"c","Name":"c","TTL":"1s","Status":"passing"}}"#,
    );
    assert_bytes(AgentHealth::new("n1", &held.service, &held.checks, "dc1"), golden("agent-health"));
    assert_bytes(AgentHealth::unknown(), r#"{"AggregatedStatus":"critical","Service":null,"Checks":null}"#);
    let check = |id: &str, status| Check { id: id.into(), status, ..Check::default() };
    for (checks, word) in [
        (vec![], "passing"),
        (vec![check("a", Status::Warning), check("b", Status::Passing)], "warning"),
        (vec![check("a", Status::Warning), check("b", Status::Critical)], "critical"),
        (vec![check("a", Status::Critical), check("_node_maintenance", Status::Critical)], "maintenance"),
        (vec![hold::service_maintenance(&"x".into(), "".into())], "maintenance"),
    ] {
        assert_eq!(aggregated_status(checks.iter()), word);
    }
}

#[test]
fn members() {
    let tags = [("role".into(), "consul".into())].into();
    assert_bytes(Member::new("n1", "127.0.0.1", 8301, &tags), golden("member"));
}

#[test]
fn hashes_follow_what_was_registered() {
    let hash = |body: &str| {
        let held = Held::from_agent(body);
        content_hash(&held.service)
    };
    let one = hash(r#"{"Name":"w","Check":{"TTL":"1s"}}"#);
    assert_eq!(one, hash(r#"{"Name":"w","Check":{"TTL":"1s","Status":"passing"}}"#));
    assert_eq!(one, hash(r#"{"Name":"w"}"#), "checks do not count");
    assert_ne!(one, hash(r#"{"Name":"w","Tags":["a"]}"#));
    assert_ne!(one, hash(r#"{"Name":"w","Port":1,"Check":{"TTL":"1s"}}"#));
}
