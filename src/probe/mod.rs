//! Runs one check against the world, and says what it saw.
//!
//! Never policy: when to run, how often, and what a result means for a status is `health`'s business; how
//! many may run at once is the caller's. [`Prober::run`] is called inside a coroutine and never blocks its
//! worker: sockets wait as coroutines do, names are looked up on threads of their own. Outputs are in
//! Consul's words, since alerts match on them.

mod dial;
mod http;
mod names;
pub mod send;
mod target;
mod tcp;
mod tls;
mod transport;
mod words;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Observation, Probe, Status};
use crate::probe::dial::Dialer;
use crate::probe::names::Names;
use crate::probe::send::Sender;
use crate::probe::tls::Trust;

pub use target::{Network, NetworkError, TargetRules};

/// What an operator may set about probes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Which addresses may be probed.
    pub targets: TargetRules,
}

/// Runs checks. Shared by all coroutines that do; holds no lock while a check runs.
#[derive(Debug)]
pub struct Prober {
    dialer: Arc<Dialer>,
    trust: Arc<Trust>,
}

impl Prober {
    /// A prober with its threads for name lookups.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn new(settings: Settings) -> io::Result<Prober> {
        let dialer = Dialer { rules: settings.targets, names: Names::new()? };
        Ok(Prober { dialer: Arc::new(dialer), trust: Arc::new(Trust::new()) })
    }

    /// What sends requests of muster's own under the same rules as checks.
    pub fn sender(&self) -> Sender {
        Sender { dialer: self.dialer.clone(), trust: self.trust.clone() }
    }

    /// Runs `probe` once, for at most `timeout`, and keeps at most `output_bytes_max` bytes of what the
    /// target says.
    ///
    /// TTL and alias checks cannot be run: nothing is asked of the world for them. They come back critical.
    pub fn run(&self, probe: &Probe, timeout: Duration, output_bytes_max: usize) -> Observation {
        let deadline = Instant::now() + timeout;
        match probe {
            Probe::Tcp { address, .. } => tcp::run(&self.dialer, address, deadline),
            Probe::Http { .. } => {
                let attempt = http::Attempt { dialer: &self.dialer, trust: &self.trust, deadline };
                attempt.run(probe, output_bytes_max)
            }
            _ => critical("not a check that can be run"),
        }
    }
}

fn critical(output: impl Into<String>) -> Observation {
    Observation { status: Status::Critical, output: output.into().into() }
}

#[cfg(test)]
mod tests;
