//! A disk that takes its time: reads are answered as ever, writes wait up to a bound, the next ones are told to come back,
//! and all that waited are answered when the disk is done.

use std::thread;
use std::time::{Duration, Instant};

use super::scene::{Scene, WRITABLE, assert_stands, register, services};

/// Connections allowed, the fewest that may be configured; half of them may wait with a write.
const CONNECTIONS_MAX: &str = "32";
const WAITING_MAX: usize = 16;

/// How long a sync takes: long enough to look at everything meanwhile, an order above that.
const SYNC_MS: &str = "5000";

/// Longest wait for something that comes within moments.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(30);

/// Reads while the disk stalls; together they must take less than the stall does.
const READS: usize = 200;

#[test]
fn writes_queue_to_a_bound_while_reads_go_on() {
    let scene = Scene::start(
        &["--limits-connections-max", CONNECTIONS_MAX],
        &[("FAULT_SLOW_MS", SYNC_MS), ("FAULT_OPS", "s")],
    );
    let process = &scene.process;
    let mut client = process.client();
    assert_eq!(register(&mut client, "steady").status, 200);
    let calls = scene.disk.calls();
    scene.disk.break_with("slow s");
    let stalled_at = Instant::now();
    let names: Vec<String> = (0..WAITING_MAX + 1).map(|at| format!("waiting-{at}")).collect();
    thread::scope(|scope| {
        // The first is with the disk, the others wait for their turn.
        let writer = |name: &str| {
            let (mut client, name) = (process.client(), name.to_owned());
            scope.spawn(move || register(&mut client, &name))
        };
        let mut writers = vec![writer(&names[0])];
        wait_until(stalled_at, "the first write is with the disk", || scene.disk.calls() > calls);
        writers.extend(names[1..].iter().map(|name| writer(name)));
        let line = format!("muster_write_queue_depth {WAITING_MAX}\n");
        wait_until(stalled_at, &line, || client.get("/metrics").expect("an answer").text().contains(&line));
        let refused = register(&mut client, "too-many");
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert_eq!(refused.header("Retry-After"), Some("1"));
        let words = "16 writes are waiting already, as many as may (half of limits.connections_max at most)";
        assert!(refused.text().contains(words), "{}", refused.text());
        wait_until(stalled_at, "the bound is in the log", || scene.process.log().contains(words));
        for _ in 0..READS {
            let answer = client.get("/v1/health/service/steady?passing").expect("an answer");
            assert_eq!((answer.status, answer.json().as_array().map(Vec::len)), (200, Some(1)));
        }
        assert_eq!(services(&mut client), ["steady"], "what is not durable is not shown");
        let stall = Duration::from_millis(SYNC_MS.parse().expect("a number"));
        assert!(stalled_at.elapsed() < stall, "reads did not wait: {:?}", stalled_at.elapsed());
        scene.disk.mend();
        for writer in writers {
            let answer = writer.join().expect("a writer");
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    });
    assert_eq!(
        services(&mut client).len(),
        1 + names.len(),
        "all that waited are there, and the refused one is not"
    );
    assert_stands(process, WRITABLE);
}

fn wait_until(since: Instant, what: &str, mut happened: impl FnMut() -> bool) {
    while !happened() {
        assert!(since.elapsed() < EVENT_WAIT_MAX, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}
