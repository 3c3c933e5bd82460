//! Runs that cannot be made, and runs that break: each is a failed run with a sentence.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::core::model::limits::PROBE_HEADER_NAMES_MAX;
use crate::node::probe::contained;

#[test]
fn more_headers_than_a_request_holds_are_said_and_not_sent() {
    let mut probe = get("http://127.0.0.1:1/");
    if let Probe::Http { header, .. } = &mut probe {
        *header = (0..40_000).map(|at| (format!("x-{at}").as_str().into(), vec![Text::from("v")])).collect();
    }
    let (status, output) = run(probe, PATIENT);
    assert_eq!(status, Status::Critical);
    assert!(output.contains(&format!("at most {PROBE_HEADER_NAMES_MAX} names")), "{output}");
}

#[test]
fn a_panic_is_a_failed_run() {
    static HAS_RUN: AtomicBool = AtomicBool::new(false);
    let found = contained(&get("http://h/"), || {
        HAS_RUN.store(true, Ordering::Relaxed);
        panic!("expected by the test")
    });
    assert!(HAS_RUN.load(Ordering::Relaxed) && found.has_replied && found.kept.is_none());
    assert_eq!(found.observation.status, Status::Critical);
    assert!(found.observation.output.contains("a fault of muster"), "{}", found.observation.output);
}
