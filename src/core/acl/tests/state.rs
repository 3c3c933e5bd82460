//! What writes do to the state, and what a token gives in it.

use std::sync::Arc;

use proptest::prelude::*;

use crate::base::stdx::text::Text;
use crate::core::acl::change::AclChange;
use crate::core::acl::parse::parse;
use crate::core::acl::resolve::Place;
use crate::core::acl::resource::{Access, DefaultPolicy, Resource};
use crate::core::acl::row::{self, Seal};
use crate::core::acl::state::AclState;
use crate::core::model::Indexes;
use crate::core::model::acl::grants::{Grants, NodeIdentity, ServiceIdentity};
use crate::core::model::acl::policy::{MANAGEMENT_ID, Policy};
use crate::core::model::acl::record::{AclKind, AclRecord};
use crate::core::model::acl::role::Role;
use crate::core::model::acl::token::{ANONYMOUS_ACCESSOR, Token, TokenSecret};
use crate::core::model::acl::write::{AclRefusal, AclWrite};

fn policy(id: &str, name: &str, rules: &str) -> AclRecord {
    let (id, name, rules) = (id.into(), name.into(), rules.into());
    AclRecord::Policy(Arc::new(Policy { id, name, rules, ..Policy::default() }))
}

fn role(id: &str, name: &str, policies: &[&str]) -> AclRecord {
    let grants =
        Grants { policies: policies.iter().map(|id| Text::from(*id)).collect(), ..Grants::default() };
    AclRecord::Role(Arc::new(Role { id: id.into(), name: name.into(), grants, ..Role::default() }))
}

fn token(accessor: &str, secret: &str, grants: Grants) -> Token {
    Token { accessor: accessor.into(), secret: TokenSecret::new(secret), grants, ..Token::default() }
}

fn of_token(token: Token) -> AclRecord {
    AclRecord::Token(Arc::new(token))
}

fn with_builtins() -> AclState {
    let mut state = AclState::new(1 << 20);
    for record in state.missing(7) {
        state.apply(1, 7, &AclWrite::Create(record)).expect("there is none yet");
    }
    assert!(state.missing(7).is_empty());
    state
}

fn refusal(state: &mut AclState, write: AclWrite) -> String {
    let before = format!("{state:?}");
    let refusal = state.apply(99, 99, &write).expect_err("it makes no sense").to_string();
    assert_eq!(format!("{state:?}"), before, "nothing has changed");
    refusal
}

#[test]
fn what_makes_no_sense_is_refused_in_consuls_words() {
    use AclWrite::{Create, Delete, Replace};
    let mut state = with_builtins();
    let one = token("a1", "s1", Grants::default());
    for record in [policy("p1", "One", ""), role("r1", "Ops", &["p1"]), of_token(one.clone())] {
        state.apply(2, 9, &Create(record)).expect("it is new");
    }
    let with = |token: &dyn Fn(&mut Token)| {
        let mut changed = one.clone();
        token(&mut changed);
        Replace(of_token(changed))
    };
    let linked = |policies: &[&str], roles: &[&str]| {
        let [policies, roles] = [policies, roles].map(|ids| ids.iter().map(|id| Text::from(*id)).collect());
        Create(of_token(token("a2", "s2", Grants { policies, roles, ..Grants::default() })))
    };
    let delete = |kind, id: &str| Delete { kind, id: id.into() };
    for (write, sentence) in [
        (Create(policy("p2", "oNE", "")), "Invalid Policy: A Policy with Name \"oNE\" already exists"),
        (Create(role("r2", "OPS", &[])), "Invalid Role: A Role with Name \"OPS\" already exists"),
        (Replace(policy("p3", "three", "")), "cannot find policy p3"),
        (Replace(role("r3", "three", &[])), "cannot find role r3"),
        (Replace(of_token(token("a3", "s3", Grants::default()))), "Cannot find token \"a3\""),
        (
            Replace(policy("p1", "GLOBAL-management", "")),
            "Invalid Policy: A policy with name \"GLOBAL-management\" already exists",
        ),
        (
            Replace(policy(MANAGEMENT_ID, "global-management", "acl = \"read\"")),
            "Changing the Rules for the builtin global-management policy is not permitted",
        ),
        (
            delete(AclKind::Policy, MANAGEMENT_ID),
            "Delete operation not permitted on the builtin global-management policy",
        ),
        (delete(AclKind::Token, ANONYMOUS_ACCESSOR), "Delete operation not permitted on the anonymous token"),
        (
            Create(of_token(token("a1", "s9", Grants::default()))),
            "Invalid Token: AccessorID is already in use",
        ),
        (
            Create(of_token(token("s1", "s9", Grants::default()))),
            "Invalid Token: AccessorID is already in use",
        ),
        (Create(of_token(token("a9", "s1", Grants::default()))), "Invalid Token: SecretID is already in use"),
        (Create(of_token(token("a9", "a1", Grants::default()))), "Invalid Token: SecretID is already in use"),
        (linked(&["p9"], &[]), "No such ACL policy with ID \"p9\""),
        (linked(&["p1"], &["r9"]), "No such ACL role with ID \"r9\""),
        (Create(role("r2", "two", &["p9"])), "No such policy with ID: p9"),
        (with(&|token| token.secret = TokenSecret::new("s2")), "Changing a tokens SecretID is not permitted"),
        (with(&|token| token.is_local = true), "cannot toggle local mode of a1"),
        (with(&|token| token.expires_ms = Some(1)), "Cannot change expiration time of a1"),
        (with(&|token| token.auth_method = "x".into()), "Cannot change AuthMethod of a1"),
    ] {
        assert_eq!(refusal(&mut state, write), sentence);
    }
}

