//! What rules come to, beside a reckoning that goes over all of them.

use std::sync::Arc;

use proptest::prelude::*;

use crate::core::acl::authorizer::{AccessDecision, AppliedRule, Authorizer, Ground, Reach};
use crate::core::acl::resource::{Access, DefaultPolicy, Disposition, Matching, Resource};
use crate::core::acl::rights_numbers::RightsNumbers;
use crate::core::acl::rules::{AccessRule, Rules};
use crate::core::acl::tests::rules;

fn authorizer(texts: &[&str], default_policy: DefaultPolicy) -> Authorizer {
    let policies: Vec<Rules> = texts.iter().map(|text| rules(text)).collect();
    Authorizer::of(&policies, default_policy)
}

/// What is allowed of a name, see [`level`].
type Expected<'a> = (Resource, &'a str, char);

/// The most that is allowed of a name: `-`, `r`, `l`, or `w`.
fn level(authorizer: &Authorizer, resource: Resource, name: &str) -> char {
    let levels = [(Access::Write, 'w'), (Access::List, 'l'), (Access::Read, 'r')];
    let is_allowed = |access| authorizer.decide(resource, name, access).is_allowed;
    levels.into_iter().find(|(access, _)| is_allowed(*access)).map_or('-', |(_, letter)| letter)
}

