//! Every selector of every schema, asked of an instance, and the answers Consul gives.

use std::sync::Arc;

use crate::core::filter::record::Record;
use crate::core::filter::schema::{FieldKind, Schema};
use crate::core::filter::{self};
use crate::core::model::{Check, Node, NodePart, Registration, Service};
use crate::wire::intake::catalog_registration;
use crate::wire::select::{CATALOG_SERVICE, CHECK, INSTANCE, NODE, SERVICE};
use crate::wire::show::{AgentService, CatalogNode, CatalogService, HealthCheck, HealthEntry, NodeService};

const BODY: &str = r#"{"Node":"n2","Address":"10.0.0.2","TaggedAddresses":{"lan":"10.0.0.2"},
            "NodeMeta":{"os":"linux"},
    "Service":{"ID":"w1","Service":"web","Kind":"connect-proxy","Tags":["prod"],"Meta":{"v-1":"1"},"Port":80,
    "TaggedAddresses":{"wan":{"Address":"9.9.9.9","Port":81}},"Connect":{"Native":false},
    "Proxy":{"DestinationServiceName":"db","MeshGateway":{"Mode":"local"},"Upstreams":[{"DestinationName":"u",
    "LocalBindPort":9}],"Expose":{"Checks":true,"Paths":[{"Path":"/a","ListenerPort":5}]}}},
    "Checks":[{"CheckID":"a","Name":"a","Status":"passing"},{"CheckID":"b","Name":"b","ServiceID":"w1"}]}"#;

fn parts() -> (Node, Service, Vec<Arc<Check>>) {
    let Registration { node, service, checks, .. } = catalog_registration(BODY.as_bytes(), "dc1").unwrap();
    let NodePart::Set { name, id, address, tagged_addresses, meta, .. } = node else {
        panic!("the node is set")
    };
    let node = Node { name, id, address, tagged_addresses, meta, ..Node::default() };
    (node, service.unwrap(), checks.into_iter().map(Arc::new).collect())
}

fn assert_matches(schema: &'static Schema, record: &dyn Record, rows: &[(&str, bool)]) {
    for (text, expected) in rows {
        let filter =
            filter::parse(text).unwrap().bind(schema).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.matches(record), *expected, "{text}");
    }
}

#[test]
fn instances_answer_by_all_their_parts() {
    let (node, service, checks) = parts();
    assert_matches(
        &INSTANCE,
        &HealthEntry::new(&node, &service, &checks, "dc1"),
        &[
            (r#"Node.Node == n2 and Node.Datacenter == dc1 and Node.ID == """#, true),
            (r#"Node.Meta.os == linux and "lan" in Node.TaggedAddresses"#, true),
            (r#"Service.Service == web and prod in Service.Tags"#, true),
            (r#"Service.Meta["v-1"] == 1"#, true),
            (r#"Service.Meta.absent == 1"#, false),
            (r#"Service.Port == 80 and Service.TaggedAddresses.wan.Port == 81"#, true),
            (r#"Service.Weights.Passing == 1 and Service.EnableTagOverride == false"#, true),
            (r#"Checks.Status == passing and Checks.Status == critical"#, true),
            (r#"Checks.ServiceName == web and Checks is not empty"#, true),
            (r#"Checks.Status == warning"#, false),
        ],
    );
}

#[test]
fn flat_instances_and_nodes_and_checks_answer() {
    let (node, service, checks) = parts();
    assert_matches(
        &CATALOG_SERVICE,
        &CatalogService::new(&node, &service, "dc1"),
        &[
            (r#"ServiceName == web and ServiceTags contains prod and NodeMeta.os == linux"#, true),
            (r#"ServiceTaggedAddresses.wan.Address == "9.9.9.9" and ServiceConnect.Native == false"#, true),
            (r#"ServiceProxy.DestinationServiceName == db and ServiceWeights.Warning == 1"#, true),
        ],
    );
    assert_matches(&NODE, &CatalogNode::new(&node, "dc1"), &[(r#"Address matches "^10[.]" "#, true)]);
    let check = HealthCheck::new(&checks[1], &node.name, Some(&service));
    assert_matches(&CHECK, &check, &[(r#"CheckID == b and ServiceTags contains prod and Type == """#, true)]);
}

#[test]
fn proxies_answer_also_where_there_is_none() {
    let (_, mut service, _) = parts();
    assert_matches(
        &SERVICE,
        &NodeService::new(&service),
        &[
            (r#"Proxy.Upstreams.DestinationName == u and Proxy.Upstreams.LocalBindPort == 9"#, true),
            (r#"Proxy.Upstreams.Datacenter == "" and Proxy.Upstreams.MeshGateway.Mode == """#, true),
            (r#"Proxy.MeshGateway.Mode == local and Proxy.Expose.Checks == true"#, true),
            (r#"Proxy.Expose.Paths.Path == "/a" and Proxy.Expose.Paths.ParsedFromCheck == false"#, true),
        ],
    );
    service.proxy = None;
    assert_matches(
        &SERVICE,
        &NodeService::new(&service),
        &[
            (r#"Proxy.DestinationServiceName == "" and Proxy.LocalServicePort == 0"#, true),
            (r#"Proxy.Upstreams is empty and Proxy.Expose.Paths is empty"#, true),
            (r#"Proxy.MeshGateway.Mode == "" and Proxy.Expose.Checks == false"#, true),
        ],
    );
    service.kind = "".into();
    assert_matches(
        &SERVICE,
        &AgentService::new(&service, "dc1"),
        &[(
            r#"Kind == "" and Proxy.DestinationServiceName == "" and Connect.Native == false and Port == 80"#,
            true,
        )],
    );
}

/// Selectors of every field that a comparison can be made of, with such a comparison.
fn comparisons(schema: &Schema, prefix: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for (name, kind) in schema.0 {
        let selector = format!("{prefix}{name}");
        match kind {
            FieldKind::Text => texts.push(format!("{selector} == x or {selector} != x")),
            FieldKind::Integer => texts.push(format!("{selector} == 1 or {selector} != 1")),
            FieldKind::Boolean => texts.push(format!("{selector} == true or {selector} != true")),
            FieldKind::TextList | FieldKind::TextMap => {
                texts.push(format!("{selector} is empty or {selector} is not empty"))
            }
            FieldKind::Struct(inner) | FieldKind::StructList(inner) => {
                texts.extend(comparisons(inner, &format!("{selector}.")))
            }
            FieldKind::StructMap(inner) => texts.extend(comparisons(inner, &format!("{selector}.wan."))),
        }
    }
    texts
}

#[test]
fn every_selector_of_a_schema_is_answered() {
    let (node, service, checks) = parts();
    let entry = HealthEntry::new(&node, &service, &checks, "dc1");
    for text in comparisons(&INSTANCE, "") {
        assert_matches(&INSTANCE, &entry, &[(&text, true)]);
    }
    let flat = CatalogService::new(&node, &service, "dc1");
    for text in comparisons(&CATALOG_SERVICE, "") {
        assert_matches(&CATALOG_SERVICE, &flat, &[(&text, true)]);
    }
}
