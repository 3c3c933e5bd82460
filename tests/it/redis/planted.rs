//! A Redis that somebody else writes to: what he makes up, with a seal that is right, is not taken over.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::server::Redis;
use crate::snapshot::made_up;
use crate::support::client::{Request, ask_until};
use crate::support::process::{NODE_NAME, Process};

/// The prefix of the keys.
const PREFIX: &str = "planted";

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts a row into Redis and counts it into the seal, as muster would.
fn plant(redis: &Redis, table: &str, key: &str, value: &Value) {
    let (name, value) = (format!("{table}/{key}"), value.to_string());
    redis.ask::<()>(&["HSET", &format!("{PREFIX}:v1:{table}"), key, &value]);
    let hash = xxh3_64_with_seed(value.as_bytes(), xxh3_64_with_seed(name.as_bytes(), 0));
    edit_seal(redis, |seal| {
        seal["rows"] = json!(seal["rows"].as_u64().expect("a count") + 1);
        seal["digest"] = json!(seal["digest"].as_u64().expect("a sum").wrapping_add(hash));
    });
}

fn edit_seal(redis: &Redis, edit: impl FnOnce(&mut Value)) {
    let key = format!("{PREFIX}:v1:seal");
    let mut seal: Value = serde_json::from_str(&redis.ask::<String>(&["GET", &key])).expect("JSON");
    edit(&mut seal);
    redis.ask::<()>(&["SET", &key, &seal.to_string()]);
}

fn start(redis: &Redis, data: &TempDir, config: &Path) -> Result<Process, String> {
    let (url, config) = (format!("redis://127.0.0.1:{}", redis.port), config.display().to_string());
    let arguments = [
        &["--store", "redis", "--redis-url", &url, "--redis-prefix", PREFIX][..],
        &["--config-dir", &config, "--enable-local-script-checks"],
    ];
    Process::muster_on(&data.path().join("data"), &arguments.concat())
}

/// Waits until Redis holds what muster does.
fn wait_until_well(muster: &Process) {
    let is_well = |text: String| text.contains("[+] Redis");
    let (request, deadline) = (Request::new("GET", "/readyz?verbose"), Instant::now() + PATIENCE);
    let answer = ask_until(&mut muster.client(), &request, deadline, |answer| is_well(answer.text()));
    assert!(is_well(answer.expect("an answer").text()));
}

