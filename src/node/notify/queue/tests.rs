//! What the queue promises, as tables and under random receivers.

use std::collections::HashMap;

use super::*;
use crate::core::model::Status;
use crate::node::notify::context::Overall;
use crate::node::notify::event::{After, EventCheck, EventNode, EventService};

const BOUNDS: QueueBounds = QueueBounds { events_max: 10, give_up_after: Duration::from_secs(3600) };

fn event(index: u64, service_id: &str) -> Arc<Event> {
    Arc::new(Event {
        id: format!("e-{index}"),
        index,
        time: String::new(),
        time_ms: 0,
        datacenter: "dc1".into(),
        node: EventNode { name: "n1".into(), address: "".into() },
        service: Some(EventService {
            id: service_id.into(),
            name: "web".into(),
            tags: Vec::new(),
            address: "".into(),
            port: 0,
            meta: Default::default(),
        }),
        check: EventCheck { id: "c".into(), name: "".into() },
        before: None,
        after: Some(After { status: Status::Critical, output: "".into() }),
        by: "".into(),
        request_id: "".into(),
        cause: "probe".into(),
        instance: Overall::default(),
        services: Vec::new(),
    })
}

fn at(ms: u64) -> Now {
    Now { monotonic_ms: ms, unix_ms: ms }
}

fn empty(bounds: QueueBounds) -> DeliveryQueue {
    DeliveryQueue::restored(bounds, BTreeMap::new(), BTreeMap::new())
}

fn failed() -> DeliveryOutcome {
    DeliveryOutcome::Failed { reason: "no".into(), retry_after: None }
}

/// Indexes of everything that may start now.
fn started(queue: &mut DeliveryQueue, ms: u64) -> Vec<(u64, u64)> {
    std::iter::from_fn(|| queue.start(at(ms)).map(|(number, event)| (number, event.index))).collect()
}

fn indexes(queue: &mut DeliveryQueue, ms: u64) -> Vec<u64> {
    started(queue, ms).into_iter().map(|(_, index)| index).collect()
}

#[test]
fn a_lane_is_told_in_order_and_lanes_do_not_wait_for_each_other() {
    let mut queue = empty(BOUNDS);
    for (index, lane) in [(1, "a"), (2, "a"), (3, "b"), (4, "b")] {
        queue.put(at(0), event(index, lane));
    }
    let first = started(&mut queue, 0);
    assert_eq!(first.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [1, 3]);
    queue.finish(at(0), first[0].0, failed(), 0);
    queue.finish(at(0), first[1].0, DeliveryOutcome::Delivered, 0);
    assert_eq!(indexes(&mut queue, 0), [4], "2 waits behind 1, which rests");
    assert_eq!(indexes(&mut queue, BACK_OFF_MS / 2 - 1), [0; 0]);
    let again = started(&mut queue, BACK_OFF_MS / 2);
    assert_eq!(again.iter().map(|(_, index)| *index).collect::<Vec<_>>(), [1]);
    queue.finish(at(600), again[0].0, DeliveryOutcome::Delivered, 0);
    assert_eq!(indexes(&mut queue, 600), [2]);
}

#[test]
fn repetitions_come_later_and_later_up_to_a_minute() {
    let rows =
        [(1, 1_000), (2, 2_000), (3, 4_000), (6, 32_000), (7, 60_000), (8, 60_000), (u32::MAX, 60_000)];
    for (attempts, most_ms) in rows {
        assert_eq!(back_off_ms(attempts, 0), most_ms / 2, "{attempts}");
        assert_eq!(back_off_ms(attempts, most_ms / 2), most_ms, "{attempts}");
        assert!(back_off_ms(attempts, u64::MAX) <= most_ms);
    }
}

#[test]
fn a_receiver_may_ask_for_a_longer_wait() {
    for (asked_s, wait_ms) in [(0, 500), (7, 7_000), (3_600, 3_600_000), (3_601, 3_600_000)] {
        let mut queue = empty(BOUNDS);
        queue.put(at(0), event(1, "a"));
        let (number, _) = queue.start(at(0)).unwrap();
        let retry_after = Some(Duration::from_secs(asked_s));
        queue.finish(at(0), number, DeliveryOutcome::Failed { reason: "busy".into(), retry_after }, 0);
        assert_eq!(queue.next_due_ms(), Some(wait_ms), "{asked_s}");
    }
}

