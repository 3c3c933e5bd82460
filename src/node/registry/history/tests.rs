//! What the history keeps, gives back and forgets.

use super::*;
use crate::core::model::{Caller, Cause, Status};
use crate::node::registry::rows;

pub(super) fn transition(index: u64, service_id: &str, check_id: &str) -> Transition {
    let subject = Subject { node: "n1".into(), service_id: service_id.into(), check_id: check_id.into() };
    Transition {
        index,
        position: 0,
        time_ms: index * 1_000,
        subject: Arc::new(subject),
        service_name: "web".into(),
        check_name: "alive".into(),
        from: Some(Status::Passing),
        from_since_ms: 0,
        is_first: false,
        to: Some(Status::Critical),
        cause: Cause::Probe,
        caller: Caller::default(),
        output: format!("finding {index}").as_str().into(),
    }
}

/// Writes as the writer does, and keeps the rows as a store would.
fn write(history: &History, stored: &mut BTreeMap<String, Vec<u8>>, transitions: Vec<Transition>) {
    let entries = history.place(transitions);
    for row in rows::of_history(history, &entries) {
        match row.value {
            Some(value) => drop(stored.insert(row.key, value)),
            None => drop(stored.remove(&row.key)),
        }
    }
    history.absorb(&entries);
}

fn loaded(stored: &BTreeMap<String, Vec<u8>>) -> Vec<HistoryEntry> {
    stored.iter().map(|(key, value)| rows::transition(key, value).unwrap()).collect()
}

fn indexes(transitions: &[Arc<Transition>]) -> Vec<u64> {
    transitions.iter().map(|transition| transition.index).collect()
}

#[test]
fn a_check_keeps_its_newest_transitions_and_one_row_for_each() {
    let per_check_max = u64::from(PER_CHECK_MAX);
    let (node, check) = ("n1".into(), "c".into());
    for count in [1, per_check_max - 1, per_check_max, per_check_max + 1, 3 * per_check_max + 5] {
        let (history, mut stored) = (History::restored(Vec::new()), BTreeMap::new());
        for index in 1..=count {
            write(&history, &mut stored, vec![transition(index, "s", "c")]);
        }
        let kept: Vec<u64> = (1..=count).rev().take(per_check_max as usize).collect();
        for history in [&history, &History::restored(loaded(&stored))] {
            assert_eq!(indexes(&history.newest(&Of::Check(&node, &check), 0, 1_000)), kept, "{count}");
            assert_eq!((history.len(), stored.len()), (kept.len(), kept.len()));
        }
    }
}

#[test]
fn the_oldest_of_all_go_first_and_their_rows_with_the_next_batch() {
    let (history, mut stored) = (History::bounded(Vec::new(), (3, BYTES_MAX)), BTreeMap::new());
    for index in 1..=5 {
        write(&history, &mut stored, vec![transition(index, "s", &format!("c{}", index % 2))]);
    }
    assert_eq!(indexes(&history.since(0, 10)), [3, 4, 5]);
    assert_eq!(stored.len(), 4, "the row of 2 goes with the next batch");
    let history = History::bounded(loaded(&stored), (3, BYTES_MAX));
    assert_eq!(indexes(&history.since(0, 10)), [3, 4, 5], "after a restart as well");
    write(&history, &mut stored, vec![transition(6, "s", "c0")]);
    assert_eq!(indexes(&History::bounded(loaded(&stored), (10, BYTES_MAX)).since(0, 10)), [3, 4, 5, 6]);
}

#[test]
fn what_came_and_went_once_is_bounded_by_its_memory() {
    let once = |index: u64| transition(index, &format!("one-shot-{index:03}"), "");
    let sample = once(100);
    let one = TRANSITION_BYTES + sample.output.len() + subject_bytes(&sample.subject);
    // Room for three; then for three less a byte.
    for (bytes_max, kept) in [(3 * one, 3), (3 * one - 1, 2)] {
        let (history, mut stored) = (History::bounded(Vec::new(), (100, bytes_max)), BTreeMap::new());
        for index in 100..110 {
            write(&history, &mut stored, vec![once(index)]);
            assert!(history.book.read().bytes <= bytes_max);
        }
        assert_eq!(history.len(), kept, "{bytes_max}");
        assert_eq!(stored.len(), kept + 1, "the row of the last one that went goes with the next batch");
        // What is gone is not counted.
        for index in 200..300 {
            write(&history, &mut stored, vec![transition(index, "s", "c")]);
        }
        let book = history.book.read();
        assert_eq!(book.bytes, book.weight());
    }
}

