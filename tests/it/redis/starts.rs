//! Starts: with a Redis that is away, in the middle of an outage, on a new directory, beside another muster, and
//! failing over from one Redis to another.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::proxy::Proxy;
use super::scene::{PREFIX, Scene};
use super::server::{Redis, Sentinel};
use crate::restart::chance::seed;
use crate::support::client::{Request, ask_until};
use crate::support::process::Process;

/// Time under load.
const CALM: Duration = Duration::from_millis(300);

/// A load long enough for a sentinel of half a second's patience to fail over.
const FAILOVER: Duration = Duration::from_secs(4);

#[test]
fn muster_killed_in_an_outage_starts_with_and_without_redis() {
    for is_back in [false, true] {
        let what =
            if is_back { "killed in an outage, Redis back" } else { "killed in an outage, Redis still away" };
        let mut scene = Scene::start("spool", seed());
        scene.live(|redis, _| {
            thread::sleep(CALM);
            redis.kill();
            thread::sleep(CALM);
        });
        if is_back {
            scene.redis.start_again(&[]);
        }
        scene.restart_muster();
        scene.check_answers(what);
        scene.live(|_, _| thread::sleep(CALM));
        if !is_back {
            scene.redis.start_again(&[]);
        }
        scene.wait_until_well();
        scene.check_answers(what);
        scene.check_redis(&scene.redis, what);
    }
}

#[test]
fn muster_killed_and_started_before_a_redis_that_takes_nothing_refuses_no_write() {
    let what = "started before a full Redis";
    let mut scene = Scene::start("spool", seed());
    scene.live(|_, _| thread::sleep(CALM));
    scene.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    // The lock of the one that was killed still holds.
    scene.restart_muster();
    let met = scene.live(|_, _| thread::sleep(CALM));
    assert!(met.refused == 0 && met.acknowledged > 0, "{what}: {met:?}");
    scene.redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    scene.wait_until_well();
    scene.check_answers(what);
    scene.check_redis(&scene.redis, what);
}

#[test]
fn a_new_directory_is_filled_from_redis() {
    let mut scene = Scene::start("spool", seed());
    for round in ["directory lost", "directory lost again"] {
        scene.live(|_, _| thread::sleep(CALM));
        scene.wait_until_well();
        scene.lose_the_directory();
        scene.check_answers(round);
        scene.wait_until_well();
        scene.check_redis(&scene.redis, round);
    }
    scene.restart_muster();
    scene.wait_until_well();
    scene.check_answers("restarted on what was filled");
}

#[test]
fn a_second_muster_on_the_prefix_is_refused_with_a_sentence() {
    let mut scene = Scene::start("spool", seed());
    let said = scene.start_a_second().err().expect("a second muster is refused");
    assert!(said.contains("its lock is held by the muster on"), "{said}");
    assert!(said.contains("give this one its own redis_prefix"), "{said}");
    let met = scene.live(|_, _| thread::sleep(CALM));
    assert!(met.acknowledged > 0 && met.refused == 0, "the first one goes on: {met:?}");
}

#[test]
fn what_must_not_be_used_is_refused_with_the_remedy() {
    let redis = Redis::start(&[]);
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let start = |url: &str| {
        let words = ["--store", "redis", "--redis-url", url, "--redis-prefix", PREFIX];
        let directory = tempfile::tempdir().expect("a temporary directory");
        Process::muster_on(&directory.path().join("data"), &words).map(|_| ()).expect_err("it is refused")
    };
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    let said = start(&url);
    assert!(said.contains("maxmemory-policy is volatile-lru") && said.contains("noeviction"), "{said}");
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.ask::<i64>(&["HSET", "scene:v1:services", "n\tx", "{}"]);
    let said = start(&url);
    assert!(said.contains("without a seal") && said.contains("another redis_prefix"), "{said}");
    redis.ask::<()>(&["SET", "scene:v1:seal", "{}"]);
    let said = start(&url);
    assert!(said.contains("its seal does not read"), "{said}");
}

