//! Script checks: programs that definition files name.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::registry::{INTERVAL, Registry};
use crate::support::client::{Answer, Request, ask_until};
use crate::support::process::Process;

/// What says that programs may be run.
const ALLOWED: &str = "--enable-local-script-checks";

/// A directory of definition files that defines these checks, as `(name, arguments, further keys)`.
fn defining(checks: &[(&str, Value, Value)]) -> TempDir {
    let complete = |(name, args, further): &(&str, Value, Value)| {
        let mut check = json!({"name": name, "args": args, "interval": INTERVAL});
        for (key, value) in further.as_object().into_iter().flatten() {
            check[key] = value.clone();
        }
        check
    };
    let checks: Vec<Value> = checks.iter().map(complete).collect();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = json!({"checks": checks}).to_string();
    fs::write(directory.path().join("checks.json"), text).expect("a file can be written");
    directory
}

fn start(directory: &Path) -> Registry {
    let path = directory.to_str().expect("a path in UTF-8");
    Registry::start_with(&["--config-dir", path, ALLOWED], &[])
}

#[test]
fn exit_code_and_output_are_the_verdict() {
    let shell = |line: &str| json!(["/bin/sh", "-c", line]);
    let rows = [
        ("passes", shell("echo fine"), json!({}), "passing", "fine\n"),
        ("warns", shell("echo so-so; exit 1"), json!({}), "warning", "so-so\n"),
        ("fails", shell("echo out; echo err >&2; exit 2"), json!({}), "critical", "out\nerr\n"),
        ("killed", shell("echo last; kill -SEGV $$"), json!({}), "critical", "last\n\nsignal: 11"),
        (
            "cut",
            shell("printf abcdefghijklmnopqrstuvwxyz"),
            json!({"output_max_size": 10}),
            "passing",
            "Captured 10 of 26 bytes\n...\nqrstuvwxyz",
        ),
        ("no shell", json!(["/bin/echo", "$HOME;", "*"]), json!({}), "passing", "$HOME; *\n"),
        (
            "no file",
            json!(["/no/such/program"]),
            json!({}),
            "critical",
            "fork/exec /no/such/program: no such file or directory",
        ),
        (
            "no program",
            json!(["no-such-program"]),
            json!({}),
            "critical",
            "exec: \"no-such-program\": executable file not found in $PATH",
        ),
    ];
    let defined: Vec<_> =
        rows.iter().map(|(name, args, further, ..)| (*name, args.clone(), further.clone())).collect();
    let directory = defining(&defined);
    let mut registry = start(directory.path());
    for (name, _, _, status, output) in rows {
        let check = registry.wait_for(name, status, output);
        assert_eq!((&check["Output"], &check["Type"]), (&json!(output), &json!("script")), "{name}");
    }
}

#[test]
fn what_a_program_looks_at_dies() {
    let looked_at = tempfile::NamedTempFile::new().expect("a temporary file");
    let line = "test -e \"$1\" || { echo gone; exit 2; }";
    let directory = defining(&[("file", json!(["/bin/sh", "-c", line, "-", looked_at.path()]), json!({}))]);
    let mut registry = start(directory.path());
    registry.wait_for("file", "passing", "");
    looked_at.close().expect("it can be removed");
    registry.wait_for("file", "critical", "gone\n");
}

/// The program's child holds a pipe open for as long as it lives, so the end of the pipe tells that it has died.
#[test]
fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let pipe = place.path().join("alive");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run");
    assert!(made.success());
    let line = "exec 3>\"$1\"; (sleep 1000 & wait) & wait";
    let args = json!(["/bin/sh", "-c", line, "-", pipe]);
    let directory = defining(&[("hangs", args, json!({"timeout": "1s", "interval": "10m"}))]);
    // Opening waits for the program's side.
    let watching = thread::spawn(move || fs::read(pipe));
    let mut registry = start(directory.path());
    let check = registry.wait_for("hangs", "critical", "Timed out (1s) running check");
    assert_eq!(check["Timeout"], "1s");
    let said = watching.join().expect("it does not panic").expect("the pipe can be read");
    assert!(said.is_empty(), "nobody writes to it");
}

#[test]
fn programs_are_not_run_unless_the_operator_says_so() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let trace = place.path().join("trace");
    let args = json!(["/usr/bin/touch", trace]);
    let directory = defining(&[("touches", args.clone(), json!({}))]);
    let path = directory.path().to_str().expect("a path in UTF-8");
    let data = tempfile::tempdir().expect("a temporary directory");
    let refused = Process::muster_on(data.path(), &["--config-dir", path]).err().expect("it does not start");
    assert!(refused.contains("set enable_local_script_checks to true"), "{refused}");

    // Whoever reaches the API never may.
    let mut registry = Registry::start_with(&[ALLOWED], &[]);
    let check = json!({"Name": "touches", "Args": args, "Interval": INTERVAL});
    let service = json!({"Name": "web", "Check": {"Args": args, "Interval": INTERVAL}});
    for (target, body) in [("/v1/agent/check/register", check), ("/v1/agent/service/register", service)] {
        let answer = registry.put(target, &body);
        assert_eq!(answer.status, 400, "{target}: {}", answer.text());
        assert!(answer.text().contains("Scripts are disabled on this agent from remote calls"));
    }
    assert!(registry.shown("touches").is_null());
    assert!(!trace.exists(), "nothing was run");
}

#[test]
fn a_program_has_not_what_is_for_muster_alone() {
    let names =
        ["NOTIFY_SOCKET", "LISTEN_FDNAMES", "WATCHDOG_PID", "MUSTER_REDIS_PASSWORD", "MUSTER_TEST_SHARED"];
    let line = format!("for it in {}; do eval \"echo $it=\\$$it\"; done", names.join(" "));
    let directory = defining(&[("shows", json!(["/bin/sh", "-c", line]), json!({}))]);
    let path = directory.path().to_str().expect("a path in UTF-8");
    let environment = names.map(|name| (name, Path::new("/no/such/place")));
    let muster = Process::muster_with(&["--config-dir", path, ALLOWED], &environment).expect("it starts");
    let request = Request::new("GET", "/v1/agent/checks");
    let deadline = Instant::now() + Duration::from_secs(60);
    let shown = |answer: &Answer| answer.json()["shows"]["Output"].as_str().unwrap_or_default().to_owned();
    let answer = ask_until(&mut muster.client(), &request, deadline, |it| shown(it).contains("SHARED"));
    let output = shown(&answer.expect("an answer"));
    assert_eq!(
        output,
        "NOTIFY_SOCKET=\nLISTEN_FDNAMES=\nWATCHDOG_PID=\nMUSTER_REDIS_PASSWORD=\nMUSTER_TEST_SHARED=/no/such/place\n"
    );
}
