//! `Watch`: whose connections are kept between two runs, as the definition says.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::registry::Registry;
use crate::instance::{Instance, Place};
use crate::support::client::{Request, ask_until};

/// So long that no ordinary run brings anything about.
const INTERVAL: &str = "10m";

/// Longest wait for a number.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(20);

/// Connections that are kept now.
const WATCHED: &str = "muster_watched_connections ";

#[test]
fn a_definition_says_whether_its_connection_is_kept() {
    let instances = [(); 4].map(|()| Instance::start(&Place::here()).expect("an instance starts"));
    let [tcp_on, tcp_off, http_on, http_off] = &instances;
    let mut registry = Registry::start();
    let tcp = |of: &Instance| json!({"TCP": of.address.to_string(), "Interval": INTERVAL});
    let http = |of: &Instance| json!({"HTTP": format!("http://{}/", of.address), "Interval": INTERVAL});
    let rows = [
        ("tcp on", tcp(tcp_on), Some(true)),
        ("tcp off", tcp(tcp_off), None),
        ("http on", http(http_on), None),
        ("http off", http(http_off), Some(false)),
    ];
    for (name, mut check, watch) in rows {
        check["Watch"] = json!(watch);
        registry.check(name, check);
    }
    for name in ["tcp on", "tcp off", "http on", "http off"] {
        registry.wait_for(name, "passing", "");
    }
    wait_for_watched(&mut registry, 2);

    for instance in &instances {
        instance.signal(Signal::KILL);
    }
    let refused = "connect: connection refused";
    registry.wait_for("tcp on", "critical", &format!("dial tcp {}: {refused}", tcp_on.address));
    // The listener of a process that dies may outlive its connections by a moment, and then resets.
    registry.wait_for("http on", "critical", &http_on.address.to_string());
    wait_for_watched(&mut registry, 0);
    // Of these nothing is known before their next run.
    for name in ["tcp off", "http off"] {
        assert_eq!(registry.shown(name)["Status"], "passing", "{name}");
    }
}

#[test]
fn a_reload_decides_for_all_checks() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let set = |watch: bool| {
        let text = format!("watch_connections = {watch}\n");
        fs::write(directory.path().join("watch.toml"), text).expect("a file can be written");
    };
    set(true);
    let path = directory.path().to_str().expect("a path in UTF-8");
    let mut registry = Registry::start_with(&["--config-dir", path], &[]);
    let instance = Instance::start(&Place::here()).expect("an instance starts");
    registry.check("http", json!({"HTTP": format!("http://{}/", instance.address)}));
    // A connection may be held a moment before the status is written.
    registry.wait_for("http", "passing", "");
    for (watch, count) in [(true, 1), (false, 0), (true, 1)] {
        set(watch);
        registry.process.signal("HUP");
        wait_for_watched(&mut registry, count);
        assert_eq!(registry.shown("http")["Status"], "passing", "whatever is kept");
    }
}

fn wait_for_watched(registry: &mut Registry, count: u32) {
    let line = format!("{WATCHED}{count}");
    let is_so = |text: &str| text.lines().any(|it| it == line);
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let request = Request::new("GET", "/metrics");
    let answer = ask_until(&mut registry.client, &request, deadline, |it| is_so(&it.text()));
    let text = answer.expect("an answer").text();
    let shown: Vec<&str> = text.lines().filter(|it| it.contains("watched")).collect();
    assert!(is_so(&text), "{line}: {}", shown.join("\n"));
}
