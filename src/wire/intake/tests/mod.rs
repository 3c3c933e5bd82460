//! Bodies and what becomes of them. Texts are those a Consul 1.8.7 answers, where it has one for the fault.

mod checks;
mod told;

use std::time::Duration;

use proptest::prelude::*;

use crate::core::model::limits::{
    CHECKS_PER_SERVICE_MAX, META_VALUE_BYTES_MAX, NAME_BYTES_MAX, OUTPUT_BYTES_MAX, TAGS_MAX,
};
use crate::core::model::validate::probes::Scripts;
use crate::core::model::{
    Check, CheckDefinition, Command, ExistingChecks, NodePart, Observation, Origin, Probe, Registration,
    Service, ServiceAddress, Status, Weights,
};
use crate::wire::intake::{
    AgentNode, Invalid, catalog_deregistration, catalog_registration, check_registration, check_update,
    definition, service_registration,
};

fn agent() -> AgentNode {
    AgentNode { name: "n1".into(), datacenter: "dc1".into() }
}

fn service_body(body: &str) -> Result<Registration, Invalid> {
    service_registration(body.as_bytes(), ExistingChecks::KeepStatus, &agent())
}

fn check_body(body: &str) -> Result<Registration, Invalid> {
    check_registration(body.as_bytes(), &agent(), |_| None)
}

fn read_file(file: &serde_json::Value, scripts: Scripts) -> Result<Vec<Registration>, Invalid> {
    let all = |one: &str, many: &str| {
        let (one, many) = (file[one].as_object().map(|_| file[one].clone()), file[many].as_array());
        one.into_iter().chain(many.into_iter().flatten().cloned()).collect::<Vec<_>>()
    };
    let services = all("service", "services").into_iter();
    let services = services.map(|it| definition::service_definition(&it, &agent(), scripts));
    let checks = all("check", "checks").into_iter();
    let checks = checks.map(|it| definition::check_definition(&it, &agent(), scripts, |_| None));
    services.chain(checks).collect()
}

fn catalog_body(body: &str) -> Result<Registration, Invalid> {
    catalog_registration(body.as_bytes(), "dc1")
}

/// Each body must be refused with its text.
fn assert_refused<T: std::fmt::Debug>(read: impl Fn(&str) -> Result<T, Invalid>, rows: &[(&str, &str)]) {
    for (body, text) in rows {
        assert_eq!(read(body).unwrap_err().to_string(), *text, "{body}");
    }
}

