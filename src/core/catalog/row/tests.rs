//! The bytes of rows, as they have been since the first version: data directories, snapshots and Redis hold them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::base::stdx::text::Text;
use crate::core::model::*;

const INDEXES: Indexes = Indexes { create: 7, modify: 9 };

fn values() -> BTreeMap<Text, serde_json::Value> {
    [("Config".into(), serde_json::json!({ "a": [1, null] }))].into_iter().collect()
}

fn node() -> Node {
    Node {
        name: "Web-1".into(),
        id: "8b0f".into(),
        address: "10.0.0.1".into(),
        tagged_addresses: Some([("lan".into(), "10.0.0.2".into())].into()),
        meta: Some([("rack".into(), "a\"b".into()), ("zone".into(), "".into())].into()),
        indexes: INDEXES,
    }
}

fn service() -> Service {
    Service {
        kind: "connect-proxy".into(),
        id: "web-proxy".into(),
        name: "Web".into(),
        tags: vec!["b".into(), "a".into(), "b".into()],
        address: "10.0.0.3".into(),
        port: 8080,
        socket_path: "/run/web".into(),
        tagged_addresses: [("wan".into(), ServiceAddress { address: "192.0.2.1".into(), port: 80 })].into(),
        weights: Weights { passing: 5, warning: 0 },
        meta: Some(Meta::default()),
        enable_tag_override: true,
        proxy: Some(Box::new(Proxy {
            destination_service_name: "web".into(),
            destination_service_id: "web-1".into(),
            local_service_address: "127.0.0.1".into(),
            local_service_port: 81,
            rest: values(),
        })),
        connect: Connect { native: true },
        locality: Some(Box::new(Locality { region: "eu".into(), zone: "eu-1".into() })),
        drain: Some(Box::new(Drain {
            started_ms: 1,
            until_ms: 2,
            from_percent: 100,
            share_percent: 50,
            deregister: true,
            reason: "upgrade".into(),
        })),
        origin: Origin::Agent,
        indexes: INDEXES,
    }
}

fn check(probe: Probe) -> Check {
    Check {
        id: "c".into(),
        name: "C".into(),
        status: Status::Warning,
        notes: "note".into(),
        output: "ä\n".into(),
        service_id: "web-1".into(),
        kind: "kind".into(),
        definition: Arc::new(CheckDefinition {
            probe: Some(probe),
            interval: Duration::from_millis(1_500),
            timeout: Duration::from_secs(2),
            success_before_passing: 3,
            failures_before_warning: 4,
            failures_before_critical: 5,
            deregister_critical_service_after: Duration::from_secs(6),
            output_max_size: 7,
            watch: Some(false),
            damping: Some(Damping { half_life: Duration::from_secs(8), suppress: 9, reuse: 10 }),
            owner: Cadence {
                interval: Duration::from_secs(11),
                timeout: Duration::from_secs(12),
                exposed_port: 13,
            },
            told: values(),
        }),
        origin: Origin::Server,
        status_since_ms: 14,
        status_cause: Cause::Ttl,
        indexes: INDEXES,
    }
}

fn probes() -> [Probe; 12] {
    let tls = || Some(ProbeTls { skip_verify: true, server_name: "name".into() });
    let address = || Text::from("a:1");
    [
        Probe::Ttl { ttl: Duration::from_secs(30) },
        Probe::Http {
            url: "https://a/".into(),
            method: "PUT".into(),
            header: [("X".into(), vec!["1".into(), "2".into()])].into(),
            body: "body".into(),
            tls_skip_verify: true,
            tls_server_name: "name".into(),
            disable_redirects: true,
        },
        Probe::Tcp { address: address(), tls: None },
        Probe::Tcp { address: address(), tls: tls() },
        Probe::Udp { address: address() },
        Probe::Grpc { address: address(), service: "s".into(), tls: None },
        Probe::Grpc { address: address(), service: "".into(), tls: tls() },
        Probe::H2Ping { address: address(), tls: None },
        Probe::H2Ping { address: address(), tls: tls() },
        Probe::OsService { name: "nginx".into() },
        Probe::Script { args: vec!["/bin/true".into(), "x".into()] },
        Probe::Alias { node: "n".into(), service_id: "s".into() },
    ]
}

