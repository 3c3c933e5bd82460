//! Runs one check against the world, and says what it saw.
//!
//! Never policy: when to run, how often, and what a result means for a status is `health`'s business; how
//! many may run at once is the caller's. [`Prober::run`] is called inside a coroutine and never blocks its
//! worker: sockets wait as coroutines do, names are looked up on threads of their own. Outputs are in
//! Consul's words, since alerts match on them.

mod dial;
mod http;
#[cfg(feature = "grpc")]
mod http2;
mod names;
mod os_service;
mod programs;
mod reach;
mod script;
mod target;
mod tcp;
mod tls;
mod transport;
mod udp;
mod words;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::model::{Observation, Probe, Status};
use crate::probe::dial::Dialer;
use crate::probe::names::Names;
use crate::probe::programs::Programs;
use crate::probe::reach::Reach;
use crate::probe::tls::Trust;

pub use target::{Refusal, TargetRules};

/// What an operator may set about probes. A handle: a change to one of its clones holds for all of them, from the next run
/// on.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Which addresses may be probed.
    pub targets: TargetRules,
    /// Whether checks may run programs. The registry takes such checks from definition files only; this keeps those from
    /// being run that it still has from another time.
    pub scripts: Arc<AtomicBool>,
}

/// Runs checks. Shared by all coroutines that do; holds no lock while a check runs.
#[derive(Debug)]
pub struct Prober {
    dialer: Arc<Dialer>,
    trust: Arc<Trust>,
    programs: Programs,
    may_run_scripts: Arc<AtomicBool>,
}

impl Prober {
    /// A prober with its threads for name lookups and for programs.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn new(settings: Settings) -> io::Result<Prober> {
        let dialer = Dialer { rules: settings.targets, names: Names::new()? };
        Ok(Prober {
            dialer: Arc::new(dialer),
            trust: Arc::new(Trust::new()),
            programs: Programs::new()?,
            may_run_scripts: settings.scripts,
        })
    }

    /// Runs `probe` once, for at most `timeout`, and keeps at most `output_bytes_max` bytes of what the
    /// target says.
    ///
    /// TTL and alias checks cannot be run: nothing is asked of the world for them. They come back critical.
    pub fn run(&self, probe: &Probe, timeout: Duration, output_bytes_max: usize) -> Observation {
        let deadline = Instant::now() + timeout;
        let reach = Reach { dialer: &self.dialer, trust: &self.trust, deadline };
        match probe {
            Probe::Tcp { address, tls } => tcp::run(&reach, address, tls.as_ref()),
            Probe::Udp { address } => udp::run(&self.dialer, address, deadline),
            #[cfg(feature = "grpc")]
            Probe::Grpc { address, service, tls } => http2::grpc::run(&reach, address, service, tls.as_ref()),
            #[cfg(feature = "grpc")]
            Probe::H2Ping { address, tls } => http2::ping::run(&reach, address, tls.as_ref()),
            #[cfg(not(feature = "grpc"))]
            Probe::Grpc { .. } | Probe::H2Ping { .. } => critical("this muster was built without HTTP/2"),
            Probe::OsService { name } => os_service::run(&self.programs, name, timeout),
            Probe::Script { .. } if !self.may_run_scripts.load(Ordering::Relaxed) => {
                critical("script checks are off; to enable them, set enable_local_script_checks to true")
            }
            Probe::Script { args } => script::run(&self.programs, args, timeout, output_bytes_max),
            Probe::Http { .. } => {
                let attempt = http::Attempt { dialer: &self.dialer, trust: &self.trust, deadline };
                attempt.run(probe, output_bytes_max)
            }
            Probe::Ttl { .. } | Probe::Alias { .. } => critical("not a check that can be run"),
        }
    }
}

fn critical(output: impl Into<String>) -> Observation {
    Observation { status: Status::Critical, output: output.into().into() }
}

#[cfg(test)]
mod tests;
