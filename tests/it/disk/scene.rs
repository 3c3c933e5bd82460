//! A server with a data directory on which faults can be switched on and off, and questions about how it stands.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::shim;
use crate::support::client::{Answer, Client, Request, ask_until};
use crate::support::process::Process;

/// Longest wait for a change of standing; muster looks for room every second.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(30);

/// What every answer and every page says of the store at one time.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub word: &'static str,
    pub readyz: u16,
    pub has_leader: bool,
}

pub const WRITABLE: Standing = Standing { word: "writable", readyz: 200, has_leader: true };
pub const FULL: Standing = Standing { word: "full", readyz: 503, has_leader: true };
pub const READ_ONLY: Standing = Standing { word: "read-only", readyz: 503, has_leader: false };

pub struct Scene {
    pub process: Process,
    pub disk: Disk,
    _directory: TempDir,
}

/// Where faults are switched on and off.
pub struct Disk {
    switch: PathBuf,
    count: PathBuf,
}

impl Disk {
    /// From now on calls fail in this way: a kind and the letters of calls, as `shim.c` lists them.
    pub fn break_with(&self, kind_and_calls: &str) {
        // Renamed into place, so that no call reads half a word.
        let unfinished = self.switch.with_extension("unfinished");
        fs::write(&unfinished, kind_and_calls).expect("a file can be written");
        fs::rename(&unfinished, &self.switch).expect("a file can be renamed");
    }

    pub fn mend(&self) {
        fs::remove_file(&self.switch).expect("the switch is there");
    }

    /// How many calls there were, those under way included.
    pub fn calls(&self) -> u64 {
        let text = fs::read_to_string(&self.count).expect("the count can be read");
        text.trim().parse().unwrap_or(0)
    }
}

impl Scene {
    /// A server on a directory of its own, all well; `variables` are further ones of the fault library.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Scene {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [data_dir, switch, count] = ["data", "switch", "count"].map(|name| directory.path().join(name));
        let text = |path: &PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
        let (switch_text, count_text) = (text(&switch), text(&count));
        let mut all = variables.to_vec();
        all.extend([("FAULT_SWITCH", switch_text.as_str()), ("FAULT_COUNT", count_text.as_str())]);
        let environment = shim::environment(&data_dir, &all);
        let environment: Vec<(&str, &Path)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_path())).collect();
        let process = Process::muster_on_with(&data_dir, arguments, &environment).expect("muster starts");
        Scene { process, disk: Disk { switch, count }, _directory: directory }
    }
}

/// Registers an instance of `name`, and gives the answer.
pub fn register(client: &mut Client, name: &str) -> Answer {
    client.put("/v1/agent/service/register", &registration(name)).expect("an answer")
}

pub fn registration(name: &str) -> String {
    json!({"Name": name, "Port": 80, "Check": {"TTL": "1h", "Status": "passing"}}).to_string()
}

/// The names of the agent's services. Asserts that every way of asking says the same.
pub fn services(client: &mut Client) -> Vec<String> {
    let mut get = |target: &str| {
        let answer = client.get(target).expect("an answer");
        assert_eq!(answer.status, 200, "reads go on: {target}: {}", answer.text());
        answer.json()
    };
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> =
            value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    };
    let names = keys(&get("/v1/agent/services"));
    let mut in_catalog = keys(&get("/v1/catalog/services"));
    in_catalog.retain(|name| name != "consul");
    assert_eq!(in_catalog, names);
    for name in &names {
        assert_eq!(
            get(&format!("/v1/health/service/{name}?passing")).as_array().map(Vec::len),
            Some(1),
            "{name}"
        );
    }
    names
}

/// Waits until the server stands so, and holds everything that speaks of it against that.
pub fn assert_stands(process: &Process, expected: Standing) {
    let mut client = process.client();
    let ready = Request::new("GET", "/readyz");
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let answer = ask_until(&mut client, &ready, deadline, |answer| answer.status == expected.readyz);
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, expected.readyz, "/readyz: {}", answer.text());
    let mut get = |target: &str| client.get(target).expect("an answer");
    if expected.readyz != 200 {
        let said = answer.text();
        assert!(said.starts_with(&format!("{}: ", expected.word)) && said.ends_with('.'), "/readyz: {said}");
    }
    assert_eq!(get("/livez").status, 200, "a restart is somebody's decision");
    let own = get("/v1/agent/self").json();
    assert_eq!(own["Muster"]["Writes"], expected.word, "{own}");
    let is_refused = own["Muster"]["WritesRefused"].as_str().is_some_and(|why| !why.is_empty());
    assert_eq!(is_refused, expected.word != "writable", "{own}");
    assert_eq!(own["Stats"]["consul"]["leader"], expected.has_leader.to_string(), "{own}");
    assert_eq!(get("/v1/status/leader").json() != "", expected.has_leader);
    let metrics = get("/metrics").text();
    for word in ["writable", "full", "read-only"] {
        let line =
            format!("muster_store_standing{{standing=\"{word}\"}} {}", i32::from(word == expected.word));
        assert!(metrics.contains(&line), "{line}");
    }
}
