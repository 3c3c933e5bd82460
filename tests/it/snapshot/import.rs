//! A real Consul's catalog comes over, and stays the same. `MUSTER_NODES` sets how many nodes it has, of fifteen
//! instances each.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{address, said, succeeds};
use crate::differential::find_consul;
use crate::support::client::{Answer, Client, Request, ask_until};
use crate::support::process::{Process, muster_binary};

/// Nodes in the source when `MUSTER_NODES` does not say.
const NODES: usize = 20;

/// Instances on each.
const INSTANCES_PER_NODE: usize = 15;

/// How long a change in the source may take to arrive, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn put(client: &mut Client, target: &str, body: &Value) {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
}

fn nodes() -> usize {
    let said =
        std::env::var("MUSTER_NODES").map(|text| text.parse().expect("MUSTER_NODES is a whole number"));
    said.unwrap_or(NODES)
}

/// Every field that a catalog's records have, varied from one to the next. No check is called `serfHealth`: Consul takes
/// nodes with such a check out, within a minute, unless they are members of its own.
fn fill(client: &mut Client, nodes: usize) {
    for number in 0..nodes {
        let node = format!("Node-{number}");
        let node_address = format!("10.0.{}.{}", number / 256, number % 256);
        put(
            client,
            "/v1/catalog/register",
            &json!({
                "Node": node,
                "ID": format!("00000000-0000-0000-0000-{number:012}"),
                "Address": node_address,
                "TaggedAddresses": {"lan": node_address, "wan": "192.0.2.1"},
                "NodeMeta": {"rack": format!("r{number}")},
                "Checks": [{"Node": node, "CheckID": "alive", "Name": "ping", "Status": "passing",
                            "Output": "Agent alive and reachable"}],
            }),
        );
        for instance in 0..INSTANCES_PER_NODE {
            let (id, status) =
                (format!("web/{instance} ä"), ["passing", "warning", "critical"][instance % 3]);
            let mut service = json!({
                "ID": id, "Service": format!("web-{}", instance % 4), "Port": 8000 + instance,
                "Address": format!("10.1.0.{instance}"), "Tags": ["v1", format!("t{instance}")],
                "Meta": {"version": instance.to_string()},
                "TaggedAddresses": {"lan": {"Address": "10.1.0.1", "Port": 1}},
                "Weights": {"Passing": 1 + instance, "Warning": instance}, "EnableTagOverride": instance % 2 == 0,
            });
            if instance == 7 {
                service["Kind"] = json!("connect-proxy");
                service["Proxy"] = json!({"DestinationServiceName": "web-0", "DestinationServiceID": "web/0 ä",
                                          "LocalServiceAddress": "127.0.0.1", "LocalServicePort": 80,
                                          "Config": {"a": 1}});
            }
            put(
                client,
                "/v1/catalog/register",
                &json!({
                    "Node": node, "Address": node_address, "SkipNodeUpdate": true, "Service": service,
                    "Checks": [
                        {"Node": node, "CheckID": format!("c{instance}"), "Name": "http", "Status": status,
                         "ServiceID": id, "Notes": "a note", "Output": "line\nline",
                         "Definition": {"HTTP": "http://10.1.0.1/health", "Interval": "10s", "Timeout": "1s",
                                        "Method": "GET", "Header": {"X": ["1", "2"]},
                                        "DeregisterCriticalServiceAfter": "1h0m0s"}},
                        {"Node": node, "CheckID": format!("t{instance}"), "Name": "tcp", "Status": "passing",
                         "ServiceID": id, "Definition": {"TCP": "10.1.0.1:80", "Interval": "5s"}},
                    ],
                }),
            );
        }
    }
}

