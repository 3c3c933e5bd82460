//! Redis beside the disk: what it must hold, and when it must be well again.

use std::collections::BTreeMap;
use std::time::Duration;

use muster::node::registry::recover::INDEX_OF_NOTHING;
use muster::store::redis::error::ReplicaErrorKind;
use muster::store::redis::lease::{LEASE_TERM, RENEWAL};
use muster::store::redis::settings::OnOutage;
use muster::store::redis::shared::RedisPhase;

use super::{Judged, WATCHED, World};
use crate::registry::disk::engine::ModelEngine;
use crate::registry::disk::ground::ModelGround;
use crate::registry::oracle::Catalog;
use crate::registry::tally::Kind;
use crate::registry::watchers::Watchers;
use crate::trace::At;

/// The row that is in the store and of no table: its seal.
const SEAL_ROW: &str = "store/seal";

/// How far the index leaps when a directory is filled from Redis.
const INDEX_LEAP: u64 = 1 << 24;

/// Longest time in which Redis, once nothing is wrong with it, has everything.
const HEALING_MAX: Duration = Duration::from_secs(60);

/// What there was before a directory was lost.
pub struct Lost {
    owner: String,
    files: BTreeMap<String, Vec<u8>>,
    truth: Catalog,
    doubts: Vec<Catalog>,
    /// Whether Redis holds something whole, as far as its seal and the number of its rows tell.
    pub is_in_redis: bool,
}

