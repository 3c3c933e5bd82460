//! Starts the servers that are compared, each in a directory and on a port of its own, and ends them.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use crate::client::Client;
use crate::process::Process;

/// How long a server may take to serve its first request.
const START_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long it may take to end when asked to.
const STOP_WAIT_MAX: Duration = Duration::from_secs(15);

const POLL_EVERY: Duration = Duration::from_millis(20);

/// A program under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The registry this project is about, with its store on disk.
    Muster,
    /// Consul as a server of its own, with a data directory.
    Consul,
    /// A may_minihttp program that answers everything with one body.
    Minihttp,
    /// nginx with one file.
    Nginx,
    /// A bare loop that tells watchers of one service, and does nothing else.
    Bare,
}

/// Where the programs are.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// The binary of muster.
    pub muster: Option<PathBuf>,
    /// The binary of Consul.
    pub consul: Option<PathBuf>,
    /// The binary of `bench/yardstick`.
    pub minihttp: Option<PathBuf>,
    /// The binary of nginx.
    pub nginx: Option<PathBuf>,
    /// The binary `bare` of `bench/yardstick`.
    pub bare: Option<PathBuf>,
    /// Further arguments of `muster agent`.
    pub muster_arguments: Vec<String>,
}

/// What a server that only serves a file serves.
#[derive(Clone, Debug)]
pub struct Body {
    /// The bytes, as sent.
    pub bytes: Vec<u8>,
    /// Whether they are gzip.
    pub gzip: bool,
}

/// A running server; dropped, it is ended.
#[derive(Debug)]
pub struct Server {
    /// Which program.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
    command: Vec<String>,
    directory: PathBuf,
    child: Child,
}

impl Kind {
    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Muster => "muster",
            Self::Consul => "Consul 1.8.7",
            Self::Minihttp => "may_minihttp",
            Self::Nginx => "nginx",
            Self::Bare => "a bare loop",
        }
    }

    /// Whether it is a registry, rather than a server of one file.
    pub fn is_registry(self) -> bool {
        matches!(self, Self::Muster | Self::Consul)
    }
}

impl Programs {
    /// The binary of a program.
    ///
    /// # Errors
    /// It was not given.
    pub fn path(&self, kind: Kind) -> Result<&Path, String> {
        let path = match kind {
            Kind::Muster => &self.muster,
            Kind::Consul => &self.consul,
            Kind::Minihttp => &self.minihttp,
            Kind::Nginx => &self.nginx,
            Kind::Bare => &self.bare,
        };
        path.as_deref()
            .ok_or_else(|| format!("where is {}? give its binary on the command line", kind.name()))
    }
}

impl Server {
    /// Starts a registry in `directory`, empty, and waits until it serves.
    ///
    /// # Errors
    /// The program is not there, ends, or does not serve in time.
    pub fn registry(kind: Kind, programs: &Programs, directory: &Path) -> Result<Self, String> {
        let directory = directory.join(format!("{kind:?}").to_lowercase());
        let address = free_address().map_err(|error| error.to_string())?;
        let binary = programs.path(kind)?.display().to_string();
        fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let data = directory.join("data").display().to_string();
        let command = match kind {
            Kind::Consul => {
                let path = directory.join("consul.json");
                let config = consul_config(address).map_err(|error| error.to_string())?;
                fs::write(&path, config).map_err(|error| format!("{}: {error}", path.display()))?;
                let file = path.display().to_string();
                words(&[
                    &binary,
                    "agent",
                    "-server",
                    "-bootstrap-expect=1",
                    "-data-dir",
                    &data,
                    "-config-file",
                    &file,
                ])
            }
            _ => {
                let address = address.to_string();
                let fixed =
                    [&binary, "agent", "--http-addr", &address, "--data-dir", &data, "--node", "loadtest"];
                let mut command = words(&fixed);
                command.extend(words(&["--log-level", "error", "--limits-idle-timeout", "1h"]));
                command.extend(programs.muster_arguments.iter().cloned());
                command
            }
        };
        Self::start(kind, address, command, directory)
    }