#[test]
fn a_name_and_a_secret_are_free_again_when_what_had_them_is_gone() {
    let mut state = with_builtins();
    let grants = Grants::default;
    for (record, gone, again) in [
        (policy("p1", "One", ""), AclKind::Policy, policy("p2", "one", "")),
        (role("r1", "One", &[]), AclKind::Role, role("r2", "one", &[])),
        (of_token(token("a1", "s1", grants())), AclKind::Token, of_token(token("s1", "a1", grants()))),
    ] {
        let id = record.id();
        state.apply(2, 9, &AclWrite::Create(record)).expect("it is new");
        assert!(state.apply(3, 9, &AclWrite::Create(again.clone())).is_err());
        assert_eq!(
            state.apply(4, 9, &AclWrite::Delete { kind: gone, id: id.clone() }).map(|it| it.len()),
            Ok(1)
        );
        assert_eq!(state.apply(5, 9, &AclWrite::Delete { kind: gone, id }).map(|it| it.len()), Ok(0));
        state.apply(6, 9, &AclWrite::Create(again)).expect("nothing has its name or its secret");
    }
}

#[test]
fn the_first_token_is_given_out_once_and_again_to_whoever_names_the_time() {
    let mut state = with_builtins();
    let ask = |number: u64, reset_index| {
        let token = token(&format!("a{number}"), &format!("s{number}"), Grants::default());
        AclWrite::Bootstrap { token, reset_index }
    };
    assert_eq!(state.apply(5, 9, &ask(1, None)).map(|changes| changes.len()), Ok(2));
    assert_eq!(
        refusal(&mut state, ask(2, None)),
        "Permission denied: ACL bootstrap no longer allowed (reset index: 5)"
    );
    assert_eq!(
        refusal(&mut state, ask(2, Some(4))),
        "Invalid bootstrap reset index (specified 4, reset index: 5)"
    );
    assert_eq!(state.apply(8, 9, &ask(2, Some(5))).map(|changes| changes.len()), Ok(2));
    assert!(refusal(&mut state, ask(3, Some(5))).ends_with("(specified 5, reset index: 8)"));
    let there = |id: &str| state.get(AclKind::Token, &id.into()).is_some();
    assert!(there("a1") && there("a2") && !there("a3"), "the earlier token lives on");
}

#[test]
fn a_token_ends_at_its_time_and_not_before() {
    let mut state = with_builtins();
    let ends = Token { expires_ms: Some(1_000), ..token("a1", "s1", Grants::default()) };
    assert!(!ends.has_expired(999) && ends.has_expired(1_000));
    state.apply(2, 0, &AclWrite::Create(of_token(ends))).expect("it is new");
    let expire = AclWrite::Expire { accessor: "a1".into() };
    for (now_ms, changes) in [(999, 0), (1_000, 1), (1_001, 0)] {
        assert_eq!(state.apply(3, now_ms, &expire).map(|it| it.len()), Ok(changes), "at {now_ms}");
    }
    let anonymous = AclWrite::Expire { accessor: ANONYMOUS_ACCESSOR.into() };
    assert_eq!(state.apply(4, u64::MAX, &anonymous).map(|it| it.len()), Ok(0), "it never ends");
}

