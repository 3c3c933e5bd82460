//! The threads of the built program, each killed and each held still from outside: health questions name it within a
//! second, and a process that cannot go on ends itself with a sentence. What is printed has a closed pipe or a full disk
//! behind it, and that ends nothing.

mod output;
pub mod thread;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use thread::Thread;

use crate::redis::server::Redis;
use crate::support::client::{Answer, Client, Request};
use crate::support::process::Process;

/// What must not fail for muster to go on, by the names its threads have. Further ones belong to the storage engine
/// and to Redis's connections, which are looked after there.
const NEEDED: [&str; 27] = [
    "api-0",
    "drains",
    "files-0",
    "filters-0",
    "gzip-0",
    "gzip-long-0",
    "health",
    "lists-0",
    "log",
    "patterns-0",
    "program-0",
    "reaper",
    "redis",
    "reloads",
    "restore-0",
    "searches-0",
    "sentinel",
    "signals",
    "snapshot-0",
    "snapshots",
    "spool-0",
    "supervisor",
    "timer",
    "waking",
    "webhooks",
    "worker",
    "writer",
];

/// It waits for a process that wants to take over. Without it everything is served on, and an upgrade is a restart.
const NOT_NEEDED: &str = "takeover";

/// It looks whether the machine trusts any certificate authority, and may still do so when the agent serves.
const OF_A_START: &str = "authorities";

/// Those that give signs of life, so that it shows when one stands still.
const BEATING: [&str; 11] = [
    "drains",
    "health",
    "log",
    "reaper",
    "redis",
    "sentinel",
    "supervisor",
    "timer",
    "waking",
    "webhooks",
    "writer",
];

/// What is promised, and twice that again for a loaded machine.
const TOLD_WITHIN: Duration = Duration::from_secs(3);

/// The end follows two seconds after it was told, and the log is waited for.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

/// Longest wait for threads to be there, or to be well again.
const PATIENCE: Duration = Duration::from_secs(30);

/// A muster with all its threads, and the Redis that one of them speaks to.
struct Scene {
    /// Of the thread that it is about.
    name: String,
    process: Process,
    _redis: Option<Redis>,
}

impl Scene {
    fn start(name: &str) -> Scene {
        let redis = (name == "redis").then(|| Redis::start(&[]));
        let snapshots = tempfile::tempdir().expect("a directory").keep();
        let snapshots = snapshots.to_str().expect("a path in UTF-8");
        let url = redis.as_ref().map(|redis| format!("redis://127.0.0.1:{}", redis.port)).unwrap_or_default();
        let mut arguments = vec!["--snapshot-dir", snapshots, "--snapshot-interval", "1h"];
        if redis.is_some() {
            arguments.extend(["--store", "redis", "--redis-url", url.as_str()]);
        }
        let process = Process::muster(&arguments).expect("muster starts");
        Scene { name: name.to_owned(), process, _redis: redis }
    }

