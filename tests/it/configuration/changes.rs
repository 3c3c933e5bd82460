//! Definition files that change while muster runs, or while it does not: what they no longer say goes, what they still
//! say lives on.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;

/// Longest wait for a reload to show.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(20);

/// A configuration directory and the server that reads it. The port of `web` counts what was written.
struct Configured {
    directory: TempDir,
    process: Process,
    port: u64,
}

impl Configured {
    fn start(mut web: Value) -> Configured {
        let directory = tempfile::tempdir().expect("a temporary directory");
        web["port"] = json!(1);
        put(&directory, "web.json", &json!({"service": web}));
        let path = directory.path().to_str().expect("a path in UTF-8");
        let process = Process::muster(&["--config-dir", path]).expect("muster starts");
        Configured { directory, process, port: 1 }
    }

    fn client(&self) -> Client {
        self.process.client()
    }

    /// Has `web` defined so, and waits until it is.
    fn reload(&mut self, mut web: Value) {
        self.port += 1;
        web["port"] = json!(self.port);
        put(&self.directory, "web.json", &json!({"service": web}));
        self.process.signal("HUP");
        self.wait_for_port();
    }

    fn wait_for_port(&self) {
        let request = Request::new("GET", "/v1/agent/services");
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        let port = json!(self.port);
        let shows = |body: Value| body["web"]["Port"] == port;
        let answer = ask_until(&mut self.client(), &request, deadline, |answer| shows(answer.json()));
        let answer = answer.expect("an answer");
        assert!(shows(answer.json()), "port {port}: {}\n{}", answer.text(), self.process.log());
    }

    fn do_put(&self, target: &str, body: &Value) {
        let answer = self.client().put(target, &body.to_string()).expect("an answer");
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    }