#[test]
fn what_is_refused_or_too_old_becomes_a_dead_letter_and_the_next_is_told() {
    let give_up_ms = BOUNDS.give_up_after.as_millis() as u64;
    let rows = [
        (0, DeliveryOutcome::Refused { reason: "no".into() }, 1, Some(2)),
        (give_up_ms - 1, failed(), 0, None),
        (give_up_ms, failed(), 1, Some(2)),
    ];
    for (ms, outcome, dead, next) in rows {
        let mut queue = empty(BOUNDS);
        queue.put(at(0), event(1, "a"));
        queue.put(at(0), event(2, "a"));
        let (number, _) = queue.start(at(0)).unwrap();
        queue.finish(at(ms), number, outcome, 0);
        assert_eq!((queue.dead().len(), indexes(&mut queue, ms).first().copied()), (dead, next), "{ms}");
    }
}

#[test]
fn at_the_bound_the_oldest_that_is_not_under_way_goes() {
    let mut queue = empty(BOUNDS);
    (1..=10).for_each(|index| queue.put(at(0), event(index, "a")));
    assert_eq!((queue.waiting(), queue.dead().len()), (10, 0));
    let (number, first) = queue.start(at(0)).unwrap();
    queue.put(at(0), event(11, "b"));
    assert_eq!(first.index, 1);
    assert_eq!(queue.dead().map(|dead| dead.event.index).collect::<Vec<_>>(), [2]);
    assert!(queue.dead().all(|dead| dead.reason.contains("queue_max")));
    queue.finish(at(0), number, DeliveryOutcome::Delivered, 0);
    assert_eq!(indexes(&mut queue, 0), [3, 11]);
}

#[test]
fn dead_letters_are_bounded_and_can_be_taken_back() {
    let mut queue = empty(BOUNDS);
    let count = DEAD_MAX as u64 + 2;
    for index in 1..=count {
        queue.put(at(0), event(index, "a"));
        let (number, _) = queue.start(at(0)).unwrap();
        queue.finish(at(0), number, DeliveryOutcome::Refused { reason: "no".into() }, 0);
    }
    assert_eq!(queue.dead().map(|dead| dead.event.index).next(), Some(3));
    assert_eq!((queue.dead().len(), queue.counts().died), (DEAD_MAX, count));
    assert_eq!(queue.revive(at(7), Some("e-5")), 1);
    assert_eq!(queue.revive(at(7), Some("e-1")), 0);
    assert_eq!((queue.waiting(), queue.oldest().unwrap().since_ms), (1, 7), "its age counts anew");
    assert_eq!(indexes(&mut queue, 7), [5]);
}

#[test]
fn while_nothing_gets_through_few_attempts_are_made_and_the_first_success_wakes_all() {
    let mut queue = empty(QueueBounds { events_max: 100, ..BOUNDS });
    (0..20).for_each(|lane| queue.put(at(0), event(lane, &lane.to_string())));
    let first = started(&mut queue, 0);
    assert_eq!(first.len(), IN_FLIGHT_MAX);
    first.iter().for_each(|(number, _)| queue.finish(at(10), *number, failed(), u64::MAX));
    assert!(queue.is_failing());
    assert_eq!(started(&mut queue, 10).len(), 0, "it rests");
    let probe = started(&mut queue, 10 + REST_WHILE_FAILING_MS);
    assert_eq!(probe.len(), 1);
    let second = started(&mut queue, 10 + 2 * REST_WHILE_FAILING_MS);
    assert_eq!((second.len(), queue.next_due_ms()), (1, None), "two at most");
    queue.finish(at(5_000), probe[0].0, DeliveryOutcome::Delivered, 0);
    assert!(!queue.is_failing());
    assert_eq!(started(&mut queue, 5_000).len(), IN_FLIGHT_MAX - 1);
}