#[test]
fn passwords_are_taken_from_files_and_environment_and_shown_nowhere() {
    const SECRET: &str = "open-sesame";
    let redis = Redis::start(&[]);
    redis.ask::<()>(&[
        "ACL",
        "SETUSER",
        "registry",
        "on",
        &format!(">{SECRET}"),
        "~scene:*",
        "+@read",
        "+@write",
        "+@transaction",
        "+@connection",
        "+info",
    ]);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("password");
    std::fs::write(&file, format!("{SECRET}\n")).expect("a file can be written");
    let place = format!("redis://registry@127.0.0.1:{}", redis.port);
    let with = format!("redis://registry:{SECRET}@127.0.0.1:{}", redis.port);
    let rows = [
        ("file", place.as_str(), vec![("MUSTER_REDIS_PASSWORD_FILE", file.as_path())]),
        ("environment", place.as_str(), vec![("MUSTER_REDIS_PASSWORD", SECRET.as_ref())]),
        ("URL", with.as_str(), Vec::new()),
    ];
    for (way, url, environment) in rows {
        // Each is a directory of its own: what the one before left is in Redis, and belongs to another node.
        redis.ask::<()>(&["FLUSHALL"]);
        let words =
            ["--store", "redis", "--redis-url", url, "--redis-prefix", PREFIX, "--log-level", "trace"];
        let process =
            Process::muster_with(&words, &environment).unwrap_or_else(|error| panic!("{way}: {error}"));
        // What it promises is told of it once it holds everything.
        let (well, deadline) =
            (Request::new("GET", "/readyz?verbose"), Instant::now() + Duration::from_secs(60));
        ask_until(&mut process.client(), &well, deadline, |answer| answer.text().contains("[+] Redis"))
            .expect("it holds everything");
        let own = process.client().get("/v1/agent/self").expect("an answer").text();
        assert!(own.contains("CONFIG GET is forbidden"), "{way}: {own}");
        for (place, text) in [("/v1/agent/self", own), ("the log", process.log())] {
            assert!(!text.contains(SECRET), "{way}: {place} shows the password: {text}");
        }
        let metrics = process.client().get("/metrics").expect("an answer").text();
        assert!(metrics.contains("muster_redis_appendfsync{value=\"unknown\"} 1"), "{way}: {metrics}");
        assert!(!metrics.contains(SECRET), "{way}");
    }
}

#[test]
fn a_password_that_is_missing_or_wrong_is_told_at_once() {
    let redis = Redis::start(&[]);
    redis.ask::<()>(&["CONFIG", "SET", "requirepass", "open-sesame"]);
    let url = format!("redis://127.0.0.1:{}", redis.port);
    for (password, code) in [("", "NOAUTH"), ("shut-sesame", "AuthenticationFailed")] {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let words = ["--store", "redis", "--redis-url", &url, "--redis-prefix", PREFIX];
        let started = Instant::now();
        let environment = [("MUSTER_REDIS_PASSWORD", password.as_ref())];
        let refused = Process::muster_on_with(data_dir.path(), &words, &environment).err().expect("it ends");
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "half of what it would wait for a Redis that is away"
        );
        assert!(refused.contains(code) && refused.contains("redis_password_file"), "{refused}");
    }
}

#[test]
fn a_failover_by_sentinel_loses_nothing() {
    let master = Redis::start(&[]);
    let replica = Redis::start(&["--replicaof", &format!("127.0.0.1 {}", master.port)]);
    let sentinel = Sentinel::start(&master);
    sentinel.wait_for_a_replica();
    let url = format!("redis+sentinel://127.0.0.1:{}/{}", sentinel.port, Sentinel::MASTER);
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], master.port)));
    let mut scene = Scene::start_on(master, proxy, &url, "spool", seed());
    let met = scene.live(|master, _| {
        thread::sleep(CALM);
        master.kill();
        thread::sleep(FAILOVER);
    });
    assert!(met.acknowledged > 0 && met.refused == 0, "{met:?}");
    scene.wait_until_well();
    scene.check_answers("failed over");
    scene.check_redis(&replica, "failed over");
    println!("failover by Sentinel: {met:?}");
}
