//! Snapshots that an agent takes by itself.

use std::fs;
use std::time::{Duration, Instant};

use super::{register, succeeds, text};
use crate::support::client::{Answer, Request, ask_until};
use crate::support::process::Process;

/// How long three snapshots, a second apart, may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn metric(answer: &Answer, name: &str) -> f64 {
    let text = answer.text();
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(f64::NAN)
}

#[test]
fn snapshots_are_taken_and_the_newest_kept() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let there = directory.path().join("deep/snapshots");
    let arguments = ["-snapshot-interval", "1s", "-snapshot-keep", "2", "-snapshot-dir", text(&there)];
    let muster = Process::muster(&arguments).expect("it starts");
    let mut client = muster.client();
    register(&mut client, "a", "web", 1);
    let enough = |answer: &Answer| metric(answer, "muster_snapshots_total") >= 3.0;
    let request = Request::new("GET", "/metrics");
    let answer = ask_until(&mut client, &request, Instant::now() + PATIENCE, enough).expect("an answer");
    assert!(enough(&answer), "{}", muster.log());
    assert_eq!(metric(&answer, "muster_snapshot_failures_total"), 0.0);
    assert!(metric(&answer, "muster_snapshot_last_success_timestamp_seconds") > 1.7e9);
    assert!(metric(&answer, "muster_snapshot_age_seconds") < 60.0);
    assert!(metric(&answer, "muster_snapshot_bytes") > 100.0);
    drop(muster);
    let mut kept: Vec<_> =
        fs::read_dir(&there).expect("it is there").map(|it| it.expect("an entry").path()).collect();
    kept.retain(|path| !text(path).ends_with(".unfinished"));
    // The newest may have come between the answer and the end, before the oldest had gone.
    assert!((2..=3).contains(&kept.len()), "{kept:?}");
    for path in kept {
        assert!(succeeds(&["snapshot", "verify", text(&path)]).contains("2 services"));
    }
}

#[test]
fn a_directory_that_cannot_be_used_keeps_it_from_starting() {
    let arguments = ["-dev", "-snapshot-interval", "1s", "-snapshot-dir", "/proc/none"];
    let refusal = Process::muster(&arguments).err().expect("it does not start");
    assert!(refusal.contains("snapshot_dir /proc/none cannot be used"), "{refusal}");
}
