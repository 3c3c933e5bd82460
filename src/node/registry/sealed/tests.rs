//! Access control over restarts, snapshots and restorations, with secrets under keys that change.

use std::io::{Cursor, Write};
use std::sync::Arc;

use crate::core::acl::row::{Seal, SharedSeal};
use crate::core::catalog::topic::Topic;
use crate::core::model::acl::{
    ANONYMOUS_ACCESSOR, AclKind, AclRecord, AclWrite, Grants, MANAGEMENT_ID, Policy, Role, Token, TokenSecret,
};
use crate::core::model::{Caller, Command};
use crate::node::registry::Registry;
use crate::node::registry::snapshot::decoded::{self, RestoreError, RestorePlan};
use crate::node::registry::snapshot::offline;
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::node::registry::tests::{Shared, open, open_sealed, register, shared};
use crate::store::change::{Batch, RowChange, Table};
use crate::store::embedded::{EmbeddedStore, EngineLimits};
use crate::store::rows::Store;

const SECRET: &str = "the-secret";
const ACCESSOR: &str = "a0000000-0000-0000-0000-000000000001";

/// Seals with the first of its keys, and opens with each.
struct Keys(&'static [&'static str]);

impl Seal for Keys {
    fn seal(&self, accessor: &str, secret: &str) -> String {
        format!("{}:{accessor}:{}", self.0[0], secret.chars().rev().collect::<String>())
    }

    fn open(&self, accessor: &str, sealed: &str) -> Result<String, String> {
        let parts: Vec<&str> = sealed.splitn(3, ':').collect();
        match parts[..] {
            [key, of, secret] if self.0.contains(&key) && of == accessor => {
                Ok(secret.chars().rev().collect())
            }
            _ => Err("it was sealed with another key".to_owned()),
        }
    }

    fn key_id(&self) -> String {
        self.0[0].to_owned()
    }

    fn is_current(&self, sealed: &str) -> bool {
        sealed.starts_with(&format!("{}:", self.0[0]))
    }

    fn place(&self) -> String {
        "the drawer".to_owned()
    }
}

fn keys(ids: &'static [&'static str]) -> SharedSeal {
    Arc::new(Keys(ids))
}

fn on(store: &Shared, ids: &'static [&'static str]) -> Registry {
    open_sealed(store, true, keys(ids)).unwrap()
}

fn token() -> AclRecord {
    AclRecord::Token(Arc::new(Token {
        accessor: ACCESSOR.into(),
        secret: TokenSecret::new(SECRET),
        grants: Grants { policies: vec![MANAGEMENT_ID.into()], ..Grants::default() },
        ..Token::default()
    }))
}

fn write(registry: &Registry, write: AclWrite) -> u64 {
    registry.write(Command::WriteAcl(Box::new(write))).unwrap().index
}

fn create(registry: &Registry) {
    write(registry, AclWrite::Create(token()));
}

/// Whether callers with the secret are known.
fn knows_secret(registry: &Registry) -> bool {
    registry.access().read(|state| state.token(&TokenSecret::new(SECRET)).is_some())
}

fn count(registry: &Registry) -> usize {
    registry.access().read(|state| state.iter().count())
}

