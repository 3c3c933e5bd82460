//! Servers as processes of their own: started in a directory of their own on free ports, ready when the call returns,
//! dead when the value is dropped. Knows how muster and Consul are started and nothing of what they answer.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::{Answer, Client, Request, ask_until};

/// Longest start allowed. Consul elects itself leader within a few seconds; the rest is for a loaded machine.
const START_WAIT_MAX: Duration = Duration::from_secs(60);

/// Longest orderly end allowed after SIGTERM.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);

/// Starts tried. A port found free may be taken before the server binds it, which then ends at once.
const STARTS_MAX: usize = 3;

/// Lines of a server's log shown when its test fails.
const LOG_LINES_SHOWN: usize = 40;

/// The name both servers give their own node, so that their answers need no translation.
pub const NODE_NAME: &str = "node-one";

/// The program under test: the built one, or what `MUSTER_TEST_BINARY` names, so that a new test can be shown to fail
/// on an older build.
pub fn muster_binary() -> PathBuf {
    let other = std::env::var_os("MUSTER_TEST_BINARY").map(PathBuf::from);
    other.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_muster")))
}

/// The token that may do everything on a server started by [`Process::consul_guarded`], and with which it does its own work.
pub const MANAGEMENT_TOKEN: &str = "5ec2e700-0000-0000-0000-00000000a11a";

/// A server that runs. Dropping it kills it, and shows the end of its log if the test is failing.
pub struct Process {
    child: Child,
    command: Command,
    ready: fn(&Answer) -> bool,
    ready_target: &'static str,
    pub name: &'static str,
    pub address: SocketAddr,
    /// Holds the data directory and the log; removed last.
    directory: TempDir,
}

impl Process {
    /// Starts the built `muster` on an empty data directory, with further arguments as given.
    ///
    /// # Errors
    /// A sentence with the end of the log when it ends or does not serve in time.
    pub fn muster(arguments: &[&str]) -> Result<Process, String> {
        Process::muster_with(arguments, &[])
    }

    /// As [`Process::muster`], with further variables in its environment.
    ///
    /// # Errors
    /// As [`Process::muster`].
    pub fn muster_with(arguments: &[&str], environment: &[(&str, &Path)]) -> Result<Process, String> {
        start_repeatedly(|directory| {
            let data_dir = directory.path().join("data");
            Process::muster_in(directory, &data_dir, arguments, environment)
        })
    }

    /// Starts the built `muster` on a data directory of the caller's, which outlives the process. Tried once: the
    /// directory may be one that no start accepts.
    ///
    /// # Errors
    /// As [`Process::muster`]; the sentence holds how the process ended and what it said.
    pub fn muster_on(data_dir: &Path, arguments: &[&str]) -> Result<Process, String> {
        Process::muster_on_with(data_dir, arguments, &[])
    }

    /// As [`Process::muster_on`], with further variables in its environment.
    ///
    /// # Errors
    /// As [`Process::muster_on`].
    pub fn muster_on_with(
        data_dir: &Path,
        arguments: &[&str],
        environment: &[(&str, &Path)],
    ) -> Result<Process, String> {
        let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        Process::muster_in(directory, data_dir, arguments, environment)
    }

    /// As [`Process::muster`], started with a soft limit of open descriptors as shells have it.
    ///
    /// # Errors
    /// As [`Process::muster`].
    pub fn muster_below(descriptors: usize, arguments: &[&str]) -> Result<Process, String> {
        Process::muster_after(&format!("ulimit -Sn {descriptors}"), arguments)
    }

