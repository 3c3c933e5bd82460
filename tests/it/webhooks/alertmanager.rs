//! Alerts in a real Alertmanager: raised, told with what they need, cleared, and right again after a restart of either
//! side.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::scene::{Scene, put, register, report};
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::free_port;

/// What Debian's package calls it.
const PROGRAM: &str = "prometheus-alertmanager";

/// Longest wait for an alert to show: it is posted at once, or with the next repetition within a minute.
const ALERT_WAIT_MAX: Duration = Duration::from_secs(120);

/// An Alertmanager on loopback, alone. Dropping it kills it.
struct Alertmanager {
    child: Child,
    address: SocketAddr,
}

impl Alertmanager {
    fn start(directory: &Path, address: SocketAddr) -> Alertmanager {
        let config = directory.join("alertmanager.yml");
        fs::write(&config, "route: { receiver: none }\nreceivers: [{ name: none }]\n")
            .expect("it can be written");
        let log = fs::File::create(directory.join("alertmanager.log")).expect("a log");
        let mut command = Command::new(PROGRAM);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", directory.join("storage").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.arg("--cluster.listen-address=");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("prometheus-alertmanager is there: see scripts/test-deps");
        let alertmanager = Alertmanager { child, address };
        let request = Request::new("GET", "/-/ready");
        let deadline = Instant::now() + ALERT_WAIT_MAX;
        let ready = ask_until(&mut Client::new(address), &request, deadline, |answer| answer.status == 200);
        assert_eq!(ready.expect("it is ready").status, 200);
        alertmanager
    }

    /// Its active alerts, once `accept` takes them.
    fn wait_for(&self, what: &str, accept: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let alerts = |answer: Value| answer.as_array().cloned().unwrap_or_default();
        let request = Request::new("GET", "/api/v2/alerts?active=true");
        let deadline = Instant::now() + ALERT_WAIT_MAX;
        let mut client = Client::new(self.address);
        let answer = ask_until(&mut client, &request, deadline, |it| accept(&alerts(it.json())));
        let alerts = alerts(answer.expect("an answer").json());
        assert!(accept(&alerts), "{what}: {alerts:?}");
        alerts
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // Both fail only when it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn labels(alerts: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let label = |alert: &Value| (text(&alert["labels"]["check"]), text(&alert["labels"]["severity"]));
    let mut labels: Vec<_> = alerts.iter().map(label).collect();
    labels.sort();
    labels
}

#[test]
fn alerts_are_raised_cleared_and_survive_restarts_of_either_side() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let alertmanager = Alertmanager::start(directory.path(), address);
    let mut scene = Scene::start("");
    let table =
        format!("[[webhooks]]\nname = \"hook\"\nurl = \"http://{address}\"\nformat = \"alertmanager\"\n");
    scene.configure(&table);
    scene.reload();
    let mut client = scene.client();
    for id in ["web-1", "web-2", "web-3", "web-4"] {
        register(&mut client, id);
    }
    report(&mut client, "web-1", "critical", "disk full");
    let alerts = alertmanager.wait_for("an alert", |alerts| alerts.len() == 1);
    let expected = json!({
        "alertname": "ServiceUnhealthy", "service": "web", "instance": "web-1", "node": "node-one",
        "check": "service:web-1", "severity": "critical", "datacenter": "dc1",
    });
    assert_eq!(alerts[0]["labels"], expected);
    assert_eq!(alerts[0]["annotations"]["output"], "disk full");
    let summary = "web (web-1 on node-one): check \"Service 'web' check\" is critical";
    assert_eq!(alerts[0]["annotations"]["summary"], summary);

    // Another severity is another alert; what passes and what is gone clears; maintenance raises none.
    report(&mut client, "web-1", "warning", "disk nearly full");
    report(&mut client, "web-2", "critical", "bad");
    report(&mut client, "web-3", "critical", "bad");
    put(&mut client, "/v1/agent/service/maintenance/web-4?enable=true", &Value::Null);
    let shown = |check: &str, severity: &str| (check.to_owned(), severity.to_owned());
    let three = [
        shown("service:web-1", "warning"),
        shown("service:web-2", "critical"),
        shown("service:web-3", "critical"),
    ];
    alertmanager.wait_for("three alerts", |alerts| labels(alerts) == three);
    report(&mut client, "web-2", "passing", "good");
    put(&mut client, "/v1/agent/service/deregister/web-3", &Value::Null);
    let one = [shown("service:web-1", "warning")];
    alertmanager.wait_for("one alert", |alerts| labels(alerts) == one);

    // What ends in the moment of a kill is cleared after the start, long before it would end by itself; what went on
    // goes on.
    report(&mut client, "web-1", "critical", "full");
    report(&mut client, "web-2", "critical", "bad");
    let two = [shown("service:web-1", "critical"), shown("service:web-2", "critical")];
    alertmanager.wait_for("two alerts", |alerts| labels(alerts) == two);
    report(&mut client, "web-2", "passing", "good");
    scene.kill();
    alertmanager.wait_for("one alert after a kill", |alerts| labels(alerts) == two[..1]);

    // Alertmanager forgets all alerts with a restart; within a minute it is told again what stands, and what ended
    // meanwhile does not come back.
    drop(alertmanager);
    report(&mut scene.client(), "web-2", "critical", "bad again");
    scene.wait_for_state(|state| state["LastError"].as_str().is_some());
    report(&mut scene.client(), "web-1", "passing", "good");
    let alertmanager = Alertmanager::start(directory.path(), address);
    let back = [shown("service:web-2", "critical")];
    alertmanager.wait_for("it is told again", |alerts| labels(alerts) == back);
    let state = scene.wait_for_state(|state| state["Health"] == "healthy");
    assert_eq!((&state["Pending"], &state["DeadLetters"]), (&json!(1), &json!(0)), "{state}");
}
