//! Policies, roles and tokens, as the API of access control shows them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::base::stdx::blake2b;
use crate::base::stdx::calendar::rfc3339_short;
use crate::base::stdx::text::Text;
use crate::core::model::acl::{Grants, NodeIdentity, Policy, Role, ServiceIdentity, Token};

/// What is shown where a secret would stand, to who may not see it.
const HIDDEN: &str = "<hidden>";

/// A policy with its rules.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AclPolicy<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    description: &'a str,
    rules: &'a str,
    #[serde(skip_serializing_if = "<[Text]>::is_empty")]
    datacenters: &'a [Text],
    hash: String,
    create_index: u64,
    modify_index: u64,
}

impl<'a> AclPolicy<'a> {
    /// The policy.
    pub fn new(policy: &'a Policy) -> Self {
        AclPolicy {
            id: &policy.id,
            name: &policy.name,
            description: &policy.description,
            rules: &policy.rules,
            datacenters: &policy.datacenters,
            hash: hash_of_policy(policy),
            create_index: policy.indexes.create,
            modify_index: policy.indexes.modify,
        }
    }
}

/// A policy in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AclPolicyListed<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    description: &'a str,
    /// `null` for everywhere.
    datacenters: Option<&'a [Text]>,
    hash: String,
    create_index: u64,
    modify_index: u64,
}

impl<'a> AclPolicyListed<'a> {
    /// The policy.
    pub fn new(policy: &'a Policy) -> Self {
        AclPolicyListed {
            id: &policy.id,
            name: &policy.name,
            description: &policy.description,
            datacenters: Some(&policy.datacenters[..]).filter(|it| !it.is_empty()),
            hash: hash_of_policy(policy),
            create_index: policy.indexes.create,
            modify_index: policy.indexes.modify,
        }
    }
}

/// The ids and the present names of what a token or a role links to; what is gone is not among them.
#[derive(Clone, Debug, Default)]
pub struct LinkNames {
    /// Of policies.
    pub policies: Vec<(Text, Text)>,
    /// Of roles.
    pub roles: Vec<(Text, Text)>,
}

/// A role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AclRole<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "no_links", serialize_with = "links")]
    policies: &'a [(Text, Text)],
    #[serde(skip_serializing_if = "no_services", serialize_with = "services")]
    service_identities: &'a [ServiceIdentity],
    #[serde(skip_serializing_if = "no_nodes", serialize_with = "nodes")]
    node_identities: &'a [NodeIdentity],
    hash: String,
    create_index: u64,
    modify_index: u64,
}

impl<'a> AclRole<'a> {
    /// The role with the names of its links.
    pub fn new(role: &'a Role, names: &'a LinkNames) -> Self {
        AclRole {
            id: &role.id,
            name: &role.name,
            description: &role.description,
            policies: &names.policies,
            service_identities: &role.grants.services,
            node_identities: &role.grants.nodes,
            hash: hash([&*role.name, &*role.description].into_iter().chain(said(&role.grants))),
            create_index: role.indexes.create,
            modify_index: role.indexes.modify,
        }
    }
}

/// A token.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AclToken<'a> {
    /// The secret once more, as the first token of all shows it.
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "AccessorID")]
    accessor: &'a str,
    #[serde(rename = "SecretID", skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    description: &'a str,
    #[serde(skip_serializing_if = "no_links", serialize_with = "links")]
    policies: &'a [(Text, Text)],
    #[serde(skip_serializing_if = "no_links", serialize_with = "links")]
    roles: &'a [(Text, Text)],
    #[serde(skip_serializing_if = "no_services", serialize_with = "services")]
    service_identities: &'a [ServiceIdentity],
    #[serde(skip_serializing_if = "no_nodes", serialize_with = "nodes")]
    node_identities: &'a [NodeIdentity],
    local: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    auth_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_time: Option<String>,
    create_time: String,
    hash: String,
    create_index: u64,
    modify_index: u64,
}

impl<'a> AclToken<'a> {
    /// The token in a list, which shows no secrets.
    pub fn listed(token: &'a Token, names: &'a LinkNames) -> Self {
        let place = if token.is_local { "local" } else { "global" };
        AclToken {
            id: None,
            accessor: &token.accessor,
            secret: None,
            description: &token.description,
            policies: &names.policies,
            roles: &names.roles,
            service_identities: &token.grants.services,
            node_identities: &token.grants.nodes,
            local: token.is_local,
            auth_method: &token.auth_method,
            expiration_time: token.expires_ms.map(rfc3339_short),
            create_time: rfc3339_short(token.created_ms),
            hash: hash([&*token.description, place].into_iter().chain(said(&token.grants))),
            create_index: token.indexes.create,
            modify_index: token.indexes.modify,
        }
    }

