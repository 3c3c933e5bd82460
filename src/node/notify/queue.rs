//! The events that wait for one webhook: what is sent next, what is tried again and when, what is given up.
//!
//! Pure: time and chance come in as arguments, and what has to be written to disk comes out as [`QueueEdit`]s. Events
//! of one lane are delivered strictly one after the other; lanes do not wait for each other, except for the bound on
//! how many attempts run at once. While nothing at all gets through, only few attempts are made; when the first one
//! does, all lanes are tried at once.

use std::collections::btree_map::Values;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::node::notify::event::{Event, EventOrder};

/// Attempts that may run at once. A receiver that takes 100 ms hears 80 events a second; more would be a burden to one
/// that is just coming up.
pub const IN_FLIGHT_MAX: usize = 8;

/// Attempts that may run at once while nothing gets through: one may hang, another still finds out.
const IN_FLIGHT_WHILE_FAILING_MAX: usize = 2;

/// Failures in a row after which nothing is thought to get through. Less, and one bad lane would hold up the others.
const FAILURES_IN_ROW_MAX: u32 = 3;

/// Rest between attempts while nothing gets through.
const REST_WHILE_FAILING_MS: u64 = 1_000;

/// Wait before the first repetition in a lane; it doubles with each.
const BACK_OFF_MS: u64 = 1_000;

/// Longest wait between repetitions: how long a lane may sleep on after its events could be delivered again.
const BACK_OFF_MS_MAX: u64 = 60_000;

/// Longest wait that a receiver may ask for.
const RETRY_AFTER_MS_MAX: u64 = 3_600_000;

/// Dead letters kept; the oldest go first. They are for people, who will not read more.
pub const DEAD_MAX: usize = 1_000;

/// Two clocks' readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds that never go back.
    pub monotonic_ms: u64,
    /// Milliseconds of Unix time.
    pub unix_ms: u64,
}

/// The bounds an operator may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// Events that may wait.
    pub events_max: usize,
    /// Age at which a failing event is given up.
    pub give_up_after: Duration,
}

/// An event that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingEvent {
    /// What is to be delivered.
    pub event: Arc<Event>,
    /// Since when, in Unix milliseconds: when it happened, or when it was taken back from the dead letters.
    pub since_ms: u64,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// What was to be delivered.
    pub event: Arc<Event>,
    /// When it was given up, in Unix milliseconds.
    pub died_ms: u64,
    /// Attempts that were made since the last start.
    pub attempts: u32,
    /// Why.
    pub reason: String,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver has it.
    Delivered,
    /// Not now.
    Failed {
        /// Why.
        reason: String,
        /// When the receiver wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// Never: the receiver does not want this event.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What has to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueEdit {
    /// The event of this number waits.
    Keep(u64, WaitingEvent),
    /// It no longer does.
    Forget(u64),
    /// There is a dead letter of this number.
    Bury(u64, DeadLetter),
    /// There no longer is.
    Unbury(u64),
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events delivered.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Events given up.
    pub died: u64,
}

/// The queue of one webhook.
#[derive(Debug)]
pub struct DeliveryQueue {
    bounds: QueueBounds,
    /// The number of the next event. Numbers ascend in the order in which events were put.
    next: u64,
    waiting: BTreeMap<u64, WaitingEvent>,
    lanes: HashMap<EventOrder, LaneState>,
    /// The first event of each lane that is not in flight, by when it may be tried.
    due: BTreeSet<(u64, u64)>,
    in_flight: BTreeSet<u64>,
    dead: BTreeMap<u64, DeadLetter>,
    failures_in_row: u32,
    /// Until when nothing is tried, while nothing gets through.
    rest_until_ms: u64,
    counts: Counts,
    edits: Vec<QueueEdit>,
}

#[derive(Debug, Default)]
struct LaneState {
    /// Numbers of its events in order; never empty.
    order: VecDeque<u64>,
    /// Attempts made for the first of them.
    attempts: u32,
    /// When the first of them may be tried; meaningless while it is in flight.
    due_ms: u64,
}

impl DeliveryQueue {
    /// A queue with what was kept: events and dead letters by their number.
    pub fn restored(
        bounds: QueueBounds,
        waiting: BTreeMap<u64, WaitingEvent>,
        dead: BTreeMap<u64, DeadLetter>,
    ) -> DeliveryQueue {
        let last = waiting.keys().chain(dead.keys()).copied().max().unwrap_or(0);
        let (lanes, due, in_flight, counts, edits) = Default::default();
        let (failures_in_row, rest_until_ms) = (0, 0);
        let mut queue = DeliveryQueue {
            bounds,
            next: last + 1,
            waiting: BTreeMap::new(),
            lanes,
            due,
            in_flight,
            dead,
            failures_in_row,
            rest_until_ms,
            counts,
            edits,
        };
        for (number, waiting) in waiting {
            queue.insert(0, number, waiting);
        }
        queue
    }

