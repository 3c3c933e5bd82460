//! The keeper of tokens' time: has the writer remove each token when it counts no more.
//!
//! Nobody depends on it being punctual: what has expired is refused by whoever looks at it. It goes by the calendar, as
//! the tokens do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::base::stdx::text::Text;
use crate::base::sys::clock::Clock;
use crate::base::sys::supervision::{self, WAIT_MAX};
use crate::core::acl::state::AclState;
use crate::core::model::Command;
use crate::core::model::acl::{AclRecord, AclWrite};
use crate::node::registry::publish::{CommittedBatch, Follower};
use crate::node::registry::queue::WriteQueue;

/// Longest sleep of the thread while a token has an end, so that a clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// When it is tried again what could not be written.
const RETRY_MS: u64 = 10_000;

/// The ends of all tokens that have one, with the clock and the way to the writer.
pub struct TokenExpiry {
    /// In milliseconds of Unix time, with the accessors.
    ends: Mutex<BTreeSet<(u64, Text)>>,
    /// Rung when one may come earlier than thought.
    bell: Condvar,
    queue: WriteQueue,
    clock: Clock,
}

impl TokenExpiry {
    /// A keeper of the tokens in `state`.
    pub fn new(queue: WriteQueue, clock: Clock, state: &AclState) -> Arc<TokenExpiry> {
        let ends = state.iter().filter_map(end).collect();
        Arc::new(TokenExpiry { ends: Mutex::new(ends), bell: Condvar::new(), queue, clock })
    }

    /// Works for as long as the process lives; call it on a thread of its own.
    pub fn run(&self) {
        loop {
            let (_, accessor) = self.wait_for_end();
            let command = Command::WriteAcl(Box::new(AclWrite::Expire { accessor: accessor.clone() }));
            if let Err(error) = self.queue.post(command) {
                log::warn!("a token that has expired is removed later: {error}");
                self.ends.lock().insert((self.clock.unix_ms() + RETRY_MS, accessor));
            }
        }
    }

    fn wait_for_end(&self) -> (u64, Text) {
        let mut ends = self.ends.lock();
        loop {
            let now_ms = self.clock.unix_ms();
            match ends.first() {
                Some((at_ms, _)) if *at_ms <= now_ms => {
                    if let Some(end) = ends.pop_first() {
                        return end;
                    }
                }
                first => {
                    let left = first.map(|(at_ms, _)| Duration::from_millis(at_ms - now_ms));
                    let wait = left.map_or(WAIT_MAX, |left| left.min(SLEEP_MAX));
                    supervision::waiting(|| self.bell.wait_for(&mut ends, wait));
                }
            }
        }
    }
}

fn end(record: &AclRecord) -> Option<(u64, Text)> {
    match record {
        AclRecord::Token(token) => Some((token.expires_ms?, token.accessor.clone())),
        _ => None,
    }
}

/// Tells the keeper what the writer has done.
pub struct ExpiryFollower(pub Arc<TokenExpiry>);

impl Follower for ExpiryFollower {
    fn follow(&mut self, batch: &CommittedBatch<'_>) {
        if batch.changes.acl.is_empty() {
            return;
        }
        let mut ends = self.0.ends.lock();
        for change in &batch.changes.acl {
            if let Some(gone) = change.before.as_ref().and_then(end) {
                ends.remove(&gone);
            }
            ends.extend(change.after.as_ref().and_then(end));
        }
        self.0.bell.notify_one();
    }
}
