//! Addresses that checks are not to reach: what they are refused for is their output.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::registry::Registry;
use crate::instance::{Instance, Place};
use crate::support::process::{Process, muster_binary};

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

/// A directory with a definition file of these checks.
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

/// A check that is refused when it is registered.
fn refused(registry: &mut Registry, mut check: Value, words: &str) {
    (check["Name"], check["Interval"]) = (json!("refused"), json!("1s"));
    let service = json!({"Name": "s", "Checks": [check]});
    for (target, body) in [("check", &check), ("service", &service)] {
        let answer = registry.put(&format!("/v1/agent/{target}/register"), body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            answer.text().starts_with("Invalid check: ") && answer.text().contains(words),
            "{}",
            answer.text()
        );
    }
    assert!(registry.shown("refused").is_null());
}

#[test]
fn addresses_of_nobody_and_of_muster_itself_are_refused() {
    let mut registry = Registry::start();
    let own = registry.process.address;
    for check in [
        json!({"TCP": own.to_string()}),
        json!({"UDP": own.to_string()}),
        json!({"TCP": format!("[::ffff:127.0.0.1]:{}", own.port())}),
        json!({"TCP": format!("0x7f000001:{}", own.port())}),
        json!({"HTTP": format!("http://{own}/readyz")}),
    ] {
        refused(&mut registry, check, OWN);
    }
    let to_own = redirecting_to(&format!("http://{own}/readyz"));
    let to_metadata = redirecting_to("http://169.254.169.254/latest/meta-data/");
    let rows = [
        (json!({"HTTP": format!("http://{to_metadata}/")}), SPECIAL),
        (json!({"TCP": format!("localhost:{}", own.port())}), OWN),
        (json!({"HTTP": format!("http://localhost:{}/readyz", own.port())}), OWN),
        (json!({"HTTP": format!("http://{to_own}/")}), OWN),
    ];
    for (at, (check, _)) in rows.iter().enumerate() {
        registry.check(&at.to_string(), check.clone());
    }
    for (at, (_, words)) in rows.iter().enumerate() {
        registry.wait_for(&at.to_string(), "critical", words);
    }
}

/// Whether `muster validate` takes a directory, and what it says.
fn validated(directory: &TempDir, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(muster_binary());
    let output = command
        .arg("validate")
        .args(arguments)
        .arg("--config-dir")
        .arg(directory.path())
        .output()
        .expect("it runs");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn what_is_refused_over_http_is_refused_in_files() {
    let allowed = ["--probe-allow-cidrs", "127.0.0.0/8,10.0.0.0/8"];
    let rows = [
        (
            "c.json",
            r#"{"check": {"name": "c", "interval": "1s", "http": "http://0xa9fea9fe/latest/meta-data/"}}"#,
            SPECIAL,
        ),
        (
            "c.json",
            r#"{"service": {"name": "s", "check": {"interval": "1s", "tcp": "192.0.2.1:80"}}}"#,
            ELSEWHERE,
        ),
        ("c.json", r#"{"check": {"name": "c", "interval": "1s", "tcp": "127.0.0.1:8500"}}"#, OWN),
        ("c.json", r#"{"service": {"name": "consul"}}"#, "is muster's own"),
        (
            "c.json",
            r#"{"service": {"name": "x", "check": {"id": "serfHealth", "ttl": "3s"}}}"#,
            "is muster's own",
        ),
        ("c.toml", "[[webhooks]]\nname = 'x'\nurl = 'http://169.254.169.254/'\n", SPECIAL),
        ("c.toml", "[[webhooks]]\nname = 'x'\nurl = 'http://192.0.2.1/'\n", ELSEWHERE),
        ("c.toml", "[[webhooks]]\nname = 'x'\nurl = 'http://127.0.0.1:8500/'\n", OWN),
    ];
    for (name, text, words) in rows {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join(name), text).expect("a file can be written");
        let (is_valid, said) = validated(&directory, &allowed);
        assert!(!is_valid && said.contains(words), "{text}: {said}");
        let path = directory.path().to_str().expect("a path in UTF-8");
        let arguments = [&allowed[..], &["--admin-addr", "127.0.0.1:8500", "--config-dir", path]].concat();
        let Err(said) = Process::muster(&arguments) else { panic!("it starts with {text}") };
        assert!(said.contains(words), "{text}: {said}");
    }

    // So it is at a reload, and everything is then as it was.
    let directory = defining(&[("good", json!({"tcp": "127.0.0.1:1"}))]);
    let mut registry = start_on(&directory, &allowed);
    let bad = json!({"check": {"id": "bad", "name": "bad", "interval": "1s", "tcp": "192.0.2.1:80"}});
    fs::write(directory.path().join("bad.json"), bad.to_string()).expect("a file can be written");
    let answer = registry.put("/v1/agent/reload", &json!(null));
    assert!(answer.status != 200 && answer.text().contains(ELSEWHERE), "{}", answer.text());
    assert!(registry.shown("bad").is_null() && !registry.shown("good").is_null());
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
    let mut registry = Registry::start();
    let own = registry.process.address;
    for (address, words) in [("169.254.169.254:80".to_owned(), SPECIAL), (own.to_string(), OWN)] {
        refused(&mut registry, json!({"GRPC": address}), words);
        refused(&mut registry, json!({"H2PING": address, "H2PingUseTLS": false}), words);
    }
    let named = format!("localhost:{}", own.port());
    registry.check("grpc", json!({"GRPC": named}));
    registry.check("h2ping", json!({"H2PING": named, "H2PingUseTLS": false}));
    ["grpc", "h2ping"].iter().for_each(|name| drop(registry.wait_for(name, "critical", OWN)));
}

#[test]
fn the_networks_of_the_operator_are_the_only_ones() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let allow = |networks: &[&str]| {
        let text = format!("probe_allow_cidrs = {}\n", json!(networks));
        fs::write(directory.path().join("guard.toml"), text).expect("a file can be written");
    };
    allow(&["10.0.0.0/8"]);
    let mut registry = start_on(&directory, &["--check-backoff-max", "1s"]);
    let instance = Instance::start(&Place::here()).expect("an instance starts");
    refused(&mut registry, json!({"TCP": instance.address.to_string()}), ELSEWHERE);
    refused(&mut registry, json!({"HTTP": format!("http://{}/", instance.address)}), ELSEWHERE);
    // A name may stand for one that is allowed.
    let named = |address: SocketAddr| format!("localhost:{}", address.port());
    let (here, to_instance) =
        (named(instance.address), named(redirecting_to(&format!("http://{}/", instance.address))));
    let to_metadata = named(redirecting_to("http://169.254.169.254/"));
    registry.check("tcp", json!({"TCP": here}));
    registry.check("http", json!({"HTTP": format!("http://{here}/")}));
    registry.check("redirected", json!({"HTTP": format!("http://{to_instance}/")}));
    registry.check("special", json!({"HTTP": format!("http://{to_metadata}/")}));
    registry.check("udp", json!({"UDP": here}));
    for name in ["tcp", "http", "redirected", "special", "udp"] {
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