    /// `id status` of the checks of `web`.
    fn checks(&self) -> Vec<String> {
        let checks = self.client().get("/v1/health/checks/web").expect("an answer").json();
        let shown = |check: &Value| format!("{} {}", text(&check["CheckID"]), text(&check["Status"]));
        checks.as_array().into_iter().flatten().map(shown).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn put(directory: &TempDir, name: &str, content: &Value) {
    fs::write(directory.path().join(name), content.to_string()).expect("a file can be written");
}

/// The ports of the passing instances of `web` in every answer, until `last` is among them.
fn watch(mut client: Client, last: u64) -> Vec<Vec<u64>> {
    let (mut seen, mut index) = (Vec::new(), 0);
    let deadline = Instant::now() + 3 * EVENT_WAIT_MAX;
    while Instant::now() < deadline {
        let target = format!("/v1/health/service/web?passing&wait=5s&index={index}");
        let answer = client.get(&target).expect("an answer");
        index = answer.index().expect("an index");
        let entries = answer.json();
        let entries = entries.as_array().expect("a list").clone();
        seen.push(entries.iter().filter_map(|entry| entry["Service"]["Port"].as_u64()).collect());
        if seen.last() == Some(&vec![last]) {
            break;
        }
    }
    seen
}

#[test]
fn no_change_of_a_definition_takes_an_instance_out() {
    let beat = json!({"name": "beat", "ttl": "10m"});
    let other = json!({"name": "other", "ttl": "20m", "status": "passing"});
    let mut configured = Configured::start(json!({"name": "web", "check": beat}));
    configured.do_put("/v1/agent/check/pass/service:web?note=alive", &json!(null));
    let kinds = [
        ("tags", json!({"name": "web", "check": beat, "tags": ["a"]}), "service:web"),
        ("meta", json!({"name": "web", "check": beat, "meta": {"a": "b"}}), "service:web"),
        ("weights", json!({"name": "web", "check": beat, "weights": {"passing": 3}}), "service:web"),
        ("address", json!({"name": "web", "check": beat, "address": "10.0.0.9"}), "service:web"),
        ("a check more", json!({"name": "web", "checks": [beat, other]}), "service:web:1"),
        ("reordered", json!({"name": "web", "checks": [other, beat]}), "service:web:2"),
        (
            "altered beside",
            {
                let altered = json!({"name": "other", "ttl": "21m", "status": "passing"});
                json!({"name": "web", "checks": [altered, beat]})
            },
            "service:web:2",
        ),
        ("a check less", json!({"name": "web", "check": beat}), "service:web"),
        ("an id", json!({"name": "web", "check": {"id": "b", "name": "beat", "ttl": "10m"}}), "b"),
        ("altered", json!({"name": "web", "check": {"id": "b", "name": "beat", "ttl": "11m"}}), "b"),
    ];
    let (client, last) = (configured.client(), 1 + kinds.len() as u64);
    let watcher = thread::spawn(move || watch(client, last));
    for (kind, web, id) in kinds {
        configured.reload(web);
        assert!(configured.checks().contains(&format!("{id} passing")), "{kind}: {:?}", configured.checks());
        let shown = configured.client().get("/v1/agent/checks").expect("an answer").json();
        assert_eq!(shown[id]["Output"], "alive", "{kind}");
    }
    let seen = watcher.join().expect("the watcher");
    assert!(seen.iter().all(|ports| ports.len() == 1), "never out: {seen:?}");
    assert_eq!(seen.last(), Some(&vec![last]), "{seen:?}");
}

#[test]
fn maintenance_and_drains_outlast_a_reload() {
    let mut configured = Configured::start(json!({"name": "web"}));
    configured.do_put("/v1/agent/service/maintenance/web?enable=true&reason=work", &json!(null));
    configured.reload(json!({"name": "web", "tags": ["a"]}));
    assert_eq!(configured.checks(), ["_service_maintenance:web critical"]);
    configured.do_put("/v1/agent/service/maintenance/web?enable=false", &json!(null));
    configured.do_put("/v1/muster/drain/web?deadline=1h", &json!(null));
    let drain = |configured: &Configured| {
        let drain = configured.client().get("/v1/muster/drain/web").expect("an answer").json();
        (drain["State"].clone(), drain["Until"].clone())
    };
    let before = drain(&configured);
    assert_eq!(before.0, "draining");
    configured.reload(json!({"name": "web", "tags": ["b"]}));
    assert_eq!(drain(&configured), before);
}

#[test]
fn a_reload_brings_back_what_clients_have_altered() {
    let web = json!({"name": "web", "tags": ["a"], "checks": [{"name": "beat", "ttl": "10m"}]});
    let mut configured = Configured::start(web.clone());
    let alterations: [(&str, Value); 4] = [
        ("/v1/agent/service/deregister/web", json!(null)),
        ("/v1/agent/check/deregister/service:web", json!(null)),
        ("/v1/agent/service/register", json!({"Name": "web", "Port": 9, "Check": {"TTL": "1s"}})),
        ("/v1/agent/service/register?replace-existing-checks=true", json!({"Name": "web"})),
    ];
    for (reloads, (target, body)) in (1..).zip(alterations) {
        configured.do_put(target, &body);
        // The file says what it said: nothing in it is new.
        configured.process.signal("HUP");
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        while configured.process.log().matches("reloaded settings").count() < reloads {
            assert!(Instant::now() < deadline, "{}", configured.process.log());
            thread::sleep(Duration::from_millis(10));
        }
        let services = configured.client().get("/v1/agent/services").expect("an answer").json();
        assert_eq!(
            (&services["web"]["Tags"], &services["web"]["Port"]),
            (&json!(["a"]), &json!(1)),
            "{target}"
        );
        assert_eq!(configured.checks(), ["service:web critical"], "{target}");
    }
    // What a client has added beside stays.
    let mine = json!({"Name": "mine", "ServiceID": "web", "TTL": "10m", "Status": "passing"});
    configured.do_put("/v1/agent/check/register", &mine);
    configured.reload(web);
    assert_eq!(configured.checks(), ["mine passing", "service:web critical"]);
}

#[test]
fn a_restart_is_a_reload_as_well() {
    let beat = json!({"name": "beat", "ttl": "10m"});
    let mut configured = Configured::start(json!({"name": "web", "check": beat}));
    put(
        &configured.directory,
        "db.json",
        &json!({"service": {"name": "db"}, "check": {"name": "n", "ttl": "9m"}}),
    );
    configured.reload(json!({"name": "web", "check": beat}));
    configured.do_put("/v1/agent/service/register", &json!({"Name": "mine"}));
    configured.do_put("/v1/agent/check/pass/service:web", &json!(null));
    configured.process.kill();

    fs::remove_file(configured.directory.path().join("db.json")).expect("the definitions can go");
    let web = json!({"service": {"name": "web", "port": 7, "checks": [{"name": "new", "ttl": "1m"}, beat]}});
    put(&configured.directory, "web.json", &web);
    configured.process.start_again().expect("it starts again");
    let services = configured.client().get("/v1/agent/services").expect("an answer").json();
    let names: Vec<&String> = services.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["mine", "web"], "what no file says any more is gone");
    assert_eq!(configured.checks(), ["service:web:1 critical", "service:web:2 passing"]);
    let checks = configured.client().get("/v1/agent/checks").expect("an answer").json();
    assert_eq!(checks.as_object().map(|it| it.len()), Some(2), "{checks}");
}

#[test]
fn many_definitions_are_written_at_once() {
    const DEFINITIONS: usize = 2_000;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let service = |number: usize| json!({"name": format!("s{number}"), "check": {"ttl": "10m"}});
    // Some in files of their own.
    let (alone, together) = (0..DEFINITIONS / 10, DEFINITIONS / 10..DEFINITIONS);
    put(&directory, "all.json", &json!({"services": together.map(service).collect::<Vec<_>>()}));
    alone.for_each(|number| {
        put(&directory, &format!("{number}.json"), &json!({"service": service(number)}));
    });
    let path = directory.path().to_str().expect("a path in UTF-8");
    let process = Process::muster(&["--config-dir", path]).expect("muster starts");
    let services = process.client().get("/v1/agent/services").expect("an answer").json();
    assert_eq!(services.as_object().map(|it| it.len()), Some(DEFINITIONS));
    let metrics = process.client().get("/metrics").expect("an answer").text();
    let commits = metrics.lines().find_map(|line| line.strip_prefix("muster_commit_duration_seconds_count "));
    let commits: f64 = commits.and_then(|it| it.parse().ok()).expect("a counter of commits");
    assert!(commits < 10.0, "{commits} commits");
}
