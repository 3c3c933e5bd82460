//! Values are judged as they are: no body and no JSON is needed.

use std::time::Duration;

use crate::core::model::validate::{Violation, checks, nodes, services};
use crate::core::model::{Check, CheckDefinition, NodePart, Origin, Probe, Service, Weights};

fn assert_judged(judged: Result<(), Violation>, expected: Option<&str>, what: &dyn std::fmt::Debug) {
    let told = judged.err().map(|violation| violation.to_string());
    match expected {
        None => assert_eq!(told, None, "{what:?}"),
        Some(words) => assert!(told.as_ref().is_some_and(|it| it.contains(words)), "{what:?}: {told:?}"),
    }
}

#[test]
fn an_instance_is_judged_as_it_is() {
    let web = || Service { id: "web".into(), name: "web".into(), ..Service::default() };
    let rows = [
        (web(), None),
        (Service { name: "".into(), ..web() }, Some("Must provide service name with ID")),
        (Service { address: "0.0.0.0".into(), ..web() }, Some("Invalid service address")),
        (Service { kind: "proxy".into(), ..web() }, Some("Invalid service kind")),
        (Service { weights: Weights { passing: 0, warning: 1 }, ..web() }, Some("Passing must be greater")),
    ];
    for (service, expected) in rows {
        assert_judged(services::check_new(&service), expected, &service);
        assert_judged(services::check_held(&service), expected, &service);
    }
    // Taken before there was the rule.
    let turned = Service { id: "a\u{202e}b".into(), ..web() };
    assert_judged(services::check_new(&turned), Some("Invalid service ID"), &turned);
    assert_judged(services::check_held(&turned), None, &turned);
}

#[test]
fn what_is_said_of_a_node_is_judged_as_it_is() {
    let part = |name: &str, id: &str, address: &str, keep_existing| NodePart::Set {
        name: name.into(),
        id: id.into(),
        address: address.into(),
        tagged_addresses: None,
        meta: None,
        keep_existing,
    };
    let rows = [
        (NodePart::Existing { name: "n".into() }, None),
        (part("n", "", "10.0.0.1", false), None),
        (part("n", "", "", true), None),
        (part("n", "", "", false), Some("Must provide address")),
        (part("", "", "", false), Some("Must provide node")),
        (part("n\u{200b}", "", "10.0.0.1", false), Some("Invalid node name")),
        (part("n", "1234", "10.0.0.1", false), Some("Bad node ID: uuid string is wrong length")),
    ];
    for (part, expected) in rows {
        assert_judged(nodes::check_part(&part), expected, &part);
    }
}

#[test]
fn a_check_is_judged_as_it_is() {
    let check = |probe, interval_s| {
        let interval = Duration::from_secs(interval_s);
        let definition = CheckDefinition { probe, interval, ..CheckDefinition::default() };
        Check { id: "c".into(), origin: Origin::Agent, definition: definition.into(), ..Check::default() }
    };
    let tcp = |address: &str| Some(Probe::Tcp { address: address.into(), tls: None });
    let rows = [
        (check(tcp("[::1]:5432"), 10), None),
        (check(tcp("10.0.0.1"), 10), Some("TCP must be host:port")),
        (check(tcp("[::1]:5432"), 0), Some("Interval must be at least")),
        (check(None, 10), Some("it says no way of checking")),
        (Check { origin: Origin::Catalog, ..check(None, 0) }, None),
        (Check { id: "".into(), ..check(tcp("[::1]:5432"), 10) }, Some("Must provide check ID or name")),
    ];
    for (check, expected) in rows {
        assert_judged(checks::check_new(&check), expected, &check);
    }
}
