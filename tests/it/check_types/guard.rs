//! Addresses that checks are not to reach: what they are refused for is their output.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use serde_json::json;

use super::registry::Registry;
use crate::instance::{Instance, Place};

const SPECIAL: &str = "refused: link-local, multicast and unspecified addresses";
const ELSEWHERE: &str = "refused: it is in none of the networks of probe_allow_cidrs";
const OWN: &str = "refused: muster itself listens there; the check serfHealth tells whether muster is well";

/// An HTTP server that sends everybody on to `location`. It ends with the test's process.
fn redirecting_to(location: &str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
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

#[test]
fn addresses_of_nobody_and_of_muster_itself_are_refused() {
    let mut registry = Registry::start();
    let own = registry.process.address;
    let to_own = redirecting_to(&format!("http://{own}/readyz"));
    let to_metadata = redirecting_to("http://169.254.169.254/latest/meta-data/");
    let rows = [
        (json!({"TCP": "169.254.169.254:80"}), SPECIAL),
        (json!({"TCP": "[::ffff:169.254.169.254]:80"}), SPECIAL),
        (json!({"TCP": "169.254.169.254:443", "TCPUseTLS": true}), SPECIAL),
        (json!({"HTTP": "http://169.254.169.254/latest/meta-data/"}), SPECIAL),
        (json!({"HTTP": "http://0xa9fea9fe/latest/meta-data/"}), SPECIAL),
        (json!({"HTTP": format!("http://{to_metadata}/")}), SPECIAL),
        (json!({"UDP": "224.0.0.1:9"}), SPECIAL),
        (json!({"TCP": "[fe80::1]:80"}), SPECIAL),
        (json!({"TCP": format!("0.0.0.0:{}", own.port())}), SPECIAL),
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

#[cfg(feature = "grpc")]
#[test]
fn checks_over_http2_are_guarded_as_well() {
    let mut registry = Registry::start();
    let own = registry.process.address.to_string();
    let rows = [
        (json!({"GRPC": "169.254.169.254:80"}), SPECIAL),
        (json!({"H2PING": "169.254.169.254:80"}), SPECIAL),
        (json!({"GRPC": own}), OWN),
        (json!({"H2PING": own, "H2PingUseTLS": false}), OWN),
    ];
    for (at, (check, _)) in rows.iter().enumerate() {
        registry.check(&at.to_string(), check.clone());
    }
    for (at, (_, words)) in rows.iter().enumerate() {
        registry.wait_for(&at.to_string(), "critical", words);
    }
}

#[test]
fn the_networks_of_the_operator_are_the_only_ones() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let allow = |networks: &[&str]| {
        let text = format!("probe_allow_cidrs = {}\n", json!(networks));
        fs::write(directory.path().join("guard.toml"), text).expect("a file can be written");
    };
    allow(&["10.0.0.0/8"]);
    let path = directory.path().to_str().expect("a path in UTF-8");
    let mut registry = Registry::start_with(&["--config-dir", path, "--check-backoff-max", "1s"], &[]);
    let instance = Instance::start(&Place::here()).expect("an instance starts");
    let to_instance = redirecting_to(&format!("http://{}/", instance.address));
    registry.check("tcp", json!({"TCP": instance.address.to_string()}));
    registry.check("http", json!({"HTTP": format!("http://{}/", instance.address)}));
    registry.check("redirected", json!({"HTTP": format!("http://{to_instance}/")}));
    registry.check("udp", json!({"UDP": instance.address.to_string()}));
    registry.check("special", json!({"TCP": "169.254.169.254:80"}));
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