#[test]
fn records_take_what_they_may_and_no_more() {
    let record = policy("p1", "one", "operator = \"read\"");
    let write = AclWrite::Create(record.clone());
    assert!(AclState::new(record.weight()).apply(1, 0, &write).is_ok());
    let mut small = AclState::new(record.weight() - 1);
    let refused = small.apply(1, 0, &write).unwrap_err();
    assert_eq!(refused, AclRefusal::TooLarge { bytes_max: record.weight() - 1 });
    let beyond = AclState::restored(record.weight() - 1, [record]);
    assert!(beyond.excess().is_some_and(|sentence| sentence.contains("limits.acl_bytes_max")));
}

#[test]
fn a_token_gives_what_counts_here_and_what_is_still_there() {
    let mut state = with_builtins();
    let elsewhere = Policy {
        id: "p2".into(),
        name: "elsewhere".into(),
        rules: "operator = \"write\"".into(),
        datacenters: vec!["dc2".into()],
        ..Policy::default()
    };
    let grants = Grants {
        policies: vec!["p1".into(), "p2".into()],
        roles: vec!["r1".into()],
        services: vec![
            ServiceIdentity { service: "web".into(), datacenters: Vec::new() },
            ServiceIdentity { service: "db".into(), datacenters: vec!["dc2".into()] },
        ],
        nodes: vec![
            NodeIdentity { node: "n1".into(), datacenter: "dc1".into() },
            NodeIdentity { node: "n2".into(), datacenter: "dc2".into() },
        ],
    };
    let token = token("a1", "s1", grants);
    for record in [
        policy("p1", "keys", "key_prefix \"a/\" { policy = \"write\" }"),
        AclRecord::Policy(Arc::new(elsewhere)),
        policy("p3", "events", "event \"deploy\" { policy = \"write\" }"),
        role("r1", "ops", &["p3"]),
        of_token(token.clone()),
    ] {
        state.apply(2, 9, &AclWrite::Create(record)).expect("it is new");
    }
    let place = Place { datacenter: "dc1".into(), default_policy: DefaultPolicy::Deny };
    let resolve =
        |state: &AclState| place.resolve(state, &token, |policy| parse(&policy.rules).ok().map(Arc::new));
    let may = |state: &AclState| {
        [
            (Resource::Key, "a/b", Access::Write),
            (Resource::Operator, "", Access::Read),
            (Resource::Event, "deploy", Access::Write),
            (Resource::Service, "web", Access::Write),
            (Resource::Service, "web-sidecar-proxy", Access::Write),
            (Resource::Service, "db", Access::Write),
            (Resource::Node, "n1", Access::Write),
            (Resource::Node, "n2", Access::Write),
        ]
        .map(|(resource, name, access)| resolve(state).authorizer.decide(resource, name, access).is_allowed)
    };
    assert_eq!(may(&state), [true, false, true, true, true, false, true, false]);
    let sources = resolve(&state).sources;
    let expected = [
        "policy \"keys\"",
        "service identity \"web\"",
        "node identity \"n1\"",
        "policy \"events\" of role \"ops\"",
    ];
    assert_eq!(sources.iter().map(Text::as_str).collect::<Vec<_>>(), expected);
    for (kind, id) in [(AclKind::Policy, "p1"), (AclKind::Role, "r1")] {
        state.apply(3, 9, &AclWrite::Delete { kind, id: id.into() }).expect("it may be removed");
    }
    assert_eq!(may(&state), [false, false, false, true, true, false, true, false]);
}

/// Turns a secret around, and says whose it is.
struct Turned;

impl Seal for Turned {
    fn seal(&self, accessor: &str, secret: &str) -> String {
        format!("{accessor}:{}", secret.chars().rev().collect::<String>())
    }

    fn open(&self, accessor: &str, sealed: &str) -> Result<String, String> {
        let secret = sealed.strip_prefix(accessor).and_then(|rest| rest.strip_prefix(':'));
        secret.map(|secret| secret.chars().rev().collect()).ok_or_else(|| "it is another token's".to_owned())
    }

    fn key_id(&self) -> String {
        "turned".to_owned()
    }
}

