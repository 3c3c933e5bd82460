//! Targets as processes of their own (`tests/targets`). A dropped one is dead.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::instance::certificates::{Certificates, GOOD};

/// A server that listens.
pub struct Target {
    child: Child,
    orders: ChildStdin,
    pub address: SocketAddr,
}

impl Target {
    /// gRPC's Python library with its health service; `None`, said to be skipped, where it is not installed.
    pub fn grpc(certificates: Option<&Certificates>) -> Option<Target> {
        let python = project("target/clients/grpc/bin/python");
        if !python.exists() {
            skip("target/clients/grpc is not there; scripts/test-deps installs it");
            return None;
        }
        let mut command = Command::new(python);
        command.arg(project("tests/targets/health_server.py"));
        Some(Target::start(command, certificates))
    }

    /// Node's HTTP/2 server; `None`, said to be skipped, where there is no Node.
    pub fn http2(certificates: Option<&Certificates>) -> Option<Target> {
        if Command::new("node").arg("--version").stdout(Stdio::null()).status().is_err() {
            skip("`node` is not there; scripts/test-deps installs it");
            return None;
        }
        let mut command = Command::new("node");
        command.arg(project("tests/targets/http2.js"));
        Some(Target::start(command, certificates))
    }

    fn start(mut command: Command, certificates: Option<&Certificates>) -> Target {
        if let Some(certificates) = certificates {
            command.args(["pem", "key"].map(|it| certificates.directory().join(format!("{GOOD}.{it}"))));
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the target's program can be run");
        let orders = child.stdin.take().expect("its input is a pipe");
        let lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("port ")?.parse().ok());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("it says its port")));
        Target { child, orders, address }
    }

    /// Gives it an order, a line on its standard input.
    pub fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("the target takes orders");
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is a child of this process");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Both fail only when it is dead and reaped already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Says that a test does not run here, which fails it where everything must be there.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}
