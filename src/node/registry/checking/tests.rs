//! The engine between readers and the writer.

use std::thread;

use super::*;
use crate::core::model::Status;
use crate::node::registry::tests::{health_of, open, register, shared, ttl_check};

#[test]
fn a_report_is_heard_as_soon_as_the_check_is_seen() {
    let registry = open(&shared());
    let checking = registry.checking();
    thread::scope(|scope| {
        // The engine hears of the new check only when this is let go.
        let programs = checking.programs.lock();
        let writes = scope.spawn(|| registry.write(register("web-1", Some(ttl_check("web-1")))));
        let begun = Instant::now();
        while health_of(&registry).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(30), "readers do not wait for the engine");
            thread::yield_now();
        }
        let passing = Observation { status: Status::Passing, output: "".into() };
        let reports = scope.spawn(|| registry.report(&"service:web-1".into(), passing));
        // It waits for the writer, or it has said its word in vain.
        let waiting = &registry.queue().stats().waiting;
        while !reports.is_finished() && waiting.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        drop(programs);
        writes.join().unwrap().unwrap();
        reports.join().unwrap().unwrap();
    });
    assert_eq!(health_of(&registry), [Status::Passing]);
}
