//! Every way in which Redis can fail that we know how to bring about, each while clients write and read. Kept in the
//! spool, no write is refused; to be rejected, some are and nothing of them is kept. Either way nothing that was
//! acknowledged is missing in the end, in muster's answers and in Redis's hashes.

use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::proxy::{Line, Proxy};
use super::scene::{Met, Scene};
use super::server::{Redis, ask};
use crate::restart::chance::seed;

/// Trials side by side: each mostly waits, for a timeout or for an attempt to reach Redis again.
const TRIALS_AT_A_TIME: usize = 4;

/// How long a fault lasts, where its end is ours to choose: longer than muster's patience of a second.
const FAULT: Duration = Duration::from_millis(1_500);

/// Time under load before a fault and after it.
const CALM: Duration = Duration::from_millis(200);

/// A fault, and whether writes may be refused although they are to be spooled.
struct Fault {
    name: &'static str,
    /// Brings it about and ends it, while clients write.
    happen: fn(&mut Redis, &Proxy),
    /// Whether it lasts, so that writes are refused when they are to be.
    lasts: bool,
    /// Whether somebody else could write under the prefix meanwhile: no write is acknowledged then.
    is_rivalry: bool,
}

const fn lasting(name: &'static str, happen: fn(&mut Redis, &Proxy)) -> Fault {
    Fault { name, happen, lasts: true, is_rivalry: false }
}

const fn passing(name: &'static str, happen: fn(&mut Redis, &Proxy)) -> Fault {
    Fault { name, happen, lasts: false, is_rivalry: false }
}

/// Lets a fault last. This is no wait for an event: how long it lasts is what is tried.
fn last() {
    thread::sleep(FAULT);
}

