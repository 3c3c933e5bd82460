//! Pictures and restorations over a store in memory: what changes, who is woken, what a restart finds.

use std::collections::BTreeSet;
use std::io::Cursor;

use crate::base::sys::budget::{Budget, Purpose};
use crate::core::catalog::state as catalog;
use crate::core::catalog::topic::Topic;
use crate::core::kernel::state::Bounds;
use crate::core::model::{Command, Observation, Origin, Status};
use crate::node::registry::Registry;
use crate::node::registry::error::WriteError;
use crate::node::registry::exclusive::Restored;
use crate::node::registry::history::Of;
use crate::node::registry::snapshot::decoded::Reason;
use crate::node::registry::snapshot::decoded::{self, RestoreError};
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::node::registry::tests::{Shared, health_of, open, open_as, register, shared, ttl_check};

fn saved(registry: &Registry) -> Vec<u8> {
    let view = registry.queue().snapshot().unwrap();
    let header = view.header(registry.own_node(), jiff::Timestamp::UNIX_EPOCH);
    let mut bytes = Vec::new();
    view.write(&header, &mut bytes).unwrap();
    bytes
}

fn understood(registry: &Registry, bytes: &[u8]) -> Result<decoded::RestorePlan, RestoreError> {
    decoded::understand(Cursor::new(bytes), registry.own_node(), &RowRules::default())
}

fn restored(registry: &Registry, bytes: &[u8], is_dry_run: bool) -> Result<Restored, WriteError> {
    let understood = understood(registry, bytes).unwrap();
    registry.queue().restore(
        understood.restoration,
        understood.history,
        is_dry_run,
        crate::core::model::Caller::own("test"),
    )
}

fn services(registry: &Registry) -> BTreeSet<String> {
    registry
        .views()
        .services(|entry| Some(entry.instances().count()))
        .into_iter()
        .map(|it| it.0.to_string())
        .collect()
}

fn named(name: &str) -> Command {
    match register(name, None) {
        Command::Register(mut registration) => {
            registration.service.as_mut().unwrap().name = name.into();
            Command::Register(registration)
        }
        _ => unreachable!(),
    }
}

fn deregister(id: &str) -> Command {
    Command::DeregisterService { node: "own".into(), service_id: id.into(), must_exist: false }
}

/// Everything that a snapshot holds but the moment it was taken at.
fn rows(bytes: &[u8]) -> Vec<String> {
    let lines = String::from_utf8(bytes.to_vec()).unwrap();
    let rows = lines.lines().filter(|line| line.starts_with("{\"table\"") && !line.contains("serfHealth"));
    rows.map(|line| line.replace(",\"restored\":true", "")).collect()
}

#[test]
fn what_is_restored_is_what_was_saved() {
    let (store, elsewhere) = (shared(), shared());
    let registry = open(&store);
    registry.write(register("a", Some(ttl_check("a")))).unwrap();
    registry.write(named("db")).unwrap();
    let passing = Observation { status: Status::Passing, output: "fine".into() };
    registry.report(&"service:a".into(), passing).unwrap();
    let bytes = saved(&registry);

    let other = open(&elsewhere);
    restored(&other, &bytes, false).unwrap();
    assert_eq!(health_of(&other), [Status::Passing]);
    assert_eq!(rows(&saved(&other))[3..], rows(&bytes)[3..], "records, indexes and history alike");
    drop(other);
    assert_eq!(health_of(&open(&elsewhere)), [Status::Passing], "and after a restart");
}

#[test]
fn only_what_differs_changes_and_wakes() {
    let registry = open(&shared());
    for name in ["same", "gone", "other"] {
        registry.write(named(name)).unwrap();
    }
    let bytes = saved(&registry);
    registry.write(deregister("gone")).unwrap();
    registry.write(named("new")).unwrap();
    registry.write(register("other", None)).unwrap();
    let topics = ["same", "gone", "other", "new"].map(|name| Topic::Service(name.into()));
    let index = |topic: &Topic| registry.topics().index(topic);
    let before = topics.each_ref().map(index);

    let rehearsed = restored(&registry, &bytes, true).unwrap();
    assert_eq!(topics.each_ref().map(index), before, "a rehearsal moves nothing");
    assert!(services(&registry).contains("new"));
    let done = restored(&registry, &bytes, false).unwrap();
    assert_eq!(done.changes.len(), rehearsed.changes.len());
    assert_eq!(done.index, rehearsed.index + 1);
    let after = topics.each_ref().map(index);
    assert_eq!(after[0], before[0], "nobody who watches the same is woken");
    assert_eq!(after[1..], [done.index; 3]);
    let expected = ["consul", "gone", "other", "same"].map(str::to_owned);
    assert_eq!(services(&registry), BTreeSet::from(expected));

    let again = restored(&registry, &bytes, false).unwrap();
    assert_eq!((again.index, again.changes.len()), (done.index, 0), "there is nothing left to do");
}

