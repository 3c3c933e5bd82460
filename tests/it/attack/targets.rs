//! Targets of checks that mean harm, or are in trouble: thousands that hang, and some that never stop.

use std::time::Duration;

use super::bystander::{beside, giving_way, limits};
use crate::probing::greedy::flooding;
use crate::probing::hanging::{Crowd, register};
use crate::support::process::Process;

#[test]
fn hanging_targets_hold_nobody() {
    let server = Process::muster(&[]).expect("muster starts");
    let crowd = giving_way(|| Crowd::start(true));
    beside(&server, &limits(), |scale| {
        let mut client = server.client();
        for at in 0..scale.pick(1_000, 57_600) {
            let url = format!("http://{}/", crowd.address(at));
            register(&mut client, &format!("hang{at}"), &url, "1s");
        }
        // They go on hanging for a while.
        std::thread::sleep(scale.pick(Duration::from_secs(2), Duration::from_secs(30)));
    });
}

#[test]
fn targets_that_never_stop_hold_nobody() {
    let server = Process::muster(&[]).expect("muster starts");
    beside(&server, &limits(), |scale| {
        let mut client = server.client();
        for at in 0..scale.pick(4, 40) {
            let interim = flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n");
            let trailers =
                flooding(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n");
            for (kind, address) in [("interim", interim), ("trailers", trailers)] {
                register(&mut client, &format!("{kind}{at}"), &format!("http://{address}/"), "1s");
            }
        }
        std::thread::sleep(scale.pick(Duration::from_secs(2), Duration::from_secs(30)));
    });
}
