//! The store's own thread: the only one that uses Redis once muster runs. It writes what waits, keeps the lock,
//! finds out when Redis is away, and tries again until it is back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, cmd};
use uuid::Uuid;

use super::backlog::BacklogEntry;
use super::error::{ReplicaError, ReplicaErrorKind};
use super::lease::{self, Claimant, RENEWAL};
use super::position::{ReplicaMeta, ReplicaPosition};
use super::reconcile::{LocalStore, reconcile};
use super::session::{RedisConnector, RedisSession, RedisWriter, row_commands};
use super::shared::{ReplicatorShared, ReplicatorWork};
use crate::base::telemetry::histogram::Histogram;
use crate::store::embedded::backend::StorageBackend;

/// Pauses between attempts to reach a Redis that is away: short at first, for most outages are; a second at most, so
/// that the end of a long one is noticed soon.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Entries in the stream of changes, about. At most some 6 KiB each.
const CHANGES_MAX: usize = 10_000;

/// Names of rows in one entry of the stream. The rest is left out, and `rows` tells that there are more.
const NAMES_MAX: usize = 64;

/// What the thread works with.
pub struct Replicator<G: StorageBackend> {
    pub(super) connector: RedisConnector,
    pub(super) claimant: Claimant,
    pub(super) local: LocalStore<G>,
    pub(super) shared: Arc<ReplicatorShared>,
    /// Whose rows these are.
    pub(super) node_id: Uuid,
    pub(super) meta: ReplicaMeta,
    /// The server that was seen, row by row, to hold everything, and is not known to have lost any of it.
    pub(super) run_id: Option<String>,
    /// How long each transaction took.
    pub(super) latency: Histogram,
    /// The batch from which on the rows in Redis are those of a seal.
    pub(super) whole_from: u64,
    /// When the server was last asked for its settings.
    pub(super) server_asked_at: Instant,
}