#[test]
fn what_was_discarded_in_flight_is_forgotten() {
    let mut queue = empty(BOUNDS);
    queue.put(at(0), event(1, "a"));
    let (number, _) = queue.start(at(0)).unwrap();
    assert_eq!(queue.discard(), 1);
    queue.finish(at(0), number, failed(), 0);
    queue.put(at(0), event(2, "a"));
    assert_eq!(indexes(&mut queue, 0), [2]);
}

/// What the edits so far have left on disk.
#[derive(Default)]
struct Disk {
    waiting: BTreeMap<u64, WaitingEvent>,
    dead: BTreeMap<u64, DeadLetter>,
}

impl Disk {
    fn write(&mut self, edits: Vec<QueueEdit>) {
        for edit in edits {
            match edit {
                QueueEdit::Keep(number, waiting) => drop(self.waiting.insert(number, waiting)),
                QueueEdit::Forget(number) => drop(self.waiting.remove(&number)),
                QueueEdit::Bury(number, dead) => drop(self.dead.insert(number, dead)),
                QueueEdit::Unbury(number) => drop(self.dead.remove(&number)),
            }
        }
    }
}

/// Puts, delivers, fails, refuses and crashes at random. Nothing is lost, no lane is out of order, and the disk holds
/// what the queue does.
#[test]
fn nothing_is_lost_or_out_of_order_under_any_receiver() {
    for seed in 1..=300_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let bounds = QueueBounds { events_max: 40, give_up_after: Duration::from_secs(600) };
        let (mut queue, mut disk) = (empty(bounds), Disk::default());
        let (mut now_ms, mut index) = (0, 0);
        let mut in_flight: Vec<(u64, Arc<Event>)> = Vec::new();
        // By lane, the last index that the receiver has taken.
        let mut heard: HashMap<EventOrder, u64> = HashMap::new();
        let (mut put, mut settled) = (0, Vec::new());
        for _ in 0..400 {
            match draw(10) {
                0..3 => {
                    index += 1;
                    put += 1;
                    let mut event = Event::clone(&event(index, &draw(5).to_string()));
                    event.time_ms = now_ms;
                    queue.put(at(now_ms), Arc::new(event));
                }
                3..6 if !in_flight.is_empty() => {
                    let (number, event) = in_flight.swap_remove(draw(in_flight.len() as u64) as usize);
                    let outcome = match draw(6) {
                        0..3 => failed(),
                        3 => DeliveryOutcome::Refused { reason: "no".into() },
                        _ => DeliveryOutcome::Delivered,
                    };
                    if outcome == DeliveryOutcome::Delivered {
                        let last = heard.insert(event.lane(), event.index);
                        assert!(
                            last.is_none_or(|last| last <= event.index),
                            "seed {seed}: {last:?} {event:?}"
                        );
                        settled.push(event.id.clone());
                    }
                    queue.finish(at(now_ms), number, outcome, draw(u64::MAX));
                }
                6 => now_ms += draw(120_000),
                7 if draw(4) == 0 => {
                    // A crash: what was in flight may or may not have arrived.
                    for (_, event) in in_flight.drain(..).filter(|_| draw(2) == 0) {
                        heard.insert(event.lane(), event.index);
                    }
                    queue = DeliveryQueue::restored(bounds, disk.waiting.clone(), disk.dead.clone());
                }
                _ => in_flight.extend(queue.start(at(now_ms))),
            }
            disk.write(queue.take_edits());
            assert!(
                queue.waiting() <= bounds.events_max && queue.in_flight() <= IN_FLIGHT_MAX,
                "seed {seed}"
            );
            assert_eq!(disk.waiting.len(), queue.waiting(), "seed {seed}");
            assert!(disk.dead.values().eq(queue.dead()), "seed {seed}");
            let lanes: std::collections::HashSet<EventOrder> =
                in_flight.iter().map(|(_, it)| it.lane()).collect();
            assert_eq!(lanes.len(), in_flight.len(), "seed {seed}: one at a time in a lane");
            let is_awake = queue.waiting() == 0 || queue.in_flight() > 0 || queue.next_due_ms().is_some();
            assert!(is_awake, "seed {seed}: something waits and nothing is due");
        }
        settled.sort();
        settled.dedup();
        let accounted = settled.len() + disk.waiting.len() + disk.dead.len();
        assert!(accounted >= put, "seed {seed}: {accounted} of {put}");
    }
}
