//! Addresses that checks are not to reach: what they are refused for is their output.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::registry::Registry;
use crate::instance::{Instance, Place};

pub(super) const SPECIAL: &str = "refused: link-local, multicast and unspecified addresses";
const ELSEWHERE: &str = "refused: it is in none of the networks of probe_allow_cidrs";
const OWN: &str = "refused: muster itself listens there; the check serfHealth tells whether muster is well";

/// An HTTP server that sends everybody on to `location`. It ends with the test's process.
pub(super) fn redirecting_to(location: &str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// A directory with a definition file of these checks: of what a file says it is known only when it is run whether it may
/// be asked.
fn defining(checks: &[(&str, Value)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let named = |(id, check): &(&str, Value)| {
        let mut check = check.clone();
        (check["id"], check["name"], check["interval"]) = (json!(id), json!(id), json!("1s"));
        check
    };
    let checks: Vec<Value> = checks.iter().map(named).collect();
    fs::write(directory.path().join("checks.json"), json!({ "checks": checks }).to_string())
        .expect("a file can be written");
    directory
}

fn start_on(directory: &TempDir, arguments: &[&str]) -> Registry {
    let path = directory.path().to_str().expect("a path in UTF-8");
    Registry::start_with(&[&["--config-dir", path], arguments].concat(), &[])
}

#[test]
fn addresses_of_nobody_and_of_muster_itself_are_refused() {
    let directory = defining(&[("file", json!({"http": "http://0xa9fea9fe/latest/meta-data/"}))]);
    let mut registry = start_on(&directory, &[]);
    registry.wait_for("file", "critical", SPECIAL);
    let own = registry.process.address;
    let to_own = redirecting_to(&format!("http://{own}/readyz"));
    let to_metadata = redirecting_to("http://169.254.169.254/latest/meta-data/");
    let rows = [
        (json!({"HTTP": format!("http://{to_metadata}/")}), SPECIAL),
        (json!({"TCP": own.to_string()}), OWN),
        (json!({"TCP": format!("localhost:{}", own.port())}), OWN),
        (json!({"TCP": format!("[::ffff:127.0.0.1]:{}", own.port())}), OWN),
        (json!({"HTTP": format!("http://{own}/readyz")}), OWN),
        (json!({"HTTP": format!("http://{to_own}/")}), OWN),
    ];
    for (at, (check, _)) in rows.iter().enumerate() {
        registry.check(&at.to_string(), check.clone());
    }
    for (at, (_, words)) in rows.iter().enumerate() {
        registry.wait_for(&at.to_string(), "critical", words);
    }
}

#[test]
fn addresses_that_are_never_asked_are_refused_at_once() {
    let mut registry = Registry::start();
    let addresses = [
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "224.0.0.1",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[fd00:ec2::23]",
        "[fd20:ce::254]",
        "[::ffff:169.254.169.254]",
        "[::ffff:100.100.100.200]",
        "[64:ff9b::168.63.129.16]",
        "[64:ff9b:1::192.0.0.192]",
        "[2002:a9fe:a9fe::]",
        "[::FFFF:A9FE:A9FE]",
        "169.254.169.254.",
        "0xa9fea9fe",
        "0XA9FEA9FE",
        "2852039166",
        "025177524776",
        "0251.0376.0251.0376",
        "0xa9.0xfe.0xa9.0xfe",
        "169.254.43518",
        "169.16689662",
        "0",
    ];
    for address in addresses {
        let checks = [
            json!({"Name": "c", "Interval": "1s", "TCP": format!("{address}:80")}),
            json!({"Name": "c", "Interval": "1s", "UDP": format!("{address}:80")}),
            json!({"Name": "c", "Interval": "1s", "HTTP": format!("http://{address}/latest/meta-data/")}),
            json!({"Name": "c", "Interval": "1s", "HTTP": format!("https://u:p@{address}:8443")}),
        ];
        for check in checks {
            let service = json!({"Name": "s", "Checks": [check]});
            for (target, body) in [("check", &check), ("service", &service)] {
                let answer = registry.put(&format!("/v1/agent/{target}/register"), body);
                assert_eq!(answer.status, 400, "{body}");
                assert!(answer.text().contains(SPECIAL), "{}", answer.text());
            }
        }
    }
    assert!(registry.shown("c").is_null());
}

#[test]
fn targets_that_no_run_could_ask_are_refused_at_once() {
    let mut registry = Registry::start();
    let rows = [
        (json!({"HTTP": "file:///etc/passwd"}), "unsupported protocol scheme \"file\""),
        (json!({"HTTP": "gopher://127.0.0.1:70/_x"}), "unsupported protocol scheme \"gopher\""),
        (json!({"HTTP": "127.0.0.1:80/up"}), "unsupported protocol scheme"),
        (json!({"HTTP": "http:///up"}), "no Host"),
        (json!({"HTTP": "http://127.0.0.1:99999/"}), "invalid port \"99999\""),
        (json!({"HTTP": "http://[::1/"}), "invalid host"),
        (json!({"HTTP": "http://h/%zz"}), "invalid URL escape"),
        (json!({"TCP": "127.0.0.1"}), "TCP must be host:port"),
        (json!({"TCP": "127.0.0.1:99999"}), "TCP must be host:port"),
        (json!({"TCP": ":80"}), "TCP must be host:port"),
        (json!({"TCP": "::1:80"}), "TCP must be host:port"),
        (json!({"UDP": "127.0.0.1:"}), "UDP must be host:port"),
    ];
    for (mut check, words) in rows {
        (check["Name"], check["Interval"]) = (json!("c"), json!("1s"));
        let answer = registry.put("/v1/agent/check/register", &check);
        assert_eq!(answer.status, 400, "{check}");
        assert!(answer.text().contains(words), "{check}: {}", answer.text());
    }
    assert!(registry.shown("c").is_null());
}

#[cfg(feature = "grpc")]
#[test]
fn checks_over_http2_are_guarded_as_well() {
    let to_metadata = ["grpc", "h2ping"].map(|kind| (kind, json!({ kind: "169.254.169.254:80" })));
    let directory = defining(&to_metadata);
    let mut registry = start_on(&directory, &[]);
    ["grpc", "h2ping"].iter().for_each(|kind| drop(registry.wait_for(kind, "critical", SPECIAL)));
    let own = registry.process.address.to_string();
    let rows = [(json!({"GRPC": own}), OWN), (json!({"H2PING": own, "H2PingUseTLS": false}), OWN)];
    for (at, (check, _)) in rows.iter().enumerate() {
        registry.check(&at.to_string(), check.clone());
    }
    for (at, (_, words)) in rows.iter().enumerate() {
        registry.wait_for(&at.to_string(), "critical", words);
    }
}

#[test]
fn the_networks_of_the_operator_are_the_only_ones() {
    let directory = defining(&[("special", json!({ "tcp": "0xa9fea9fe:80" }))]);
    let allow = |networks: &[&str]| {
        let text = format!("probe_allow_cidrs = {}\n", json!(networks));
        fs::write(directory.path().join("guard.toml"), text).expect("a file can be written");
    };
    allow(&["10.0.0.0/8"]);
    let mut registry = start_on(&directory, &["--check-backoff-max", "1s"]);
    let instance = Instance::start(&Place::here()).expect("an instance starts");
    let to_instance = redirecting_to(&format!("http://{}/", instance.address));
    registry.check("tcp", json!({"TCP": instance.address.to_string()}));
    registry.check("http", json!({"HTTP": format!("http://{}/", instance.address)}));
    registry.check("redirected", json!({"HTTP": format!("http://{to_instance}/")}));
    registry.check("udp", json!({"UDP": instance.address.to_string()}));
    for name in ["tcp", "http", "redirected", "udp"] {
        registry.wait_for(name, "critical", ELSEWHERE);
    }

    // A reload opens it, and 0.0.0.0/0 opens nothing that is refused to everybody.
    allow(&["0.0.0.0/0"]);
    registry.process.signal("HUP");
    for name in ["tcp", "http", "redirected"] {
        registry.wait_for(name, "passing", "");
    }
    registry.wait_for("special", "critical", SPECIAL);

    // Another closes it again, also to connections that were kept.
    allow(&["10.0.0.0/8"]);
    registry.process.signal("HUP");
    for name in ["tcp", "http", "redirected"] {
        registry.wait_for(name, "critical", ELSEWHERE);
    }
}