fn runs(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

#[test]
fn planted_rows_are_left_out_and_run_nothing() {
    let (redis, directory) = (Redis::start(&[]), tempfile::tempdir().expect("a temporary directory"));
    let data = [(); 3].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let file = |name: &str| directory.path().join(name);
    let line = |name: &str| format!("echo run >> {}", file(name).display());
    let mine =
        json!({ "id": "mine", "name": "mine", "args": ["/bin/sh", "-c", line("mine")], "interval": "1s" });
    let config = file("config");
    fs::create_dir(&config).expect("a directory can be made");
    fs::write(config.join("checks.json"), json!({ "checks": [mine] }).to_string())
        .expect("it can be written");
    let mut first = start(&redis, &data[0], &config).expect("it starts");
    let body = json!({ "Name": "kept", "Port": 7, "Check": { "TTL": "1h", "Status": "passing" } });
    let answer = first.client().put("/v1/agent/service/register", &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200);
    wait_until_well(&first);
    first.stop().expect("it ends");

    let evil = |id: &str, name: &str| {
        let definition = made_up::program(1, &["/bin/sh", "-c", &line(name)]);
        made_up::check(NODE_NAME, id, json!({ "definition": definition, "kind": "script" }))
    };
    let agents = json!([{ "node": NODE_NAME, "check": "service:kept", "ttl_left": made_up::span(u64::MAX) }]);
    // Older than the bounds of what is said and of what a run takes, and acknowledged.
    let headers = (0..40_000).map(|at| (format!("X-{at}"), json!([])));
    let large = made_up::http(json!({ "header": headers.collect::<serde_json::Map<_, _>>() }), json!({}));
    let large = json!({ "definition": large, "kind": "http", "output": "x".repeat(9_000) });
    let rows = [
        made_up::check(NODE_NAME, "large", large),
        evil("evil", "evil"),
        made_up::check(NODE_NAME, "odd\nid", json!({})),
        made_up::check(NODE_NAME, "orphan", json!({ "service_id": "nobody" })),
        made_up::service(NODE_NAME, "high", json!({ "indexes": { "create": 1, "modify": u64::MAX } })),
        made_up::service("nowhere", "lost", json!({ "origin": "catalog" })),
        ("history", format!("{NODE_NAME}\ta\tb\tc\td"), json!({})),
        ("meta", "health/000000".into(), agents),
        ("meta", "cache/asked".into(), json!(7)),
    ];
    // A row that muster has there as well would only be put again.
    redis.ask::<()>(&["HDEL", &format!("{PREFIX}:v1:meta"), "health/000000", "cache/asked"]);
    recount(&redis);
    rows.iter().for_each(|(table, key, value)| plant(&redis, table, key, value));
    let mut second = start(&redis, &data[1], &config).expect("it starts on a new directory");
    let log = second.log();
    for left_out in ["evil", "odd\\nid", "orphan", "high", "lost", "cache/asked"] {
        let line = log.lines().find(|line| line.contains("is not taken over") && line.contains(left_out));
        assert!(line.is_some(), "{left_out}: {log}");
    }
    let mut client = second.client();
    let checks = client.get("/v1/agent/checks").expect("an answer").json();
    let ids: Vec<&String> = checks.as_object().into_iter().flatten().map(|(id, _)| id).collect();
    assert_eq!(ids, ["large", "mine", "service:kept"]);
    assert_eq!(checks["service:kept"]["Status"], "passing");
    let (begun, before) = (Instant::now(), runs(&file("mine")));
    while runs(&file("mine")) < before + 2 {
        assert!(begun.elapsed() < PATIENCE, "the check of the file is run");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(runs(&file("evil")), 0);
    wait_until_well(&second);
    let key = format!("{NODE_NAME}\tevil");
    assert_eq!(redis.ask::<u64>(&["HEXISTS", &format!("{PREFIX}:v1:checks"), &key]), 0, "Redis loses it");
    second.stop().expect("it ends");

    for number in [u64::MAX, u64::MAX - (1 << 24), 1 << 53] {
        edit_seal(&redis, |seal| seal["index"] = json!(number));
        let Err(said) = start(&redis, &data[2], &config) else { panic!("{number} is taken") };
        assert!(said.contains("which no muster comes to") && !said.contains("panicked"), "{number}: {said}");
    }
}

/// What was acknowledged under larger limits is taken over, and more of it is refused.
#[test]
fn a_lower_limit_loses_nothing_that_redis_holds() {
    let redis = Redis::start(&[]);
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let words = ["--store", "redis", "--redis-url", &url, "--redis-prefix", PREFIX];
    let register = |muster: &Process, number: usize| {
        let check = json!({ "TTL": "1h", "Status": "passing" });
        let body = json!({ "ID": format!("web-{number}"), "Name": "web", "Check": check });
        muster.client().put("/v1/agent/service/register", &body.to_string()).expect("an answer").status
    };
    let mut first = Process::muster(&words).expect("it starts");
    assert!((0..4).all(|number| register(&first, number) == 200));
    wait_until_well(&first);
    first.stop().expect("it ends");
    let limits =
        ["--limits-services-max", "2", "--limits-checks-max", "2", "--limits-catalog-bytes-max", "1MiB"];
    let second = Process::muster(&[&words[..], &limits].concat()).expect("it starts on a new directory");
    let services = second.client().get("/v1/agent/services").expect("an answer").json();
    assert_eq!(services.as_object().map(|all| all.len()), Some(4), "{}", second.log());
    assert!(second.log().contains("more is stored than would be taken now"), "{}", second.log());
    assert_eq!(register(&second, 4), 503);
    assert_eq!(register(&second, 3), 200, "one that is there may change");
}

/// Has the seal count what is there.
fn recount(redis: &Redis) {
    let (mut rows, mut digest) = (0_u64, 0_u64);
    for table in ["meta", "nodes", "services", "checks", "history"] {
        let all: Vec<(String, String)> = redis.ask(&["HGETALL", &format!("{PREFIX}:v1:{table}")]);
        for (key, value) in all {
            let seed = xxh3_64_with_seed(format!("{table}/{key}").as_bytes(), 0);
            digest = digest.wrapping_add(xxh3_64_with_seed(value.as_bytes(), seed));
            rows += 1;
        }
    }
    edit_seal(redis, |seal| (seal["rows"], seal["digest"]) = (json!(rows), json!(digest)));
}