#[test]
fn the_exact_rule_counts_and_else_the_longest_prefix() {
    use Resource::{Acl, Intention, Key, Keyring, Node, Operator, Service};
    let rows: &[(&[&str], &[Expected])] = &[
        (&[], &[(Key, "a", '-'), (Acl, "", '-')]),
        (
            &[r#"key "a" { policy = "write" } key_prefix "a" { policy = "read" }"#],
            &[(Key, "a", 'w'), (Key, "ab", 'r'), (Key, "", '-'), (Key, "A", '-'), (Node, "a", '-')],
        ),
        // In any order, and either way round.
        (
            &[r#"key_prefix "a/b/" { policy = "deny" } key_prefix "a/b/c" { policy = "list" }
                   key_prefix "" { policy = "read" } key_prefix "a/" { policy = "write" }
                   key "a/b/" { policy = "write" }"#],
            &[
                (Key, "a", 'r'),
                (Key, "a/", 'w'),
                (Key, "a/b", 'w'),
                (Key, "a/b/", 'w'),
                (Key, "a/b/b", '-'),
                (Key, "a/b/c", 'l'),
                (Key, "a/b/cc", 'l'),
                (Key, "a/b/d", '-'),
                (Key, "a/c", 'w'),
                (Key, "b", 'r'),
            ],
        ),
        // The same segment twice, in one text and in two.
        (&[r#"key "a" { policy = "write" } key "a" { policy = "deny" }"#], &[(Key, "a", '-')]),
        (&[r#"key "a" { policy = "deny" }"#, r#"key "a" { policy = "write" }"#], &[(Key, "a", '-')]),
        (&[r#"key "a" { policy = "read" }"#, r#"key "a" { policy = "list" }"#], &[(Key, "a", 'l')]),
        (&[r#"key "a" { policy = "write" }"#, r#"key "a" { policy = "list" }"#], &[(Key, "a", 'w')]),
        // Of what there is but one the last of a text counts, and across texts a deny.
        (&[r#"acl = "deny" acl = "read""#, r#"acl = "write""#], &[(Acl, "", 'w')]),
        (&[r#"operator = "write""#, r#"operator = "deny""#], &[(Operator, "", '-')]),
        (
            &[r#"acl = "write""#],
            &[(Acl, "any", 'w'), (Operator, "", '-'), (Keyring, "", '-'), (Key, "a", '-')],
        ),
        // Intentions follow from the service, but where a rule names them.
        (&[r#"service "a" { policy = "write" }"#], &[(Service, "a", 'w'), (Intention, "a", 'r')]),
        (&[r#"service_prefix "a" { policy = "read" }"#], &[(Service, "ab", 'r'), (Intention, "ab", 'r')]),
        (
            &[r#"service "a" { policy = "deny" intentions = "write" }"#],
            &[(Service, "a", '-'), (Intention, "a", 'w')],
        ),
        (
            &[r#"service_prefix "" { policy = "read" } service "a" { policy = "deny" }"#],
            &[(Service, "a", '-'), (Intention, "a", '-'), (Service, "b", 'r'), (Intention, "b", 'r')],
        ),
        (
            &[
                r#"service "a" { policy = "deny" }"#,
                r#"service "a" { policy = "write" intentions = "write" }"#,
            ],
            &[(Service, "a", '-'), (Intention, "a", 'w')],
        ),
        (
            &[
                r#"service "a" { policy = "read" intentions = "deny" }"#,
                r#"service "a" { policy = "write" }"#,
            ],
            &[(Service, "a", 'w'), (Intention, "a", '-')],
        ),
    ];
    for (texts, asked) in rows {
        let authorizer = authorizer(texts, DefaultPolicy::Deny);
        for (resource, name, expected) in *asked {
            assert_eq!(level(&authorizer, *resource, name), *expected, "{texts:?}: {resource:?} {name}");
        }
    }
}

#[test]
fn the_default_policy_counts_where_no_rule_speaks_but_gives_no_access_control() {
    let authorizer = authorizer(&[r#"key_prefix "a" { policy = "read" }"#], DefaultPolicy::Allow);
    for resource in Resource::ALL {
        let expected = if resource == Resource::Acl { '-' } else { 'w' };
        assert_eq!(level(&authorizer, resource, "b"), expected, "{resource:?}");
    }
    assert_eq!(level(&authorizer, Resource::Key, "a"), 'r');
    let ground = authorizer.decide(Resource::Acl, "", Access::Read).ground;
    assert_eq!(ground, Ground::Default(DefaultPolicy::Allow));
}

#[test]
fn a_decision_says_by_which_rule_of_which_policy() {
    let texts = [
        r#"key_prefix "a" { policy = "read" } acl = "read""#,
        r#"key_prefix "a" { policy = "write" } service "s" { policy = "write" }"#,
        r#"key_prefix "a" { policy = "write" } key "b" { policy = "deny" } acl = "read""#,
    ];
    let authorizer = authorizer(&texts, DefaultPolicy::Deny);
    let rows = [
        (Resource::Key, "ab", Access::Read, true, r#"1 key_prefix "a" { policy = "write" }"#),
        (Resource::Key, "b", Access::Write, false, r#"2 key "b" { policy = "deny" }"#),
        (Resource::Acl, "", Access::Read, true, r#"0 acl = "read""#),
        (Resource::Intention, "s", Access::Write, false, r#"1 service "s" { intentions = "read" }"#),
    ];
    for (resource, name, access, is_allowed, expected) in rows {
        let decision = authorizer.decide(resource, name, access);
        let Ground::Rule(rule) = decision.ground else { panic!("{expected}: {decision:?}") };
        assert_eq!(
            (decision.is_allowed, format!("{} {rule}", rule.policy)),
            (is_allowed, expected.to_owned())
        );
    }
    let key = authorizer.decide(Resource::Key, "ab", Access::List);
    let rule = AppliedRule {
        resource: Resource::Key,
        matching: Matching::Prefix,
        segment: "a",
        disposition: Disposition::Write,
        policy: 1,
    };
    assert_eq!(key, AccessDecision { is_allowed: true, ground: Ground::Rule(rule) });
}

#[test]
fn a_tree_of_keys_is_written_by_whoever_may_write_all_of_it() {
    let below = r#"key_prefix "a/" { policy = "write" }"#;
    let rows = [
        (below, "a/", true, below),
        (below, "a/b", true, below),
        (below, "a", false, "default"),
        (below, "", false, "default"),
        (r#"key_prefix "" { policy = "write" }"#, "", true, r#"key_prefix "" { policy = "write" }"#),
        // The rule for the prefix alone covers nothing below it.
        (r#"key "a/" { policy = "write" }"#, "a/", false, "default"),
        (
            r#"key_prefix "a/" { policy = "write" } key "a/b/c" { policy = "list" }"#,
            "a/b/",
            false,
            r#"key "a/b/c" { policy = "list" }"#,
        ),
        (r#"key_prefix "a/" { policy = "write" } key "a/b/c" { policy = "list" }"#, "a/c", true, below),
        (
            r#"key_prefix "a/" { policy = "write" } key_prefix "a/b" { policy = "deny" }"#,
            "a/bc",
            false,
            r#"key_prefix "a/b" { policy = "deny" }"#,
        ),
        (
            r#"key_prefix "a/" { policy = "read" } key_prefix "a/b" { policy = "write" }"#,
            "a/b",
            true,
            r#"key_prefix "a/b" { policy = "write" }"#,
        ),
        (
            r#"key_prefix "a/" { policy = "write" } key "a/" { policy = "read" }"#,
            "a/",
            false,
            r#"key "a/" { policy = "read" }"#,
        ),
    ];
    for (text, prefix, is_allowed, by) in rows {
        let authorizer = authorizer(&[text], DefaultPolicy::Deny);
        let decision = authorizer.decide_key_tree(prefix);
        let said = match decision.ground {
            Ground::Rule(rule) => rule.to_string(),
            Ground::Default(_) => "default".to_owned(),
        };
        assert_eq!((decision.is_allowed, said.as_str()), (is_allowed, by), "{text}: {prefix}");
    }
    let denied = r#"key "b" { policy = "deny" }"#;
    assert!(authorizer(&[denied], DefaultPolicy::Allow).decide_key_tree("a").is_allowed);
    assert!(!authorizer(&[denied], DefaultPolicy::Allow).decide_key_tree("").is_allowed);
}

#[test]
fn it_is_known_how_far_an_access_reaches() {
    use Reach::{Everything, Nothing, Part};
    let all = r#"service_prefix "" { policy = "read" }"#;
    let rows = [
        ("", DefaultPolicy::Deny, Nothing),
        ("", DefaultPolicy::Allow, Everything),
        (all, DefaultPolicy::Deny, Everything),
        (r#"service "" { policy = "read" }"#, DefaultPolicy::Deny, Part),
        (r#"service "a" { policy = "deny" }"#, DefaultPolicy::Deny, Nothing),
        (r#"service "a" { policy = "deny" }"#, DefaultPolicy::Allow, Part),
        (r#"service "a" { policy = "write" }"#, DefaultPolicy::Deny, Part),
        (r#"service_prefix "" { policy = "deny" }"#, DefaultPolicy::Allow, Nothing),
        (
            r#"service_prefix "" { policy = "read" } service "a" { policy = "deny" }"#,
            DefaultPolicy::Deny,
            Part,
        ),
        (
            r#"service_prefix "" { policy = "deny" } service "a" { policy = "read" }"#,
            DefaultPolicy::Allow,
            Part,
        ),
    ];
    for (text, default_policy, expected) in rows {
        let authorizer = authorizer(&[text], default_policy);
        assert_eq!(authorizer.reach(Resource::Service, Access::Read), expected, "{text} {default_policy:?}");
    }
    let authorizer = authorizer(&[all, r#"acl = "read""#], DefaultPolicy::Deny);
    assert_eq!(authorizer.reach(Resource::Service, Access::Write), Nothing);
    assert_eq!(authorizer.reach(Resource::Node, Access::Read), Nothing);
    assert_eq!(authorizer.reach(Resource::Acl, Access::Read), Everything);
}

#[test]
fn the_same_rights_have_one_number_and_others_another() {
    let of = |texts: &[&str], default_policy| Arc::new(authorizer(texts, default_policy));
    let (read, write) = (r#"key "a" { policy = "read" }"#, r#"key "b" { policy = "write" }"#);
    let same = [
        of(&[read, write], DefaultPolicy::Deny),
        of(&[write, read], DefaultPolicy::Deny),
        of(&["", &format!("{write} {read}"), read], DefaultPolicy::Deny),
    ];
    let others = [
        of(&[read], DefaultPolicy::Deny),
        of(&[read, write], DefaultPolicy::Allow),
        of(&[read, r#"key_prefix "b" { policy = "write" }"#], DefaultPolicy::Deny),
        of(&[read, r#"key "b" { policy = "list" }"#], DefaultPolicy::Deny),
        of(&[read, r#"node "b" { policy = "write" }"#], DefaultPolicy::Deny),
        of(&[], DefaultPolicy::Deny),
    ];
    let mut numbers = RightsNumbers::default();
    let first: Vec<u64> = same.iter().map(|it| numbers.number(it.clone()).1).collect();
    assert_eq!(first, [1, 1, 1]);
    let rest: Vec<u64> = others.iter().map(|it| numbers.number(it.clone()).1).collect();
    assert_eq!(rest, [2, 3, 4, 5, 6, 7]);
    assert_eq!(numbers.number(same[2].clone()).1, 1);
}

#[test]
fn rights_that_nobody_has_are_forgotten_and_their_numbers_used_no_more() {
    let of = |at: usize| {
        let rule = AccessRule::of(Resource::Key, Matching::Exact, &at.to_string(), Disposition::Read);
        Arc::new(Authorizer::of([&Rules::from(vec![rule])], DefaultPolicy::Deny))
    };
    let mut numbers = RightsNumbers::default();
    let kept = of(0);
    assert_eq!(numbers.number(kept.clone()).1, 1);
    for at in 1..1000 {
        assert_eq!(numbers.number(of(at)).1, at as u64 + 1);
        assert!(numbers.count() <= 64, "{}", numbers.count());
    }
    assert_eq!(numbers.number(kept.clone()).1, 1);
    assert_eq!(numbers.number(of(1)).1, 1001, "it was forgotten");
}

/// Goes over all rules for each question.
struct Naive(Vec<Rules>, DefaultPolicy);

impl Naive {
    /// What merged rules say of one segment.
    fn merged(&self, resource: Resource, matching: Matching, segment: &str) -> Option<Disposition> {
        let all = self.0.iter().flat_map(|it| &it.rules);
        let same =
            all.filter(|it| it.resource == resource && it.matching == matching && *it.segment == *segment);
        let said = same.map(|it| it.disposition).collect::<Vec<_>>();
        let strongest = [Disposition::Deny, Disposition::Write, Disposition::List, Disposition::Read];
        let said = strongest.into_iter().find(|it| said.contains(it));
        match said {
            None if resource == Resource::Intention => {
                let service = self.merged(Resource::Service, matching, segment)?;
                Some(if service == Disposition::Deny { Disposition::Deny } else { Disposition::Read })
            }
            said => said,
        }
    }

    fn segments(&self) -> Vec<&str> {
        self.0.iter().flat_map(|it| &it.rules).map(|it| it.segment.as_str()).collect()
    }

    fn covering(&self, resource: Resource, name: &str) -> Option<Disposition> {
        let prefixes = (0..=name.len()).rev().filter_map(|length| name.get(..length));
        prefixes.filter_map(|prefix| self.merged(resource, Matching::Prefix, prefix)).next()
    }

    fn allows(&self, resource: Resource, name: &str, access: Access) -> bool {
        let exact = self.merged(resource, Matching::Exact, name);
        let found = exact.or_else(|| self.covering(resource, name));
        found.map_or(self.1.allows(resource), |it| it.allows(access))
    }

    fn allows_tree(&self, prefix: &str) -> bool {
        let said = |segment: &str| {
            [Matching::Exact, Matching::Prefix].map(|matching| self.merged(Resource::Key, matching, segment))
        };
        let below = self.segments().into_iter().filter(|it| it.starts_with(prefix)).flat_map(said);
        let is_covered = self
            .covering(Resource::Key, prefix)
            .map_or(self.1 == DefaultPolicy::Allow, |it| it == Disposition::Write);
        is_covered && below.flatten().all(|it| it == Disposition::Write)
    }
}

fn policies() -> impl Strategy<Value = Vec<Rules>> {
    let resource = prop::sample::select(vec![Resource::Key, Resource::Service, Resource::Intention]);
    let matching = prop::sample::select(vec![Matching::Exact, Matching::Prefix]);
    let disposition = prop::sample::select(vec![
        Disposition::Deny,
        Disposition::Read,
        Disposition::List,
        Disposition::Write,
        Disposition::Write,
    ]);
    let rule = (resource, matching, "[aé/]{0,4}", disposition).prop_map(
        |(resource, matching, segment, disposition)| {
            AccessRule::of(resource, matching, &segment, disposition)
        },
    );
    let rules = prop::collection::vec(rule, 0..12).prop_map(Rules::from);
    prop::collection::vec(rules, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn it_decides_as_whoever_goes_over_all_rules(
        policies in policies(),
        is_open in any::<bool>(),
        names in prop::collection::vec("[aéb/]{0,6}", 1..12),
    ) {
        let default_policy = if is_open { DefaultPolicy::Allow } else { DefaultPolicy::Deny };
        let authorizer = Authorizer::of(&policies, default_policy);
        let naive = Naive(policies, default_policy);
        let names: Vec<&str> = names.iter().map(String::as_str).chain(naive.segments()).collect();
        for resource in [Resource::Key, Resource::Service, Resource::Intention] {
            for access in Access::ALL {
                let reach = authorizer.reach(resource, access);
                for name in &names {
                    let decision = authorizer.decide(resource, name, access);
                    prop_assert_eq!(decision.is_allowed, naive.allows(resource, name, access), "{:?} {}", access, name);
                    prop_assert!(reach != Reach::Nothing || !decision.is_allowed);
                    prop_assert!(reach != Reach::Everything || decision.is_allowed);
                    if let Ground::Rule(rule) = decision.ground {
                        let of_policy = &naive.0[rule.policy].rules;
                        // What follows from a service stems from its rule.
                        prop_assert!(of_policy.iter().any(|it| it.segment.as_str() == rule.segment
                            && it.matching == rule.matching
                            && (it.disposition == rule.disposition || resource == Resource::Intention)));
                    }
                }
            }
        }
        for name in &names {
            prop_assert_eq!(authorizer.decide_key_tree(name).is_allowed, naive.allows_tree(name), "{}", name);
        }
        let mut reversed = naive.0.clone();
        reversed.reverse();
        prop_assert_eq!(&Authorizer::of(&reversed, default_policy), &authorizer);
    }
}
