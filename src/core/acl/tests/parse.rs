//! Texts of rules, with what a real Consul made of them, and the bounds.

use crate::core::acl::parse::{
    INEFFECTIVE_MAX, RULES_BYTES_MAX, RULES_MAX, RulesError, SEGMENT_BYTES_MAX, parse,
};
use crate::core::acl::resource::{Disposition, Matching, Resource};
use crate::core::acl::rules::{AccessRule, Rules};
use crate::core::acl::tests::rules;

fn shown(rules: &Rules) -> Vec<String> {
    rules.rules.iter().map(ToString::to_string).collect()
}

#[test]
fn what_consul_takes_is_read() {
    let read = r#"key "a" { policy = "read" }"#;
    let rows: &[(&str, &[&str])] = &[
        ("", &[]),
        ("# a\n// b\n/* c */", &[]),
        (read, &[read]),
        (r#"key_prefix "" { policy = "list" }"#, &[r#"key_prefix "" { policy = "list" }"#]),
        (r#"KEY a { POLICY = "READ", }, "#, &[read]),
        (r#"Key_PREFIX "A" { policy = "Write" }"#, &[r#"key_prefix "A" { policy = "write" }"#]),
        (r#"key "a" { policy = "bogus" policy = "read" }"#, &[read]),
        (r#"key { a { policy = "read" } }"#, &[read]),
        (r#"key = { "a" = { policy = "read" } }"#, &[read]),
        (r#"key "\x61" { policy = "read" }"#, &[read]),
        (r#"key "${a}" { policy = "read" }"#, &[r#"key "\x24{a}" { policy = "read" }"#]),
        (
            r#"key "a" { policy = "read" }  key "a" { policy = "deny" }"#,
            &[read, r#"key "a" { policy = "deny" }"#],
        ),
        (
            r#"acl = "read" OPERATOR = "write", keyring = "deny""#,
            &[r#"acl = "read""#, r#"operator = "write""#, r#"keyring = "deny""#],
        ),
        // The last counts.
        (r#"acl = "write" acl = "read""#, &[r#"acl = "read""#]),
        (r#"acl = "bogus" acl = "read""#, &[r#"acl = "read""#]),
        (r#"acl = "read" acl = "READ""#, &[]),
        (r#"acl = "read" acl = """#, &[]),
        (r#"acl = "READ" operator = "Write""#, &[]),
        (
            r#"service "a" { policy = "read" intentions = "WRITE" }"#,
            &[r#"service "a" { policy = "read" }"#, r#"service "a" { intentions = "write" }"#],
        ),
        (
            r#"service_prefix "a" { policy = "deny" intentions = "" }"#,
            &[r#"service_prefix "a" { policy = "deny" }"#],
        ),
        (r#"key "a" { policy = "read" intentions = "bogus" sentinel { code = "x" } }"#, &[read]),
        (r#"mesh = "x" peering = 3 namespace "a" { policy = "bogus" } foo {} bar = [1, {a = true}]"#, &[]),
        (r#"sentinel = "x" intention "a" { policy = "read" } acl_prefix "" { policy = "bogus" }"#, &[]),
        (r#"agent { policy = "read" } agent_prefix {} key { policy = "deny" }"#, &[]),
        (
            r#"{"key":{"a":{"policy":"read"},"b":{"policy":"write"}},"acl":"read"}"#,
            &[read, r#"key "b" { policy = "write" }"#, r#"acl = "read""#],
        ),
        (
            r#" {"key":[{"a":{"policy":"read"}},{"b":{"policy":"deny"}}],}"#,
            &[read, r#"key "b" { policy = "deny" }"#],
        ),
        (r#"{"key":{"a":[{"policy":"read"},{"policy":"list"}]}}"#, &[read, r#"key "a" { policy = "list" }"#]),
        (
            r#"{"key":{"a":{"policy":"read"}},"key":{"${a":{"policy":"read"}}}"#,
            &[read, r#"key "\x24{a" { policy = "read" }"#],
        ),
        (r#"{"acl":null,"key":{}, "node":[]}"#, &[]),
        ("{", &[]),
        (r#"{"acl":"#, &[]),
        (r#"{"acl":"read","#, &[r#"acl = "read""#]),
        (r#"{"key":{"a":{"policy":"read""#, &[read]),
        (r#"{"key":{"a""#, &[]),
    ];
    for (text, expected) in rows {
        assert_eq!(shown(&rules(text)), *expected, "{text}");
    }
}

#[test]
fn what_has_no_effect_is_told() {
    let rows = [
        ("key \"a\" { policy = \"read\" }", vec![]),
        ("acl = \"read\"\nkye \"a\" { policy = \"read\" }", vec!["line 2 column 1"]),
        ("key \"a\" {\n policy = \"read\"\n polcy = \"write\" }", vec!["line 3 column 2"]),
        ("key {\n policy = \"read\" }\n acl = \"READ\"", vec!["line 2 column 2", "line 3 column 2"]),
    ];
    for (text, expected) in rows {
        let told: Vec<String> = rules(text).ineffective.iter().map(ToString::to_string).collect();
        assert_eq!(told, expected, "{text}");
    }
    assert_eq!(rules(&"a = 1\n".repeat(INEFFECTIVE_MAX)).ineffective.len(), INEFFECTIVE_MAX);
    assert_eq!(rules(&"a = 1\n".repeat(INEFFECTIVE_MAX + 1)).ineffective.len(), INEFFECTIVE_MAX);
}

#[test]
fn what_consul_refuses_is_refused_in_its_words() {
    let rows = [
        (r#"acl = "list""#, r#"Invalid acl policy: "list""#),
        ("acl = 1", r#"Invalid acl policy: "1""#),
        ("acl = <<E\nread\nE\n", r#"Invalid acl policy: "read\n""#),
        (r#"operator = "x""#, r#"Invalid operator policy: "x""#),
        (r#"keyring = "x""#, r#"Invalid keyring policy: "x""#),
        (r#"agent "a" { policy = "x" }"#, r#"Invalid agent policy: &acl.AgentRule{Node:"a", Policy:"x"}"#),
        (r#"agent_prefix "a" {}"#, r#"Invalid agent_prefix policy: &acl.AgentRule{Node:"a", Policy:""}"#),
        (r#"event "a" { policy = "x" }"#, r#"Invalid event policy: &acl.EventRule{Event:"a", Policy:"x"}"#),
        (
            r#"key "a\"" { policy = 1 }"#,
            r#"Invalid key policy: &acl.KeyRule{Prefix:"a\"", Policy:"1", EnterpriseRule:acl.EnterpriseRule{}}"#,
        ),
        (
            r#"key_prefix "a" "b" { policy = "read" }"#,
            r#"Invalid key_prefix policy: &acl.KeyRule{Prefix:"a", Policy:"", EnterpriseRule:acl.EnterpriseRule{}}"#,
        ),
        (
            r#"{"key":{"a":"read"}}"#,
            r#"Invalid key policy: &acl.KeyRule{Prefix:"a", Policy:"", EnterpriseRule:acl.EnterpriseRule{}}"#,
        ),
        (
            r#"{"key":{"a":{"policy":"#,
            r#"Invalid key policy: &acl.KeyRule{Prefix:"a", Policy:"", EnterpriseRule:acl.EnterpriseRule{}}"#,
        ),
        (
            r#"key { policy = "bogus" }"#,
            r#"Invalid key policy: &acl.KeyRule{Prefix:"policy", Policy:"bogus", EnterpriseRule:acl.EnterpriseRule{}}"#,
        ),
        (
            r#"node "a" { policy = "list" }"#,
            r#"Invalid node policy: &acl.NodeRule{Name:"a", Policy:"list", EnterpriseRule:acl.EnterpriseRule{}}"#,
        ),
        (
            r#"query_prefix "a" { policy = "x" }"#,
            r#"Invalid query_prefix policy: &acl.PreparedQueryRule{Prefix:"a", Policy:"x"}"#,
        ),
        (
            r#"session "a" { policy = "x" }"#,
            r#"Invalid session policy: &acl.SessionRule{Node:"a", Policy:"x"}"#,
        ),
        (
            r#"service "a" { intentions = "read" }"#,
            "Invalid service policy: &acl.ServiceRule{Name:\"a\", Policy:\"\", Intentions:\"read\", \
             EnterpriseRule:acl.EnterpriseRule{}}",
        ),
        (
            r#"service_prefix "a" { policy = "read" intentions = "list" }"#,
            "Invalid service_prefix intentions policy: &acl.ServiceRule{Name:\"a\", Policy:\"read\", \
             Intentions:\"list\", EnterpriseRule:acl.EnterpriseRule{}}",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(parse(text).expect_err(text).to_string(), expected, "{text}");
    }
    let unreadable = [
        ("acl = true", "At 1:7: `acl` is no word"),
        ("acl {}", "At 1:5: `acl` is no word"),
        ("acl \"x\" {}", "At 1:9: `acl` is no word"),
        ("acl = [\"read\"]", "At 1:7: `acl` is no word"),
        ("acl = true\nacl = \"read\"", "At 1:7: `acl` is no word"),
        ("{\"acl\": true}", "At 1:9: `acl` is no word"),
        ("key \"a\" { policy = true }", "At 1:20: `policy` is no word"),
        ("key \"a\" {\n policy {} }", "At 2:9: `policy` is no word"),
        ("key = \"read\"", "At 1:7: `key` is no block"),
        ("{\"key\":null}", "At 1:8: `key` is no block"),
        ("key = [\"read\"]", "At 1:8: `key` is a list of"),
        ("key \"a\" = { policy = \"read\" }", "At 1:9: after `key`"),
        ("key \"a\" { policy = read }", "At 1:20: `read` is neither"),
        ("key \"a\" { policy = \"read\"", "At 1:26: a block has no `}`"),
        ("acl", "At 1:4: after `acl`"),
        ("}", "At 1:1: `}` closes nothing"),
        ("[]", "At 1:1: `[` cannot"),
        ("/* x", "At 1:1: this comment"),
        ("{\"acl\":\"rea", "At 1:8: a text has no closing quote"),
        ("{acl:\"read\"}", "At 1:2: `a` cannot begin a key"),
        ("{\"acl\":\"read\" \"operator\":\"read\"}", "At 1:15: a block has no `}`"),
    ];
    for (text, expected) in unreadable {
        let said = parse(text).expect_err(text).to_string();
        assert!(said.starts_with(&format!("Failed to parse ACL rules: {expected}")), "{text}: {said}");
    }
}

#[test]
fn texts_have_bounds() {
    let padded = |bytes: usize| format!("acl = \"read\" #{}", "x".repeat(bytes - "acl = \"read\" #".len()));
    assert_eq!(rules(&padded(RULES_BYTES_MAX)).rules.len(), 1);
    let bytes = RULES_BYTES_MAX + 1;
    assert_eq!(parse(&padded(bytes)), Err(RulesError::TooLong { bytes }));

    let many = |count: usize| "key a{policy=\"read\"}".repeat(count);
    assert_eq!(rules(&many(RULES_MAX)).rules.len(), RULES_MAX);
    assert_eq!(parse(&many(RULES_MAX + 1)), Err(RulesError::TooManyRules));
    assert_eq!(parse(&format!("acl=\"read\" {}", many(RULES_MAX))), Err(RulesError::TooManyRules));

    let named = |bytes: usize| format!("key \"{}\" {{ policy = \"read\" }}", "x".repeat(bytes));
    assert_eq!(rules(&named(SEGMENT_BYTES_MAX)).rules.len(), 1);
    let said = parse(&named(SEGMENT_BYTES_MAX + 1)).expect_err("too long a name").to_string();
    assert!(said.starts_with("Failed to parse ACL rules: At 1:5: `xxx"), "{said}");
    assert!(said.ends_with("` is a name of more than 4096 bytes"), "{said}");

    let nested = |levels: usize| format!("{}{}", "a {".repeat(levels), "}".repeat(levels));
    assert!(rules(&nested(32)).rules.is_empty());
    let said = parse(&nested(33)).expect_err("too deep").to_string();
    assert!(said.ends_with("nested deeper than 32 levels"), "{said}");

    // What is quoted back is bounded too.
    let long = format!("acl = \"{}\"", "x".repeat(RULES_BYTES_MAX / 2));
    assert!(parse(&long).expect_err("no word").to_string().len() < 2000);
}

proptest::proptest! {
    #[test]
    fn a_rule_reads_as_it_is_written(
        segment in "[ -~é\n$\\{]{0,12}",
        resource in proptest::sample::select(Resource::ALL.to_vec()),
        disposition in proptest::sample::select(vec![Disposition::Deny, Disposition::Read, Disposition::Write]),
    ) {
        let rule = match resource {
            Resource::Intention => return Ok(()),
            _ if resource.is_sole() => AccessRule::of(resource, Matching::Sole, "", disposition),
            _ => AccessRule::of(resource, Matching::Prefix, &segment, disposition),
        };
        proptest::prop_assert_eq!(parse(&rule.to_string()), Ok(Rules::from(vec![rule])));
    }

    #[test]
    fn no_text_panics(text in "((key|acl|service|policy|intentions|a|\"|\\{|\\}|=|\\[|\\]|:|,| |read|1|\n)){0,40}") {
        let _ = parse(&text);
        let _ = parse(&format!("{{{text}"));
    }
}
