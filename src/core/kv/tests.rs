//! The store against the plainest model of it, and its bounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::change::PairChange;
use super::row;
use super::state::{PairState, weight};
use super::table::PairTable;
use crate::base::stdx::text::Text;
use crate::core::model::{CommandRefusal, Condition, Indexes, Pair, PairWrite};

fn put(key: &str, value: &str, condition: Condition) -> PairWrite {
    PairWrite::Put { key: key.into(), value: value.as_bytes().into(), flags: 0, condition }
}

/// What is to be there: for each key its value, and the indexes of its creation and last change.
type Model = BTreeMap<String, (String, u64, u64)>;

fn model_apply(model: &mut Model, index: u64, write: &PairWrite) -> bool {
    let holds = |model: &Model, key: &str, condition: Condition| match condition {
        Condition::Always => true,
        Condition::Index(index) => index == model.get(key).map_or(0, |it| it.2),
    };
    match write {
        PairWrite::Put { key, value, condition, .. } => {
            let value = String::from_utf8_lossy(value).into_owned();
            if !holds(model, key, *condition) {
                return false;
            }
            let before = model.get(key.as_str()).cloned();
            if before.as_ref().is_none_or(|before| before.0 != value) {
                let create = before.map_or(index, |before| before.1);
                model.insert(key.to_string(), (value, create, index));
            }
            true
        }
        PairWrite::Delete { key, condition } => {
            let is_held = !model.contains_key(key.as_str()) || holds(model, key, *condition);
            is_held.then(|| model.remove(key.as_str()));
            is_held
        }
        PairWrite::DeleteTree { prefix } => {
            model.retain(|key, _| !key.starts_with(prefix.as_str()));
            true
        }
    }
}

fn shown(model: &Model) -> Vec<(String, String, u64, u64)> {
    model
        .iter()
        .map(|(key, (value, create, modify))| (key.clone(), value.clone(), *create, *modify))
        .collect()
}

fn held<'p>(pairs: impl Iterator<Item = &'p std::sync::Arc<Pair>>) -> Vec<(String, String, u64, u64)> {
    let text = |pair: &Pair| String::from_utf8_lossy(&pair.value).into_owned();
    pairs.map(|it| (it.key.to_string(), text(it), it.indexes.create, it.indexes.modify)).collect()
}

fn a_write() -> impl Strategy<Value = PairWrite> {
    let key = || proptest::sample::select(vec!["a", "a/", "a/b", "a/b/c", "ab", "b", "é"]);
    let condition = || prop_oneof![3 => Just(Condition::Always), 1 => (0_u64..30).prop_map(Condition::Index)];
    prop_oneof![
        6 => (key(), "[xy]?", condition()).prop_map(|(key, value, condition)| put(key, &value, condition)),
        2 => (key(), condition()).prop_map(|(key, condition)| PairWrite::Delete { key: key.into(), condition }),
        1 => proptest::sample::select(vec!["", "a", "a/", "b", "zz"])
            .prop_map(|prefix| PairWrite::DeleteTree { prefix: prefix.into() }),
    ]
}

proptest! {
    /// State, undo and table against the model, and no index that readers see goes back.
    #[test]
    fn writes_do_what_the_model_does(writes in proptest::collection::vec(a_write(), 1..40)) {
        let (mut pairs, mut model) = (PairState::new(usize::MAX), Model::new());
        let mut table = PairTable::of_all(&pairs, 0);
        let topics = ["", "a", "a/", "a/b", "b", "zz"];
        let mut seen = topics.map(|_| (0, 0));
        for (write, index) in writes.iter().zip(1..) {
            let before = shown(&model);
            let expected = model_apply(&mut model, index, write);
            let (changes, is_met) = pairs.apply(index, write).expect("there is room");
            prop_assert_eq!(is_met, expected);
            prop_assert_eq!(changes.is_empty(), before == shown(&model));
            prop_assert_eq!(held(pairs.iter()), shown(&model));
            pairs.undo(&changes);
            prop_assert_eq!(held(pairs.iter()), before);
            let (changes, _) = pairs.apply(index, write).expect("there is room");
            changes.iter().for_each(|change| table.absorb(change));
            prop_assert_eq!(held(table.under(&"".into()).iter()), shown(&model));
            for (topic, seen) in topics.iter().zip(&mut seen) {
                let is_touched = changes.iter().any(|it| it.key.starts_with(topic));
                let now = (table.index(topic, 0), table.index_under(topic, 0, None));
                prop_assert!(now.0 >= seen.0 && now.1 >= seen.1, "{topic:?} went back from {seen:?} to {now:?}");
                // Whoever has seen it sees it move if anything below it did, and only then.
                prop_assert_eq!(table.index_under(topic, seen.1, None) != seen.1, is_touched, "{}", topic);
                *seen = now;
            }
        }
    }

    /// However the keys lie that change, the last change below a prefix is found as by a look at each of them.
    #[test]
    fn the_last_change_below_a_prefix_is_found(
        keys in proptest::collection::vec((0_u32..3_000, proptest::bool::weighted(0.8)), 0..4_000),
        stood in 0_usize..2_000,
        prefixes in proptest::collection::vec("[0-9]{0,2}/?[0-9]{0,2}", 20),
    ) {
        let key = |number: u32| Text::from(format!("{}/{}", number % 30, number).as_str());
        let mut pairs = PairState::new(usize::MAX);
        for number in 0..stood as u32 {
            pairs.apply(1, &put(&key(number), "v", Condition::Always)).expect("there is room");
        }
        let mut table = PairTable::of_all(&pairs, 1);
        let mut last: BTreeMap<Text, u64> = pairs.iter().map(|pair| (pair.key.clone(), 1)).collect();
        for ((number, stays), index) in keys.into_iter().zip(2..) {
            let key = key(number);
            last.insert(key.clone(), index);
            let indexes = Indexes { create: index, modify: index };
            let after = stays.then(|| Arc::new(Pair { key: key.clone(), indexes, ..Pair::default() }));
            table.absorb(&PairChange { key, index, before: None, after });
        }
        for prefix in prefixes.iter().map(String::as_str).chain([""]) {
            let expected = last.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, index)| *index).max();
            if let Some(expected) = expected {
                prop_assert_eq!(table.index_under(prefix, 0, None), expected, "{}", prefix);
            }
        }
    }

    #[test]
    fn rows_bring_pairs_back(
        (key, value) in ("\\PC{1,20}", proptest::collection::vec(any::<u8>(), 0..40)),
        (flags, create, lock_index) in (any::<u64>(), 0_u64..9, 0_u64..3),
        session in "[a-f]{0,4}",
    ) {
        let indexes = Indexes { create, modify: create + 1 };
        let pair = Pair {
            key: key.as_str().into(), value: value.into(), flags, lock_index, session: session.as_str().into(), indexes,
        };
        prop_assert_eq!(row::decode(&key, &row::encode(&pair)), Ok(pair));
    }
}

