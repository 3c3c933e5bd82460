//! Access control: what bodies give, as records keep it. Links go by ids or by names, which the state knows.

use std::collections::BTreeMap;

use crate::base::stdx::text::Text;
use crate::core::model::acl::{Grants, NodeIdentity, Policy, ServiceIdentity};
use crate::core::model::validate::{Violation, acl};
use crate::wire::body::acl::{NodeIdentityBody, PolicyBody, ServiceIdentityBody};
use crate::wire::decode::free_form::FreeForm;

/// A policy as a body has it. What its rules mean is not looked at.
///
/// # Errors
/// When it may not be called so.
pub fn policy(body: PolicyBody) -> Result<Policy, Violation> {
    acl::check_policy_name(&body.name)?;
    let PolicyBody { id, name, description, rules, datacenters } = body;
    Ok(Policy { id, name, description, rules, datacenters, ..Policy::default() })
}

/// What a token or a role (the word is `of`) gives, beside its links: identities in one order, each once. Of a service
/// that somebody may be everywhere and in some datacenters, the first counts.
///
/// # Errors
/// When nobody can have such an identity.
pub fn identities(
    services: Vec<ServiceIdentityBody>,
    nodes: Vec<NodeIdentityBody>,
    templated: &[FreeForm],
    of: &str,
    is_local: bool,
) -> Result<Grants, Violation> {
    if !templated.is_empty() {
        return Err(Violation::new(format!(
            "muster has no templated policies: give this {of} a ServiceIdentity, a NodeIdentity or a policy"
        )));
    }
    let mut by_name: BTreeMap<Text, Vec<Text>> = BTreeMap::new();
    for ServiceIdentityBody { service, datacenters } in services {
        match by_name.get_mut(&service) {
            None => drop(by_name.insert(service, datacenters)),
            Some(known) if known.is_empty() || datacenters.is_empty() => known.clear(),
            Some(known) => {
                known.extend(datacenters);
                known.sort_unstable();
                known.dedup();
            }
        }
    }
    let services = by_name.into_iter().map(|(service, datacenters)| ServiceIdentity { service, datacenters });
    let nodes =
        nodes.into_iter().map(|NodeIdentityBody { node, datacenter }| NodeIdentity { node, datacenter });
    let mut nodes: Vec<NodeIdentity> = nodes.collect();
    nodes.sort_unstable_by(|left, right| {
        (&left.node, &left.datacenter).cmp(&(&right.node, &right.datacenter))
    });
    nodes.dedup();
    let grants = Grants { services: services.collect(), nodes, ..Grants::default() };
    acl::check_grants(&grants, of, is_local)?;
    Ok(grants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::acl::Token;
    use crate::wire::body::acl::TokenBody;
    use crate::wire::decode::calendar_time::CalendarTime;
    use crate::wire::decode::from_bytes;
    use crate::wire::json;
    use crate::wire::show::{AclToken, LinkNames};

    /// The identities that a body gives, as `service@datacenters` and `node/datacenter`, or why it gives none.
    fn read(body: &str) -> Result<String, String> {
        let body: TokenBody = from_bytes(body.as_bytes()).map_err(|error| error.to_string())?;
        let grants = identities(body.services, body.nodes, &body.templated, "token", false);
        let Grants { services, nodes, .. } = grants.map_err(|violation| violation.to_string())?;
        let services = services.iter().map(|it| format!("{}@{}", it.service, it.datacenters.join(",")));
        let nodes = nodes.iter().map(|it| format!("{}/{}", it.node, it.datacenter));
        Ok(services.chain(nodes).collect::<Vec<_>>().join(" "))
    }

    /// Measured on Consul 1.8.7, what it refuses too.
    #[test]
    fn identities_are_kept_in_one_order_and_each_once() {
        let rows = [
            ("{}", Ok("")),
            (
                r#"{"ServiceIdentities":[{"ServiceName":"web","Datacenters":["dc2","dc1"]},{"servicename":"api"}]}"#,
                Ok("api@ web@dc2,dc1"),
            ),
            (
                r#"{"ServiceIdentities":[{"ServiceName":"a","Datacenters":["x"]},{"ServiceName":"a"},
                    {"ServiceName":"b","Datacenters":["x","y","x"]},{"ServiceName":"b","Datacenters":["z"]}]}"#,
                Ok("a@ b@x,y,z"),
            ),
            (
                r#"{"NodeIdentities":[{"NodeName":"b","Datacenter":"dc1"},{"NodeName":"a","Datacenter":"dc2"},
                    {"NodeName":"a","Datacenter":"dc1"},{"NodeName":"a","Datacenter":"dc1"}]}"#,
                Ok("a/dc1 a/dc2 b/dc1"),
            ),
            (
                r#"{"ServiceIdentities":[{"ServiceName":1}]}"#,
                Err("json: cannot unmarshal number into Go struct field \
                     ACLServiceIdentity.ServiceIdentities.ServiceName of type string"),
            ),
            (
                r#"{"TemplatedPolicies":[{"TemplateName":"builtin/service"}]}"#,
                Err(
                    "muster has no templated policies: give this token a ServiceIdentity, a NodeIdentity or a policy",
                ),
            ),
        ];
        for (body, expected) in rows {
            let read = read(body);
            assert_eq!(read.as_deref().map_err(String::as_str), expected, "{body}");
        }
    }

    /// What is wrong with the types of a body, and what of it is passed over.
    #[test]
    fn bodies_are_read_as_go_reads_them() {
        let rows = [
            ("", "EOF"),
            ("null", ""),
            ("{}", ""),
            (r#"{"Hash":"zz","Namespace":"default","AuthMethodNamespace":"x"}"#, ""),
            (r#"{"CreateTime":"0001-01-01T00:00:00Z","ExpirationTTL":true}"#, ""),
            (
                r#"{"Policies":[1]}"#,
                "json: cannot unmarshal number into Go struct field .Policies of type structs.ACLTokenPolicyLink",
            ),
            (r#"{"Local":"x"}"#, "json: cannot unmarshal string into Go struct field .Local of type bool"),
            (
                r#"{"SecretID":1}"#,
                "json: cannot unmarshal number into Go struct field .SecretID of type string",
            ),
            (r#"{"ExpirationTTL":"x"}"#, "time: invalid duration \"x\""),
            (r#"{"ExpirationTime":"x"}"#, r#"parsing time ""x"" as ""2006-01-02T15:04:05Z07:00"""#),
        ];
        for (body, expected) in rows {
            let told = from_bytes::<TokenBody>(body.as_bytes()).err().map(|error| error.to_string());
            assert_eq!(told.unwrap_or_default(), expected, "{body}");
        }
    }

    /// A token that was answered may be sent back as it is.
    #[test]
    fn what_is_shown_is_read_again() {
        let body = r#"{"AccessorID":"a","SecretID":"s","Description":"d","ServiceIdentities":[{"ServiceName":"web"}],
            "Local":true,"ExpirationTime":"2026-01-02T15:04:05.5Z"}"#;
        let body: TokenBody = from_bytes(body.as_bytes()).unwrap();
        let token = Token {
            accessor: body.accessor.clone(),
            secret: body.secret.clone(),
            description: body.description.clone(),
            grants: identities(body.services.clone(), body.nodes.clone(), &[], "token", false).unwrap(),
            is_local: body.is_local == Some(true),
            expires_ms: body.expires.0.map(|it| it as u64),
            ..Token::default()
        };
        let names = LinkNames::default();
        let shown = json::to_vec(&AclToken::full(&token, &names), false);
        let again: TokenBody = from_bytes(&shown).unwrap();
        let created = CalendarTime(Some(0));
        assert_eq!(again, TokenBody { created, ..body });
    }
}
