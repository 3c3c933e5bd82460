//! What comes out of health: things to do, and verdicts on what was found out.

use std::time::Duration;

use crate::base::stdx::text::Text;
use crate::core::health::CheckKey;
use crate::core::model::{Cause, Observation, Probe};

/// Number of one run of a check, never used twice. A result is only taken from the run that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run(pub(in crate::core::health) u64);

/// Something that is to be done now. Until it is done it comes again, after a while long enough to do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueAction {
    /// Run this check and hand the result to `Health::observe` with `ResultSource::Probe`.
    Probe {
        /// The check.
        key: CheckKey,
        /// How to check.
        probe: Probe,
        /// Time that the run may take.
        timeout: Duration,
        /// Bytes of output to keep.
        output_bytes_max: usize,
        /// What becomes of connections.
        connection: ConnectionUse,
        /// How the target took the last run.
        last: TargetReply,
        /// Goes back with the result.
        run: Run,
    },
    /// An instance was silent for longer than its TTL: write this to the catalog.
    Expired {
        /// The check.
        key: CheckKey,
        /// Critical, with what the instance said last.
        observation: Observation,
    },
    /// A status that no observation of this moment brings is to be shown: flap damping lets it go now, or a change that
    /// was handed out has not arrived. Write this to the catalog.
    Show {
        /// The check.
        key: CheckKey,
        /// The latest finding.
        observation: Observation,
        /// What brought it about.
        cause: Cause,
    },
    /// The output has been different from the catalog's for long enough: write it. The status is the catalog's.
    Sync {
        /// The check.
        key: CheckKey,
        /// The catalog's status with the freshest output.
        observation: Observation,
    },
    /// An instance has been critical for too long: deregister it.
    Reap {
        /// The check that says so.
        key: CheckKey,
        /// Id of the instance, on the node of the check.
        service_id: Text,
        /// How long the check has been critical without a break, downtime of muster included.
        critical_for: Duration,
    },
}

/// How a target took the last run towards it, whatever that found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetReply {
    /// There was none yet.
    #[default]
    Unknown,
    /// Something came back, be it a refusal, after so long.
    After(Duration),
    /// Nothing until the run's time was over.
    Never,
}

/// How a run goes about with others and with its connection to the target. Every run is over a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionUse {
    /// The outcome of an equal run that is under way already will do; otherwise what is wanted is news.
    pub joins: bool,
    /// Keep the connection afterwards, if the target does and bears it, and watch it for its end.
    pub keep: bool,
    /// The last connection broke just now: that a new one is accepted does not show yet that the target lives.
    pub linger: bool,
}

/// Where an observation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultSource {
    /// A run that `DueAction::Probe` asked for. Counts against the thresholds.
    Probe(Run),
    /// The instance itself, through the API; TTL checks only. Counts at once and restarts the TTL.
    Report,
    /// The state of an alias's target. Counts at once.
    Alias,
}

/// What an observation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Write this to the catalog now. The cause is the source of the observation; if the status is the catalog's
    /// already, only the output is new.
    Changed(Observation),
    /// Same status, new output: kept here, and written by a later `DueAction::Sync`.
    OutputOnly,
    /// Nothing new to show: the same again, not enough results in a row for the thresholds, held back by flap damping,
    /// or a failure while muster was stopped, which does not count.
    Unchanged,
    /// Not from the run under way, or not a source that this check has: nothing was done with it.
    Ignored,
}
