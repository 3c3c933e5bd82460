//! Never cry wolf: while every instance is healthy, nothing that befalls muster itself changes a status, however short, nor
//! wakes anyone who waits for a change. And the other way round: who is critical goes when it is time, and not before.

mod counts;
mod population;
mod reaping;
mod recorder;

use std::thread;
use std::time::Duration;

use population::{Population, Surroundings};

/// How long muster is stopped: longer than every TTL, interval and timeout of the population.
const STANDSTILL: Duration = Duration::from_secs(30);

#[test]
fn a_restart_changes_nothing() {
    let surroundings = Surroundings::create();
    let mut server = surroundings.muster();
    let mut population = Population::settle(&server, surroundings);
    // In order, and as by a power cut: the same registry, two ways to leave it.
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
    let surroundings = Surroundings::create();
    let server = surroundings.muster();
    let mut population = Population::settle(&server, surroundings);
    for port in [2, 3] {
        population.reload(&server, port);
        population.live_on();
        population.register_again();
        population.live_on();
    }
    population.assert_calm(0);
}

#[test]
fn a_standstill_of_muster_changes_nothing() {
    let surroundings = Surroundings::create();
    let server = surroundings.muster();
    let mut population = Population::settle(&server, surroundings);
    server.signal("STOP");
    // This is no wait for an event: how long it stands still is what the test is about.
    thread::sleep(STANDSTILL);
    server.signal("CONT");
    population.live_on();
    population.assert_calm(0);
}
