//! What policies, roles and tokens may be.

use std::time::Duration;

use crate::base::stdx::duration::GoDuration;
use crate::core::model::acl::{Grants, NodeIdentity, ServiceIdentity};
use crate::core::model::validate::Violation;

/// Bytes of the name of a policy.
pub const POLICY_NAME_BYTES_MAX: usize = 128;

/// Bytes of the names of roles, and of services and nodes that whoever has a token may be.
pub const NAME_BYTES_MAX: usize = 256;

/// Links and identities of one token or role. The rules of all of them are in what decides for it, and each is shown in
/// every list.
pub const GRANTS_MAX: usize = 1024;

/// The shortest and the longest time that a token may have before it.
const LIFETIMES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 60 * 60));

/// How the ids of what is always there begin.
const RESERVED: &str = "00000000-0000-0000-0000-0000000000";

/// What of names Consul's sentences go on with.
const LETTERS: &str = "Only alphanumeric characters, '-' and '_' are allowed";

/// Refuses the name of a policy.
pub fn check_policy_name(name: &str) -> Result<(), Violation> {
    check_name("Policy", name, POLICY_NAME_BYTES_MAX)
}

/// Refuses the name of a role.
pub fn check_role_name(name: &str) -> Result<(), Violation> {
    check_name("Role", name, NAME_BYTES_MAX)
}

fn check_name(kind: &str, name: &str, bytes_max: usize) -> Result<(), Violation> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() {
        return Err(Violation::new(format!("Invalid {kind}: no Name is set")));
    }
    if name.len() > bytes_max || !name.bytes().all(is_letter) {
        return Err(Violation::new(format!("Invalid {kind}: invalid Name. {LETTERS}")));
    }
    Ok(())
}

/// Refuses what a token or a role (the word is `of`) cannot give.
pub fn check_grants(grants: &Grants, of: &str, is_local: bool) -> Result<(), Violation> {
    let Grants { policies, roles, services, nodes } = grants;
    if policies.len() + roles.len() + services.len() + nodes.len() > GRANTS_MAX {
        return Err(Violation::new(format!(
            "more than {GRANTS_MAX} policies, roles and identities on this {of}: have one policy say what several do"
        )));
    }
    services.iter().try_for_each(|service| check_service(service, of, is_local))?;
    nodes.iter().try_for_each(|node| check_node(node, of))
}

fn check_service(identity: &ServiceIdentity, of: &str, is_local: bool) -> Result<(), Violation> {
    let ServiceIdentity { service, datacenters } = identity;
    if service.is_empty() {
        return Err(Violation::new(format!(
            "Service identity is missing the service name field on this {of}"
        )));
    }
    if is_local && !datacenters.is_empty() {
        return Err(Violation::new(format!(
            "Service identity \"{service}\" cannot specify a list of datacenters on a local {of}"
        )));
    }
    match is_identity(service) {
        true => Ok(()),
        false => {
            Err(Violation::new(format!("Service identity \"{service}\" has an invalid name. {LETTERS}")))
        }
    }
}

fn check_node(NodeIdentity { node, datacenter }: &NodeIdentity, of: &str) -> Result<(), Violation> {
    for (text, what) in [(node, "node name"), (datacenter, "datacenter")] {
        if text.is_empty() {
            return Err(Violation::new(format!("Node identity is missing the {what} field on this {of}")));
        }
    }
    match is_identity(node) {
        true => Ok(()),
        false => Err(Violation::new(format!("Node identity has an invalid name. {LETTERS}"))),
    }
}

/// Whether a service or a node of that name can be somebody's identity: it stands in rules.
fn is_identity(name: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let has_ends = bytes.first().is_some_and(is_end) && bytes.last().is_some_and(is_end);
    name.len() <= NAME_BYTES_MAX && has_ends && bytes.iter().all(|it| is_end(it) || matches!(it, b'-' | b'_'))
}