fn all_kinds() -> Vec<AclRecord> {
    let indexes = Indexes { create: 3, modify: 5 };
    let grants = Grants {
        policies: vec!["p1".into()],
        roles: vec!["r1".into()],
        services: vec![ServiceIdentity { service: "web".into(), datacenters: vec!["dc1".into()] }],
        nodes: vec![NodeIdentity { node: "n1".into(), datacenter: "dc1".into() }],
    };
    let full = Token {
        description: "said".into(),
        is_local: true,
        auth_method: "jwt".into(),
        expires_ms: Some(9),
        created_ms: 8,
        ..token("a1", "secret-one", grants.clone())
    };
    let named = Policy {
        description: "said".into(),
        datacenters: vec!["dc1".into()],
        ..Policy { id: "p1".into(), name: "One".into(), rules: "acl = \"read\"".into(), ..Policy::default() }
    };
    let ops = Role { id: "r1".into(), name: "Ops".into(), description: "said".into(), grants, indexes };
    let records = [
        AclRecord::Policy(Arc::new(named)),
        policy("p2", "two", ""),
        AclRecord::Role(Arc::new(ops)),
        role("r2", "two", &[]),
        of_token(full),
        of_token(token("a2", "secret-two", Grants::default())),
        AclRecord::Bootstrap(indexes),
    ];
    records.iter().map(|record| record.at(indexes)).collect()
}

#[test]
fn rows_come_back_as_they_were_and_show_no_secret() {
    for record in all_kinds() {
        let key = row::key(record.kind(), &record.id());
        let value = row::encode(&record, &Turned);
        assert!(!String::from_utf8_lossy(&value).contains("secret-"), "{key}");
        assert!(!format!("{record:?}").contains("secret-"), "{key}");
        assert_eq!(row::decode(&key, &value, &Turned), Ok(record), "{key}");
    }
}

