//! Runs one check against the world, and says what it saw.
//!
//! Never policy: when to run, how often, and what a result means for a status is `health`'s business; how
//! many may run at once is the caller's. [`Prober::run`] is called inside a coroutine and never blocks its
//! worker: sockets wait as coroutines do, names are looked up on threads of their own. Outputs are in
//! Consul's words, since alerts match on them.

mod buffers;
mod channel;
mod destination;
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
use crate::probe::channel::Channel;
use crate::probe::dial::Dialer;
use crate::probe::names::Names;
use crate::probe::send::Sender;
use crate::probe::tls::Trust;

pub use channel::Kept;
pub use destination::Destination;
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

    /// Runs a task once.
    ///
    /// TTL and alias checks cannot be run: nothing is asked of the world for them. They come back critical.
    pub fn run(&self, task: Task<'_>) -> Finding {
        let Task { probe, timeout, output_bytes_max, kept, keep } = task;
        let deadline = Instant::now() + timeout;
        match probe {
            Probe::Tcp { address, .. } => {
                // Whether the target still accepts is the question, so an open connection is no answer.
                let (observation, dialed) = tcp::run(&self.dialer, address, deadline);
                let kept = dialed.filter(|_| keep).map(|dialed| Kept(Channel::Plain(dialed)));
                Finding { observation, kept }
            }
            Probe::Http { .. } => {
                let attempt = http::Attempt { dialer: &self.dialer, trust: &self.trust, deadline };
                attempt.run(probe, output_bytes_max, kept, keep)
            }
            _ => critical("not a check that can be run").into(),
        }
    }
}

/// One run of a check.
#[derive(Debug)]
pub struct Task<'a> {
    /// What to do.
    pub probe: &'a Probe,
    /// Time that it may take.
    pub timeout: Duration,
    /// Most bytes of what the target says that are kept.
    pub output_bytes_max: usize,
    /// The connection that the last run of the same probe kept, to be used again.
    pub kept: Option<Kept>,
    /// Keep the connection afterwards, if the target does.
    pub keep: bool,
}

/// What one run found out.
#[derive(Debug)]
pub struct Finding {
    /// The verdict on the target.
    pub observation: Observation,
    /// The connection, when it was to be kept and both sides left it open.
    pub kept: Option<Kept>,
}

impl From<Observation> for Finding {
    fn from(observation: Observation) -> Finding {
        Finding { observation, kept: None }
    }
}

fn critical(output: impl Into<String>) -> Observation {
    Observation { status: Status::Critical, output: output.into().into() }
}

#[cfg(test)]
mod tests;