#[test]
fn the_index_goes_on_from_the_higher_one() {
    let busy = open(&shared());
    for round in 0..50 {
        busy.write(register("a", None)).unwrap();
        busy.write(deregister("a")).unwrap();
        assert!(busy.topics().index(&Topic::Services) > round);
    }
    let bytes = saved(&busy);
    let last = busy.topics().index(&Topic::Services);
    let store = shared();
    let young = open(&store);
    let done = restored(&young, &bytes, false).unwrap();
    assert_eq!(done.index, last + 1, "past what clients of the other have seen");
    assert_eq!(young.topics().index(&Topic::Service("nobody".into())), done.index);
    let written = young.write(register("b", None)).unwrap();
    assert_eq!(written.index, done.index + 1);
    drop(young);
    assert!(open(&store).topics().index(&Topic::Services) > done.index, "and after a restart");
}

#[test]
fn an_index_is_never_seen_before_what_it_stands_for() {
    let (busy, young) = (open(&shared()), open(&shared()));
    for number in 0..1_000 {
        busy.write(register(&format!("web-{number}"), None)).unwrap();
    }
    let bytes = saved(&busy);
    let nobody_moved = young.topics().index(&Topic::Services);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            loop {
                let index = young.topics().index(&Topic::Service("web".into()));
                let stands_at = young.views().complete();
                assert!(index <= stands_at, "the index is {index}, and what is shown is of {stands_at}");
                if index > nobody_moved {
                    return;
                }
            }
        });
        let done = restored(&young, &bytes, false).unwrap();
        assert!(done.index > nobody_moved + 1, "every topic is lifted");
        reader.join().unwrap();
    });
}

#[test]
fn what_was_on_the_agent_comes_to_the_agent() {
    let bytes = {
        let registry = open_as(&shared(), "First");
        registry.write(Command::clone(&on("first", register("a", Some(ttl_check("a")))))).unwrap();
        saved(&registry)
    };
    let second = open_as(&shared(), "Second");
    restored(&second, &bytes, false).unwrap();
    let found = second.views().instances(&"web".into());
    assert_eq!((found.len(), &*found[0].node.name, found[0].service.origin), (1, "Second", Origin::Agent));
    assert_eq!(second.views().nodes().len(), 1, "there is no node of the first agent");
}

fn on(node: &str, command: Command) -> Command {
    match command {
        Command::Register(mut registration) => {
            registration.node = crate::core::model::NodePart::Existing { name: node.into() };
            Command::Register(registration)
        }
        other => other,
    }
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let registry = open(&shared());
    registry.write(register("a", Some(ttl_check("a")))).unwrap();
    let text = String::from_utf8(saved(&registry)).unwrap();
    let sealed = |lines: &str| crate::node::registry::snapshot::tests::sealed(lines);
    let own_id = "40e4a748-2192-161a-0510-9bf59fe950b5";
    let stranger = r#"{"table":"nodes","key":"x","value":{"name":"x","address":"","indexes":{"create":1,"modify":1},"id":"ID"}}"#;
    let rows: [(&str, String, &str); 5] = [
        ("no node", without(&text, "\"nodes\",\"key\":\"own\""), ""),
        (
            "the UUID of the agent",
            with_row(&text, &stranger.replace("ID", own_id)),
            "has the UUID of this agent",
        ),
        (
            "a key of another",
            text.replace("\"key\":\"own\\ta\"", "\"key\":\"own\\tb\""),
            "another than its record's",
        ),
        ("twice the same", doubled(&text, "\"key\":\"own\\ta\""), "out of order"),
        ("no record", text.replace("\"value\":{", "\"value\":{\"port\":70000,"), "line"),
    ];
    for (name, lines, expected) in rows {
        match understood(&registry, &sealed(&lines)) {
            Err(unfit) => {
                assert!(!expected.is_empty() && unfit.to_string().contains(expected), "{name}: {unfit}")
            }
            Ok(_) => assert_eq!(expected, "", "{name}"),
        }
    }
    let orphan = sealed(&without(&text, "\"table\":\"services\",\"key\":\"own\\ta\""));
    let refusal = understood(&registry, &orphan).err().unwrap().to_string();
    assert!(refusal.contains("line") && refusal.contains("its instance \"a\" is missing"), "{refusal}");
    assert_eq!(health_of(&registry).len(), 1);
}