#[test]
fn rows_that_nobody_wrote_are_refused() {
    let token = of_token(token("a1", "s1", Grants::default()));
    let value = String::from_utf8(row::encode(&token, &Turned)).expect("it is JSON");
    for (key, value, says) in [
        ("token/a2", value.clone(), "another token's"),
        ("token/", value.clone(), "its id is missing"),
        ("bootstrap/x", r#"{"create":1,"modify":1}"#.to_owned(), "one too much"),
        ("tokens/a1", value.clone(), "no kind of record"),
        ("token", value.clone(), "no kind of record"),
        ("policy/p1", r#"{"name":"a","rules":"","create":2,"modify":1}"#.to_owned(), "changed before"),
        ("policy/p1", r#"{"name":"a","rules":"","create":1,"modify":1,"more":1}"#.to_owned(), "more"),
        ("policy/p1", "[]".to_owned(), "row \"policy/p1\""),
    ] {
        let error = row::decode(key, value.as_bytes(), &Turned).expect_err("it is refused");
        assert!(error.contains(says), "{key}: {error}");
    }
}

#[test]
fn what_cannot_be_told_apart_is_not_restored() {
    let mut state = with_builtins();
    let same_secret = [("a1", "s1"), ("a2", "s1")].map(|(a, s)| of_token(token(a, s, Grants::default())));
    let same_name = [policy("p1", "one", ""), policy("p2", "ONE", "")];
    let before = format!("{state:?}");
    for wanted in [same_secret, same_name] {
        assert!(matches!(state.restore(9, &wanted), Err(AclRefusal::Unfit(_))));
        assert_eq!(format!("{state:?}"), before);
    }
}

#[test]
fn a_restoration_may_give_the_name_of_one_to_another() {
    let mut state = with_builtins();
    let records = |names: [&str; 2], secrets: [&str; 2]| {
        let policies = [policy("p1", names[0], ""), policy("p2", names[1], "")];
        let tokens = [("a1", secrets[0]), ("a2", secrets[1])];
        let tokens = tokens.map(|(accessor, secret)| of_token(token(accessor, secret, Grants::default())));
        [policies, tokens].concat()
    };
    let found = |state: &AclState| {
        let names = ["one", "two"].map(|name| state.by_name(AclKind::Policy, name).map(AclRecord::id));
        let secrets = ["s1", "s2"].map(|it| state.token(&TokenSecret::new(it)).map(|it| it.accessor.clone()));
        [names, secrets].concat().into_iter().flatten().map(|id| id.to_string()).collect::<Vec<_>>()
    };
    state.restore(9, &records(["one", "two"], ["s1", "s2"])).expect("they are told apart");
    let changes = state.restore(10, &records(["two", "one"], ["s2", "s1"])).expect("they are told apart");
    assert_eq!(found(&state), ["p2", "p1", "a2", "a1"]);
    state.undo(&changes);
    assert_eq!(found(&state), ["p1", "p2", "a1", "a2"]);
}

#[test]
fn a_restoration_leaves_what_is_always_there() {
    let mut state = with_builtins();
    let before = state.iter().count();
    state.restore(9, &[policy("p1", "one", "")]).expect("it is told apart");
    assert_eq!(state.iter().count(), before + 1);
    let refused = state.restore(10, &[policy("p1", "Global-Management", "")]);
    assert!(matches!(refused, Err(AclRefusal::Unfit(_))), "{refused:?}");
}

/// A write among few names, so that they meet.
fn any_write() -> impl Strategy<Value = AclWrite> {
    let id = |prefix: &'static str| (0..4_u8).prop_map(move |number| format!("{prefix}{number}"));
    let ids = |prefix: &'static str| {
        let id = (0..4_u8).prop_map(move |number| Text::from(format!("{prefix}{number}")));
        proptest::collection::vec(id, 0..2)
    };
    let of_policy = (id("p"), id("n")).prop_map(|(id, name)| policy(&id, &name, ""));
    let of_role = (id("r"), id("N"), ids("p")).prop_map(|(id, name, policies)| {
        role(&id, &name, &policies.iter().map(Text::as_str).collect::<Vec<_>>())
    });
    let any_token =
        (id("a"), id("s"), ids("p"), ids("r"), 0..3_u64).prop_map(|(a, s, policies, roles, ends)| {
            let grants = Grants { policies, roles, ..Grants::default() };
            Token { expires_ms: (ends > 0).then_some(ends), ..token(&a, &s, grants) }
        });
    let record = prop_oneof![of_policy, of_role, any_token.clone().prop_map(of_token)];
    prop_oneof![
        4 => record.clone().prop_map(AclWrite::Create),
        2 => record.clone().prop_map(AclWrite::Replace),
        2 => record.prop_map(|record| AclWrite::Delete { kind: record.kind(), id: record.id() }),
        1 => id("a").prop_map(|accessor| AclWrite::Expire { accessor: accessor.into() }),
        1 => (any_token, proptest::option::of(1..40_u64))
            .prop_map(|(token, reset_index)| AclWrite::Bootstrap { token, reset_index }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Changes lead from one state to the other and back, and a state is what its records make it.
    #[test]
    fn changes_say_all_that_happened(writes in proptest::collection::vec(any_write(), 0..40)) {
        let faces = |state: &AclState| state.iter().cloned().collect::<Vec<_>>();
        let (mut state, mut shown) = (with_builtins(), AclState::restored(1 << 20, faces(&with_builtins())));
        for (write, index) in writes.iter().zip(2..) {
            let before = faces(&state);
            let Ok(changes) = state.apply(index, index / 10, write) else {
                prop_assert_eq!(faces(&state), before);
                continue;
            };
            let after = faces(&state);
            state.undo(&changes);
            prop_assert_eq!(&faces(&state), &before);
            let again: Vec<AclChange> = state.apply(index, index / 10, write).expect("as before");
            prop_assert_eq!(&faces(&state), &after);
            again.iter().for_each(|change| shown.absorb(change));
            prop_assert_eq!(&faces(&shown), &after);
        }
        let remade = AclState::restored(1 << 20, faces(&state));
        prop_assert_eq!(remade.bytes(), state.bytes());
        for record in state.iter() {
            if let AclRecord::Token(token) = record {
                prop_assert_eq!(state.token(&token.secret), Some(token));
                prop_assert_eq!(remade.token(&token.secret), Some(token));
            }
            prop_assert!(record.indexes().create <= record.indexes().modify);
        }
        let mut other = with_builtins();
        let changes = other.restore(100, &faces(&state)).expect("it is small");
        prop_assert_eq!(other.iter().count(), state.iter().count());
        other.undo(&changes);
        prop_assert_eq!(faces(&other), faces(&with_builtins()));
        prop_assert!(state.restore(200, &faces(&remade)).is_ok_and(|changes| changes.is_empty()));
    }
}