impl World<'_> {
    /// Time since the beginning of the world.
    pub(super) fn now(&self) -> At {
        self.redis.turns.at()
    }

    /// Lets time go by.
    pub(super) fn pass(&self, time: Duration) {
        self.redis.turns.pass(time);
    }

    /// Notes what happens.
    pub(super) fn note(&mut self, words: impl FnOnce() -> String) {
        let now = self.now();
        self.trace.note(now, None, words);
    }

    /// The process stands still.
    pub(super) fn stall(&self, time: Duration) {
        if time > LEASE_TERM {
            Kind::Stalled.count();
        }
        // The lock may be as old as the last renewal.
        self.redis.server().is_troubled |= time + RENEWAL > LEASE_TERM;
        self.redis.turns.stall(time);
    }

    /// Keeps what is true now, for whoever starts from Redis later.
    pub(super) fn remember(&mut self) {
        self.known.entry(self.truth.index).or_default().push(self.truth.clone());
    }

    /// What the store's own thread has done while time went by.
    pub(super) fn look_at_thread(&mut self) -> Judged {
        let complaint = self.redis.turns.complaint().or_else(|| self.redis.server().complaint.take());
        if let Some(complaint) = complaint {
            return Err(complaint);
        }
        if self.with_disk(|disk| disk.is_dead) { self.start_after_death() } else { Ok(()) }
    }

    /// While Redis is well it holds what the disk does, and nothing else. With `are_records_taken` records have just
    /// been acknowledged.
    pub(super) fn look_at_redis(&mut self, are_records_taken: bool) -> Judged {
        let Some(standing) = self.process().standing() else { return Ok(()) };
        if self.has_failed || self.is_disk_open {
            // What is on the disk is not what the store holds.
            return Ok(());
        }
        if standing.phase != RedisPhase::Well {
            let is_wrong = are_records_taken && self.plan.on_outage == Some(OnOutage::Reject);
            return if is_wrong { Err("a write is acknowledged without Redis".into()) } else { Ok(()) };
        }
        let mut local = self.with_disk(|disk| ModelEngine::rows_on(disk));
        local.remove(SEAL_ROW);
        let mut server = self.redis.server();
        let held = server.rows();
        if held != local {
            if server.is_altered && !server.is_noticed {
                return Ok(());
            }
            let differs = |name: &&String| held.get(*name) != local.get(*name);
            let first = local.keys().chain(held.keys()).find(differs).cloned();
            return Err(format!("Redis is well and holds other rows than the disk: {first:?}"));
        }
        (server.is_altered, server.has_gone_back) = (false, false);
        match server.mark() {
            Some(mark) if mark.is_whole && mark.checksum.index >= self.truth.index => {
                drop(server);
                self.doubts.clear();
                Ok(())
            }
            mark => Err(format!("Redis is well, at {}, and its seal is {mark:?}", self.truth.index)),
        }
    }

    /// Nothing is wrong with Redis any more: before long it has everything.
    pub(super) fn heal_redis(&mut self) -> Judged {
        self.redis.server().heal(self.now());
        // Whoever has nothing to write notices with the next renewal of the lock that something was lost.
        self.pass(2 * RENEWAL);
        self.look_at_thread()?;
        let until = self.now() + HEALING_MAX;
        while let Some(standing) = self.process().standing() {
            match standing.phase {
                RedisPhase::Well if standing.depth == 0 => break,
                // It is not Redis that is wrong.
                RedisPhase::Away(error) if error.kind == ReplicaErrorKind::Local => return Ok(()),
                phase if self.now() > until => {
                    return Err(format!("Redis is healed and, {HEALING_MAX:?} later, {phase:?}"));
                }
                _ => self.pass(Duration::from_secs(1)),
            }
            self.look_at_thread()?;
        }
        self.redis.server().is_troubled = false;
        self.look_at_redis(false)
    }

    /// The directory is lost. What the next one is filled with is what Redis holds, if it holds something.
    pub(super) fn lose_directory(&mut self) -> Option<Lost> {
        let server = self.redis.server();
        let (mark, has_late, has_gone_back) = (server.mark(), server.has_late(), server.has_gone_back);
        if mark.is_none() && server.rows().is_empty() {
            return None;
        }
        let (is_in_redis, owner) = (server.is_whole() && !has_late, server.owner.clone());
        drop(server);
        Kind::DirectoryLost.count();
        if has_gone_back {
            // Both have lost something: nobody remembers how far the index was.
            self.watchers = Watchers::new(&WATCHED, self.mutant);
        }
        let index = mark.map(|mark| mark.checksum.index).unwrap_or_default();
        // Those of an attempt that told Redis of its leap and then died.
        let mut before = self.known.range(..=index.max(INDEX_OF_NOTHING)).rev();
        let known = before.find(|(at, _)| (index - stored(**at)).is_multiple_of(INDEX_LEAP));
        let later = self.known.range(index + 1..).filter(|_| has_late);
        let known: Vec<Catalog> =
            known.into_iter().chain(later).flat_map(|(_, catalogs)| catalogs).cloned().collect();
        self.lost_directories += 1;
        let lost = Lost {
            owner,
            files: self.with_disk(|disk| disk.picture()),
            truth: self.truth.clone(),
            doubts: self.doubts.clone(),
            is_in_redis,
        };
        self.doubts.retain(|it| stored(it.index) == index || has_late);
        self.doubts.extend(known);
        // Without any it is to be refused: then nothing fits.
        self.truth = self.doubts.pop().unwrap_or_default();
        self.with_disk(|disk| disk.put_back(&BTreeMap::new()));
        ModelGround::lay_out(&self.disk, self.lost_directories);
        self.redis.server().owner = ModelGround::owner(self.lost_directories);
        Some(lost)
    }

    /// The directory is found again.
    pub(super) fn find_directory(&mut self, lost: Lost) {
        self.with_disk(|disk| disk.put_back(&lost.files));
        (self.truth, self.doubts) = (lost.truth, lost.doubts);
        self.redis.server().owner = lost.owner;
    }
}

/// A catalog as it is when the index leaps towards `index`, as it does whenever a directory is filled.
pub fn leapt(catalog: Catalog, index: u64) -> Catalog {
    let stored = stored(catalog.index);
    match index.saturating_sub(stored) / INDEX_LEAP {
        0 => catalog,
        leaps => Catalog { index: stored + leaps * INDEX_LEAP, ..catalog },
    }
}

/// The index of the stores where a start shows this one: where nothing was ever written they stand at 0.
fn stored(index: u64) -> u64 {
    if index == INDEX_OF_NOTHING { 0 } else { index }
}
