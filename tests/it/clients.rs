//! Unchanged client programs (`tests/clients/`) against the built server: each through the whole life of a service, and
//! each watching while the server is killed and started again. Knows how a client is called and what it prints; what the
//! client asks and how it judges the answers is the client's own script.
//!
//! `scripts/test-deps` installs the clients. One that is not there fails the test in CI and is skipped elsewhere.
//! `MUSTER_CLIENTS_SERVER=consul` runs the same clients against a real Consul, which shows that they ask for nothing more.

mod go;

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::support::process::{Process, free_port};

/// Longest wait for a line of a watcher. Prometheus pauses 15 s after an error and twice 5 s before it shows a target;
/// the rest is for a loaded machine.
const LINE_WAIT_MAX: Duration = Duration::from_secs(90);

/// Longest orderly end of a watcher once its standard input is closed.
const END_WAIT_MAX: Duration = Duration::from_secs(15);

/// A client program and the words in which its watch reports.
struct Client {
    name: &'static str,
    /// What runs the script, if the script is not the program: a path below the project, or a name on the `PATH`.
    runner: Option<&'static str>,
    script: &'static str,
    /// What `scripts/test-deps` puts in place for this client, below the project.
    needs: &'static str,
    /// The report on a registered service that passes.
    registered: &'static str,
    /// The report once its check is critical; `None` if the client can watch no status.
    failed: Option<&'static str>,
}

const CURL: Client = Client {
    name: "curl",
    runner: None,
    script: "tests/clients/curl/tour.sh",
    needs: "tests/clients/curl/tour.sh",
    registered: "saw passing",
    failed: Some("saw critical"),
};

const PY_CONSUL: Client = Client {
    name: "py-consul",
    runner: Some("target/clients/py/bin/python"),
    script: "tests/clients/py/client.py",
    needs: "target/clients/py/installed",
    ..CURL
};

const NPM_CONSUL: Client = Client {
    name: "npm consul",
    runner: Some("node"),
    script: "tests/clients/js/client.js",
    needs: "target/clients/js/installed",
    ..CURL
};

const RS_CONSUL: Client = Client {
    name: "rs-consul",
    script: "target/clients/rust/debug/rs-consul",
    needs: "target/clients/rust/installed",
    ..CURL
};

const CONSULRS: Client = Client {
    name: "consulrs",
    script: "target/clients/rust/debug/consulrs",
    needs: "target/clients/rust/installed",
    registered: "saw present",
    failed: None,
    ..CURL
};

const PROMETHEUS: Client = Client {
    name: "prometheus",
    runner: Some("python3"),
    script: "tests/clients/prometheus/client.py",
    needs: "target/peers/prometheus/usr/bin/prometheus",
    registered: "saw up",
    failed: Some("saw absent"),
};

#[test]
fn curl_sees_a_whole_life() {
    whole_life(&CURL);
}

#[test]
fn curl_watches_over_a_kill() {
    over_a_kill(&CURL);
}

#[test]
fn py_consul_sees_a_whole_life() {
    whole_life(&PY_CONSUL);
}

#[test]
fn py_consul_watches_over_a_kill() {
    over_a_kill(&PY_CONSUL);
}

#[test]
fn npm_consul_sees_a_whole_life() {
    whole_life(&NPM_CONSUL);
}

#[test]
fn npm_consul_watches_over_a_kill() {
    over_a_kill(&NPM_CONSUL);
}

#[test]
fn rs_consul_sees_a_whole_life() {
    whole_life(&RS_CONSUL);
}

#[test]
fn rs_consul_watches_over_a_kill() {
    over_a_kill(&RS_CONSUL);
}

#[test]
fn consulrs_sees_a_whole_life() {
    whole_life(&CONSULRS);
}

#[test]
fn consulrs_watches_over_a_kill() {
    over_a_kill(&CONSULRS);
}

#[test]
fn prometheus_sees_a_whole_life() {
    whole_life(&PROMETHEUS);
}

#[test]
fn prometheus_watches_over_a_kill() {
    over_a_kill(&PROMETHEUS);
}

/// Registers, reads, blocks, updates and deregisters in one run of the client.
fn whole_life(client: &Client) {
    if client.is_installed() {
        let server = start_server();
        Session::new(client, &server).run("all");
    }
}

/// A watcher that runs all the time sees what happens before and after the server was killed in the middle.
fn over_a_kill(client: &Client) {
    if !client.is_installed() {
        return;
    }
    let mut server = start_server();
    let session = Session::new(client, &server);
    let mut watcher = session.watch();
    watcher.wait_for("saw absent");
    session.run("register");
    watcher.wait_for(client.registered);

    server.kill();
    server.start_again().unwrap_or_else(|error| panic!("{error}"));
    session.run("verify");

    // muster loses nothing over a kill and turns no check critical for it, so the next report is the next change. Consul
    // restores its services and their checks one after the other, and a watcher may see it do so.
    let reported = if server.name == "consul" { Watcher::wait_for } else { Watcher::wait_for_next };
    if let Some(failed) = client.failed {
        session.run("critical");
        reported(&mut watcher, failed);
        session.run("passing");
        reported(&mut watcher, client.registered);
    }
    session.run("deregister");
    reported(&mut watcher, "saw absent");
    watcher.end();
}