impl<G: StorageBackend> Replicator<G> {
    /// Works until the process ends. `writer` is the connection that the start has left, if Redis was there.
    pub fn run(mut self, mut writer: Option<RedisWriter>) {
        let mut pause = PAUSE_MIN;
        loop {
            let begun = self.connector.scheduler.now();
            match self.serve(writer.take()) {
                Ok(()) => break,
                Err(error) => {
                    if error.kind == ReplicaErrorKind::Altered {
                        self.run_id = None;
                    }
                    self.shared.away(error);
                }
            }
            // It went well for a while: this is a new outage.
            pause = if self.connector.scheduler.now() - begun > 2 * PAUSE_MAX { PAUSE_MIN } else { pause };
            if !self.shared.pause(pause) {
                break;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        self.shared.ended();
    }

    /// Serves on one connection until it fails, or until the end.
    fn serve(&mut self, left: Option<RedisWriter>) -> Result<(), ReplicaError> {
        let mut writer = match left {
            Some(writer) => writer,
            None => {
                let mut session = RedisSession::open(&self.connector)?;
                let lease = lease::acquire(&mut session, &mut self.claimant)?;
                RedisWriter::new(session, lease)?
            }
        };
        self.catch_up(&mut writer)?;
        loop {
            // One that has everything and was slow counts as well with its next quick answer, so it is soon asked.
            match self.shared.next(RENEWAL, PAUSE_MAX) {
                ReplicatorWork::Write(run) => self.write(&mut writer, &run)?,
                ReplicatorWork::Compare => self.compare(&mut writer)?,
                ReplicatorWork::Renew => {
                    self.ask_server(&mut writer)?;
                    let took = self.timed(|| writer.write(Vec::new(), None))?;
                    self.shared.confirm_again(took < self.connector.timeout / 2);
                }
                ReplicatorWork::End => return writer.release(),
            }
        }
    }

    /// Finds out what Redis holds, and makes it hold everything but what waits.
    fn catch_up(&mut self, writer: &mut RedisWriter) -> Result<(), ReplicaError> {
        let found = writer.session().found()?;
        let (server, fence) = (writer.session().server.clone(), writer.lease().fence);
        if let Some(position) = found.position {
            let is_of_others = position.node_id != self.node_id;
            if is_of_others || position.meta.epoch > self.meta.epoch {
                let whose = if is_of_others {
                    "belongs to another node"
                } else {
                    "has gone on with another directory"
                };
                let detail = format!(
                    "what is under the prefix {whose}: stop one of the two musters, then restart this one"
                );
                return Err(ReplicaError::new(ReplicaErrorKind::Foreign, detail));
            }
        }
        self.shared.reached(server.durability, &server.version, fence);
        self.server_asked_at = self.connector.scheduler.now();
        let known = found.position.filter(|position| {
            self.run_id.as_ref() == Some(&server.run_id)
                && position.is_whole
                && position.meta == self.meta
                && position.checksum.rows == found.rows
                && self.shared.knows(position.checksum)
        });
        match known {
            Some(position) => self.shared.confirm(position.checksum, true),
            None => self.compare(writer)?,
        }
        Ok(())
    }

    fn compare(&mut self, writer: &mut RedisWriter) -> Result<(), ReplicaError> {
        self.run_id = None;
        let begun = self.local.lock().checksum();
        let ended = reconcile(writer, &self.local, &self.shared, (self.node_id, self.meta))?;
        self.run_id = Some(writer.session().server.run_id.clone());
        self.whole_from = ended.sequence;
        if ended == begun {
            self.shared.confirm(ended, true);
        }
        Ok(())
    }

    fn write(&mut self, writer: &mut RedisWriter, run: &[Arc<BacklogEntry>]) -> Result<(), ReplicaError> {
        if self.connector.scheduler.now() - self.server_asked_at > RENEWAL {
            self.ask_server(writer)?;
        }
        let Some(last) = run.last() else { return Ok(()) };
        let is_whole = last.checksum.sequence >= self.whole_from;
        let position = if is_whole { ReplicaPosition::whole } else { ReplicaPosition::partly };
        let position = position(self.node_id, self.meta, last.checksum);
        let mut commands = row_commands(&self.connector.keys, run.iter().flat_map(|entry| &entry.changes));
        commands.extend(run.iter().map(|entry| announcement(&self.connector.keys.changes, entry)));
        let took = self.timed(|| writer.write(commands, Some(&position)))?;
        self.latency.observe(took);
        self.shared.count(run.len() as u64);
        self.shared.confirm(last.checksum, is_whole && took < self.connector.timeout / 2);
        Ok(())
    }

    /// How long it takes.
    fn timed(&self, write: impl FnOnce() -> Result<(), ReplicaError>) -> Result<Duration, ReplicaError> {
        let begun = self.connector.scheduler.now();
        write().map(|()| self.connector.scheduler.now() - begun)
    }

    fn ask_server(&mut self, writer: &mut RedisWriter) -> Result<(), ReplicaError> {
        self.server_asked_at = self.connector.scheduler.now();
        writer.session().ask_server_again()?;
        let (server, fence) = (&writer.session().server.clone(), writer.lease().fence);
        self.shared.note_server(server.durability, &server.version, fence);
        Ok(())
    }
}

/// The entry of a batch in the stream of changes.
fn announcement(key: &str, entry: &BacklogEntry) -> Cmd {
    let named = |change: &crate::store::change::RowChange| {
        let verb = if change.value.is_some() { "put" } else { "delete" };
        format!("{verb} {}", change.name())
    };
    let names: Vec<String> = entry.changes.iter().take(NAMES_MAX).map(named).collect();
    let mut add = cmd("XADD");
    add.arg(key).arg("MAXLEN").arg("~").arg(CHANGES_MAX).arg("*");
    add.arg("sequence").arg(entry.checksum.sequence).arg("index").arg(entry.checksum.index);
    add.arg("rows").arg(entry.changes.len()).arg("names").arg(names.join("\n"));
    add
}
