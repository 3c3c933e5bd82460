//! What identities and ready policies allow.

use crate::core::acl::authorizer::{Authorizer, Reach};
use crate::core::acl::identity;
use crate::core::acl::ready::{ADMIN, OPERATOR, READER, READY, service_owner};
use crate::core::acl::resource::Access::{self, Read, Write};
use crate::core::acl::resource::DefaultPolicy;
use crate::core::acl::resource::Resource::{
    self, Acl, Agent, Event, Intention, Key, Keyring, Node, Operator, Query,
};
use crate::core::acl::resource::Resource::{Service, Session};
use crate::core::acl::rules::Rules;
use crate::core::acl::tests::rules;

fn assert_allows(rules: &Rules, allowed: &[(Resource, &str, Access)], refused: &[(Resource, &str, Access)]) {
    let authorizer = Authorizer::of([rules], DefaultPolicy::Deny);
    for (asked, expected) in [(allowed, true), (refused, false)] {
        for (resource, name, access) in asked {
            let decision = authorizer.decide(*resource, name, *access);
            assert_eq!(decision.is_allowed, expected, "{resource:?} {name} {access:?}");
        }
    }
}

#[test]
fn identities_register_themselves_and_see_others() {
    assert_allows(
        &identity::service("web"),
        &[
            (Service, "web", Write),
            (Service, "web-sidecar-proxy", Write),
            (Service, "db", Read),
            (Intention, "db", Read),
            (Node, "n", Read),
        ],
        &[
            (Service, "web-2", Write),
            (Service, "we", Write),
            (Intention, "web", Write),
            (Node, "n", Write),
            (Agent, "n", Read),
            (Key, "web", Read),
        ],
    );
    assert_allows(
        &identity::node("n"),
        &[(Node, "n", Write), (Service, "db", Read)],
        &[(Node, "m", Read), (Service, "n", Write), (Agent, "n", Read)],
    );
}

#[test]
fn ready_policies_are_read_without_a_slip_and_named_once() {
    for ready in READY {
        assert_eq!(rules(ready.rules).ineffective, [], "{}", ready.name);
        assert_eq!(READY.iter().filter(|it| it.name == ready.name).count(), 1);
    }
    assert_eq!(rules(&service_owner("web")).ineffective, []);
}

#[test]
fn an_admin_may_everything_and_a_deny_takes_away() {
    let admin = rules(ADMIN.rules);
    let authorizer = Authorizer::of([&admin], DefaultPolicy::Deny);
    for resource in Resource::ALL {
        for access in Access::ALL {
            assert_eq!(authorizer.reach(resource, access), Reach::Everything, "{resource:?} {access:?}");
        }
    }
    assert!(authorizer.decide_key_tree("").is_allowed);
    let denied = Authorizer::of([&admin, &rules("key \"a\" { policy = \"deny\" }")], DefaultPolicy::Deny);
    assert!(!denied.decide(Key, "a", Read).is_allowed && !denied.decide_key_tree("").is_allowed);
}

#[test]
fn a_reader_changes_nothing_and_sees_no_secrets() {
    let reader = rules(READER.rules);
    assert_allows(
        &reader,
        &[
            (Agent, "n", Read),
            (Node, "n", Read),
            (Service, "s", Read),
            (Intention, "s", Read),
            (Operator, "", Read),
        ],
        &[(Acl, "", Read), (Key, "k", Read), (Keyring, "", Read)],
    );
    let authorizer = Authorizer::of([&reader], DefaultPolicy::Deny);
    Resource::ALL.iter().for_each(|it| assert_eq!(authorizer.reach(*it, Write), Reach::Nothing, "{it:?}"));
}

#[test]
fn an_operator_has_neither_keys_nor_access_control() {
    let allowed = [Agent, Event, Node, Operator, Keyring, Query, Service, Session].map(|it| (it, "x", Write));
    let refused = [(Acl, "", Read), (Key, "k", Read), (Intention, "s", Write)];
    assert_allows(&rules(OPERATOR.rules), &allowed, &refused);
}

#[test]
fn an_owner_of_services_has_what_begins_with_their_name() {
    assert_allows(
        &rules(&service_owner("web")),
        &[
            (Service, "web", Write),
            (Service, "web-2", Write),
            (Intention, "web", Write),
            (Key, "web/a", Write),
            (Query, "web", Write),
            (Service, "db", Read),
            (Node, "n", Read),
        ],
        &[(Service, "db", Write), (Key, "website", Read), (Key, "a", Read), (Node, "web", Write)],
    );
    let odd = "a\"b${c}$é\n";
    assert_allows(&rules(&service_owner(odd)), &[(Service, odd, Write)], &[(Service, "a", Write)]);
}