#[test]
fn a_consul_comes_over_and_is_followed() {
    let consul = match find_consul() {
        Ok(binary) => Process::consul(&binary).expect("Consul starts"),
        Err(reason) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("no Consul: {reason}"),
        Err(reason) => return eprintln!("skipped: no Consul to import from: {reason}"),
    };
    let muster = Process::muster(&["-dev", "-log-level", "info"]).expect("it starts");
    let (source, target) = (format!("http://{}", address(&consul)), address(&muster));
    let (mut there, mut here) = (consul.client(), muster.client());
    let nodes = nodes();
    fill(&mut there, nodes);
    let all = format!(
        "{nodes} nodes, {} instances and {} checks",
        nodes * INSTANCES_PER_NODE,
        nodes * (2 * INSTANCES_PER_NODE + 1)
    );
    let (code, told) = said(&["compare", &source, &target]);
    assert!(code == 1 && told.contains("node Node-7 | is there | is missing"), "{code} {told}");
    let told = succeeds(&["import", "-from", &source, "-http-addr", &target]);
    assert!(told.contains(&format!("{all} are as in")), "{told}");
    let told = succeeds(&["compare", &source, &target]);
    assert_eq!(told.trim(), format!("no difference: {}, 0 keys on both", all.replace(" and ", ", ")));
    println!("{}", told.trim());
    let told = succeeds(&["import", "-from", &source, "-http-addr", &target]);
    assert!(told.contains(": 0 registrations, 0 removals"), "{told}");

    put(
        &mut here,
        "/v1/catalog/register",
        &json!({
            "Node": "Node-3", "Address": "10.0.0.3", "SkipNodeUpdate": true,
            "Service": {"ID": "web/2 ä", "Service": "web-2", "Port": 1},
        }),
    );
    let (code, told) = said(&["compare", &source, &target]);
    assert!(code == 1 && told.contains("node Node-3 service web/2 ä: Port | 8002 | 1"), "{code} {told}");

    let mut follower = Command::new(muster_binary())
        .args(["import", "-follow", "-from", &source, "-http-addr", &target])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the built program runs");
    let mut lines = BufReader::new(follower.stdout.take().expect("it is piped"));
    let mut first = String::new();
    lines.read_line(&mut first).expect("it says what it did");
    assert!(first.contains("; following"), "{first}");
    put(&mut there, "/v1/catalog/deregister", &json!({"Node": "Node-1"}));
    put(&mut there, "/v1/catalog/deregister", &json!({"Node": "Node-2", "ServiceID": "web/1 ä"}));
    put(
        &mut there,
        "/v1/catalog/register",
        &json!({
            "Node": "new", "Address": "10.9.9.9", "Service": {"ID": "late", "Service": "late", "Port": 5},
            "Check": {"Node": "new", "CheckID": "late", "Name": "late", "Status": "passing", "ServiceID": "late"},
        }),
    );
    let deadline = Instant::now() + PATIENCE;
    let shows = |answer: &Answer| answer.json().as_array().is_some_and(|entries| !entries.is_empty());
    let arrived =
        ask_until(&mut here, &Request::new("GET", "/v1/health/service/late?passing"), deadline, shows);
    assert!(shows(&arrived.expect("an answer")), "what is new arrives");
    let is_gone = |answer: &Answer| answer.text().trim() == "null";
    let gone = ask_until(&mut here, &Request::new("GET", "/v1/catalog/node/Node-1"), deadline, is_gone);
    assert!(is_gone(&gone.expect("an answer")), "what is gone goes");
    let mut code = 1;
    while code != 0 && Instant::now() < deadline {
        code = said(&["compare", &source, &target]).0;
    }
    assert_eq!(code, 0, "in the end both are the same");
    follower.kill().expect("it runs until it is stopped");
    follower.wait().expect("it can be waited for");
}