    /// As [`Process::muster`], by a shell that does something to itself before it becomes the server.
    ///
    /// # Errors
    /// As [`Process::muster`].
    pub fn muster_after(first: &str, arguments: &[&str]) -> Result<Process, String> {
        start_repeatedly(|directory| {
            let (command, address) = muster_command(&directory.path().join("data"), arguments);
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{first} && exec \"$0\" \"$@\"")]);
            shell.arg(command.get_program()).args(command.get_args());
            Process::spawn("muster", shell, address, directory, "/readyz", |answer| answer.status == 200)
        })
    }

    /// As [`Process::muster`], with a file of its own in the place of `/etc/resolv.conf`. Needs root.
    ///
    /// # Errors
    /// As [`Process::muster`].
    pub fn muster_resolving(resolv_conf: &Path, arguments: &[&str]) -> Result<Process, String> {
        start_repeatedly(|directory| {
            let (command, address) = muster_command(&directory.path().join("data"), arguments);
            let mut shell = Command::new("unshare");
            let script =
                format!("mount --bind {} /etc/resolv.conf && exec \"$0\" \"$@\"", resolv_conf.display());
            shell.args(["--mount", "sh", "-c", &script]);
            shell.arg(command.get_program()).args(command.get_args());
            Process::spawn("muster", shell, address, directory, "/readyz", |answer| answer.status == 200)
        })
    }

    /// As [`Process::muster`], with access control as Consul's setting `acl` says, and checks' outputs shown at once.
    ///
    /// # Errors
    /// As [`Process::muster`].
    pub fn muster_guarded(acl: &serde_json::Value) -> Result<Process, String> {
        start_repeatedly(|directory| {
            let data_dir = directory.path().join("data");
            let file = directory.path().join("acl.json");
            fs::write(&file, serde_json::json!({ "acl": acl }).to_string())
                .map_err(|error| error.to_string())?;
            let file = file.display().to_string();
            let arguments = ["--check-update-interval", "0s", "--config-file", &file];
            Process::muster_in(directory, &data_dir, &arguments, &[])
        })
    }

    fn muster_in(
        directory: TempDir,
        data_dir: &Path,
        arguments: &[&str],
        environment: &[(&str, &Path)],
    ) -> Result<Process, String> {
        let (mut command, address) = muster_command(data_dir, arguments);
        command.envs(environment.iter().copied());
        Process::spawn("muster", command, address, directory, "/readyz", |answer| answer.status == 200)
    }

    /// Starts a Consul server that is a cluster of itself. Not with `-dev`, which forces pretty JSON on every answer.
    ///
    /// # Errors
    /// As [`Process::muster`].
    pub fn consul(binary: &Path) -> Result<Process, String> {
        Process::consul_with(binary, &[])
    }

    /// As [`Process::consul`], with further variables in its environment.
    ///
    /// # Errors
    /// As [`Process::muster`].
    pub fn consul_with(binary: &Path, environment: &[(&str, &Path)]) -> Result<Process, String> {
        start_repeatedly(|directory| {
            Process::consul_in(
                directory,
                binary,
                environment,
                &serde_json::Value::Null,
                "/v1/health/service/consul",
            )
        })
    }

    /// As [`Process::consul`], with access control as `acl` says, in which [`MANAGEMENT_TOKEN`] may do everything.
    ///
    /// # Errors
    /// As [`Process::muster`].
    pub fn consul_guarded(binary: &Path, acl: &serde_json::Value) -> Result<Process, String> {
        let ready_target = "/v1/health/service/consul?token=5ec2e700-0000-0000-0000-00000000a11a";
        start_repeatedly(|directory| Process::consul_in(directory, binary, &[], acl, ready_target))
    }

    fn consul_in(
        directory: TempDir,
        binary: &Path,
        environment: &[(&str, &Path)],
        acl: &serde_json::Value,
        ready_target: &'static str,
    ) -> Result<Process, String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let config = directory.path().join("consul.json");
        let mut settings = consul_config(address.port());
        if !acl.is_null() {
            settings["acl"] = acl.clone();
        }
        fs::write(&config, settings.to_string()).map_err(|error| error.to_string())?;
        let mut command = Command::new(binary);
        command.args(["agent", "-node", NODE_NAME]).arg("-config-file").arg(config);
        command.arg("-data-dir").arg(directory.path().join("data")).envs(environment.iter().copied());
        Process::spawn("consul", command, address, directory, ready_target, |answer| {
            // Leader and agent register the node in either order: it is complete when both have.
            ["serfHealth", "lan_ipv4"].iter().all(|mark| answer.text().contains(mark))
        })
    }

    /// Runs the command and waits until `ready` takes what `ready_target` answers.
    fn spawn(
        name: &'static str,
        mut command: Command,
        address: SocketAddr,
        directory: TempDir,
        ready_target: &'static str,
        ready: fn(&Answer) -> bool,
    ) -> Result<Process, String> {
        let child = launch(&mut command, directory.path())?;
        let mut process = Process { child, command, ready, ready_target, name, address, directory };
        process.wait_until_ready()?;
        Ok(process)
    }

    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Everything it has written to its standard output and error, over all its starts.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Ends it with SIGKILL, as a power cut would.
    pub fn kill(&mut self) {
        // Both fail only when it is dead and reaped already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it with SIGTERM, and with SIGKILL when that takes too long.
    ///
    /// # Errors
    /// A sentence when it had to be killed.
    pub fn stop(&mut self) -> Result<ExitStatus, String> {
        self.signal("TERM");
        let deadline = Instant::now() + STOP_WAIT_MAX;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        Err(format!("{} did not end within {STOP_WAIT_MAX:?} of SIGTERM", self.name))
    }

    /// Waits for it to end by itself; `None` when it has not by then.
    pub fn ended_within(&mut self, wait: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + wait;
        loop {
            let ended = self.child.try_wait().expect("a child can be waited for");
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal by its short name (`HUP`, `TERM`). Through the shell's `kill`: std has no safe call for it.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
        assert!(sent.is_ok(), "sh is needed to send a signal");
    }

    /// Starts it again after [`Process::kill`] or [`Process::stop`]: same address, same data directory.
    ///
    /// # Errors
    /// As [`Process::muster`].
    pub fn start_again(&mut self) -> Result<(), String> {
        self.launch_again()?;
        self.wait_until_ready()
    }

    /// As [`Process::start_again`], but returns before it serves: for whoever wants to see its very first answers.
    pub fn launch_again(&mut self) -> Result<(), String> {
        self.kill();
        self.child = launch(&mut self.command, self.directory.path())?;
        Ok(())
    }

    /// Starts it once more, with `--takeover` and this in its environment, in the place of the one that runs; gives how
    /// that one ended.
    ///
    /// # Errors
    /// When the new one fails, with the end of the log; the one that runs is then this process as before.
    pub fn take_over(&mut self, environment: &[(&str, &str)]) -> Result<ExitStatus, String> {
        if !self.command.get_args().any(|argument| argument == "--takeover") {
            self.command.arg("--takeover");
        }
        self.command.envs(environment.iter().copied());
        let mut before =
            std::mem::replace(&mut self.child, launch(&mut self.command, self.directory.path())?);
        for (name, _) in environment {
            self.command.env_remove(name);
        }
        let deadline = Instant::now() + START_WAIT_MAX;
        loop {
            if let Some(status) = before.try_wait().map_err(|error| error.to_string())? {
                return Ok(status);
            }
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                self.child = before;
                return Err(format!("it was not taken over from ({status})\n{}", self.log_end()));
            }
            if Instant::now() > deadline {
                let _ = before.kill();
                return Err(format!("it was not taken over from in {START_WAIT_MAX:?}\n{}", self.log_end()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_WAIT_MAX;
        let mut client = self.client();
        let request = Request::new("GET", self.ready_target);
        loop {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("{} ended at once ({status})\n{}", self.name, self.log_end()));
            }
            // A short deadline a round, so that an early end of the process is seen early.
            let round = Instant::now() + Duration::from_millis(200);
            match ask_until(&mut client, &request, round, self.ready) {
                Ok(answer) if (self.ready)(&answer) => return Ok(()),
                _ if Instant::now() > deadline => {
                    return Err(format!(
                        "{} is not ready after {START_WAIT_MAX:?}\n{}",
                        self.name,
                        self.log_end()
                    ));
                }
                _ => {}
            }
        }
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- end of the log of {}\n{}\n---", self.name, self.log_end());
        }
    }
}

/// What runs the built `muster` on a data directory, and the free address where it will serve.
fn muster_command(data_dir: &Path, arguments: &[&str]) -> (Command, SocketAddr) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut command = Command::new(muster_binary());
    command.args(["agent", "--node", NODE_NAME, "--http-addr", &address.to_string()]);
    command.arg("--data-dir").arg(data_dir).args(arguments);
    (command, address)
}

