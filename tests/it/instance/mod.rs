//! Instances of services as processes of their own: what checks look at, and what can be killed, stopped or told to
//! misbehave at a moment that is known exactly. A dropped instance is dead.
//!
//! The program is this test binary itself, called again for one of its tests: see [`program`].

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::process::free_port;

pub mod certificates;
pub mod host;
mod program;
mod serving;
pub mod tls;

/// Starts tried: a port found free may be taken before the instance binds it.
const STARTS_MAX: usize = 3;

/// Where an instance runs, and what it speaks.
#[derive(Clone, Debug)]
pub struct Place {
    /// The address it listens on.
    pub ip: IpAddr,
    /// Name of the network namespace that has the address; `None` for this one.
    pub namespace: Option<String>,
    /// Directory of its certificates; `None` for plain HTTP.
    pub certificates: Option<PathBuf>,
}

impl Place {
    /// Plain HTTP on the loopback address.
    pub fn here() -> Place {
        Place { ip: Ipv4Addr::LOCALHOST.into(), namespace: None, certificates: None }
    }

    /// TLS on the loopback address.
    pub fn here_with_tls(certificates: &Path) -> Place {
        Place { certificates: Some(certificates.to_owned()), ..Place::here() }
    }
}

/// An instance that runs and listens.
pub struct Instance {
    child: Child,
    orders: ChildStdin,
    pub address: SocketAddr,
}

impl Instance {
    /// Starts one; it listens when the call returns.
    ///
    /// # Errors
    /// A sentence when it ends before.
    pub fn start(place: &Place) -> Result<Instance, String> {
        let mut outcome = Err(String::new());
        for _ in 0..STARTS_MAX {
            outcome = Instance::start_on(place, SocketAddr::new(place.ip, free_port()));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn start_on(place: &Place, address: SocketAddr) -> Result<Instance, String> {
        // Not by its path, where another build may lie by now.
        let program = format!("/proc/{}/exe", std::process::id());
        let mut command = match &place.namespace {
            // It replaces itself by the program, so the child's id is the instance's.
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args([program::NAME, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(program::ADDRESS, address.to_string());
        if let Some(certificates) = &place.certificates {
            command.env(program::CERTIFICATES, certificates);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot run an instance: {error}"))?;
        let orders = child.stdin.take().ok_or("an instance has an input")?;
        let said = child.stderr.take().ok_or("an instance has an output")?;
        let instance = Instance { child, orders, address };
        let mut lines = String::new();
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            if line == program::LISTENING {
                return Ok(instance);
            }
            lines += &line;
            lines.push('\n');
        }
        Err(format!("the instance at {address} ended at once: {lines}"))
    }

    /// Gives it an order, see [`program`]; the moment just before.
    pub fn order(&mut self, order: &str) -> Instant {
        let line = format!("{order}\n");
        let at = Instant::now();
        self.orders.write_all(line.as_bytes()).expect("the instance takes orders");
        at
    }

    /// Sends it a signal; the moment just before.
    pub fn signal(&self, signal: Signal) -> Instant {
        let pid = Pid::from_child(&self.child);
        let at = Instant::now();
        kill_process(pid, signal).expect("the instance is a child of this process");
        at
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Both fail only when it is dead and reaped already, which is what is wanted. A stopped process dies as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