    /// The token for who may not see its secret.
    pub fn hidden(token: &'a Token, names: &'a LinkNames) -> Self {
        AclToken { secret: Some(HIDDEN), ..AclToken::listed(token, names) }
    }

    /// The token with its secret.
    pub fn full(token: &'a Token, names: &'a LinkNames) -> Self {
        AclToken { secret: Some(token.secret.reveal()), ..AclToken::listed(token, names) }
    }

    /// The first token of all.
    pub fn first(token: &'a Token, names: &'a LinkNames) -> Self {
        let secret: Option<&str> = Some(token.secret.reveal());
        AclToken { id: secret, secret, ..AclToken::listed(token, names) }
    }
}

fn hash_of_policy(policy: &Policy) -> String {
    let texts = [&*policy.name, &*policy.description, &*policy.rules];
    hash(texts.into_iter().chain(policy.datacenters.iter().map(|it| &**it)))
}

/// What grants say, in the order in which they are hashed.
fn said(grants: &Grants) -> impl Iterator<Item = &str> {
    let Grants { policies, roles, services, nodes } = grants;
    let services = services.iter().flat_map(|it| std::iter::once(&it.service).chain(&it.datacenters));
    let nodes = nodes.iter().flat_map(|it| [&it.node, &it.datacenter]);
    policies.iter().chain(roles).chain(services).chain(nodes).map(|it| &**it)
}

/// The base64 of the digest of texts, joined: as in Consul, so that who compares hashes of both sees the same for the
/// same.
fn hash<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    STANDARD.encode(blake2b::digest(texts.collect::<String>().as_bytes()))
}

fn no_links(links: &&[(Text, Text)]) -> bool {
    links.is_empty()
}

fn no_services(services: &&[ServiceIdentity]) -> bool {
    services.is_empty()
}

fn no_nodes(nodes: &&[NodeIdentity]) -> bool {
    nodes.is_empty()
}

fn links<S: Serializer>(links: &&[(Text, Text)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shown<'a> {
        #[serde(rename = "ID")]
        id: &'a str,
        #[serde(rename = "Name")]
        name: &'a str,
    }
    serializer.collect_seq(links.iter().map(|(id, name)| Shown { id, name }))
}

fn services<S: Serializer>(services: &&[ServiceIdentity], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shown<'a> {
        service_name: &'a str,
        #[serde(skip_serializing_if = "<[Text]>::is_empty")]
        datacenters: &'a [Text],
    }
    let shown = services.iter().map(|it| Shown { service_name: &it.service, datacenters: &it.datacenters });
    serializer.collect_seq(shown)
}

