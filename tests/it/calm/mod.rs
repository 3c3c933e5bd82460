//! Never cry wolf: while every instance is healthy, nothing that befalls muster itself changes a status, however short, nor
//! wakes anyone who waits for a change. And the other way round: who is critical goes when it is time, and not before.

mod counts;
mod population;
mod reaping;
mod recorder;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::process::Process;
use population::Population;

/// How long muster is stopped: longer than every TTL, interval and timeout of the population.
const STANDSTILL: Duration = Duration::from_secs(30);

#[test]
fn a_restart_changes_nothing() {
    let mut server = Process::muster(&[]).expect("muster starts");
    let mut population = Population::settle(&server);
    // In order, and as by a power cut: the same file of the store, two ways to leave it.
    server.stop().expect("it ends in order");
    server.start_again().expect("muster starts again");
    population.live_on();
    server.kill();
    server.start_again().expect("muster starts again");
    population.live_on();
    // A topic nobody has touched since the start stands at the index the registry was loaded at: one step a start.
    population.assert_calm(2);
}

#[test]
fn neither_a_reload_nor_a_registration_again_changes_anything() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let define = |port: u16| put(directory.path(), "other.json", &definition("other", port));
    define(1);
    let path = directory.path().to_str().expect("a path in UTF-8").to_owned();
    let server = Process::muster(&["--config-dir", &path]).expect("muster starts");
    let mut population = Population::settle(&server);
    for port in [2, 3] {
        define(port);
        server.signal("HUP");
        population.wait_for_port("other", port);
        population.live_on();
        population.register_again();
        population.live_on();
    }
    population.assert_calm(0);
}

#[test]
#[ignore = "muster does not do it"]
fn a_standstill_of_muster_changes_nothing() {
    let server = Process::muster(&[]).expect("muster starts");
    let mut population = Population::settle(&server);
    server.signal("STOP");
    // This is no wait for an event: how long it stands still is what the test is about.
    thread::sleep(STANDSTILL);
    server.signal("CONT");
    population.live_on();
    population.assert_calm(0);
}

fn put(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).expect("a file can be written");
}

fn definition(name: &str, port: u16) -> String {
    json!({"service": {"name": name, "port": port}}).to_string()
}