/// When a token that is made at `created_ms` of Unix time expires, of which a client may say how long it has or until
/// when.
///
/// # Errors
/// When it says both, or the time is too short or too long.
pub fn expiry(created_ms: u64, ttl: GoDuration, until_ms: Option<i64>) -> Result<Option<u64>, Violation> {
    let (shortest, longest) = LIFETIMES;
    let refused = |sentence: String| Err(Violation::new(sentence));
    if ttl.nanoseconds < 0 {
        return refused(format!("Token Expiration TTL '{ttl}' should be > 0"));
    }
    let lifetime = match (ttl.nanoseconds, until_ms) {
        (0, None) => return Ok(None),
        (0, Some(until_ms)) => {
            let lifetime_ms = i128::from(until_ms) - i128::from(created_ms);
            let nanoseconds = i64::try_from(lifetime_ms * 1_000_000);
            GoDuration { nanoseconds: nanoseconds.unwrap_or(if lifetime_ms < 0 { -1 } else { i64::MAX }) }
        }
        (_, None) => ttl,
        _ => return refused("Token Expiration TTL and Expiration Time cannot both be set".to_owned()),
    };
    let Some(span) = lifetime.to_std() else {
        return refused("ExpirationTime cannot be before CreateTime".to_owned());
    };
    for (is_wrong, than, bound) in [(span > longest, "more", longest), (span < shortest, "less", shortest)] {
        if is_wrong {
            let bound = GoDuration::from(bound);
            return refused(format!(
                "ExpirationTime cannot be {than} than {bound} in the future (was {lifetime})"
            ));
        }
    }
    Ok(Some(created_ms.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))))
}

/// Whether a text is a UUID as it is shown.
pub fn is_uuid(text: &str) -> bool {
    let is_part = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_part)
}

/// Whether only what is always there may have that id.
pub fn is_reserved(id: &str) -> bool {
    id.starts_with(RESERVED)
}