fn nodes<S: Serializer>(nodes: &&[NodeIdentity], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shown<'a> {
        node_name: &'a str,
        datacenter: &'a str,
    }
    serializer.collect_seq(nodes.iter().map(|it| Shown { node_name: &it.node, datacenter: &it.datacenter }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Indexes;
    use crate::core::model::acl::TokenSecret;
    use crate::wire::json;

    const P1: &str = "f9f435eb-b3ca-a2c3-a9cb-f005748b4920";
    const P2: &str = "b32194e7-dfb1-e8ae-3f6c-42e2bbd5d542";
    const R1: &str = "d37e321a-a105-8b3c-9000-1f35fc09d696";
    const INDEXES: Indexes = Indexes { create: 10, modify: 11 };

    fn shown(value: &impl Serialize) -> String {
        String::from_utf8(json::to_vec(value, false)).unwrap()
    }

    fn policy() -> Policy {
        Policy {
            id: P1.into(),
            name: "p1".into(),
            description: "d1".into(),
            rules: r#"service "x" { policy = "read" }"#.into(),
            datacenters: vec!["dc1".into(), "dc2".into()],
            indexes: INDEXES,
        }
    }

    /// What Consul 1.8.7 answered of the same policy, hash included.
    #[test]
    fn policies_look_as_in_consul() {
        let policy = policy();
        let end =
            r#""Hash":"r8BYyF925lSs+hjmmcspeUiyOspZU0Mp/rbZHcf80q0=","CreateIndex":10,"ModifyIndex":11}"#;
        let begin = format!(r#"{{"ID":"{P1}","Name":"p1","Description":"d1""#);
        let rules = r#""Rules":"service \"x\" { policy = \"read\" }""#;
        let datacenters = r#""Datacenters":["dc1","dc2"]"#;
        assert_eq!(shown(&AclPolicy::new(&policy)), format!("{begin},{rules},{datacenters},{end}"));
        assert_eq!(shown(&AclPolicyListed::new(&policy)), format!("{begin},{datacenters},{end}"));
        let everywhere = Policy { datacenters: Vec::new(), ..policy };
        assert!(shown(&AclPolicyListed::new(&everywhere)).contains(r#""Datacenters":null,"#));
        assert!(!shown(&AclPolicy::new(&everywhere)).contains("Datacenters"));
    }

    /// What Consul 1.8.7 answered of the same role and token, hashes included.
    #[test]
    fn roles_and_tokens_look_as_in_consul() {
        let service = |name: &str, datacenters: &[&str]| ServiceIdentity {
            service: name.into(),
            datacenters: datacenters.iter().map(|it| (*it).into()).collect(),
        };
        let node = |name: &str| NodeIdentity { node: name.into(), datacenter: "dc1".into() };
        let role = Role {
            id: R1.into(),
            name: "r2".into(),
            grants: Grants {
                policies: vec![P2.into(), P1.into()],
                services: vec![service("a", &["dc2", "dc1"]), service("b", &[])],
                nodes: vec![node("a"), node("z")],
                ..Grants::default()
            },
            indexes: INDEXES,
            ..Role::default()
        };
        let names = LinkNames {
            policies: vec![(P1.into(), "p1".into()), (P2.into(), "p2".into())],
            roles: vec![(R1.into(), "r1".into())],
        };
        let policies = format!(r#""Policies":[{{"ID":"{P1}","Name":"p1"}},{{"ID":"{P2}","Name":"p2"}}]"#);
        let end = r#""CreateIndex":10,"ModifyIndex":11}"#;
        let expected = format!(
            r#"{{"ID":"{R1}","Name":"r2","Description":"",{policies},"ServiceIdentities":[{{"ServiceName":"a","#
        ) + r#""Datacenters":["dc2","dc1"]},{"ServiceName":"b"}],"NodeIdentities":[{"NodeName":"a","#
            + r#""Datacenter":"dc1"},{"NodeName":"z","Datacenter":"dc1"}],"#
            + r#""Hash":"09/v+i8rrkw9JDXTiMqdDN9UwK4TswjTqOQxDVTXUIk=","#
            + end;
        assert_eq!(shown(&AclRole::new(&role, &names)), expected);

        let token = Token {
            accessor: "44544780-c589-010c-fde8-c49604f1662e".into(),
            secret: TokenSecret::new("s"),
            description: "full".into(),
            grants: Grants {
                policies: vec![P1.into(), P2.into()],
                roles: vec![R1.into()],
                services: vec![service("api", &[]), service("web", &["dc1", "dc2"])],
                nodes: vec![node("n1")],
            },
            created_ms: 1_796_088_374_750,
            expires_ms: Some(1_796_091_974_750),
            indexes: INDEXES,
            ..Token::default()
        };
        let rest = format!(
            r#""Description":"full",{policies},"Roles":[{{"ID":"{R1}","Name":"r1"}}],"ServiceIdentities":["#
        ) + r#"{"ServiceName":"api"},{"ServiceName":"web","Datacenters":["dc1","dc2"]}],"#
            + r#""NodeIdentities":[{"NodeName":"n1","Datacenter":"dc1"}],"Local":false,"#
            + r#""ExpirationTime":"2026-12-01T02:26:14.75Z","CreateTime":"2026-12-01T01:26:14.75Z","#
            + r#""Hash":"a8eJJRrcTPT9p5n0MlnuZz14t5E7tv8mtHaFkLUSE04=","#
            + end;
        let accessor = format!(r#""AccessorID":"{}""#, token.accessor);
        let rows = [
            (AclToken::listed(&token, &names), format!("{{{accessor},{rest}")),
            (
                AclToken::hidden(&token, &names),
                format!(r#"{{{accessor},"SecretID":"\u003chidden\u003e",{rest}"#),
            ),
            (AclToken::full(&token, &names), format!(r#"{{{accessor},"SecretID":"s",{rest}"#)),
            (AclToken::first(&token, &names), format!(r#"{{"ID":"s",{accessor},"SecretID":"s",{rest}"#)),
        ];
        for (token, expected) in rows {
            assert_eq!(shown(&token), expected);
        }
    }

    #[test]
    fn a_local_token_without_grants_has_the_hash_that_consul_gives_it() {
        for (is_local, expected) in [
            (false, "NLOoV2WBU8ieJIrYXXx8NRb5C2xU61pVVWRDLEIMxlU="),
            (true, "phJYEP8TihveNo6aOJCxLxq34AAOhSYayisOMnod+Kc="),
        ] {
            let token = Token { is_local, ..Token::default() };
            assert_eq!(AclToken::listed(&token, &LinkNames::default()).hash, expected);
        }
    }
}