#[test]
fn reads_are_of_what_they_ask_for() {
    let (history, mut stored) = (History::restored(Vec::new()), BTreeMap::new());
    let transitions = [("s1", "c1"), ("s1", "c2"), ("s2", "c3"), ("", "n"), ("s1", "c1")];
    let other = Subject { node: "n10".into(), ..Subject::default() };
    let elsewhere = Transition { subject: Arc::new(other), ..transition(9, "", "") };
    let numbered = transitions.iter().zip(1..).map(|((service, check), n)| transition(n, service, check));
    write(&history, &mut stored, numbered.chain([elsewhere]).collect());
    let (node, text) = (NodeKey::from("n1"), |text: &str| Text::from(text));
    let rows: [(Of<'_>, u64, usize, &[u64]); 9] = [
        (Of::Node(&node), 0, 10, &[5, 4, 3, 2, 1]),
        (Of::Node(&node), 2, 10, &[5, 4, 3]),
        (Of::Node(&node), 0, 2, &[5, 4]),
        (Of::Node(&node), 0, 0, &[]),
        (Of::Service(&node, &text("s1")), 0, 10, &[5, 2, 1]),
        (Of::Service(&node, &text("")), 0, 10, &[4]),
        (Of::Check(&node, &text("c1")), 0, 10, &[5, 1]),
        (Of::Check(&node, &text("c1")), 1, 10, &[5]),
        (Of::Check(&node, &text("none")), 0, 10, &[]),
    ];
    for (of, since, limit, expected) in rows {
        assert_eq!(indexes(&history.newest(&of, since, limit)), expected, "{of:?} {since} {limit}");
    }
    for (since, limit, expected) in [(0, 2, vec![1, 2]), (4, 10, vec![5, 9]), (9, 10, vec![])] {
        assert_eq!(indexes(&history.since(since, limit)), expected, "{since} {limit}");
    }
}

#[test]
fn instances_are_found_by_id_and_by_name_wherever_they_were() {
    let (history, mut stored) = (History::restored(Vec::new()), BTreeMap::new());
    let on = |node: &str, index, service_id: &str, name: &str| Transition {
        subject: Arc::new(Subject {
            node: node.into(),
            service_id: service_id.into(),
            check_id: format!("c{index}").as_str().into(),
        }),
        service_name: name.into(),
        ..transition(index, service_id, "")
    };
    let others = (10..10 + 2 * SLICE as u64).map(|index| on("n9", index, "other", "other"));
    let meant = [on("n1", 1, "web-1", "web"), on("n2", 2, "web-2", "WEB"), on("n3", 3, "web", "x")];
    write(
        &history,
        &mut stored,
        meant.into_iter().chain(others).chain([on("n4", 9_999, "", "web")]).collect(),
    );
    for (named, since, limit, expected) in [
        ("web", 0, 10, &[3, 2, 1][..]),
        ("web", 1, 10, &[3, 2]),
        ("web", 0, 1, &[3]),
        ("web-1", 0, 10, &[1]),
        ("Web-1", 0, 10, &[]),
        ("nobody", 0, 10, &[]),
    ] {
        assert_eq!(
            indexes(&history.newest_named_within(&Meter::boundless(), named, since, limit)),
            expected,
            "{named} {since} {limit}"
        );
    }
}

#[test]
fn what_is_not_absorbed_leaves_no_trace() {
    let (history, mut stored) = (History::restored(Vec::new()), BTreeMap::new());
    write(&history, &mut stored, vec![transition(1, "s", "c")]);
    let refused = history.place(vec![transition(2, "s", "c"), transition(3, "s", "c")]);
    assert_eq!(refused.iter().map(|entry| entry.slot).collect::<Vec<_>>(), [1, 2]);
    rows::of_history(&history, &refused);
    write(&history, &mut stored, vec![transition(2, "s", "c")]);
    assert_eq!(indexes(&history.since(0, 10)), [1, 2]);
    assert_eq!(history.newest(&Of::Node(&"n1".into()), 1, 1)[0].output, "finding 2");
}

#[test]
fn a_row_is_read_as_it_was_written() {
    let silent = Transition { from: None, to: None, output: "".into(), ..transition(7, "", "c d") };
    let caller = Caller { by: "[::1]:4".into(), request_id: "mine-1".into() };
    let asked = Transition { caller, ..transition(8, "s", "c") };
    for transition in [transition(1 << 50, "a/b", "ä"), silent, asked] {
        let entry =
            HistoryEntry { transition: Arc::new(transition), slot: PER_CHECK_MAX - 1, is_restored: false };
        let row = rows::transition_row(&entry);
        let read = rows::transition(&row.key, &row.value.unwrap()).unwrap();
        assert_eq!((read.transition, read.slot), (entry.transition, entry.slot));
    }
    let older = br#"{"index":1,"time_ms":1,"service_name":"s","check_name":"c","from":null,"to":null,
        "cause":"probe","output":""}"#;
    assert_eq!(rows::transition("n\ts\tc\t0", older).unwrap().transition.caller, Caller::default());
    for key in ["n\ts\tc", "n\ts\tc\t64", "n\ts\tc\tx"] {
        assert!(rows::transition(key, b"{}").is_err(), "{key:?}");
    }
}