/// Tries [`STARTS_MAX`] times, each with a directory of its own, and gives the last error.
fn start_repeatedly(mut start: impl FnMut(TempDir) -> Result<Process, String>) -> Result<Process, String> {
    let mut outcome = Err(String::new());
    for _ in 0..STARTS_MAX {
        let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        outcome = start(directory);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn launch(command: &mut Command, directory: &Path) -> Result<Child, String> {
    let log = File::options().create(true).append(true).open(directory.join("log"));
    let log = log.map_err(|error| format!("no log file: {error}"))?;
    let copy = log.try_clone().map_err(|error| format!("no log file: {error}"))?;
    let spawned = command.current_dir(directory).stdin(Stdio::null()).stdout(log).stderr(copy).spawn();
    spawned.map_err(|error| format!("cannot run {:?}: {error}", command.get_program()))
}

/// Ports for servers: below those that the kernel gives to outgoing connections (from 32768 on). A server that is down
/// for a moment would find one of those taken when it comes back, or its clients connected to themselves.
const PORTS: std::ops::Range<u32> = 10_000..32_000;

/// A port of the loopback address that nobody holds for TCP or UDP at this moment, and that no other call in this
/// process gets soon.
pub fn free_port() -> u16 {
    static TURN: AtomicU32 = AtomicU32::new(0);
    let count = PORTS.end - PORTS.start;
    // Test processes that run side by side begin far from each other.
    let first = std::process::id().wrapping_mul(7_919) % count;
    for _ in 0..count {
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % count;
        let port = (PORTS.start + (first + turn) % count) as u16;
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}

/// A server of one, silent towards the outside (no update check), quick to elect itself.
///
/// `check_update_interval` 0 sends a check's output to the catalog at once, not up to five minutes later: that delay
/// spares a cluster's consensus and has no meaning where agent and catalog are one. All clients of a test come from one
/// address, which may open 200 connections unless it is told otherwise.
fn consul_config(http_port: u16) -> serde_json::Value {
    serde_json::json!({
        "server": true,
        "bootstrap_expect": 1,
        "bind_addr": "127.0.0.1",
        "client_addr": "127.0.0.1",
        "ui": true,
        "disable_update_check": true,
        "check_update_interval": "0s",
        "log_level": "warn",
        "performance": { "raft_multiplier": 1 },
        "limits": { "http_max_conns_per_client": 10_000 },
        "ports": {
            "http": http_port, "dns": -1, "grpc": -1,
            "server": free_port(), "serf_lan": free_port(), "serf_wan": free_port(),
        },
    })
}
