//! Where output goes may be full, closed or bounded. The agent serves on whatever becomes of its log; a command whose
//! reader has gone ends as it would have, and one whose words the disk did not take says so.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::client::{Request, ask_until};
use crate::support::process::{NODE_NAME, free_port, muster_binary};

/// Longest start and longest end.
const PATIENCE: Duration = Duration::from_secs(30);

fn full() -> Stdio {
    Stdio::from(File::options().write(true).open("/dev/full").expect("this system has a full device"))
}

/// The writing end of a pipe that nobody reads.
fn closed() -> Stdio {
    Stdio::from(std::io::pipe().expect("a pipe").1)
}

/// A name, and both outputs.
type Outputs = (&'static str, fn() -> (Stdio, Stdio));

const OUTPUTS: [Outputs; 4] = [
    ("a full disk", || (full(), full())),
    ("a closed pipe", || (closed(), closed())),
    ("only the log is lost", || (Stdio::null(), closed())),
    ("only the announcement is lost", || (full(), Stdio::null())),
];

#[test]
fn an_agent_outlives_its_outputs() {
    for (what, outputs) in OUTPUTS {
        outlives(what, |mut command| {
            let (out, err) = outputs();
            command.stdout(out).stderr(err);
            command
        });
    }
}

#[test]
fn an_agent_outlives_the_largest_size_of_its_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    outlives("ulimit -f 0", |command| {
        let mut shell = Command::new("sh");
        // The registry itself would have no room either, so it is kept in memory.
        shell
            .args(["-c", "ulimit -f 0 && exec \"$0\" \"$@\""])
            .arg(command.get_program())
            .args(command.get_args());
        let file = File::create(&log).expect("a log file");
        shell.args(["--store", "memory"]).stdout(file.try_clone().expect("a copy")).stderr(file);
        shell
    });
}

/// An agent whose outputs are as `give` says starts, serves, logs a lot and ends in order.
fn outlives(what: &str, give: impl FnOnce(Command) -> Command) {
    let directory = tempfile::tempdir().expect("a directory");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut command = Command::new(muster_binary());
    command.args(["agent", "--node", NODE_NAME, "--log-level", "trace", "--http-addr", &address.to_string()]);
    command.arg("--data-dir").arg(directory.path().join("data"));
    let mut child = give(command).stdin(Stdio::null()).spawn().expect("it can be run");
    let mut client = crate::support::client::Client::new(address);
    let ready = Request::new("GET", "/readyz");
    let answer = ask_until(&mut client, &ready, Instant::now() + PATIENCE, |answer| answer.status == 200);
    assert_eq!(answer.expect("an answer").status, 200, "{what}");
    for at in 0..50 {
        let body = serde_json::json!({"Name": format!("web-{at}")}).to_string();
        assert_eq!(client.put("/v1/agent/service/register", &body).expect("an answer").status, 200, "{what}");
    }
    assert!(child.try_wait().expect("a child").is_none(), "{what}: it serves on");
    let id = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).expect("it is there");
    assert_eq!(child.wait().expect("a child").code(), Some(0), "{what}");
}

#[test]
fn a_command_ends_as_it_should_whoever_reads() {
    // What is typed, and how it ends when its words are read, when nobody reads them, and when the disk is full.
    let rows: [(&[&str], [i32; 3]); 7] = [
        (&["--help"], [0, 0, 1]),
        (&["help", "agent"], [0, 0, 1]),
        (&["version"], [0, 0, 1]),
        (&["agent", "--help"], [0, 0, 1]),
        (&["no-such-command"], [2, 2, 2]),
        (&["health", "--address", "http://127.0.0.1:1"], [1, 1, 1]),
        (&["agent", "--http-addr", "no address"], [1, 1, 1]),
    ];
    for (words, expected) in rows {
        let ways: [fn() -> (Stdio, Stdio); 3] =
            [|| (Stdio::null(), Stdio::null()), || (closed(), closed()), || (full(), full())];
        for (way, expected) in ways.into_iter().zip(expected) {
            let (out, err) = way();
            let mut command = Command::new(muster_binary());
            let status = command.args(words).stdin(Stdio::null()).stdout(out).stderr(err).status();
            let status = status.expect("it can be run");
            assert_ne!(status.code(), Some(101), "{words:?} panicked");
            let of_usage = [1, 2];
            let is_expected = match expected {
                0 => status.code() == Some(0),
                _ => status.code().is_some_and(|code| of_usage.contains(&code)),
            };
            assert!(is_expected, "{words:?}: {status}");
        }
    }
    assert!(Path::new("/dev/full").exists());
}