const FAULTS: &[Fault] = &[
    lasting("killed", |redis, _| {
        redis.kill();
        last();
        redis.start_again(&[]);
    }),
    lasting("stopped", |redis, _| {
        redis.signal("STOP");
        last();
        redis.signal("CONT");
    }),
    lasting("full", |redis, _| {
        redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
        last();
        redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    }),
    lasting("short of replicas", |redis, _| {
        redis.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        last();
        redis.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    }),
    lasting("made a replica", |redis, _| {
        redis.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
        last();
        redis.ask::<()>(&["REPLICAOF", "NO", "ONE"]);
    }),
    passing("restarted empty", |redis, _| {
        redis.kill();
        redis.forget();
        redis.start_again(&[]);
    }),
    passing("restarted without its tail", |redis, _| {
        redis.ask::<()>(&["SAVE"]);
        // What is written now is lost: only the dump is kept.
        thread::sleep(CALM);
        redis.kill();
        fs::remove_dir_all(redis.directory.path().join("appendonlydir")).expect("its log can be removed");
        redis.start_again(&["--appendonly", "no"]);
    }),
    passing("flushed", |redis, _| redis.ask::<()>(&["FLUSHALL"])),
    passing("flushed again and again", |redis, _| {
        for _ in 0..10 {
            redis.ask::<()>(&["FLUSHALL"]);
            thread::sleep(CALM / 4);
        }
    }),
    passing("its clients killed", |redis, _| {
        for _ in 0..10 {
            let mut connection = redis.connect_as("").expect("a connection");
            ask::<redis::Value>(&mut connection, &["CLIENT", "KILL", "TYPE", "normal"]);
            thread::sleep(CALM / 4);
        }
    }),
    lasting("set to drop rows", |redis, _| {
        redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
        // It is looked at every three seconds.
        last();
        last();
        last();
        redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    }),
    passing("dropping rows", |redis, _| {
        redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
        redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
        thread::sleep(CALM);
        redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
        redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    }),
    lasting("its password changed", |redis, _| {
        let mut connection = redis.connect_as("").expect("a connection");
        ask::<()>(&mut connection, &["CONFIG", "SET", "requirepass", "other"]);
        let mut connection = redis.connect_as("other").expect("a connection");
        ask::<redis::Value>(&mut connection, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        last();
        ask::<()>(&mut connection, &["CONFIG", "SET", "requirepass", ""]);
    }),
    lasting("asleep", |redis, _| redis.ask::<()>(&["DEBUG", "SLEEP", "2"])),
    lasting("unable to save to its disk", |redis, _| {
        redis.ask::<()>(&["CONFIG", "SET", "save", "3600 1"]);
        let dump = redis.directory.path().join("dump.rdb");
        let _ = fs::remove_file(&dump);
        fs::create_dir(&dump).expect("a directory in place of the dump");
        redis.ask::<redis::Value>(&["BGSAVE"]);
        last();
        fs::remove_dir(&dump).expect("the directory can go");
        redis.ask::<redis::Value>(&["BGSAVE"]);
    }),
    Fault {
        name: "its lock stolen",
        happen: |redis, _| {
            redis.ask::<()>(&["SET", "scene:v1:lock", "a thief", "PX", "1500"]);
            last();
        },
        lasts: true,
        is_rivalry: true,
    },
    passing("its lock lost", |redis, _| {
        redis.ask::<i64>(&["DEL", "scene:v1:lock"]);
    }),
    lasting("its key of another type", |redis, _| {
        let mut connection = redis.connect_as("").expect("a connection");
        ask::<redis::Value>(
            &mut connection,
            &["EVAL", "redis.call('DEL', KEYS[1]) redis.call('SET', KEYS[1], 'x')", "1", "scene:v1:services"],
        );
        last();
        ask::<i64>(&mut connection, &["DEL", "scene:v1:services"]);
    }),
    passing("its rows altered by hand", |redis, _| {
        redis.ask::<i64>(&["HSET", "scene:v1:services", "alien\tx", "{}"]);
        redis.ask::<i64>(&["DEL", "scene:v1:checks"]);
    }),
    passing("its rows given other values", |redis, _| {
        let mut connection = redis.connect_as("").expect("a connection");
        let script = "for _, key in ipairs(redis.call('HKEYS', KEYS[1])) do redis.call('HSET', KEYS[1], key, '{}') end";
        ask::<redis::Value>(&mut connection, &["EVAL", script, "1", "scene:v1:services"]);
    }),
    lasting("refusing connections", |_, proxy| {
        proxy.set(Line::Reset);
        last();
        proxy.set(Line::Open);
    }),
    lasting("behind a silent line", |_, proxy| {
        proxy.set(Line::Silent);
        last();
        proxy.set(Line::Open);
        // Until the connections that have lost bytes are given up.
        proxy.set(Line::Reset);
        proxy.set(Line::Open);
    }),
    passing("cut in the middle of its answers", |_, proxy| {
        for answer_bytes in [0, 1, 4, 5, 9, 23, 57, 101, 203, 307, 409, 700] {
            proxy.cut_after(answer_bytes);
            thread::sleep(CALM);
        }
    }),
];

/// Tries one fault, and gives what the clients met.
fn try_fault(fault: &Fault, on_outage: &str, seed: u64) -> Met {
    let what = format!("{} ({on_outage})", fault.name);
    let mut scene = Scene::start(on_outage, seed);
    let met = scene.live(|redis, proxy| {
        thread::sleep(CALM);
        (fault.happen)(redis, proxy);
        thread::sleep(CALM);
    });
    scene.wait_until_well();
    scene.check_answers(&what);
    scene.check_redis(&scene.redis, &what);
    // And the directory alone holds the same, as does Redis after a further start.
    scene.restart_muster();
    scene.check_answers(&format!("{what}, restarted"));
    let after = scene.live(|_, _| thread::sleep(CALM));
    scene.wait_until_well();
    scene.check_answers(&format!("{what}, later"));
    scene.check_redis(&scene.redis, &format!("{what}, later"));
    assert!(
        after.acknowledged > 0 && met.acknowledged > 0 && met.read > 0,
        "{what}: {met:?}, then {after:?}"
    );
    met
}

fn try_all(on_outage: &'static str) {
    let (seed, next, sums) = (seed(), Mutex::new(FAULTS.iter()), Mutex::new((0, 0, 0)));
    thread::scope(|scope| {
        for _ in 0..TRIALS_AT_A_TIME {
            scope.spawn(|| {
                while let Some(fault) = { next.lock().expect("no thread panics with it").next() } {
                    let met = try_fault(fault, on_outage, seed);
                    println!(
                        "{}: {} acknowledged, {} refused, {} read",
                        fault.name, met.acknowledged, met.refused, met.read
                    );
                    let may_refuse = on_outage == "reject" || fault.is_rivalry;
                    assert!(may_refuse || met.refused == 0, "{}: {} refused", fault.name, met.refused);
                    let must_refuse = fault.lasts && may_refuse;
                    assert!(!must_refuse || met.refused > 0, "{}: none refused", fault.name);
                    let mut sums = sums.lock().expect("no thread panics with it");
                    *sums = (sums.0 + 1, sums.1 + met.acknowledged, sums.2 + met.refused);
                }
            });
        }
    });
    let (faults, acknowledged, refused) = sums.into_inner().expect("no thread panicked with it");
    println!("{faults} kinds of fault, {acknowledged} acknowledged operations, {refused} refused, 0 lost");
}

#[test]
fn no_fault_of_redis_loses_or_refuses_a_write_that_is_spooled() {
    try_all("spool");
}

#[test]
fn no_fault_of_redis_loses_a_write_or_keeps_one_that_was_rejected() {
    try_all("reject");
}