    fn thread(&self, name: &str) -> Thread {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The runtime's threads get their names with their first signs of life, others before they begin.
            match Thread::of(self.process.pid(), name).filter(Thread::is_idle) {
                Some(thread) => return thread,
                None => assert!(
                    Instant::now() < deadline,
                    "no thread {name}: {:?}",
                    Thread::names(self.process.pid())
                ),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks until `wanted` is answered, on a new connection each time: the thread may have held one.
    fn wait_for(&self, target: &str, wanted: impl Fn(&Answer) -> bool) -> (Duration, String) {
        let begun = Instant::now();
        loop {
            let mut client = Client::new(self.process.address);
            client.send(&Request::new("GET", target)).expect("a request can be sent");
            if client.answered_within(PATIENCE).expect("a connection that stays")
                && let Ok(answer) = client.receive()
                && wanted(&answer)
            {
                return (begun.elapsed(), answer.text());
            }
            assert!(begun.elapsed() < PATIENCE, "{}: {target}:\n{}", self.name, self.process.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Runs `trial` for each name, some of them at a time.
fn each(names: &[&'static str], trial: impl Fn(&'static str) + Sync) {
    for some in names.chunks(4) {
        std::thread::scope(|scope| some.iter().for_each(|name| drop(scope.spawn(|| trial(name)))));
    }
}

#[test]
fn every_thread_is_needed_and_supervised() {
    let scene = Scene::start("redis");
    // A thread has its name once it runs, which on a busy machine is a while after it was started.
    for name in NEEDED {
        scene.thread(name);
    }
    let needed: BTreeSet<String> = NEEDED.iter().map(|name| (*name).to_owned()).collect();
    let of_a_pool = |name: &str| name.rsplit_once('-').map(|(pool, _)| format!("{pool}-0"));
    let found = Thread::names(scene.process.pid()).into_iter();
    let found: BTreeSet<String> =
        found.map(|name| of_a_pool(&name).filter(|it| needed.contains(it)).unwrap_or(name)).collect();
    let others: Vec<_> = found.difference(&needed).collect();
    assert!(needed.is_subset(&found), "missing: {:?}", needed.difference(&found).collect::<Vec<_>>());
    assert!(
        others.iter().all(|name| name.starts_with("fjall:")
            || name.starts_with("r2d2-")
            || [NOT_NEEDED, OF_A_START].contains(&name.as_str())),
        "a new thread: start it through `sys::supervision` and name it here: {others:?}"
    );
}

#[test]
fn a_thread_that_ends_is_named_and_ends_the_process() {
    each(&NEEDED, |name| {
        let mut scene = Scene::start(name);
        scene.thread(name).kill();
        let killed = Instant::now();
        // A worker may take the connections that would hear of it with it.
        if name != "worker" {
            for target in ["/livez", "/readyz"] {
                let (_, said) = scene.wait_for(target, |answer| answer.status == 503);
                let expected = format!("the thread {name} has ended: ");
                assert!(said.starts_with(&expected), "{target}: {said}");
            }
            assert!(killed.elapsed() < TOLD_WITHIN, "{name}: told after {:?}", killed.elapsed());
        }
        let ended = scene.process.ended_within(ENDED_WITHIN);
        let ended = ended.unwrap_or_else(|| panic!("it goes on without {name}:\n{}", scene.process.log()));
        assert_eq!(ended.code(), Some(1), "{name}: a supervisor starts it again only if it has failed");
        let log = scene.process.log();
        let last = log.lines().last().unwrap_or_default();
        assert!(last.starts_with("muster: the thread ") && last.contains(name), "{name}: {last}");
        assert!(
            last.ends_with("muster cannot go on without it and ends, to be started again"),
            "{name}: {last}"
        );
        scene.process.start_again().expect("and it starts again");
    });
}

#[test]
fn a_thread_that_stands_still_is_named_until_it_goes_on() {
    each(&BEATING, |name| {
        let mut scene = Scene::start(name);
        let held = scene.thread(name).hold();
        let begun = Instant::now();
        for target in ["/livez", "/readyz"] {
            let (_, said) = scene.wait_for(target, |answer| answer.status == 503);
            let expected = format!("the thread {name} has stalled: ");
            assert!(said.starts_with(&expected), "{target}: {said}");
        }
        assert!(begun.elapsed() < TOLD_WITHIN, "{name}: told after {:?}", begun.elapsed());
        held.let_go();
        scene.wait_for("/livez", |answer| answer.status == 200);
        scene.wait_for("/readyz", |answer| answer.status == 200);
        assert!(scene.process.stop().expect("it ends in order").success(), "{name}");
    });
}

#[test]
fn threads_that_wait_for_work_are_left_asleep() {
    const WAITING: [&str; 7] = ["drains", "health", "log", "sentinel", "waking", "webhooks", "writer"];
    const LOOKED_FOR: Duration = Duration::from_secs(4);
    /// Two to show itself, as often again for what a start still has to do.
    const SLEEPS_MAX: u64 = 4;
    let scene = Scene::start("");
    scene.wait_for("/readyz", |answer| answer.status == 200);
    let sleeps = || WAITING.map(|name| scene.thread(name).sleeps());
    let mut seen = Vec::new();
    // What a start still has to do, such as a first snapshot, is over in the second span at the latest.
    let is_quiet = (0..3).any(|_| {
        let before = sleeps();
        std::thread::sleep(LOOKED_FOR);
        let after = sleeps();
        let span: [u64; WAITING.len()] = std::array::from_fn(|at| after[at] - before[at]);
        seen.push(span);
        span.iter().all(|count| *count <= SLEEPS_MAX)
    });
    assert!(is_quiet, "{WAITING:?}: {seen:?}");
}

#[test]
fn a_process_that_was_stopped_finds_nothing_wrong() {
    let scene = Scene::start("");
    scene.process.signal("STOP");
    std::thread::sleep(Duration::from_millis(1_500));
    scene.process.signal("CONT");
    let begun = Instant::now();
    let mut client = scene.process.client();
    while begun.elapsed() < Duration::from_millis(300) {
        let answer = client.get("/livez").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn a_reload_that_hangs_keeps_no_signal_back() {
    let mut scene = Scene::start("");
    let held = scene.thread("reloads").hold();
    scene.process.signal("HUP");
    scene.process.signal("HUP");
    scene.process.signal("TERM");
    held.ended();
    assert!(
        scene.process.ended_within(ENDED_WITHIN).is_some_and(|it| it.success()),
        "{}",
        scene.process.log()
    );
}