fn start_server() -> Process {
    let started = match env::var("MUSTER_CLIENTS_SERVER").as_deref() {
        Ok("consul") => Process::consul(&consul()),
        Ok("muster") | Err(_) => Process::muster(&[]),
        Ok(other) => panic!("MUSTER_CLIENTS_SERVER is muster or consul, not {other:?}"),
    };
    started.unwrap_or_else(|error| panic!("{error}"))
}

fn consul() -> PathBuf {
    let peers = Command::new(project("scripts/peers")).arg("consul").stderr(Stdio::inherit()).output();
    let path = peers.expect("scripts/peers can be run").stdout;
    PathBuf::from(String::from_utf8(path).expect("a path is text").trim_end())
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Client {
    fn is_installed(&self) -> bool {
        let installed = project(self.needs).exists();
        if !installed {
            let missing =
                format!("{}: {} is not there; scripts/test-deps installs it", self.name, self.needs);
            assert!(env::var_os("CI").is_none(), "{missing}");
            eprintln!("skipped: {missing}");
        }
        installed
    }

    fn command(&self, phase: &str) -> Command {
        let script = project(self.script);
        let mut command = match self.runner {
            Some(runner) if runner.contains('/') => Command::new(project(runner)),
            Some(runner) => Command::new(runner),
            None => Command::new(&script),
        };
        if self.runner.is_some() {
            command.arg(&script);
        }
        command.arg(phase);
        command
    }
}

/// One client and one server, and what all phases of the client must agree on.
struct Session<'a> {
    client: &'a Client,
    url: String,
    /// Where Prometheus scrapes the service; the other clients have no use for it.
    metrics_port: u16,
}

impl Session<'_> {
    fn new<'a>(client: &'a Client, server: &Process) -> Session<'a> {
        Session { client, url: format!("http://{}", server.address), metrics_port: free_port() }
    }

    fn command(&self, phase: &str) -> Command {
        let mut command = self.client.command(phase);
        command.env("CONSUL_HTTP_ADDR", &self.url).env("CLIENTS_METRICS_PORT", self.metrics_port.to_string());
        command
    }

    /// Runs a phase to its end, which must be a good one.
    fn run(&self, phase: &str) {
        let output = self.command(phase).stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("{} cannot be run: {error}", self.client.name));
        let printed = String::from_utf8_lossy(&output.stdout);
        println!("--- {} {phase}\n{printed}", self.client.name);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{} {phase}: {}\n{printed}{errors}",
            self.client.name,
            output.status
        );
    }

    fn watch(&self) -> Watcher {
        let errors = NamedTempFile::new().expect("a temporary file can be made");
        let stderr = File::options().append(true).open(errors.path()).expect("it can be opened");
        let mut command = self.command("watch");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{} cannot be run: {error}", self.client.name));
        let lines = read_lines(child.stdout.take().expect("standard output is piped"));
        let stdin = child.stdin.take();
        Watcher { name: self.client.name, child, stdin, lines, seen: Vec::new(), errors }
    }
}

/// A client's `watch`, running beside the test. Dropping it ends it.
struct Watcher {
    name: &'static str,
    child: Child,
    /// The watcher ends when this closes.
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Every line so far, for the reader of a failure.
    seen: Vec<String>,
    errors: NamedTempFile,
}

impl Watcher {
    /// Waits for the line, and passes over others before it.
    fn wait_for(&mut self, wanted: &str) {
        let deadline = Instant::now() + LINE_WAIT_MAX;
        while self.next_line(wanted, deadline) != wanted {}
    }

    /// Waits for the next line, which must be this one.
    fn wait_for_next(&mut self, wanted: &str) {
        let line = self.next_line(wanted, Instant::now() + LINE_WAIT_MAX);
        assert!(line == wanted, "{}", self.story(&format!("{wanted:?} should have come next")));
    }

    fn next_line(&mut self, wanted: &str, deadline: Instant) -> String {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = self.lines.recv_timeout(left) else {
            panic!("{}", self.story(&format!("{wanted:?} did not come")))
        };
        self.seen.push(line.clone());
        line
    }

    /// Closes its standard input and wants it to end well.
    fn end(mut self) {
        let status = self.close();
        let story = self.story("it should have ended well once its standard input closed");
        assert!(status.is_some_and(|status| status.success()), "{story}");
    }

    /// Closes its standard input and waits for its end; kills it when that takes too long.
    fn close(&mut self) -> Option<ExitStatus> {
        drop(self.stdin.take());
        let deadline = Instant::now() + END_WAIT_MAX;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        // Both fail only when it is dead already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }

    fn story(&self, what: &str) -> String {
        let errors = fs::read_to_string(self.errors.path()).unwrap_or_default();
        format!("watch of {}: {what}; it printed {:?} and on standard error:\n{errors}", self.name, self.seen)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.close();
    }
}

/// The lines of a pipe as they come, read by a thread that ends with the pipe.
fn read_lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