/// An agent tells how often it runs its checks, and does so beside their definition.
#[test]
fn checks_that_an_agent_runs_come_over_whole() {
    let source = Process::muster(&["-dev"]).expect("it starts");
    let target = Process::muster(&["-dev"]).expect("it starts");
    let (mut there, mut here) = (source.client(), target.client());
    put(
        &mut there,
        "/v1/catalog/register",
        &json!({
            "Node": "n", "Address": "10.0.0.1", "Service": {"Service": "web"},
            "Checks": [
                {"Node": "n", "CheckID": "agents", "Name": "as agents tell", "ServiceID": "web", "Status": "passing",
                 "Type": "http", "Interval": "90s", "Timeout": "1500ms", "ExposedPort": 21500},
                {"Node": "n", "CheckID": "catalogs", "Name": "as monitors tell", "ServiceID": "web",
                 "Status": "passing", "Definition": {"TCP": "10.0.0.1:80", "Interval": "90s", "TTL": "60s"}},
            ],
        }),
    );
    let (from, to) = (address(&source), address(&target));
    succeeds(&["import", "-from", &from, "-http-addr", &to]);
    let told = succeeds(&["compare", &from, &to]);
    assert!(told.contains("no difference: 1 node, 1 instance, 2 checks, 0 keys on both"), "{told}");
    let told = succeeds(&["import", "-from", &from, "-http-addr", &to]);
    assert!(told.contains(": 0 registrations, 0 removals"), "{told}");
    let checks = here.get("/v1/health/checks/web").expect("an answer").json();
    let shown = |key: &str| checks[0][key].clone();
    let expected = (json!("1m30s"), json!("1.5s"), json!(21500), json!({}));
    assert_eq!((shown("Interval"), shown("Timeout"), shown("ExposedPort"), shown("Definition")), expected);
}

#[test]
fn a_program_that_was_imported_is_told_of_and_not_run() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let source = Process::muster(&["-dev"]).expect("it starts");
    let touches = json!(["/usr/bin/touch", at("imported")]);
    put(
        &mut source.client(),
        "/v1/catalog/register",
        &json!({
            "Node": "n", "Address": "10.0.0.1", "Service": {"Service": "web"},
            "Check": {"Node": "n", "CheckID": "program", "Name": "program", "ServiceID": "web", "Status": "passing",
                      "Definition": {"ScriptArgs": touches, "Interval": "1s", "Timeout": "1s"}},
        }),
    );
    // Programs may be run at the target, and one is: whatever is due each second has been due when that has run thrice.
    let own = json!({"id": "own", "name": "own", "interval": "1s",
        "args": ["/bin/sh", "-c", format!("echo run >> {}", at("own").display())]});
    let file = at("own.json");
    std::fs::write(&file, json!({"checks": [own]}).to_string()).expect("it can be written");
    let arguments = ["-config-file", super::text(&file), "-enable-local-script-checks"];
    let target = Process::muster(&arguments).expect("it starts");
    let runs = || std::fs::read_to_string(at("own")).map_or(0, |text| text.lines().count());
    let told = succeeds(&["import", "-from", &address(&source), "-http-addr", &address(&target)]);
    assert!(told.contains("1 check runs a program at the source, and none is run here"), "{told}");
    let (deadline, enough) = (Instant::now() + PATIENCE, runs() + 3);
    while runs() < enough {
        assert!(Instant::now() < deadline, "the target's own check is run: {}", target.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let check = target.client().get("/v1/health/checks/web").expect("an answer").json()[0].take();
    assert_eq!(
        (&check["Status"], &check["Definition"]["ScriptArgs"]),
        (&json!("passing"), &touches),
        "{check}"
    );
    assert!(!at("imported").exists(), "{}", target.log());
}

#[test]
fn an_agent_of_the_same_name_is_no_target() {
    let (source, target) = (Process::muster(&["-dev"]), Process::muster(&["-dev"]));
    let (source, target) = (source.expect("it starts"), target.expect("it starts"));
    super::register(&mut source.client(), "a", "a", 1);
    let (code, told) = said(&["import", "-from", &address(&source), "-http-addr", &address(&target)]);
    assert!(code == 1 && told.contains("start the target with another --node"), "{code} {told}");
    let (code, told) = said(&["compare", &address(&source), &address(&target)]);
    assert!(code == 1 && told.contains("is there | is missing"), "{code} {told}");
}