/// The rows of access control, as they are stored.
fn rows(store: &Shared) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut take = |table: Table, key: &str, value: &[u8]| {
        if table == Table::Acl {
            rows.push((key.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
        }
        Ok(())
    };
    store.clone().load(&mut take).unwrap();
    rows
}

fn saved(registry: &Registry, is_redacted: bool) -> (Vec<u8>, Option<String>) {
    let view = registry.queue().snapshot().unwrap();
    let view = if is_redacted { view.redacted() } else { view };
    let header = view.header(registry.own_node(), jiff::Timestamp::UNIX_EPOCH);
    let mut bytes = Vec::new();
    view.write(&header, &mut bytes).unwrap();
    (bytes, header.sealed_with)
}

fn understood(registry: &Registry, bytes: &[u8]) -> Result<RestorePlan, RestoreError> {
    let rules = RowRules { seal: registry.seal().clone(), ..RowRules::default() };
    decoded::understand(Cursor::new(bytes), registry.own_node(), &rules)
}

fn restore(registry: &Registry, bytes: &[u8]) {
    let RestorePlan { restoration, history, share: _share, .. } = understood(registry, bytes).unwrap();
    registry.queue().restore(restoration, history, false, Caller::own("test")).unwrap();
}

#[test]
fn what_is_always_there_comes_with_access_control_and_once() {
    let store = shared();
    drop(open(&store));
    assert_eq!(rows(&store), [], "without access control nothing is different");
    let registry = on(&store, &["k1"]);
    let found = registry.access().read(|state| {
        let find = |kind, id: &str| state.get(kind, &id.into()).map(AclRecord::indexes);
        [find(AclKind::Policy, MANAGEMENT_ID), find(AclKind::Token, ANONYMOUS_ACCESSOR)]
    });
    let index = registry.views().complete();
    assert!(
        found.iter().all(|it| it.is_some_and(|it| it.create == index && it.modify == index)),
        "{found:?}"
    );
    drop(registry);
    let written = rows(&store);
    assert_eq!(written.len(), 2);
    let again = on(&store, &["k1"]);
    assert_eq!((again.views().complete(), rows(&store)), (index, written));
}

#[test]
fn a_change_moves_the_lists_that_show_it() {
    let registry = on(&shared(), &["k1"]);
    let lists = || [Topic::Policies, Topic::Roles, Topic::Tokens].map(|it| registry.topics().index(&it));
    let (policy, role) = (Policy { id: "p".into(), ..Policy::default() }, Role::default());
    let writes = [
        (AclRecord::Policy(Arc::new(Policy { name: "p".into(), ..policy })), [true, true, true]),
        (AclRecord::Role(Arc::new(Role { id: "r".into(), name: "r".into(), ..role })), [false, true, true]),
        (token(), [false, false, true]),
    ];
    for (record, moves) in writes {
        let before = lists();
        let index = write(&registry, AclWrite::Create(record.clone()));
        let expected: [u64; 3] = std::array::from_fn(|at| if moves[at] { index } else { before[at] });
        assert_eq!(lists(), expected, "{record:?}");
    }
}

#[test]
fn a_start_without_the_key_is_refused_and_harms_nothing() {
    let store = shared();
    create(&on(&store, &["k1"]));
    let written = rows(&store);
    assert!(written.iter().all(|(_, row)| !row.contains(SECRET)), "{written:?}");
    let refusal = open_sealed(&store, true, keys(&["k2"])).map(drop).unwrap_err().to_string();
    for part in [r#"row "token/"#, "of the table acl", "another key", "the drawer"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    let off = open_sealed(&store, false, keys(&["k2"])).unwrap();
    off.write(register("s", None)).unwrap();
    assert_eq!(count(&off), 3);
    drop(off);
    assert_eq!(rows(&store), written, "nothing was touched");
    assert!(knows_secret(&on(&store, &["k1"])));
}

#[test]
fn a_start_seals_anew_what_an_older_key_has_sealed() {
    let store = shared();
    create(&on(&store, &["k1"]));
    let registry = on(&store, &["k2", "k1"]);
    let index = registry.views().complete();
    drop(registry);
    let registry = on(&store, &["k2"]);
    assert!(knows_secret(&registry));
    assert_eq!(registry.views().complete(), index, "it is no change");
}

#[test]
fn a_row_that_does_not_read_counts_only_with_access_control() {
    let store = shared();
    create(&on(&store, &["k1"]));
    let change = RowChange::put(Table::Acl, "role/r", r#"{"name":"r"}"#);
    let index = store.clone().load(&mut |_, _, _| Ok(())).unwrap().index;
    store.clone().commit(&Batch { index, changes: vec![change] }).unwrap();
    let written = rows(&store);
    let refusal = open_sealed(&store, true, keys(&["k1"])).map(drop).unwrap_err().to_string();
    assert!(refusal.contains(r#"row "role/r""#), "{refusal}");
    assert_eq!(count(&open_sealed(&store, false, keys(&["k1"])).unwrap()), 3);
    assert_eq!(rows(&store), written);
}

#[test]
fn a_snapshot_shows_no_secret_and_is_restored_where_its_key_is() {
    let registry = on(&shared(), &["k1"]);
    create(&registry);
    let (bytes, key) = saved(&registry, false);
    assert_eq!(key.as_deref(), Some("k1"));
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains(SECRET));

    let elsewhere = shared();
    let other = on(&elsewhere, &["k2", "k1"]);
    restore(&other, &bytes);
    assert!(knows_secret(&other));
    drop(other);
    assert!(knows_secret(&on(&elsewhere, &["k2"])), "it is sealed with the key that is there");

    let stranger = on(&shared(), &["k2"]);
    let refusal = understood(&stranger, &bytes).map(drop).unwrap_err().to_string();
    for part in ["acl \"token/", "does not open", "the key \"k1\"", "the drawer"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    let (bytes, key) = saved(&registry, true);
    assert_eq!(key, None);
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains("k1:"), "not even sealed");
    let refusal = understood(&registry, &bytes).map(drop).unwrap_err().to_string();
    assert!(refusal.contains("its secrets were left out"), "{refusal}");
}

#[test]
fn a_snapshot_that_says_nothing_of_access_control_leaves_it() {
    let (bytes, key) = saved(&open(&shared()), false);
    assert_eq!(key, None);
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains("acl"), "as it always was");
    let registry = on(&shared(), &["k1"]);
    create(&registry);
    restore(&registry, &bytes);
    assert!(knows_secret(&registry));
}

#[test]
fn without_access_control_secrets_are_restored_as_they_are_sealed() {
    let registry = on(&shared(), &["k1"]);
    create(&registry);
    let (bytes, _) = saved(&registry, false);
    let store = shared();
    let off = open_sealed(&store, false, keys(&["k2"])).unwrap();
    restore(&off, &bytes);
    let (_, key) = saved(&off, false);
    assert_eq!(key.as_deref(), Some(""), "it has no key, and says so");
    drop(off);
    assert!(knows_secret(&on(&store, &["k1"])));
}

#[test]
fn a_directory_that_is_made_of_a_snapshot_holds_its_rows() {
    let registry = on(&shared(), &["k1"]);
    create(&registry);
    let directory = tempfile::tempdir().unwrap();
    let (file, into) = (directory.path().join("s"), directory.path().join("data"));
    std::fs::File::create(&file).unwrap().write_all(&saved(&registry, false).0).unwrap();
    offline::make(&file, &into, &RowRules::default(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    let (mut store, mut sealed) = (
        EmbeddedStore::open(&into, jiff::Timestamp::UNIX_EPOCH, EngineLimits::default()).unwrap(),
        Vec::new(),
    );
    let mut take = |table: Table, _: &str, value: &[u8]| {
        sealed.extend((table == Table::Acl).then(|| String::from_utf8(value.to_vec()).unwrap()));
        Ok(())
    };
    store.load(&mut take).unwrap();
    assert_eq!(sealed.len(), 3);
    assert_eq!(
        sealed.iter().filter(|row| row.contains("\"k1:")).count(),
        2,
        "as they were sealed: {sealed:?}"
    );
}
