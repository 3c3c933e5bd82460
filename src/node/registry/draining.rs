//! The keeper of drains: looks at the clock and has the writer take each drain a step further when its time has come.
//!
//! What a step does is the catalog's business; here is only the when. A drain goes by the calendar, so that it goes on
//! while muster is away, and an operator who sets the clock sets it too.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::base::sys::clock::Clock;
use crate::base::sys::supervision::{self, WAIT_MAX};
use crate::core::catalog::change::CatalogChange;
use crate::core::model::{Command, DrainOrder, NodeKey, Service};
use crate::node::registry::drain_plan::{DrainPlan, PlannedKey};
use crate::node::registry::publish::{CommittedBatch, Follower};
use crate::node::registry::queue::WriteQueue;

/// Longest sleep of the thread while something drains, so that a clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Every drain, with the clock and the way to the writer.
pub struct Draining {
    /// Held for a moment at a time, by the keeper, the writer and readers.
    plan: Mutex<DrainPlan>,
    /// Rung when something may be due earlier than thought.
    bell: Condvar,
    queue: WriteQueue,
    clock: Clock,
}

impl Draining {
    /// A keeper of what drains after `changes`, which led from nothing to the state there is.
    pub fn new(queue: WriteQueue, clock: Clock, changes: &[CatalogChange]) -> Arc<Draining> {
        let mut plan = DrainPlan::default();
        follow(&mut plan, changes);
        Arc::new(Draining { plan: Mutex::new(plan), bell: Condvar::new(), queue, clock })
    }

    /// Does what has become due while nobody kept the time, each drain in one step, before anybody reads. What cannot
    /// be written now waits for the keeper.
    pub fn catch_up(&self) {
        // The writer looks at the plan while it writes, so it is let go before.
        let due = self.plan.lock().take_due(self.clock.unix_ms());
        for key in due {
            if let Err(error) = self.queue.write(advance(key)) {
                log::warn!("a drain that went on meanwhile waits for its next turn: {error}");
            }
        }
    }

    /// Works for as long as the process lives; call it on a thread of its own.
    pub fn run(&self) {
        loop {
            for key in self.wait_for_due() {
                if let Err(error) = self.queue.post(advance(key)) {
                    log::warn!("a step of a drain waits for its next turn: {error}");
                }
            }
        }
    }

    /// Every instance that drains or has drained, with the key of its node, by node and id.
    pub fn all(&self) -> Vec<(NodeKey, Arc<Service>)> {
        let plan = self.plan.lock();
        plan.drains().map(|((node, _), service)| (node.clone(), service.clone())).collect()
    }

    /// How many these are.
    pub fn count(&self) -> usize {
        self.plan.lock().len()
    }

    fn wait_for_due(&self) -> Vec<PlannedKey> {
        let mut plan = self.plan.lock();
        loop {
            let now_ms = self.clock.unix_ms();
            let due = plan.take_due(now_ms);
            if !due.is_empty() {
                return due;
            }
            let left = plan.next_ms().map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms)));
            let wait = left.map_or(WAIT_MAX, |left| left.min(SLEEP_MAX));
            supervision::waiting(|| self.bell.wait_for(&mut plan, wait));
        }
    }
}

fn advance((node, service_id): PlannedKey) -> Command {
    Command::Drain { node, service_id, order: DrainOrder::Advance }
}

fn follow(plan: &mut DrainPlan, changes: &[CatalogChange]) -> bool {
    let mut concerned = false;
    for change in changes {
        let CatalogChange::Service { node, id, before, after } = change else { continue };
        let drains = |service: &Arc<Service>| service.drain.is_some();
        if before.iter().chain(after).any(drains) {
            plan.update(&(node.clone(), id.clone()), after.as_ref());
            concerned = true;
        }
    }
    concerned
}

/// Tells the keeper what the writer has done.
pub struct DrainingFollower(pub Arc<Draining>);

impl Follower for DrainingFollower {
    fn follow(&mut self, news: &CommittedBatch<'_>) {
        let concerned = follow(&mut self.0.plan.lock(), &news.changes.catalog);
        if concerned {
            self.0.bell.notify_one();
        }
    }
}