/// The same rows as a snapshot whose counts and digest are right.
fn sealed(lines: &str) -> Vec<u8> {
    use crate::store::change::Table;
    use crate::store::snapshot::encode::Encoder;
    use crate::store::snapshot::format::SnapshotHeader;
    let mut lines = lines.lines();
    let mut header: SnapshotHeader = serde_json::from_str(lines.next().unwrap()).unwrap();
    let rows: Vec<serde_json::Value> = lines
        .filter(|line| line.starts_with("{\"table\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    header.rows.clear();
    for row in &rows {
        *header.rows.entry(row["table"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let mut bytes = Vec::new();
    let mut encoder = Encoder::begin(&header, &mut bytes);
    for row in rows {
        let name = row["table"].as_str().unwrap();
        let table = Table::ALL.into_iter().find(|table| table.name() == name).unwrap();
        encoder.row(table, row["key"].as_str().unwrap(), row["value"].to_string().as_bytes(), &mut bytes);
    }
    encoder.end(&mut bytes);
    bytes
}

fn without(text: &str, part: &str) -> String {
    text.lines().filter(|line| !line.contains(part)).map(|line| format!("{line}\n")).collect()
}

fn doubled(text: &str, part: &str) -> String {
    let twice =
        |line: &str| if line.contains(part) { format!("{line}\n{line}\n") } else { format!("{line}\n") };
    text.lines().map(twice).collect()
}

fn with_row(text: &str, row: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(2, row);
    lines.join("\n")
}

#[test]
fn a_store_that_is_full_leaves_everything_as_it_was() {
    let store: Shared = shared();
    let registry = open(&store);
    registry.write(named("old")).unwrap();
    let bytes = saved(&registry);
    registry.write(deregister("old")).unwrap();
    let index = registry.topics().index(&Topic::Services);
    *store.full.lock() = true;
    assert!(matches!(restored(&registry, &bytes, false), Err(WriteError::Full { .. })));
    assert!(!services(&registry).contains("old"));
    assert_eq!(registry.topics().index(&Topic::Services), index);
    *store.full.lock() = false;
    restored(&registry, &bytes, false).unwrap();
    assert!(services(&registry).contains("old"));
}

#[test]
fn transitions_that_a_restoration_makes_say_so() {
    let registry = open(&shared());
    registry.write(register("a", Some(ttl_check("a")))).unwrap();
    let bytes = saved(&registry);
    let passing = Observation { status: Status::Passing, output: "fine".into() };
    registry.report(&"service:a".into(), passing).unwrap();
    restored(&registry, &bytes, false).unwrap();
    let told = registry.history().newest(&Of::Check(&"own".into(), &"service:a".into()), 0, 1);
    assert_eq!((told[0].to, told[0].cause.as_str()), (Some(Status::Critical), "restore"));
}

/// Nothing of a snapshot is held that is not taken from the account, and nothing stays taken.
#[test]
fn what_is_restored_is_taken_from_the_account() {
    let registry = open(&shared());
    for number in 0..40 {
        registry.write(register(&format!("web-{number}"), None)).unwrap();
    }
    let bytes = saved(&registry);
    let rules = |bytes_max: usize| RowRules {
        account: Box::leak(Box::new(Budget::new(bytes_max))),
        ..RowRules::default()
    };
    let understand =
        |bytes: &[u8], rules: &RowRules| decoded::understand(Cursor::new(bytes), registry.own_node(), rules);
    let wide = rules(1 << 30);
    let understood = understand(&bytes, &wide).unwrap();
    let taken = understood.share.bytes();
    assert!(taken > 40 * 512 && taken == wide.account.held(Purpose::Restoring), "{taken}");
    drop(understood);
    assert_eq!(wide.account.held(Purpose::Restoring), 0);
    for (bytes_max, fits) in [(2 * taken, true), (2 * taken - 1, false)] {
        let rules = rules(bytes_max);
        let refused = understand(&bytes, &rules).map(drop).err();
        assert_eq!(refused.as_ref().map(|it| it.reason), (!fits).then_some(Reason::Memory));
        let told = refused.map(|it| it.to_string()).unwrap_or_default();
        assert!(
            fits || (told.contains("limits.transit_bytes_max") && told.contains("store restore")),
            "{told}"
        );
        assert_eq!(rules.account.held(Purpose::Restoring), 0);
    }
    let catalog = catalog::CatalogBounds { bytes_max: 10_000, ..catalog::CatalogBounds::default() };
    let bounds = Bounds { catalog, ..Bounds::default() };
    let refused = understand(&bytes, &RowRules { bounds, ..RowRules::default() }).map(drop).unwrap_err();
    assert_eq!(refused.reason, Reason::Room);
    assert!(refused.to_string().contains("limits.catalog_bytes_max"), "{refused}");
}