    /// Starts a server of one body, and waits until it serves it.
    ///
    /// # Errors
    /// The program is not there, ends, or does not serve in time.
    pub fn of_body(kind: Kind, programs: &Programs, directory: &Path, body: &Body) -> Result<Self, String> {
        let directory = directory.join(format!("{kind:?}").to_lowercase());
        let address = free_address().map_err(|error| error.to_string())?;
        let binary = programs.path(kind)?.display().to_string();
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.join(name);
            fs::create_dir_all(&directory)
                .and_then(|()| fs::write(&path, bytes))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(path.display().to_string())
        };
        let file = write("body", &body.bytes)?;
        let port = address.port().to_string();
        let command = match kind {
            Kind::Nginx => {
                let config = write("nginx.conf", nginx_config(address, &directory, body.gzip).as_bytes())?;
                let prefix = directory.display().to_string();
                words(&[&binary, "-p", &prefix, "-c", &config, "-e", "stderr"])
            }
            Kind::Bare => words(&[&binary, &port, &file]),
            _ => {
                let mut command = words(&[&binary, &port, &file, "2"]);
                command.extend(body.gzip.then(|| "gzip".to_owned()));
                command
            }
        };
        Self::start(kind, address, command, directory)
    }

    fn start(
        kind: Kind,
        address: SocketAddr,
        command: Vec<String>,
        directory: PathBuf,
    ) -> Result<Self, String> {
        let child = spawn(&command, &directory)?;
        let mut server = Self { kind, address, command, directory, child };
        server.wait_until_serving()?;
        Ok(server)
    }

    /// The process that serves, by itself or by its children.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Ends it as an operator does and starts it again, on what it has kept and on the same port.
    ///
    /// # Errors
    /// It does not start again.
    pub fn restart(&mut self) -> Result<(), String> {
        self.stop();
        self.child = spawn(&self.command, &self.directory)?;
        self.wait_until_serving()
    }

    /// Has it stand still until [`Server::resume`]: what a server does in the background is not to be done in the turn of
    /// another.
    pub fn pause(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::STOP);
    }

    /// Has it go on.
    pub fn resume(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::CONT);
    }

    /// Ends it: asked first, killed after a while.
    fn stop(&mut self) {
        let group = Pid::from_child(&self.child);
        self.resume();
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + STOP_WAIT_MAX;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL_EVERY);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }

    fn wait_until_serving(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_WAIT_MAX;
        // Consul answers before it is elected; only with a leader does it have a catalog.
        let path = if self.kind.is_registry() { "/v1/catalog/nodes" } else { "/" };
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                let log = if log.trim().is_empty() {
                    "it said nothing; is it that program?"
                } else {
                    log.trim_end()
                };
                return Err(format!("{} ended with {status} while starting: {log}", self.kind.name()));
            }
            let answer = Client::new(self.address).get(path, "");
            if answer.is_ok_and(|it| it.status == 200 && it.body.len() > 2) {
                return Ok(());
            }
            std::thread::sleep(POLL_EVERY);
        }
        Err(format!("{} does not serve after {START_WAIT_MAX:?}", self.kind.name()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|it| (*it).to_owned()).collect()
}

/// Starts a program in a process group of its own, so that its children end with it.
fn spawn(command: &[String], directory: &Path) -> Result<Child, String> {
    let log = fs::File::create(directory.join("log"))
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    Command::new(&command[0])
        .args(&command[1..])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("{} cannot be started ({error}): name the program's file", command[0]))
}

/// A port of loopback that nobody listens on now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// One server that elects itself at once, as fast as it can, and lets as many clients in as come.
fn consul_config(address: SocketAddr) -> io::Result<String> {
    let ports = [free_address()?, free_address()?, free_address()?].map(|it| it.port());
    let config = json!({
        "ports": {
            "http": address.port(), "dns": -1, "grpc": -1,
            "server": ports[0], "serf_lan": ports[1], "serf_wan": ports[2],
        },
        "bind_addr": "127.0.0.1", "node_name": "loadtest", "log_level": "err",
        "limits": {"http_max_conns_per_client": 15_000}, "performance": {"raft_multiplier": 1},
    });
    Ok(config.to_string())
}

/// nginx at its best with one file: kept open, sent by the kernel, no log.
fn nginx_config(address: SocketAddr, directory: &Path, gzip: bool) -> String {
    let gzip = if gzip { "add_header Content-Encoding gzip;" } else { "" };
    let directory = directory.display();
    format!(
        "daemon off; worker_processes 2; pid {directory}/pid; error_log stderr crit; worker_rlimit_nofile 20000;
         events {{ worker_connections 12000; }}
         http {{
           access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;
           keepalive_timeout 1h; open_file_cache max=10; open_file_cache_valid 1h; client_body_temp_path {directory}/t1;
           proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4;
           scgi_temp_path {directory}/t5;
           server {{
             listen {address} backlog=4096; root {directory};
             location / {{ default_type application/json; {gzip} try_files /body =404; }}
           }}
         }}\n"
    )
}