#[test]
fn services_are_refused_in_consuls_words() {
    let pair = "Invalid Service Meta: Couldn't load metadata pair";
    assert_refused(
        service_body,
        &[
            ("", "Request decode failed: EOF"),
            ("null", "Missing service name"),
            (r#"{"ID":"x"}"#, "Missing service name"),
            (
                r#"{"Name":5}"#,
                "Request decode failed: json: cannot unmarshal number into Go struct field .Name of type \
                 string",
            ),
            (r#"{"Name":"x","Address":"0.0.0.0"}"#, "Invalid service address"),
            (r#"{"Name":"x","Address":"::"}"#, "Invalid service address"),
            (r#"{"Name":"x","Address":"[::]"}"#, "Invalid service address"),
            (r#"{"Name":"x","Weights":{}}"#, "Invalid Weights: Passing must be greater than 0"),
            (
                r#"{"Name":"x","Weights":{"Passing":1,"Warning":-1}}"#,
                "Invalid Weights: Warning must be greater or equal than 0",
            ),
            (
                r#"{"Name":"x","Weights":{"Passing":65536}}"#,
                "Invalid Weights: DNS Weight must be between 0 and 65535",
            ),
            (
                r#"{"Name":"x","Meta":{"a b":"c"}}"#,
                &format!("{pair} ('a b', 'c'): Key contains invalid characters"),
            ),
            (
                r#"{"Name":"x","Meta":{"consul-a":"c"}}"#,
                &format!("{pair} ('consul-a', 'c'): Key prefix 'consul-' is reserved for internal use"),
            ),
            (r#"{"Name":"x","Meta":{"":"c"}}"#, &format!("{pair} ('', 'c'): Key cannot be blank")),
            (r#"{"Name":"x","Checks":[{}]}"#, "Invalid check: TTL must be > 0 for TTL checks"),
            (
                r#"{"Name":"x","Check":{"Status":"bogus","TTL":"1s"}}"#,
                "Status for checks must 'passing', 'warning', 'critical'",
            ),
            (
                r#"{"Name":"x","TaggedAddresses":{"lan_ipv4":{"Address":"foo"}}}"#,
                r#"Service tagged address "lan_ipv4" must be a valid ipv4 address"#,
            ),
            (
                r#"{"Name":"x","TaggedAddresses":{"lan_ipv6":{"Address":"1.2.3.4"}}}"#,
                r#"Service tagged address "lan_ipv6" must be a valid ipv6 address"#,
            ),
            (
                r#"{"Name":"x","Kind":"Connect-Proxy"}"#,
                "Invalid service kind \"Connect-Proxy\": leave it out, or use one of connect-proxy, mesh-gateway, \
                 terminating-gateway, ingress-gateway, api-gateway",
            ),
            (
                r#"{"Name":"x","Kind":"connect-proxy"}"#,
                "2 errors occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy \
                 services\n\
                 \t* Port must be set for a Connect proxy\n\n",
            ),
            (
                r#"{"Name":"x","Kind":"mesh-gateway","Port":1,"Proxy":{"DestinationServiceName":"y"}}"#,
                "1 error occurred:\n\t* The Proxy.DestinationServiceName configuration is invalid for a \
                 mesh-gateway\n\n",
            ),
            (r#"{"Name":"x","Port":-1}"#, "Invalid service port -1: must be between 0 and 65535"),
            (r#"{"Name":"x","Port":65536}"#, "Invalid service port 65536: must be between 0 and 65535"),
            (r#"{"Name":"x\u0001"}"#, "Invalid service name: control characters are not allowed"),
            (r#"{"Name":"x","ID":"a\nb"}"#, "Invalid service ID: control characters are not allowed"),
        ],
    );
}

#[test]
fn checks_are_refused_in_consuls_words() {
    let missing_interval = "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks";
    let missing_ttl = "Invalid check: TTL must be > 0 for TTL checks";
    assert_refused(
        check_body,
        &[
            ("", "Request decode failed: EOF"),
            ("{}", "Missing check name"),
            (r#"{"ID":"x"}"#, "Missing check name"),
            (r#"{"Name":"x","TTL":"1s","Status":"bogus"}"#, "Bad check status"),
            (r#"{"Name":"x"}"#, missing_ttl),
            (r#"{"Name":"x","Shell":"sh"}"#, missing_ttl),
            (r#"{"Name":"x","TTL":"-1s"}"#, missing_ttl),
            (r#"{"Name":"x","TTL":true}"#, missing_ttl),
            (
                r#"{"Name":"x","TTL":"1s","Interval":"1s"}"#,
                "Invalid check: Interval and TTL cannot both be specified",
            ),
            (r#"{"Name":"x","HTTP":"http://a"}"#, missing_interval),
            (r#"{"Name":"x","HTTP":"http://a","Interval":"-1s"}"#, missing_interval),
            (r#"{"Name":"x","HTTP":"http://a","TTL":"1s"}"#, missing_interval),
            (r#"{"Name":"x","TCP":"a:1"}"#, missing_interval),
            (r#"{"Name":"x","GRPC":"a:1"}"#, missing_interval),
            (
                r#"{"Name":"x","HTTP":"h","AliasService":"y","Interval":"3s"}"#,
                "Invalid check: Interval cannot be set for Alias checks",
            ),
            (
                r#"{"Name":"x","AliasService":"y","TTL":"1s"}"#,
                "Invalid check: TTL must be not be set for Alias checks",
            ),
            (
                r#"{"Name":"x","TTL":"1s","OutputMaxSize":-1}"#,
                "Invalid check: MaxOutputMaxSize must be positive",
            ),
            (
                r#"{"Name":"x","Args":["a"],"Interval":"1s"}"#,
                "Scripts are disabled on this agent from remote calls; to run one, define the check in a file and set \
                 enable_local_script_checks to true",
            ),
            (
                r#"{"Name":"x","TTL":"1x"}"#,
                r#"Request decode failed: time: unknown unit "x" in duration "1x""#,
            ),
            (r#"{"Name":"x","TTL":"1s","Timeout":"-1s"}"#, "Invalid check: Timeout must not be negative"),
            (
                r#"{"Name":"x","TTL":"1s","SuccessBeforePassing":-1}"#,
                "Invalid check: SuccessBeforePassing must be between 0 and 4294967295",
            ),
        ],
    );
    assert_refused(
        |body| check_update(body.as_bytes()),
        &[
            ("null", "Invalid check status: ''"),
            (r#"{"Status":"bogus"}"#, "Invalid check status: 'bogus'"),
            (
                r#"{"Output":5}"#,
                "Request decode failed: json: cannot unmarshal number into Go struct field \
                 checkUpdate.Output of type \
                 string",
            ),
        ],
    );
}

#[test]
fn catalog_bodies_are_refused_in_consuls_words() {
    assert_refused(
        catalog_body,
        &[
            ("{}", "Must provide node"),
            (
                r#"{"Node":5}"#,
                "Request decode failed: json: cannot unmarshal number into Go struct field \
                 RegisterRequest.Node of type \
                 string",
            ),
            (
                r#"{"Node":"a","Address":"b","Service":{"Service":5}}"#,
                "Request decode failed: json: cannot unmarshal number into Go struct field \
                 NodeService.Service.Service of \
                 type string",
            ),
            (r#"{"Node":"a"}"#, "Must provide address if SkipNodeUpdate is not set"),
            (r#"{"Node":"a","Address":"b","ID":"x"}"#, "Bad node ID: uuid string is wrong length"),
            (
                r#"{"Node":"a","Address":"b","ID":"40e4a748-2192-161a-0510-9bf59fe950bz"}"#,
                "Bad node ID: encoding/hex: invalid byte: U+007A 'z'",
            ),
            (r#"{"Node":"a","Address":"b","Service":{"ID":"x"}}"#, "Must provide service name with ID"),
            (
                r#"{"Node":"a","Address":"b","Service":{"Service":"x","Address":"0.0.0.0"}}"#,
                "Invalid service address",
            ),
            (
                r#"{"Node":"a","Address":"b","Check":{"Node":"z","Name":"x"}}"#,
                r#"check node "z" does not match node "a""#,
            ),
            (r#"{"Node":"a","Address":"b","Check":{"Name":"x","Status":"foo"}}"#, "Bad check status"),
            (r#"{"Node":"a","Address":"b","Check":{}}"#, "Must provide check ID or name"),
            (r#"{"Node":"a","Address":"b","Datacenter":"dc9"}"#, "No path to datacenter"),
            (
                r#"{"Node":"a","Address":"b","Service":{"Service":"x","Meta":{"a b":"c"}}}"#,
                "failed inserting service: Invalid Service Meta for node a and serviceID x: Couldn't load \
                 metadata pair \
                 ('a b', 'c'): Key contains invalid characters",
            ),
            (
                r#"{"Node":"a","Address":"b","Service":{"Service":"x","Kind":"connect-proxy",
            "Proxy":{"DestinationServiceName":"y"}}}"#,
                "1 error occurred:\n\t* Port must be set for a Connect proxy\n\n",
            ),
            (
                r#"{"Node":"a","Address":"b","Check":{"Name":"x","Definition":{"Interval":"x"}}}"#,
                r#"Request decode failed: time: invalid duration "x""#,
            ),
        ],
    );
    assert_refused(
        |body| catalog_deregistration(body.as_bytes(), "dc1"),
        &[
            (r#"{"ServiceID":"a"}"#, "Must provide node"),
            (r#"{"Node":"a","Datacenter":"x"}"#, "No path to datacenter"),
        ],
    );
}

#[test]
fn bounds_hold_exactly() {
    let name = |length: usize| format!(r#"{{"Name":"{}"}}"#, "n".repeat(length));
    let tags = |count: usize| format!(r#"{{"Name":"x","Tags":[{}]}}"#, vec![r#""t""#; count].join(","));
    let checks =
        |count: usize| format!(r#"{{"Name":"x","Checks":[{}]}}"#, vec![r#"{"TTL":"1s"}"#; count].join(","));
    let value = |length: usize| format!(r#"{{"Name":"x","Meta":{{"k":"{}"}}}}"#, "v".repeat(length));
    for (body, limit, text) in [
        (&name as &dyn Fn(usize) -> String, NAME_BYTES_MAX, "Invalid service name: longer than 255 bytes"),
        (&tags, TAGS_MAX, "too many tags: at most 256 are kept"),
        (&checks, CHECKS_PER_SERVICE_MAX, "too many checks: at most 64 are kept"),
        (&value, META_VALUE_BYTES_MAX, "Value is too long (limit: 512 characters)"),
    ] {
        assert!(service_body(&body(limit)).is_ok(), "{text}");
        let error = service_body(&body(limit + 1)).unwrap_err().to_string();
        assert!(error.ends_with(text), "{error}");
    }
}

#[test]
fn a_service_is_registered_with_its_defaults() {
    let registration = service_body(
        r#"{"name":"web","port":80,"address":"10.1.1.1","tags":["b","a"],"enable_tag_override":true,
            "Check":null,
            "tagged_addresses":{"wan_ipv4":{"address":"9.9.9.9","port":81}},"weights":{"passing":5}}"#,
    );
    let address = |address: &str, port| ServiceAddress { address: address.into(), port };
    let expected = Service {
        id: "web".into(),
        name: "web".into(),
        port: 80,
        address: "10.1.1.1".into(),
        tags: vec!["b".into(), "a".into()],
        enable_tag_override: true,
        tagged_addresses: [
            ("lan_ipv4".into(), address("10.1.1.1", 80)),
            ("wan_ipv4".into(), address("9.9.9.9", 81)),
        ]
        .into(),
        weights: Weights { passing: 5, warning: 0 },
        origin: Origin::Agent,
        ..Service::default()
    };
    assert_eq!(
        registration.unwrap(),
        Registration {
            node: NodePart::Existing { name: "n1".into() },
            service: Some(expected),
            checks: vec![],
            existing_checks: ExistingChecks::KeepStatus,
        }
    );
}

#[test]
fn checks_of_a_service_get_ids_names_and_types() {
    let body = r#"{"Name":"web","ID":"w1","Check":{"TTL":"100s"},"Checks":[
        {"HTTP":"http://127.0.0.1:1","Interval":"10ms"},
        {"CheckID":"tt","Name":"tn","TCP":"127.0.0.1:1","Interval":10000000000,"Status":"warning"},
        {"AliasService":"bare","Interval":"1s"}]}"#;
    let checks = service_body(body).unwrap().checks;
    let rows: Vec<_> = checks
        .iter()
        .map(|check| (&*check.id, &*check.name, &*check.kind, check.status, check.definition.interval))
        .collect();
    let seconds = Duration::from_secs;
    assert_eq!(
        rows,
        [
            ("service:w1:1", "Service 'web' check", "ttl", Status::Critical, seconds(0)),
            ("service:w1:2", "Service 'web' check", "http", Status::Critical, seconds(1)),
            ("tt", "tn", "tcp", Status::Warning, seconds(10)),
            ("service:w1:4", "Service 'web' check", "alias", Status::Critical, seconds(1)),
        ]
    );
    assert!(checks.iter().all(|check| check.service_id == "w1" && check.origin == Origin::Agent));
    for alone in
        [r#"{"Name":"w","Check":{"TTL":"1s"}}"#, r#"{"Name":"w","Check":{},"Checks":[{"TTL":"1s"}]}"#]
    {
        assert_eq!(service_body(alone).unwrap().checks[0].id, "service:w", "{alone}");
    }
}

#[test]
fn a_check_is_registered_with_every_setting() {
    let body = r#"{"name":"c","serviceid":"w","http":"http://h","method":"PUT","header":{"A":["b"]},"body":"x",
        "tls_skip_verify":true,"interval":"5s","timeout":"2s","success_before_passing":2,
            "failuresbeforecritical":3,
        "FailuresBeforeWarning":1,"deregister_critical_service_after":"1m","OutputMaxSize":99999,
            "status":"passing",
        "notes":"n"}"#;
    let seconds = Duration::from_secs;
    let expected = Check {
        id: "c".into(),
        name: "c".into(),
        status: Status::Passing,
        notes: "n".into(),
        service_id: "w".into(),
        kind: "http".into(),
        origin: Origin::Agent,
        definition: CheckDefinition {
            probe: Some(Probe::Http {
                url: "http://h".into(),
                method: "PUT".into(),
                header: [("A".into(), vec!["b".into()])].into(),
                body: "x".into(),
                tls_skip_verify: true,
                tls_server_name: "".into(),
                disable_redirects: false,
            }),
            interval: seconds(5),
            timeout: seconds(2),
            success_before_passing: 2,
            failures_before_warning: 1,
            failures_before_critical: 3,
            deregister_critical_service_after: seconds(60),
            output_max_size: OUTPUT_BYTES_MAX as u32,
            watch: None,
            damping: None,
            owner: Default::default(),
            told: Default::default(),
        }
        .into(),
        ..Check::default()
    };
    assert_eq!(check_body(body).unwrap().checks, [expected]);
    let update = check_update(br#"{"status":"warning","output":"o"}"#).unwrap();
    assert_eq!(update, Observation { status: Status::Warning, output: "o".into() });
}

#[test]
fn a_catalog_registration_is_complete() {
    let body = r#"{"Node":"n2","Address":"10.0.0.2","SkipNodeUpdate":true,"NodeMeta":{"consul-x y":"1"},
        "Service":{"Service":"web","Weights":{"Passing":0}},
        "Check":{"Name":"a","ServiceID":"web","Definition":{"TCP":"h:1","Interval":"5s"}},
        "Checks":[{"CheckID":"b","Type":"zz","Status":"passing"},{"Name":"c","Definition":{"HTTP":"h"}}]}"#;
    let registration = catalog_body(body).unwrap();
    let NodePart::Set { name, keep_existing, meta, tagged_addresses, .. } = &registration.node else {
        panic!()
    };
    assert_eq!((&**name, *keep_existing, meta.is_some(), tagged_addresses), ("n2", true, true, &None));
    let service = registration.service.as_ref().unwrap();
    assert_eq!((&*service.id, service.weights, service.origin), ("web", Weights::default(), Origin::Catalog));
    let rows: Vec<_> = registration
        .checks
        .iter()
        .map(|check| (&*check.id, &*check.kind, check.status, check.origin))
        .collect();
    assert_eq!(
        rows,
        [
            ("a", "tcp", Status::Critical, Origin::Catalog),
            ("b", "zz", Status::Passing, Origin::Catalog),
            ("c", "", Status::Critical, Origin::Catalog),
        ]
    );
}

#[test]
fn long_outputs_are_cut_with_a_remark() {
    let output = "ä".repeat(OUTPUT_BYTES_MAX);
    let body = format!(r#"{{"Node":"a","Address":"b","Check":{{"Name":"x","Output":"{output}"}}}}"#);
    let kept = &catalog_body(&body).unwrap().checks[0].output;
    assert!(kept.ends_with("ä ... (captured 4096 of 8192 bytes)"), "{kept}");
}

#[test]
fn deregistrations_name_what_goes() {
    let (node, must_exist) = ("a".into(), false);
    for (body, command) in [
        (r#"{"Node":"A"}"#, Command::DeregisterNode { node: "a".into() }),
        (
            r#"{"Node":"a","CheckID":"c"}"#,
            Command::DeregisterCheck { node: "a".into(), check_id: "c".into(), must_exist },
        ),
        (
            r#"{"Node":"a","ServiceID":"s","CheckID":"c","Datacenter":"DC1"}"#,
            Command::DeregisterService { node, service_id: "s".into(), must_exist },
        ),
    ] {
        assert_eq!(catalog_deregistration(body.as_bytes(), "dc1").unwrap(), command, "{body}");
    }
}

#[test]
fn definition_files_register_services_before_checks() {
    let file = serde_json::json!({
        "check": {"id": "c", "name": "alone", "ttl": "10s", "service_id": "web"},
        "service": {"name": "web", "checks": [
            {"tcp": "h:1", "interval": "3s", "deregister_critical_service_after": "5m"},
        ]},
        "services": [{"name": "db"}],
    });
    let registrations = read_file(&file, Scripts::Off).unwrap();
    let names: Vec<_> = registrations
        .iter()
        .map(|each| match &each.service {
            Some(service) => &*service.name,
            None => &*each.checks[0].id,
        })
        .collect();
    assert_eq!(names, ["web", "db", "c"]);
    let refused = read_file(&serde_json::json!({"services": [{}]}), Scripts::Off);
    assert_eq!(refused.unwrap_err().to_string(), "Missing service name");
}

proptest! {
    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..48),
        text in ".{0,40}",
        number in any::<f64>(),
    ) {
        let bodies = [
            bytes,
            format!(r#"{{"Name":{text:?},"Port":{number},"Node":{text:?},"Address":"x","TTL":{number}}}"#)
                .into_bytes(),
            format!(r#"{{"Name":"x","Check":{{"TTL":{text:?},"OutputMaxSize":{number}}}}}"#).into_bytes(),
        ];
        for body in bodies {
            let _ = service_registration(&body, ExistingChecks::Replace, &agent());
            let _ = check_registration(&body, &agent(), |_| None);
            let _ = catalog_registration(&body, "dc1");
            let _ = catalog_deregistration(&body, "dc1");
            let _ = check_update(&body);
        }
    }
}