#[test]
fn rows_that_no_pair_has_are_refused() {
    let rows = [
        ("k", "{", "EOF"),
        ("", r#"{"value":"","create":1,"modify":1}"#, "a key has"),
        ("k", r#"{"value":"?","create":1,"modify":1}"#, "its value"),
        ("k", r#"{"value":"","create":2,"modify":1}"#, "before it was created"),
    ];
    for (key, value, expected) in rows {
        let error = row::decode(key, value.as_bytes()).expect_err(value);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn memory_is_bounded_and_what_shrinks_passes() {
    let one = weight(&Pair { key: "k1".into(), value: b"12345".as_slice().into(), ..Pair::default() });
    let mut pairs = PairState::new(2 * one);
    for (key, index) in [("k1", 1), ("k2", 2)] {
        pairs.apply(index, &put(key, "12345", Condition::Always)).expect("there is room");
    }
    let full = CommandRefusal::PairsTooLarge { bytes_max: 2 * one };
    for write in [put("k3", "", Condition::Always), put("k1", "123456", Condition::Always)] {
        assert_eq!(pairs.apply(3, &write).expect_err("it is full"), full);
    }
    pairs.apply(3, &put("k1", "1234", Condition::Always)).expect("it takes less than before");
    pairs.apply(4, &put("k1", "12345", Condition::Always)).expect("as much as may be");
    let wanted = vec![std::sync::Arc::new(Pair {
        value: vec![0; 4 * one].into(),
        key: "x".into(),
        ..Pair::default()
    })];
    let before = held(pairs.iter());
    assert_eq!(pairs.restore(5, &wanted).expect_err("too much"), full);
    assert_eq!(held(pairs.iter()), before);
}

#[test]
fn a_restoration_moves_what_it_changes_and_nothing_else() {
    let mut pairs = PairState::new(usize::MAX);
    for (key, index) in [("same", 1), ("other", 2), ("gone", 3)] {
        pairs.apply(index, &put(key, "v", Condition::Always)).expect("there is room");
    }
    let mut table = PairTable::of_all(&pairs, 3);
    let old = Indexes { create: 1, modify: 2 };
    let pair = |key: &str, value: &str| {
        let (key, value) = (Text::from(key), value.as_bytes().into());
        std::sync::Arc::new(Pair { key, value, indexes: old, ..Pair::default() })
    };
    let changes = pairs.restore(9, &[pair("same", "v"), pair("other", "w"), pair("new", "n")]).expect("room");
    let mut keys: Vec<&str> = changes.iter().map(|it: &PairChange| it.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["gone", "new", "other"]);
    let indexes = |pairs: &PairState, key: &str| pairs.iter().find(|it| *it.key == *key).map(|it| it.indexes);
    assert_eq!(indexes(&pairs, "same"), Some(Indexes { create: 1, modify: 1 }));
    assert_eq!(indexes(&pairs, "other"), Some(Indexes { create: 2, modify: 9 }));
    assert_eq!(
        indexes(&pairs, "new"),
        Some(Indexes { create: 1, modify: 9 }),
        "no index was seen under it before"
    );
    changes.iter().for_each(|change| table.absorb(change));
    assert_eq!((table.index("new", 3), table.index_under("n", 3, None)), (9, 9), "no index goes back");
}

#[test]
fn deletions_are_remembered_within_bounds() {
    let mut pairs = PairState::new(usize::MAX);
    pairs.apply(1, &put("stays", "v", Condition::Always)).expect("there is room");
    let mut table = PairTable::of_all(&pairs, 1);
    let mut seen = 0;
    for at in 0..150_000_u64 {
        let (key, index) = (Text::from(format!("d/{at}").as_str()), 2 + at);
        table.absorb(&PairChange { key, index, before: None, after: None });
        let now = table.index("d/0", 0);
        assert!(now >= seen);
        seen = now;
    }
    assert_eq!(table.index("stays", 0), 1);
    assert_eq!(table.index_under("d/", 0, None), 150_001);
    assert!(table.index_under("s", 0, None) > 1, "what is forgotten may have been below it");
    // By their bytes, and not by their number: long keys are no way around it.
    for at in 0..10_000_u64 {
        let (key, index) = (Text::from(format!("{}/{at}", "k".repeat(4_000)).as_str()), 200_000 + at);
        table.absorb(&PairChange { key, index, before: None, after: None });
        assert!(table.deletions_bytes() <= 8 << 20);
    }
}
