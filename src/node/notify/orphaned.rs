//! The queues of webhooks that are no longer configured. They stay until their webhook comes back or they are
//! dropped, so that a slip in a file loses nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::node::notify::queue::{
    DeadLetter, DeliveryOutcome, DeliveryQueue, Now, QueueBounds, WaitingEvent,
};
use crate::node::notify::rows;
use crate::store::change::RowChange;

/// Queues kept. Past this the one that was removed first goes.
const ORPHANS_MAX: usize = 64;

/// What is kept for a webhook that may come back.
pub struct OrphanedQueue {
    /// It had heard of what came after this index.
    pub since: u64,
    /// What waits.
    pub queue: DeliveryQueue,
    /// Whether it was gone from the configuration, so that it has no claim to what happened meanwhile.
    pub was_removed: bool,
    /// Counts up with each that is parked.
    order: u64,
}

/// All that is kept, by name.
#[derive(Default)]
pub struct OrphanedQueues {
    queues: BTreeMap<String, OrphanedQueue>,
    next: u64,
}

impl OrphanedQueues {
    /// Adds what was stored of a webhook.
    pub fn put(
        &mut self,
        name: String,
        since: u64,
        waiting: BTreeMap<u64, WaitingEvent>,
        dead: BTreeMap<u64, DeadLetter>,
        was_removed: bool,
    ) {
        // Nothing is tried or put while it is parked, so its bounds mean nothing.
        let bounds = QueueBounds { events_max: usize::MAX, give_up_after: Duration::MAX };
        let queue = DeliveryQueue::restored(bounds, waiting, dead);
        self.insert(name, OrphanedQueue { since, queue, was_removed, order: 0 });
    }

    /// Adds the queue of a webhook that was removed just now. Gives the rows to write for what has to go for want of
    /// room.
    pub fn add(&mut self, name: String, since: u64, queue: DeliveryQueue) -> Vec<RowChange> {
        self.insert(name, OrphanedQueue { since, queue, was_removed: true, order: 0 });
        let mut gone = Vec::new();
        while self.queues.len() > ORPHANS_MAX {
            let oldest =
                self.queues.iter().min_by_key(|(_, orphan)| orphan.order).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            log::warn!(webhook = oldest.as_str();
                "the queue of a webhook that was removed is dropped: {ORPHANS_MAX} are kept");
            gone.extend(self.discard(&oldest).map(|(_, rows)| rows).unwrap_or_default());
        }
        gone
    }

    fn insert(&mut self, name: String, orphan: OrphanedQueue) {
        self.next += 1;
        self.queues.insert(name, OrphanedQueue { order: self.next, ..orphan });
    }

    /// Takes out what is kept for the webhook called `name`.
    pub fn take(&mut self, name: &str) -> Option<OrphanedQueue> {
        self.queues.remove(name)
    }

    /// Puts back what [`OrphanedQueues::take`] took, unless there is nothing in it.
    pub fn put_back(&mut self, name: String, orphan: OrphanedQueue) {
        if orphan.queue.waiting() + orphan.queue.dead().len() > 0 {
            self.queues.insert(name, orphan);
        }
    }

    /// What is kept, by name.
    pub fn each(&self) -> impl Iterator<Item = (&String, &OrphanedQueue)> {
        self.queues.iter()
    }

    /// What is kept for the webhook called `name`.
    pub fn get(&self, name: &str) -> Option<&OrphanedQueue> {
        self.queues.get(name)
    }

    /// Lets `change` correct every index.
    pub fn each_since(&mut self, change: impl Fn(&mut u64)) {
        self.queues.values_mut().for_each(|orphan| change(&mut orphan.since));
    }

    /// Takes what became of an attempt that was under way when the webhook was removed.
    pub fn finish(&mut self, name: &str, now: Now, number: u64, outcome: DeliveryOutcome, chance: u64) {
        if let Some(orphan) = self.queues.get_mut(name) {
            orphan.queue.finish(now, number, outcome, chance);
        }
    }

    /// The rows of what has changed since the last call.
    pub fn take_edits(&mut self) -> Vec<RowChange> {
        let rows = self.queues.iter_mut().map(|(name, orphan)| {
            orphan.queue.take_edits().iter().map(|edit| rows::edit(name, edit)).collect::<Vec<_>>()
        });
        rows.flatten().collect()
    }

    /// Drops what is kept for the webhook called `name`: how much it was, and the rows to write. `None` when there is
    /// nothing.
    pub fn discard(&mut self, name: &str) -> Option<(usize, Vec<RowChange>)> {
        let mut orphan = self.queues.remove(name)?;
        let count = orphan.queue.discard();
        let edits = orphan.queue.take_edits();
        let rows = edits.iter().map(|edit| rows::edit(name, edit)).chain([rows::known(name, None)]);
        Some((count, rows.collect()))
    }
}