    /// A queue of nothing, for nothing.
    pub fn empty() -> DeliveryQueue {
        let bounds = QueueBounds { events_max: 0, give_up_after: Duration::ZERO };
        DeliveryQueue::restored(bounds, BTreeMap::new(), BTreeMap::new())
    }

    /// Moves the bounds; what is over them goes with the next event.
    pub fn set_bounds(&mut self, bounds: QueueBounds) {
        self.bounds = bounds;
    }

    /// Adds an event. At the bound, the one that has waited longest is given up.
    pub fn put(&mut self, now: Now, event: Arc<Event>) {
        let since_ms = event.time_ms;
        self.append(now, WaitingEvent { event, since_ms });
    }

    /// Takes dead letters back, all or the one with this id, behind what waits. Gives how many.
    pub fn revive(&mut self, now: Now, id: Option<&str>) -> usize {
        let is_meant = |dead: &DeadLetter| id.is_none_or(|id| dead.event.id == id);
        let numbers: Vec<u64> =
            self.dead.iter().filter(|(_, dead)| is_meant(dead)).map(|(number, _)| *number).collect();
        for number in &numbers {
            if let Some(dead) = self.dead.remove(number) {
                self.edits.push(QueueEdit::Unbury(*number));
                self.append(now, WaitingEvent { event: dead.event, since_ms: now.unix_ms });
            }
        }
        numbers.len()
    }

    /// Forgets everything, what is in flight included. Gives how many events and dead letters there were.
    pub fn discard(&mut self) -> usize {
        let count = self.waiting.len() + self.dead.len();
        self.edits.extend(self.waiting.keys().map(|number| QueueEdit::Forget(*number)));
        self.edits.extend(self.dead.keys().map(|number| QueueEdit::Unbury(*number)));
        self.waiting.clear();
        self.lanes.clear();
        self.due.clear();
        self.in_flight.clear();
        self.dead.clear();
        count
    }

    /// The next event to send now, if there is one; its outcome must come back through [`DeliveryQueue::finish`].
    pub fn start(&mut self, now: Now) -> Option<(u64, Arc<Event>)> {
        let (due_ms, number) = *self.due.first()?;
        let is_resting = self.is_failing() && now.monotonic_ms < self.rest_until_ms;
        if due_ms > now.monotonic_ms || is_resting || self.in_flight.len() >= self.in_flight_max() {
            return None;
        }
        self.due.pop_first();
        self.in_flight.insert(number);
        if self.is_failing() {
            self.rest_until_ms = now.monotonic_ms + REST_WHILE_FAILING_MS;
        }
        self.waiting.get(&number).map(|waiting| (number, waiting.event.clone()))
    }

    /// When [`DeliveryQueue::start`] may next have something, unless an attempt ends first. `None`: not before that.
    pub fn next_due_ms(&self) -> Option<u64> {
        let (due_ms, _) = *self.due.first()?;
        let has_room = self.in_flight.len() < self.in_flight_max();
        has_room.then(|| if self.is_failing() { due_ms.max(self.rest_until_ms) } else { due_ms })
    }

    /// Takes what became of an attempt. `chance` is any number, for the spread of repetitions.
    pub fn finish(&mut self, now: Now, number: u64, outcome: DeliveryOutcome, chance: u64) {
        if !self.in_flight.remove(&number) {
            // Discarded meanwhile.
            return;
        }
        let Some(waiting) = self.waiting.get(&number) else { return };
        let (lane, age_ms) = (waiting.event.lane(), now.unix_ms.saturating_sub(waiting.since_ms));
        let attempts = self.lanes.get_mut(&lane).map_or(1, |state| {
            state.attempts = state.attempts.saturating_add(1);
            state.attempts
        });
        match outcome {
            DeliveryOutcome::Delivered => {
                self.counts.delivered += 1;
                self.remove(now, number);
                self.got_through(now);
            }
            DeliveryOutcome::Refused { reason } => {
                self.counts.failed += 1;
                self.bury(now, number, attempts, reason);
                // The receiver is there and reads what it is sent.
                self.got_through(now);
            }
            DeliveryOutcome::Failed { reason, retry_after } => {
                self.counts.failed += 1;
                self.failures_in_row = self.failures_in_row.saturating_add(1);
                self.rest_until_ms = now.monotonic_ms + REST_WHILE_FAILING_MS;
                if u128::from(age_ms) >= self.bounds.give_up_after.as_millis() {
                    self.bury(now, number, attempts, reason);
                } else {
                    let asked_ms = retry_after.map_or(0, |wait| wait.as_millis() as u64);
                    let wait_ms = back_off_ms(attempts, chance).max(asked_ms.min(RETRY_AFTER_MS_MAX));
                    self.set_due(&lane, now.monotonic_ms + wait_ms);
                }
            }
        }
    }