/// Refuses what cannot be the id of a `kind` (policy, role, token), in the words in which Consul's index does.
pub fn check_id(kind: &str, id: &str) -> Result<(), Violation> {
    let fault = match id.bytes().find(|byte| *byte != b'-' && !byte.is_ascii_hexdigit()) {
        _ if id.len() != 36 => "UUID must be 36 characters".to_owned(),
        Some(byte) => {
            format!("Invalid UUID: encoding/hex: invalid byte: U+{byte:04X} '{}'", char::from(byte))
        }
        None => return Ok(()),
    };
    Err(Violation::new(format!("failed acl {kind} lookup: index error: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T>(result: Result<T, Violation>) -> String {
        result.err().map(|it| it.to_string()).unwrap_or_default()
    }

    #[test]
    fn names_are_refused_in_consuls_words() {
        let invalid = "invalid Name. Only alphanumeric characters, '-' and '_' are allowed";
        for (name, expected) in [
            ("", "no Name is set"),
            ("a b", invalid),
            ("ä", invalid),
            ("a.b", invalid),
            ("Web_1-x", ""),
            (&"a".repeat(128), ""),
        ] {
            for (kind, told) in
                [("Policy", told(check_policy_name(name))), ("Role", told(check_role_name(name)))]
            {
                let expected =
                    if expected.is_empty() { String::new() } else { format!("Invalid {kind}: {expected}") };
                assert_eq!(told, expected, "{name}");
            }
        }
        assert!(check_policy_name(&"a".repeat(129)).is_err() && check_role_name(&"a".repeat(256)).is_ok());
        assert!(check_role_name(&"a".repeat(257)).is_err());
    }

    #[test]
    fn identities_are_refused_in_consuls_words() {
        let service = |name: &str, datacenters: &[&str]| Grants {
            services: vec![ServiceIdentity {
                service: name.into(),
                datacenters: datacenters.iter().map(|it| (*it).into()).collect(),
            }],
            ..Grants::default()
        };
        let node = |node: &str, datacenter: &str| Grants {
            nodes: vec![NodeIdentity { node: node.into(), datacenter: datacenter.into() }],
            ..Grants::default()
        };
        let letters = "has an invalid name. Only alphanumeric characters, '-' and '_' are allowed";
        let rows = [
            (service("a_b-c", &["dc1"]), String::new()),
            (service(&"a".repeat(256), &[]), String::new()),
            (service("", &[]), "Service identity is missing the service name field on this role".into()),
            (service("A", &[]), format!("Service identity \"A\" {letters}")),
            (service("-a", &[]), format!("Service identity \"-a\" {letters}")),
            (service("a_", &[]), format!("Service identity \"a_\" {letters}")),
            (node("n1", "dc 1"), String::new()),
            (node("", ""), "Node identity is missing the node name field on this role".into()),
            (node("n1", ""), "Node identity is missing the datacenter field on this role".into()),
            (node("n.1", "dc1"), format!("Node identity {letters}")),
        ];
        for (grants, expected) in rows {
            assert_eq!(told(check_grants(&grants, "role", false)), expected, "{grants:?}");
        }
        let local = check_grants(&service("a", &["dc1"]), "token", true);
        assert_eq!(
            told(local),
            "Service identity \"a\" cannot specify a list of datacenters on a local token"
        );
        let many = |count| Grants { policies: vec!["x".into(); count], ..Grants::default() };
        assert!(check_grants(&many(GRANTS_MAX), "token", false).is_ok());
        assert!(check_grants(&many(GRANTS_MAX + 1), "token", false).is_err());
    }

    #[test]
    fn a_token_lives_between_a_minute_and_a_day() {
        let now = 1_000_000_u64;
        let seconds = |count: i64| GoDuration { nanoseconds: count * 1_000_000_000 };
        let until = |count: i64| Some(1_000_000 + count * 1000);
        let rows = [
            (seconds(0), None, Ok(None)),
            (seconds(60), None, Ok(Some(1_060_000))),
            (seconds(0), until(86_400), Ok(Some(87_400_000))),
            (seconds(30), None, Err("ExpirationTime cannot be less than 1m0s in the future (was 30s)")),
            (
                seconds(90_000),
                None,
                Err("ExpirationTime cannot be more than 24h0m0s in the future (was 25h0m0s)"),
            ),
            (seconds(0), until(-1), Err("ExpirationTime cannot be before CreateTime")),
            (seconds(0), Some(i64::MIN), Err("ExpirationTime cannot be before CreateTime")),
            (seconds(-3600), None, Err("Token Expiration TTL '-1h0m0s' should be > 0")),
            (seconds(60), until(60), Err("Token Expiration TTL and Expiration Time cannot both be set")),
        ];
        for (ttl, until_ms, expected) in rows {
            let expiry = expiry(now, ttl, until_ms).map_err(|it| it.to_string());
            assert_eq!(expiry, expected.map_err(str::to_owned), "{ttl} {until_ms:?}");
        }
    }

    #[test]
    fn ids_are_refused_in_consuls_words() {
        let rows = [
            ("00000000-0000-0000-0000-0000000000aa", true, ""),
            ("F9F435EB-b3ca-a2c3-a9cb-f005748b4920", true, ""),
            ("0000000000-0000-0000-0000-00000000aa", false, ""),
            ("zz", false, "failed acl role lookup: index error: UUID must be 36 characters"),
            (
                "z9f435eb-b3ca-a2c3-a9cb-f005748b4920",
                false,
                "failed acl role lookup: index error: Invalid UUID: encoding/hex: invalid byte: U+007A 'z'",
            ),
        ];
        for (id, is_one, expected) in rows {
            assert_eq!((is_uuid(id), told(check_id("role", id))), (is_one, expected.to_owned()), "{id}");
        }
        assert!(is_reserved("00000000-0000-0000-0000-0000000000AB"));
        assert!(!is_reserved("00000000-0000-0000-0000-000000000aab"));
    }
}
