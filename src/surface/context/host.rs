//! What the API may ask of the process it runs in, and what that tells of itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::node::registry::snapshot::row_validator::RowRules;

/// What the API may ask of the process it runs in.
pub trait HostProcess: Send + Sync {
    /// Reads the configuration again, as SIGHUP does, and waits for what comes of it; a coroutine parks meanwhile.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it; everything stays as it was.
    fn reload(&self) -> Result<(), String>;

    /// Whether a client may end the process.
    fn may_leave(&self) -> bool;

    /// Ends the process in an orderly way, as SIGTERM does. Returns at once.
    fn leave(&self);

    /// Whether the process is on its way out.
    fn is_draining(&self) -> bool;

    /// Where the registry is kept, and how that is.
    fn store(&self) -> StoreFacts;

    /// When the certificates end that clients are shown; `None` where no TLS is spoken.
    fn certificates_end(&self) -> Option<CertificatesEnd>;

    /// What the agent was configured with, for people.
    fn debug_config(&self) -> Arc<serde_json::Map<String, serde_json::Value>>;

    /// Where a big body may wait.
    fn spooling(&self) -> Spooling;

    /// Bytes that all of those may have together. Looks at the system; for a start.
    fn spooled_bytes_max(&self) -> u64;

    /// Bytes that a snapshot may have.
    fn snapshot_bytes_max(&self) -> usize;

    /// How long a snapshot may be on its way, beside a second for so many bytes of it.
    fn snapshot_time_max(&self) -> Duration;

    /// The file by which whoever may write the server's files has the first token of all given out once more; `None`
    /// where the server has no directory of its own.
    fn bootstrap_reset_file(&self) -> Option<PathBuf>;

    /// What the rows of a snapshot are held against.
    fn snapshot_terms(&self) -> RowRules;
}

/// Where the registry is kept, for people.
#[derive(Clone, Debug)]
pub struct StoreFacts {
    /// The word of the configuration for it.
    pub kind: &'static str,
    /// What an acknowledged write survives, as things stand.
    pub guarantee: &'static str,
    /// The Redis it is kept in as well, if it is.
    pub redis: Option<RedisFacts>,
}

/// How the Redis of a store is.
#[derive(Clone, Debug)]
pub struct RedisFacts {
    /// Where it is, without any password.
    pub place: String,
    /// Whether it has everything that is acknowledged.
    pub is_well: bool,
    /// Whether writes are refused until it is.
    pub refuses_writes: bool,
    /// How it is, since when, and how much it lacks.
    pub standing: String,
    /// Its version, once it was reached.
    pub version: String,
}

/// When the first of the certificates ends that clients are shown.
#[derive(Clone, Copy, Debug)]
pub struct CertificatesEnd {
    /// The last second in which it holds, of Unix time.
    pub at_s: u64,
    /// What it is now.
    pub now_s: u64,
}

/// How near an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// More than thirty days away.
    Far,
    /// Within thirty days.
    Near,
    /// Within seven.
    Close,
    /// It is over.
    Past,
}

const DAY_S: u64 = 24 * 60 * 60;

impl CertificatesEnd {
    /// How near it is.
    pub fn nearness(self) -> Nearness {
        match self.at_s.checked_sub(self.now_s).map(|left_s| left_s / DAY_S) {
            None => Nearness::Past,
            Some(..7) => Nearness::Close,
            Some(..30) => Nearness::Near,
            Some(_) => Nearness::Far,
        }
    }

    /// Whole days until then; 0 when it is over.
    pub fn days_left(self) -> u64 {
        self.at_s.saturating_sub(self.now_s) / DAY_S
    }
}

/// Where bodies wait that are long.
#[derive(Clone, Debug)]
pub struct Spooling {
    /// The directory of their files.
    pub directory: PathBuf,
    /// Bytes that must stay free there for others.
    pub room_bytes_min: u64,
}
