//! How checks are to be made: every kind with its settings, and what is muster's own.

use std::time::Duration;

use serde_json::{Value, json};

use super::{agent, catalog_body, check_body, read_file, service_body};
use crate::core::model::validate::probes::Scripts;
use crate::core::model::{Check, CheckDefinition, Damping, Probe, ProbeTls};
use crate::wire::intake::check_registration;

/// The check that a body registers alone.
fn registered(body: &Value) -> Check {
    check_body(&body.to_string()).unwrap_or_else(|error| panic!("{body}: {error}")).checks.remove(0)
}

/// A body of these keys, with what every check must have.
fn check(keys: Value) -> Value {
    let mut body = json!({"Name": "c", "Interval": "10s"});
    merge(&mut body, keys);
    body
}

fn merge(into: &mut Value, keys: Value) {
    if let (Value::Object(into), Value::Object(keys)) = (into, keys) {
        into.extend(keys);
    }
}

fn tls(skip_verify: bool, server_name: &str) -> Option<ProbeTls> {
    Some(ProbeTls { skip_verify, server_name: server_name.into() })
}

#[test]
fn every_kind_is_read_with_its_settings() {
    let rows = [
        (json!({"TCP": "h:1"}), "tcp", Probe::Tcp { address: "h:1".into(), tls: None }),
        (
            json!({"TCP": "h:1", "TCPUseTLS": true, "TLSServerName": "n"}),
            "tcp",
            Probe::Tcp { address: "h:1".into(), tls: tls(false, "n") },
        ),
        (json!({"UDP": "h:1"}), "udp", Probe::Udp { address: "h:1".into() }),
        (
            json!({"GRPC": "h:1"}),
            "grpc",
            Probe::Grpc { address: "h:1".into(), service: "".into(), tls: None },
        ),
        (
            json!({"GRPC": "h:1/a.b/c", "GRPCUseTLS": true, "TLSSkipVerify": true}),
            "grpc",
            Probe::Grpc { address: "h:1".into(), service: "a.b/c".into(), tls: tls(true, "") },
        ),
        (json!({"H2PING": "h:1"}), "h2ping", Probe::H2Ping { address: "h:1".into(), tls: tls(false, "") }),
        (
            json!({"H2PING": "h:1", "H2PingUseTLS": false}),
            "h2ping",
            Probe::H2Ping { address: "h:1".into(), tls: None },
        ),
        (json!({"OSService": "a@b.c"}), "os_service", Probe::OsService { name: "a@b.c".into() }),
        // Where several are given, Consul's order decides.
        (
            json!({"HTTP": "http://h", "GRPC": "h:1", "UDP": "h:1"}),
            "grpc",
            Probe::Grpc { address: "h:1".into(), service: "".into(), tls: None },
        ),
    ];
    for (keys, kind, probe) in rows {
        let check = registered(&check(keys.clone()));
        assert_eq!((&*check.kind, check.definition.probe.clone()), (kind, Some(probe)), "{keys}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let unit = "Invalid check: OSService must be the name of a unit: at most 255 letters, digits and :-_.\\@, no \
                hyphen first";
    let long_unit = "u".repeat(256);
    let token = "must be letters, digits and !#$%&'*+-.^_`|~";
    let rows = [
        (json!({"HTTP": "http://h/\r\nX: y"}), "control characters are not allowed in HTTP".to_owned()),
        (json!({"TCP": "h\u{0}:1"}), "control characters are not allowed in TCP".to_owned()),
        (json!({"UDP": "h\n:1"}), "control characters are not allowed in UDP".to_owned()),
        (json!({"GRPC": "h:1/\n"}), "control characters are not allowed in GRPC".to_owned()),
        (json!({"H2PING": "h\t:1"}), "control characters are not allowed in H2PING".to_owned()),
        (
            json!({"HTTP": "http://h", "TLSServerName": "n\n"}),
            "control characters are not allowed in TLSServerName".to_owned(),
        ),
        (
            json!({"HTTP": "http://h", "Method": "GET / HTTP/1.1\r\nX: y"}),
            "Method must be a word of letters, digits and !#$%&'*+-.^_`|~".to_owned(),
        ),
        (
            json!({"HTTP": "http://h", "Header": {"X\r\nY": ["z"]}}),
            format!("the name of Header \"X\\r\\nY\" {token}"),
        ),
        (json!({"HTTP": "http://h", "Header": {"": ["z"]}}), format!("the name of Header \"\" {token}")),
        (
            json!({"HTTP": "http://h", "Header": {"X": ["a", "secret\r\nY: z"]}}),
            "control characters are not allowed in a value of Header \"X\"".to_owned(),
        ),
        (
            json!({"HTTP": "http://h", "Header": {"content-Length": ["5"]}}),
            "Header \"content-Length\" cannot be set: muster frames its own requests".to_owned(),
        ),
        (
            json!({"HTTP": "http://h", "Header": {"Transfer-Encoding": ["chunked"]}}),
            "Header \"Transfer-Encoding\" cannot be set: muster frames its own requests".to_owned(),
        ),
        (
            json!({"HTTP": "http://h", "Header": {"transfer-Encoding": ["chunked"]}}),
            "Header \"transfer-Encoding\" cannot be set: muster frames its own requests".to_owned(),
        ),
        (
            json!({"UDP": "h:1", "Watch": true}),
            "Watch is for HTTP and TCP checks: no other keeps a connection".to_owned(),
        ),
        (
            json!({"TCP": "h:1", "Criticality": "urgent"}),
            "Criticality must be 'critical', 'standard' or 'low'".to_owned(),
        ),
        (
            json!({"TCP": "h:1", "Damping": {"HalfLife": "999ms"}}),
            "Damping.HalfLife must be between 1s and 1h".to_owned(),
        ),
        (
            json!({"TCP": "h:1", "Damping": {"HalfLife": "1h1s"}}),
            "Damping.HalfLife must be between 1s and 1h".to_owned(),
        ),
        (
            json!({"TCP": "h:1", "Damping": {"Suppress": 100_001}}),
            "Damping.Suppress must be at most 100000; one fall counts 1000".to_owned(),
        ),
        (
            json!({"TCP": "h:1", "Damping": {"Suppress": 750}}),
            "Damping.Reuse must be below Damping.Suppress".to_owned(),
        ),
        (
            json!({"TCP": "h:1", "FailuresBeforeWarning": 3, "FailuresBeforeCritical": 2}),
            "FailuresBeforeWarning can't be higher than FailuresBeforeCritical".to_owned(),
        ),
        (
            json!({"DockerContainerID": "d", "Args": ["true"]}),
            "Docker checks are not run: muster enters no containers; check a port of the container instead"
                .to_owned(),
        ),
    ];
    for (keys, sentence) in rows {
        let refused = check_body(&check(keys.clone()).to_string()).unwrap_err().to_string();
        assert_eq!(refused, format!("Invalid check: {sentence}"), "{keys}");
    }
    for name in ["-a", "a b", "a/b", "ä", long_unit.as_str()] {
        let refused = check_body(&check(json!({"OSService": name})).to_string()).unwrap_err().to_string();
        assert_eq!(refused, unit, "{name}");
    }
    registered(&check(json!({"OSService": &long_unit[1..]})));
    registered(&check(json!({"HTTP": "http://h", "Header": {"X-Tab": ["a\tb"]}})));
}

#[test]
fn scripts_come_from_files_and_only_when_allowed() {
    let of = |keys: Value| json!({"check": check(keys)});
    let args = json!({"args": ["/bin/check", "-v"]});
    let off = "Scripts are disabled on this agent; to run them from definition files, set \
               enable_local_script_checks to true";
    let many = vec!["a"; 65];
    let long = "a".repeat(4097);
    let rows = [
        (args.clone(), Scripts::Off, off),
        (json!({"script": "true"}), Scripts::Off, off),
        (
            json!({"script": "true"}),
            Scripts::Allowed,
            "Invalid check: Script is a line for a shell, and there is none: give program and arguments in Args",
        ),
        (json!({"args": [""]}), Scripts::Allowed, "Invalid check: Args must begin with the program"),
        (json!({"args": many}), Scripts::Allowed, "Invalid check: Args must be at most 64"),
        (
            json!({"args": ["a", long]}),
            Scripts::Allowed,
            "Invalid check: Args must each be at most 4096 bytes, none of them NUL",
        ),
        (
            json!({"args": ["a\u{0}"]}),
            Scripts::Allowed,
            "Invalid check: Args must each be at most 4096 bytes, none of them NUL",
        ),
    ];
    for (keys, scripts, sentence) in rows {
        let refused = read_file(&of(keys.clone()), scripts).unwrap_err().to_string();
        assert_eq!(refused, sentence, "{keys} with {scripts:?}");
    }
    let allowed = read_file(&of(args), Scripts::Allowed).unwrap().remove(0).checks.remove(0);
    let script = Probe::Script { args: vec!["/bin/check".into(), "-v".into()] };
    assert_eq!((&*allowed.kind, allowed.definition.probe.clone()), ("script", Some(script)));
    assert_eq!(allowed.definition.timeout, Duration::from_secs(30));
}

/// Makes a body with something of a size.
type Making<'a> = &'a dyn Fn(usize) -> Value;

#[test]
fn what_is_larger_than_a_run_takes_is_refused() {
    let header = |names: usize| -> Value {
        let pairs = (0..names).map(|at| (format!("X-{at}"), json!(["v"])));
        json!({"HTTP": "http://h/", "Header": pairs.collect::<serde_json::Map<_, _>>()})
    };
    let url = |bytes: usize| json!({"HTTP": format!("http://h/{}", "x".repeat(bytes - 9))});
    let service = |bytes: usize| json!({"GRPC": format!("h:1/{}", "x".repeat(bytes - 4))});
    let rows: [(Making<'_>, usize, &str); 3] = [
        (&header, 128, "Invalid check: Header must have at most 128 names, and has 129"),
        (&url, 8192, "Invalid check: HTTP must be at most 8192 bytes, and has 8193"),
        (&service, 8192, "Invalid check: GRPC must be at most 8192 bytes, and has 8193"),
    ];
    for (of, max, sentence) in rows {
        registered(&check(of(max)));
        let one_past = check(of(max + 1));
        assert_eq!(check_body(&one_past.to_string()).unwrap_err().to_string(), sentence);
        let in_file = json!({"check": one_past});
        assert!(read_file(&in_file, Scripts::Off).is_err(), "{sentence}");
    }
}

/// Interval and timeout in seconds, and failures before critical.
fn pace(definition: &CheckDefinition) -> (u64, u64, u32) {
    let (interval, timeout) = (definition.interval.as_secs(), definition.timeout.as_secs());
    (interval, timeout, definition.failures_before_critical)
}

#[test]
fn criticality_fills_in_where_a_definition_is_silent() {
    let rows = [
        (json!({"Criticality": "critical"}), (2, 1, 2)),
        (json!({"Criticality": "Standard"}), (10, 5, 2)),
        (json!({"Criticality": "low"}), (60, 10, 3)),
        (json!({"Criticality": "low", "Interval": "7s"}), (7, 10, 3)),
        (json!({"Criticality": "low", "Timeout": "7s"}), (60, 7, 3)),
        (json!({"Criticality": "low", "FailuresBeforeCritical": 1}), (60, 10, 1)),
        (json!({"Interval": "7s"}), (7, 0, 0)),
        (json!({"Interval": "7s", "Criticality": ""}), (7, 0, 0)),
    ];
    for (keys, expected) in rows {
        let mut body = json!({"Name": "c", "TCP": "h:1"});
        merge(&mut body, keys.clone());
        assert_eq!(pace(&registered(&body).definition), expected, "{keys}");
    }
    let ttl = registered(&json!({"Name": "c", "TTL": "9s", "Criticality": "low"})).definition;
    assert_eq!(pace(&ttl), (0, 0, 0), "a TTL check is not run");
}

#[test]
fn an_instance_may_say_it_for_its_checks() {
    let rows = [
        ("critical", json!({}), (2, 1, 2)),
        ("critical", json!({"Criticality": "low"}), (60, 10, 3)),
        ("tier-1", json!({"Interval": "3s"}), (3, 0, 0)),
    ];
    for (word, keys, expected) in rows {
        let mut check = json!({"TCP": "h:1"});
        merge(&mut check, keys.clone());
        let body = json!({"Name": "web", "Meta": {"criticality": word}, "Check": check}).to_string();
        let together = service_body(&body).unwrap().checks.remove(0);
        assert_eq!(pace(&together.definition), expected, "{word} and {keys}");

        merge(&mut check, json!({"Name": "c", "ServiceID": "web"}));
        let alone = check_registration(check.to_string().as_bytes(), &agent(), |service_id| {
            assert_eq!(service_id.as_str(), "web");
            Some(word.into())
        });
        assert_eq!(pace(&alone.unwrap().checks[0].definition), expected, "{word} and {keys}, alone");
    }
    let silent = service_body(r#"{"Name":"web","Meta":{"criticality":"tier-1"},"Check":{"TCP":"h:1"}}"#);
    let sentence = "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks";
    assert_eq!(silent.unwrap_err().to_string(), sentence, "another's word is no criticality");
}

#[test]
fn watch_and_damping_are_read() {
    let damping = |half_life_s, suppress, reuse| {
        Some(Damping { half_life: Duration::from_secs(half_life_s), suppress, reuse })
    };
    let rows = [
        (json!({}), None, None),
        (json!({"Watch": null, "Damping": null}), None, None),
        (json!({"Watch": true, "Damping": true}), Some(true), damping(60, 2000, 750)),
        (json!({"watch": false, "damping": false}), Some(false), None),
        (json!({"Damping": {}}), None, damping(60, 2000, 750)),
        (
            json!({"damping": {"half_life": "1s", "suppress": 100_000, "reuse": 99_999}}),
            None,
            damping(1, 100_000, 99_999),
        ),
        (json!({"Damping": {"HalfLife": "1h", "Reuse": 1}}), None, damping(3600, 2000, 1)),
    ];
    for (keys, watch, damping) in rows {
        let mut body = check(json!({"TCP": "h:1"}));
        merge(&mut body, keys.clone());
        let definition = registered(&body).definition;
        assert_eq!((definition.watch, definition.damping), (watch, damping), "{keys}");
    }
    let wrong = check_body(r#"{"Name":"c","TTL":"1s","Damping":"yes"}"#).unwrap_err().to_string();
    assert!(wrong.contains("cannot unmarshal string into"), "{wrong}");
}

#[test]
fn the_catalog_keeps_every_kind() {
    let rows = [
        (
            json!({"TCP": "h:1", "TCPUseTLS": true}),
            "tcp",
            Probe::Tcp { address: "h:1".into(), tls: tls(false, "") },
        ),
        (json!({"UDP": "h:1"}), "udp", Probe::Udp { address: "h:1".into() }),
        (
            json!({"GRPC": "h:1/s", "GRPCUseTLS": true, "TLSServerName": "n"}),
            "grpc",
            Probe::Grpc { address: "h:1".into(), service: "s".into(), tls: tls(false, "n") },
        ),
        (
            json!({"H2PING": "h:1", "H2PingUseTLS": true, "TLSSkipVerify": true}),
            "h2ping",
            Probe::H2Ping { address: "h:1".into(), tls: tls(true, "") },
        ),
        (json!({"OSService": "u"}), "os_service", Probe::OsService { name: "u".into() }),
        (json!({"ScriptArgs": ["a", "b"]}), "script", Probe::Script { args: vec!["a".into(), "b".into()] }),
    ];
    for (keys, kind, probe) in rows {
        let mut definition = json!({"Interval": "5s"});
        merge(&mut definition, keys.clone());
        let body = json!({"Node": "a", "Address": "b", "Check": {"Name": "c", "Definition": definition}});
        let check = catalog_body(&body.to_string()).unwrap().checks.remove(0);
        assert_eq!((&*check.kind, check.definition.probe.clone()), (kind, Some(probe)), "{keys}");
    }
}
