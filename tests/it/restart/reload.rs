//! SIGHUP: what the files say now takes effect without a restart, or nothing of it does and the log says why.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::support::client::{Request, ask_until};
use crate::support::process::Process;

/// Longest wait for a reload to show.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(20);

/// What the log says of a reload; of level `info`.
const RELOADED: &str = "reloaded";

/// What the log says of one that was refused; of level `error`.
const NOT_RELOADED: &str = "not reloaded";

/// A configuration directory and the server that reads it.
struct Configured {
    directory: TempDir,
    process: Process,
}

impl Configured {
    /// Logs errors only; `web` is defined with port 1.
    fn start() -> Configured {
        let directory = tempfile::tempdir().expect("a temporary directory");
        put(directory.path(), "level.toml", "log_level = \"error\"\n");
        put(directory.path(), "web.json", &service("web", 1));
        let path = directory.path().to_str().expect("a path in UTF-8").to_owned();
        let process = Process::muster(&["--config-dir", &path]).expect("muster starts");
        Configured { directory, process }
    }

    fn put(&self, name: &str, text: &str) {
        put(self.directory.path(), name, text);
    }

    /// Has it read its files again.
    fn reload(&self) {
        self.process.signal("HUP");
    }

    /// Waits until the agent's services are these, as name and port.
    fn wait_for(&self, services: &[(&str, u64)]) {
        let wanted: Vec<_> = services.iter().map(|(name, port)| ((*name).to_owned(), json!(port))).collect();
        let ports = |body: &serde_json::Value| -> Vec<_> {
            let services = body.as_object().into_iter().flatten();
            services.map(|(id, service)| (id.clone(), service["Port"].clone())).collect()
        };
        let request = Request::new("GET", "/v1/agent/services");
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        let mut client = self.process.client();
        let answer = ask_until(&mut client, &request, deadline, |answer| ports(&answer.json()) == wanted);
        assert_eq!(ports(&answer.expect("an answer").json()), wanted);
    }

    /// Waits until the log holds `words` for the `count`-th time.
    fn wait_for_log(&self, words: &str, count: usize) {
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        while self.process.log().matches(words).count() < count {
            assert!(Instant::now() < deadline, "{words:?} {count} times in the log:\n{}", self.process.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_reload_takes_over_levels_and_definitions() {
    let configured = Configured::start();
    configured.wait_for(&[("web", 1)]);
    assert!(!configured.process.log().contains("INFO"), "errors only: {}", configured.process.log());

    configured.put("level.toml", "log_level = \"info\"\n");
    configured.put("web.json", &service("web", 2));
    configured.put("db.json", &service("db", 3));
    configured.reload();
    configured.wait_for(&[("db", 3), ("web", 2)]);
    configured.wait_for_log(RELOADED, 1);

    configured.put("level.toml", "log_level = \"error\"\n");
    fs::remove_file(configured.directory.path().join("web.json")).expect("the definition can go");
    configured.reload();
    configured.wait_for(&[("db", 3)]);
    configured.put("db.json", &service("db", 4));
    configured.reload();
    configured.wait_for(&[("db", 4)]);
    let log = configured.process.log();
    assert_eq!(log.matches(RELOADED).count(), 1, "at level error no reload is told:\n{log}");
}

#[test]
fn what_was_registered_by_a_client_stays_over_a_reload() {
    let configured = Configured::start();
    let answer = configured.process.client().put("/v1/agent/service/register", &registration("mine", 9));
    assert_eq!(answer.expect("an answer").status, 200);
    configured.put("web.json", &service("web", 2));
    configured.reload();
    configured.wait_for(&[("mine", 9), ("web", 2)]);
}

#[test]
fn a_reload_that_cannot_be_keeps_everything_and_says_why() {
    let rows = [
        ("web.json", "{\"service\": {\"name\": \"web\", \"port\": ".to_owned(), "web.json"),
        ("web.json", "{\"service\": {\"name\": \"web\", \"port\": \"eighty\"}}".to_owned(), "web.json"),
        ("web.json", service("web", 70_000), "web.json"),
        ("level.toml", "log_level = \"loud\"\n".to_owned(), "log_level"),
        ("level.toml", "log_levle = \"info\"\n".to_owned(), "log_levle"),
    ];
    for (name, text, said) in rows {
        let configured = Configured::start();
        // Good news beside the bad must not take effect either.
        configured.put("also.json", &service("also", 5));
        configured.put(name, &text);
        configured.reload();
        configured.wait_for_log(NOT_RELOADED, 1);
        configured.wait_for_log(said, 1);
        configured.wait_for(&[("web", 1)]);

        // Mended, it takes effect.
        configured.put("level.toml", "log_level = \"info\"\n");
        configured.put("web.json", &service("web", 2));
        configured.reload();
        configured.wait_for(&[("also", 5), ("web", 2)]);
    }
}

fn put(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).expect("a file can be written");
}

fn service(name: &str, port: u64) -> String {
    json!({"service": {"name": name, "port": port}}).to_string()
}

fn registration(name: &str, port: u64) -> String {
    json!({"Name": name, "Port": port}).to_string()
}
