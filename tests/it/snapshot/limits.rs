//! The bounds of a registration hold for rows that are restored; what was taken under larger ones stays.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::made_up::{THEIRS, check, node, service, snapshot};
use super::restore;
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Row = (&'static str, String, Value);

fn refused(client: &mut Client, name: &str, rows: &[Row], words: &[&str]) {
    for target in ["/v1/snapshot?dry-run", "/v1/snapshot"] {
        let (status, sentence) = restore(client, target, &snapshot(9, rows));
        assert_eq!(status, 400, "{name}: {sentence}");
        assert!(words.iter().all(|word| sentence.contains(word)), "{name}: {sentence}");
    }
}

fn taken(client: &mut Client, name: &str, rows: &[Row]) {
    let (status, sentence) = restore(client, "/v1/snapshot", &snapshot(9, rows));
    assert_eq!(status, 200, "{name}: {sentence}");
}

#[test]
fn what_a_registration_may_not_bring_no_row_does() {
    let limits = ["--limits-nodes-max", "3", "--limits-services-max", "3", "--limits-checks-max", "70"];
    let muster = Process::muster(&limits).expect("it starts");
    let mut client = muster.client();
    let nodes = |count: usize| (0..count).map(|at| node(&format!("n{at}"))).collect::<Vec<Row>>();
    let services = |count: usize| {
        (0..count).map(|at| service(THEIRS, &format!("s{at}"), json!({}))).collect::<Vec<Row>>()
    };
    let checks = |of: &str, count: usize| {
        let one = |at: usize| check(THEIRS, &format!("{of}-c{at:02}"), json!({ "service_id": of }));
        (0..count).map(one).collect::<Vec<Row>>()
    };
    let on = |rows: Vec<Row>| [vec![service(THEIRS, "s", json!({}))], rows].concat();
    refused(&mut client, "nodes", &nodes(5), &["more than the 3 nodes", "limits.nodes_max"]);
    refused(&mut client, "instances", &services(5), &["more than the 3 service", "limits.services_max"]);
    refused(&mut client, "checks of an instance", &on(checks("s", 65)), &["checks on one instance", "64"]);
    refused(&mut client, "checks of a node", &checks("", 65), &["checks on one instance", "64"]);
    let many = [on(checks("s", 64)), checks("", 8)].concat();
    let ordered = |mut rows: Vec<Row>| {
        rows.sort_by(|left, right| (left.0 == "checks", &left.1).cmp(&(right.0 == "checks", &right.1)));
        rows
    };
    refused(&mut client, "checks", &ordered(many), &["more than the 70 checks", "limits.checks_max"]);
    // A hold is muster's own way to keep an instance out, and no check of it.
    let hold = json!({ "service_id": "s", "kind": "maintenance", "definition": {}, "name": "held" });
    let held = [checks("s", 64), vec![check(THEIRS, "_service_maintenance:s", hold)]].concat();
    taken(&mut client, "as many as there may be", &ordered(on(held)));
    taken(&mut client, "nodes and instances", &[nodes(2), services(3)].concat());
}

#[test]
fn a_registration_past_the_checks_is_refused_by_name() {
    let muster = Process::muster(&["--limits-checks-max", "3"]).expect("it starts");
    let mut client = muster.client();
    let body = |id: &str| json!({ "ID": id, "Name": id, "TTL": "1h", "Status": "passing" }).to_string();
    let mut register = |id: &str| client.put("/v1/agent/check/register", &body(id)).expect("an answer");
    // The agent's own is one of them.
    for (id, status) in [("a", 200), ("b", 200), ("c", 503), ("a", 200)] {
        let answer = register(id);
        assert_eq!(answer.status, status, "{id}: {}", answer.text());
        assert!(status == 200 || answer.text().contains("3 checks (limits.checks_max)"), "{}", answer.text());
    }
    client.put("/v1/agent/check/deregister/b", "").expect("an answer");
    let maintenance = client.put("/v1/agent/maintenance?enable=true", "").expect("an answer");
    assert_eq!(maintenance.status, 200, "it is always possible: {}", maintenance.text());
}

/// What was acknowledged is neither lost nor left unchecked when a limit is lowered, and the log says so.
#[test]
fn what_came_under_a_larger_limit_is_kept_and_run() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut first = Process::muster_on(data.path(), &[]).expect("it starts");
    let mut client = first.client();
    for number in 0..6 {
        let check = json!({ "TTL": "2s", "Status": "passing" });
        let body = json!({ "ID": format!("web-{number}"), "Name": "web", "Port": 1, "Check": check });
        let answer = client.put("/v1/agent/service/register", &body.to_string()).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    first.kill();
    let limits = ["--limits-checks-max", "2", "--limits-services-max", "2"];
    let second = Process::muster_on(data.path(), &limits).expect("it starts");
    assert_eq!(second.log().matches("more is stored than would be taken now").count(), 1, "{}", second.log());
    assert!(second.log().contains("limits.services_max"), "{}", second.log());
    let critical = |checks: &Value| {
        let statuses = checks.as_object().into_iter().flatten().map(|(_, check)| check["Status"].clone());
        statuses.filter(|status| status == "critical").count()
    };
    let (request, deadline) = (Request::new("GET", "/v1/agent/checks"), Instant::now() + PATIENCE);
    let answer = ask_until(&mut second.client(), &request, deadline, |it| critical(&it.json()) == 6);
    assert_eq!(critical(&answer.expect("an answer").json()), 6, "every TTL runs out");
    let body = json!({ "Name": "more" }).to_string();
    let answer = second.client().put("/v1/agent/service/register", &body).expect("an answer");
    assert_eq!(answer.status, 503, "{}", answer.text());
}