    /// What has changed since the last call and has to be written, in order.
    pub fn take_edits(&mut self) -> Vec<QueueEdit> {
        std::mem::take(&mut self.edits)
    }

    /// Whether nothing gets through.
    pub fn is_failing(&self) -> bool {
        self.failures_in_row >= FAILURES_IN_ROW_MAX
    }

    /// Events that wait, those in flight included.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Attempts that run.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The event that has waited longest.
    pub fn oldest(&self) -> Option<&WaitingEvent> {
        self.waiting.first_key_value().map(|(_, waiting)| waiting)
    }

    /// The dead letters, the oldest first.
    pub fn dead(&self) -> Values<'_, u64, DeadLetter> {
        self.dead.values()
    }

    /// Counts since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn in_flight_max(&self) -> usize {
        if self.is_failing() { IN_FLIGHT_WHILE_FAILING_MAX } else { IN_FLIGHT_MAX }
    }

    fn append(&mut self, now: Now, waiting: WaitingEvent) {
        while self.waiting.len() >= self.bounds.events_max {
            let idle = self.waiting.keys().find(|number| !self.in_flight.contains(number)).copied();
            let Some(oldest) = idle else { break };
            let reason = format!("{} events were waiting, more than queue_max allows", self.waiting.len());
            self.bury(now, oldest, 0, reason);
        }
        let number = self.next;
        self.next += 1;
        self.edits.push(QueueEdit::Keep(number, waiting.clone()));
        self.insert(now.monotonic_ms, number, waiting);
    }

    fn insert(&mut self, due_ms: u64, number: u64, waiting: WaitingEvent) {
        let state = self.lanes.entry(waiting.event.lane()).or_default();
        state.order.push_back(number);
        if state.order.len() == 1 {
            state.due_ms = due_ms;
            self.due.insert((due_ms, number));
        }
        self.waiting.insert(number, waiting);
    }

    fn bury(&mut self, now: Now, number: u64, attempts: u32, reason: String) {
        let Some(waiting) = self.remove(now, number) else { return };
        self.counts.died += 1;
        let dead = DeadLetter { event: waiting.event, died_ms: now.unix_ms, attempts, reason };
        self.edits.push(QueueEdit::Bury(number, dead.clone()));
        self.dead.insert(number, dead);
        while self.dead.len() > DEAD_MAX {
            if let Some((oldest, _)) = self.dead.pop_first() {
                self.edits.push(QueueEdit::Unbury(oldest));
            }
        }
    }

    /// Takes an event out; the next one of its lane may be tried at once.
    fn remove(&mut self, now: Now, number: u64) -> Option<WaitingEvent> {
        let waiting = self.waiting.remove(&number)?;
        self.edits.push(QueueEdit::Forget(number));
        let lane = waiting.event.lane();
        if let Some(state) = self.lanes.get_mut(&lane) {
            self.due.remove(&(state.due_ms, number));
            let was_first = state.order.front() == Some(&number);
            if was_first {
                state.order.pop_front();
            } else {
                state.order.retain(|other| *other != number);
            }
            match state.order.front() {
                Some(first) if was_first => {
                    state.attempts = 0;
                    state.due_ms = now.monotonic_ms;
                    self.due.insert((state.due_ms, *first));
                }
                Some(_) => {}
                None => drop(self.lanes.remove(&lane)),
            }
        }
        Some(waiting)
    }

    fn set_due(&mut self, lane: &EventOrder, due_ms: u64) {
        if let Some(state) = self.lanes.get_mut(lane)
            && let Some(first) = state.order.front()
        {
            state.due_ms = due_ms;
            self.due.insert((due_ms, *first));
        }
    }

    /// The receiver answers: after a time in which nothing got through, all lanes are tried at once.
    fn got_through(&mut self, now: Now) {
        if self.is_failing() {
            let resting: Vec<u64> =
                std::mem::take(&mut self.due).into_iter().map(|(_, first)| first).collect();
            for number in resting {
                if let Some(waiting) = self.waiting.get(&number) {
                    self.set_due(&waiting.event.lane(), now.monotonic_ms);
                }
            }
        }
        self.failures_in_row = 0;
    }
}

/// The wait after so many attempts: a second, doubled each time up to the cap, of which the latter half is by chance,
/// so that lanes which failed together do not come back together.
fn back_off_ms(attempts: u32, chance: u64) -> u64 {
    let doublings = attempts.saturating_sub(1).min(16);
    let full_ms = (BACK_OFF_MS << doublings).min(BACK_OFF_MS_MAX);
    full_ms / 2 + chance % (full_ms / 2 + 1)
}

#[cfg(test)]
mod tests;
