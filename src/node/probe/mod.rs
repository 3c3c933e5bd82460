//! Runs one check against its target, and reports what it saw.
//!
//! Never policy: when to run, how often, and what a result means for a status is decided by `health`; how
//! many may run at once, by the caller. [`Prober::run`] is called inside a coroutine and never blocks its
//! worker: sockets wait as coroutines do, names are looked up on threads of their own. Outputs are in
//! Consul's words, since alerts match on them.

mod buffers;
mod channel;
mod destination;
mod dial;
mod dial_error;
mod http;
#[cfg(feature = "grpc")]
mod http2;
mod names;
pub mod send;
mod os_service;
mod programs;
mod connector;
mod script;
mod target;
mod tcp;
mod tls;
mod transport;
mod udp;
mod words;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::base::sys::recall::{Courtesy, Recall, RecallableDeadline};
use crate::base::sys::runtime;
use crate::core::model::{Observation, Probe, Status, secrets};
use crate::node::probe::connector::TargetConnector;
use crate::node::probe::dial::Dialer;
use crate::node::probe::names::Names;
use crate::node::probe::programs::Programs;
use crate::node::probe::send::HttpSender;
use crate::node::probe::tls::Trust;

pub use channel::IdleConnection;
pub use destination::Destination;
pub use target::TargetRules;

/// Warns when this machine trusts no certificate authority. Reads files, so it is for a thread of its own.
pub fn look_for_authorities() {
    tls::look_for_authorities();
}

/// What an operator may set about probes. A handle: a change to one of its clones holds for all of them, from the next
/// run on.
#[derive(Clone, Debug, Default)]
pub struct ProbeSettings {
    /// Which addresses may be probed.
    pub targets: TargetRules,
    /// Whether checks may run programs. The registry takes such checks from definition files only; this keeps those
    /// from being run that it still has from another time.
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
    pub fn new(settings: ProbeSettings) -> io::Result<Prober> {
        let dialer = Dialer { rules: settings.targets, names: Names::new()? };
        Ok(Prober {
            dialer: Arc::new(dialer),
            trust: Arc::new(Trust::new()),
            programs: Programs::new()?,
            may_run_scripts: settings.scripts,
        })
    }

    /// See [`TargetRules::refusal`].
    pub fn refusal(&self, probe: &Probe) -> Option<String> {
        self.dialer.rules.refusal(probe)
    }

    /// What sends requests of muster's own under the same rules as checks. It looks names up on threads of its own, so
    /// that registered checks do not hold up what an operator has set up.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn sender(&self) -> io::Result<HttpSender> {
        let dialer = Dialer { rules: self.dialer.rules.clone(), names: Names::new()? };
        Ok(HttpSender { dialer: Arc::new(dialer), trust: self.trust.clone() })
    }

    /// Runs a task once.
    ///
    /// TTL and alias checks cannot be run: they have no target. They come back critical, as does
    /// what is larger than any run takes, and a run that ends by a panic.
    pub fn run(&self, task: Task<'_>) -> Finding {
        let probe = task.probe;
        match probe.excess() {
            Some(excess) => critical(format!("did not run: {excess}; register it with less")).into(),
            None => contained(probe, || self.execute(task)),
        }
    }

    fn execute(&self, task: Task<'_>) -> Finding {
        let Task { probe, timeout, output_bytes_max, keep, linger, recall, courtesy } = task;
        let until = RecallableDeadline { deadline: Instant::now() + timeout, recall, courtesy };
        let connector = TargetConnector { dialer: &self.dialer, trust: &self.trust, until: &until };
        let mut has_replied = true;
        let finding = match probe {
            Probe::Tcp { address, tls } => {
                // Whether the target still accepts is the question, so an open connection is no answer.
                let (observation, opened) = tcp::run(&connector, address, tls.as_ref(), linger);
                Finding { kept: opened.filter(|_| keep).map(IdleConnection), ..Finding::from(observation) }
            }
            Probe::Udp { address } => {
                let (observation, replied) = udp::run(&self.dialer, address, &until);
                has_replied = replied;
                observation.into()
            }
            #[cfg(feature = "grpc")]
            Probe::Grpc { address, service, tls } => {
                http2::grpc::run(&connector, address, service, tls.as_ref()).into()
            }
            #[cfg(feature = "grpc")]
            Probe::H2Ping { address, tls } => http2::ping::run(&connector, address, tls.as_ref()).into(),
            #[cfg(not(feature = "grpc"))]
            Probe::Grpc { .. } | Probe::H2Ping { .. } => {
                critical("this muster was built without HTTP/2").into()
            }
            Probe::OsService { name } => os_service::run(&self.programs, name, timeout).into(),
            Probe::Script { .. } if !self.may_run_scripts.load(Ordering::Relaxed) => {
                critical("script checks are off; to enable them, set enable_local_script_checks to true")
                    .into()
            }
            Probe::Script { args } => script::run(&self.programs, args, timeout, output_bytes_max).into(),
            Probe::Http { .. } => {
                let attempt = http::Attempt { dialer: &self.dialer, trust: &self.trust, until: &until };
                attempt.run(probe, output_bytes_max, keep)
            }
            Probe::Ttl { .. } | Probe::Alias { .. } => critical("not a check that can be run").into(),
        };
        let mut finding: Finding = finding;
        if let Some(output) = secrets::without_echo(probe, &finding.observation.output) {
            finding.observation.output = output;
        }
        let is_in_time = Instant::now() < until.deadline;
        let found_nothing = !has_replied || finding.observation.status == Status::Critical;
        let is_recalled = is_in_time && found_nothing && until.recall.is_asked();
        Finding { has_replied: has_replied && is_in_time && !is_recalled, is_recalled, ..finding }
    }
}

/// One run of a check.
#[derive(Debug)]
pub struct Task<'a> {
    /// What to do.
    pub probe: &'a Probe,
    /// Time that it may take.
    pub timeout: Duration,
    /// Most bytes of the output that are kept.
    pub output_bytes_max: usize,
    /// Keep the connection afterwards, if the target does.
    pub keep: bool,
    /// A connection to the target broke just now, and it may be about to end.
    pub linger: bool,
    /// Ends the run before its time. Programs are not ended by it.
    pub recall: Recall,
    /// Done if the target is slow to answer.
    pub courtesy: Option<Courtesy>,
}

/// What one run found out.
#[derive(Debug)]
pub struct Finding {
    /// The verdict on the target.
    pub observation: Observation,
    /// The connection, when it was to be kept and both sides left it open.
    pub kept: Option<IdleConnection>,
    /// The run was over before its time: something came back, be it a refusal.
    pub has_replied: bool,
    /// The run was ended from here before it found anything: what was observed says nothing.
    pub is_recalled: bool,
}

impl From<Observation> for Finding {
    fn from(observation: Observation) -> Finding {
        Finding { observation, kept: None, has_replied: true, is_recalled: false }
    }
}

/// What `run` finds. A panic of it is a fault of muster, and a failed run: the check goes on.
fn contained(probe: &Probe, run: impl FnOnce() -> Finding) -> Finding {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(finding) => finding,
        Err(panic) if runtime::is_cancellation(panic.as_ref()) => resume_unwind(panic),
        Err(panic) => {
            let target = Destination::of(probe).address;
            log::error!(kind = probe.kind(), target = target.as_str();
                "the run of a check panicked: {}", runtime::panic_text(panic.as_ref()));
            critical("the run of this check ended by a fault of muster; the log says which").into()
        }
    }
}

fn critical(output: impl Into<String>) -> Observation {
    Observation { status: Status::Critical, output: output.into().into() }
}

#[cfg(test)]
mod tests;
