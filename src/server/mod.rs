//! The agent: config -> recover -> bind -> serve -> drain. The only folder that sees every part.
//!
//! [`run`] is the life of a process. Which parts there are, and in which order they start, is in [`compose`]; how it
//! serves and in which order it ends, in [`running`].

mod agent;
mod certificates;
mod compose;
mod debug_config;
mod definitions;
pub mod error;
mod exposed;
mod reload_requests;
mod reloading;
mod running;
mod sealing;
mod settings;
mod sockets;
mod store;
mod successor;
mod takeover;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::base::sys::signals::{self, HeldSignals};
use crate::base::sys::{budget, host, limits, runtime, systemd};
use crate::base::telemetry::line::LineFormat;
use crate::base::telemetry::logging::{self, Logging};
use crate::config::validated::{Config, LogFormat};
use crate::server::error::{ServerError, log_lines};

/// How an agent starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// As the only one on its data directory.
    Alone,
    /// In the place of the agent that runs on its data directory, if one does.
    Takeover,
}

/// Runs the agent until it is asked to end.
///
/// # Errors
/// Whatever keeps it from starting; nothing is served then.
pub fn run(config: Config, start: Start) -> Result<(), ServerError> {
    let signals = signals::hold().map_err(ServerError::System)?;
    let of_supervisor = systemd::sockets().map_err(ServerError::System)?;
    let format = if config.log_format == LogFormat::Json { LineFormat::Json } else { LineFormat::Text };
    let logging = Arc::new(logging::start(config.log_level, format).map_err(ServerError::System)?);
    config.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    config.notes.iter().for_each(|note| log::info!("{note}"));
    limits::raise_open_files();
    budget::process().set_bytes_max(config.limits.transit_bytes_max);
    let cores = host::cores();
    runtime::start(if config.workers == 0 { cores } else { config.workers });
    let outcome = start_as(start, config, &logging, of_supervisor, signals);
    // In a log for people it would stand twice: the program's last line says it.
    if let (Err(error), LineFormat::Json) = (&outcome, format) {
        log_lines("", &error.to_string());
    }
    logging.flush();
    outcome
}

fn start_as(
    start: Start,
    config: Config,
    logging: &Arc<Logging>,
    of_supervisor: Vec<OwnedFd>,
    signals: HeldSignals,
) -> Result<(), ServerError> {
    let asked = if start == Start::Takeover { successor::ask(&config)? } else { None };
    let (mut predecessor, of_predecessor) =
        asked.map_or((None, Vec::new()), |(agent, sockets)| (Some(agent), sockets));
    if predecessor.is_none() && of_supervisor.is_empty() {
        sockets::try_out(&config)?;
    }
    let outcome = compose::compose(config, logging, (of_supervisor, of_predecessor))
        .and_then(|running| running.serve(signals, &mut predecessor));
    if let (Some(predecessor), Err(error)) = (predecessor, &outcome) {
        predecessor.fail(&error.to_string());
    }
    outcome
}