fn bare_check() -> Check {
    Check { id: "c".into(), name: "C".into(), ..Check::default() }
}

fn transition() -> Transition {
    Transition {
        index: 1,
        position: 2,
        time_ms: 3,
        subject: Arc::default(),
        service_name: "web".into(),
        check_name: "C".into(),
        from: Some(Status::Passing),
        from_since_ms: 4,
        is_first: true,
        to: Some(Status::Critical),
        cause: Cause::Probe,
        caller: Caller { by: "10.0.0.9".into(), request_id: "r".into() },
        output: "timeout".into(),
    }
}

/// The line of that name in the file of golden bytes: a name, a blank, the bytes.
fn golden(name: &str) -> &'static str {
    let lines = include_str!("golden.txt").lines();
    lines.filter_map(|line| line.split_once(' ')).find(|(each, _)| *each == name).expect("a golden name").1
}

/// Holds what is written of a record against its golden bytes, and what is read of them against the record.
fn assert_row<T: PartialEq + std::fmt::Debug>(
    name: &str,
    record: &T,
    encode: fn(&T) -> Vec<u8>,
    decode: fn(&str, &[u8]) -> Result<T, String>,
) {
    let golden = golden(name);
    assert_eq!(String::from_utf8(encode(record)).unwrap(), golden, "{name}");
    assert_eq!(&decode("key", golden.as_bytes()).unwrap(), record, "{name}");
}

#[test]
fn rows_of_nodes_and_instances_keep_their_bytes() {
    assert_row("node", &node(), encode_node, decode_node);
    assert_row("node-bare", &Node::default(), encode_node, decode_node);
    assert_row("service", &service(), encode_service, decode_service);
    assert_row("service-bare", &Service::default(), encode_service, decode_service);
}

#[test]
fn rows_of_checks_keep_their_bytes() {
    assert_row("check-bare", &bare_check(), encode_check, decode_check);
    let [ttl, ..] = probes();
    assert_row("check", &check(ttl), encode_check, decode_check);
    for (number, probe) in probes().into_iter().enumerate() {
        let definition = CheckDefinition { probe: Some(probe), ..CheckDefinition::default() };
        let check = Check { definition: definition.into(), ..bare_check() };
        assert_row(&format!("probe-{number}"), &check, encode_check, decode_check);
    }
}

#[test]
fn rows_of_transitions_keep_their_bytes() {
    let golden = golden("transition");
    assert_eq!(String::from_utf8(encode_transition(&transition(), true)).unwrap(), golden);
    let read = decode_transition("key", Subject::default(), golden.as_bytes()).unwrap();
    assert_eq!(read, (transition(), true));
}

#[test]
fn every_word_keeps_its_bytes() {
    let statuses = [Status::Passing, Status::Warning, Status::Critical];
    let origins = [Origin::Server, Origin::Agent];
    let causes = [Cause::Probe, Cause::Ttl, Cause::Report, Cause::Alias, Cause::Damping, Cause::Drain];
    let causes = causes.into_iter().chain([Cause::Deregistration, Cause::Reaping, Cause::Restore]);
    let checks = statuses.into_iter().map(|status| Check { status, ..bare_check() });
    let checks = checks.chain(origins.into_iter().map(|origin| Check { origin, ..bare_check() }));
    let checks = checks.chain(causes.map(|status_cause| Check { status_cause, ..bare_check() }));
    for (number, check) in checks.enumerate() {
        assert_row(&format!("words-{number}"), &check, encode_check, decode_check);
    }
}
