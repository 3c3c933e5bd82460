//! The name a start is given for its own node: somebody else's node is not taken over, whatever case the name is in.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::process::{Process, muster_binary};

/// Longest start that ends by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts under `name` on a directory of somebody else, and waits for the end.
fn start_as(name: &str, data_dir: &Path) -> Output {
    let mut command = Command::new(muster_binary());
    command.args(["agent", "--http-addr", "127.0.0.1:0", "--node", name, "--data-dir"]).arg(data_dir);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("a child").is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().ok();
    child.wait_with_output().expect("its output")
}

#[test]
fn no_start_takes_over_the_node_of_somebody_else() {
    const ID: &str = "9b1d6a4e-2f0c-4c6b-8a77-0d5b2f9c1e33";
    let nodes = [
        json!({"Node": "db-1", "ID": ID, "Address": "10.0.0.9", "NodeMeta": {"rack": "7"}}),
        json!({"Node": "db-2", "Address": "10.0.0.10"}),
        json!({"Node": "db-3", "Address": "10.0.0.11",
            "Check": {"CheckID": "serfHealth", "Name": "x", "Status": "critical"},
            "Service": {"ID": "consul", "Service": "consul"}}),
    ];
    let mut process = Process::muster(&[]).expect("muster starts");
    for node in &nodes {
        let answer = process.client().put("/v1/catalog/register", &node.to_string()).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let shown = |process: &Process| -> Vec<Value> {
        let show =
            |name: &str| process.client().get(&format!("/v1/catalog/node/{name}")).expect("an answer").json();
        ["db-1", "db-2", "db-3"].map(show).to_vec()
    };
    let before = shown(&process);
    process.stop().expect("it ends in order");
    for (name, address) in
        [("db-1", "10.0.0.9"), ("DB-1", "10.0.0.9"), ("db-2", "10.0.0.10"), ("db-3", "10.0.0.11")]
    {
        let output = start_as(name, &process.data_dir());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        for words in
            [format!("Node name {name} is reserved by node "), format!("({address})"), "(--node)".into()]
        {
            assert!(said.contains(&words), "{name}: no {words:?} in {said}");
        }
    }
    process.start_again().expect("under its own name it starts");
    assert_eq!(shown(&process), before, "and nothing has happened to the others");
}

#[test]
fn a_start_may_have_a_new_name_or_a_new_id() {
    let mut process =
        Process::muster(&["--node-id", "9b1d6a4e-2f0c-4c6b-8a77-0d5b2f9c1e33"]).expect("muster starts");
    process.stop().expect("it ends in order");
    let again =
        Process::muster_on(&process.data_dir(), &["--node-id", "11111111-2f0c-4c6b-8a77-0d5b2f9c1e33"]);
    drop(again.expect("its own node is its own, whatever id it is given"));
}
