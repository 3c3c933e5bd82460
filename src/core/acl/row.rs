//! A record of access control as the value of a stored row: JSON that a person can read, but for the secret of a token,
//! which is sealed.
//!
//! The row is filed under the name of the kind, a slash and the id.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::stdx::text::Text;
use crate::core::model::Indexes;
use crate::core::model::acl::grants::{Grants, NodeIdentity, ServiceIdentity};
use crate::core::model::acl::policy::Policy;
use crate::core::model::acl::record::{AclKind, AclRecord};
use crate::core::model::acl::role::Role;
use crate::core::model::acl::token::{Token, TokenSecret};
use crate::core::model::stored::{self, fault, read};

/// Between kind and id.
const SEPARATOR: char = '/';

/// A seal that several threads use.
pub type SharedSeal = Arc<dyn Seal + Send + Sync>;

/// Keeps secrets from whoever reads rows.
pub trait Seal {
    /// The sealed form of a secret, bound to the accessor of its token: in another token's row it does not open.
    fn seal(&self, accessor: &str, secret: &str) -> String;

    /// The secret that was sealed.
    ///
    /// # Errors
    /// A sentence: it was sealed with another key or for another token, or has been altered.
    fn open(&self, accessor: &str, sealed: &str) -> Result<String, String>;

    /// The id of the key that it seals with; empty where it has none.
    fn key_id(&self) -> String;

    /// Whether that is sealed as it would be now, and not with an older key.
    fn is_current(&self, _sealed: &str) -> bool {
        true
    }

    /// Where a key belongs that is missing, for people.
    fn place(&self) -> String {
        "the key file of the agent".to_owned()
    }
}

/// Leaves secrets sealed, for who passes rows on or only looks at them: a record that is read with it has the sealed
/// form in the place of its secret, and its row is to the byte what it was.
#[derive(Clone, Copy, Debug)]
pub struct LeftSealed;

impl Seal for LeftSealed {
    fn seal(&self, _: &str, secret: &str) -> String {
        secret.to_owned()
    }

    fn open(&self, _: &str, sealed: &str) -> Result<String, String> {
        Ok(sealed.to_owned())
    }

    fn key_id(&self) -> String {
        String::new()
    }
}

/// What stands on disk of a policy. It names its fields by itself, so that they may be called otherwise in memory; so
/// do the others.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyRow {
    name: Text,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    description: Text,
    rules: Text,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    datacenters: Vec<Text>,
    create: u64,
    modify: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleRow {
    name: Text,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    description: Text,
    grants: GrantsRow,
    create: u64,
    modify: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRow {
    sealed: String,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    description: Text,
    grants: GrantsRow,
    #[serde(default)]
    local: bool,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    auth_method: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    created_ms: u64,
    create: u64,
    modify: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BootstrapRow {
    create: u64,
    modify: u64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GrantsRow {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    services: Vec<ServiceRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodeRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceRow {
    service: Text,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    datacenters: Vec<Text>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeRow {
    node: Text,
    datacenter: Text,
}

/// The row's key.
pub fn key(kind: AclKind, id: &str) -> String {
    format!("{}{SEPARATOR}{id}", kind.name())
}

/// The row's value.
pub fn encode(record: &AclRecord, seal: &dyn Seal) -> Vec<u8> {
    let Indexes { create, modify } = record.indexes();
    let row = match record {
        AclRecord::Policy(policy) => {
            let Policy { name, description, rules, datacenters, .. } = Policy::clone(policy);
            serde_json::to_vec(&PolicyRow { name, description, rules, datacenters, create, modify })
        }
        AclRecord::Role(role) => {
            let Role { name, description, grants, .. } = Role::clone(role);
            serde_json::to_vec(&RoleRow { name, description, grants: grants.into(), create, modify })
        }
        AclRecord::Token(token) => {
            let sealed = match token.secret.reveal().as_str() {
                // It was left out, which the row shows.
                "" => String::new(),
                secret => seal.seal(&token.accessor, secret),
            };
            let Token { description, grants, is_local, auth_method, expires_ms, created_ms, .. } =
                Token::clone(token);
            let (grants, local) = (grants.into(), is_local);
            let row = TokenRow {
                sealed,
                description,
                grants,
                local,
                auth_method,
                expires_ms,
                created_ms,
                create,
                modify,
            };
            serde_json::to_vec(&row)
        }
        AclRecord::Bootstrap(_) => serde_json::to_vec(&BootstrapRow { create, modify }),
    };
    row.expect("it has text keys only")
}

/// The record in the row that is filed under `key`.
///
/// # Errors
/// A sentence when it is not as [`encode`] writes it.
pub fn decode(key: &str, row: &[u8], seal: &dyn Seal) -> Result<AclRecord, String> {
    opened(decode_sealed(key, row)?, seal).map_err(|error| fault(key, error))
}

/// A record that was read sealed, with its secret.
///
/// # Errors
/// That of [`Seal::open`].
pub fn opened(record: AclRecord, seal: &dyn Seal) -> Result<AclRecord, String> {
    match record {
        AclRecord::Token(mut token) => {
            let secret = TokenSecret::new(seal.open(&token.accessor, token.secret.reveal())?);
            Arc::make_mut(&mut token).secret = secret;
            Ok(AclRecord::Token(token))
        }
        record => Ok(record),
    }
}

/// As [`decode`] by the seal [`LeftSealed`].
///
/// # Errors
/// Those of [`decode`].
pub fn decode_sealed(key: &str, row: &[u8]) -> Result<AclRecord, String> {
    let parts = key.split_once(SEPARATOR);
    let of_kind = |name: &str| AclKind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = parts.and_then(|(name, id)| Some((of_kind(name)?, Text::from(id))));
    let (kind, id) = kind.ok_or_else(|| fault(key, "no kind of record is called so"))?;
    if id.is_empty() != (kind == AclKind::Bootstrap) {
        return Err(fault(key, "its id is missing, or one too much"));
    }
    let record = match kind {
        AclKind::Policy => {
            let PolicyRow { name, description, rules, datacenters, create, modify } = read(key, row)?;
            let indexes = Indexes { create, modify };
            AclRecord::Policy(Arc::new(Policy { id, name, description, rules, datacenters, indexes }))
        }
        AclKind::Role => {
            let RoleRow { name, description, grants, create, modify } = read(key, row)?;
            let (grants, indexes) = (grants.into(), Indexes { create, modify });
            AclRecord::Role(Arc::new(Role { id, name, description, grants, indexes }))
        }
        AclKind::Token => {
            let row: TokenRow = read(key, row)?;
            AclRecord::Token(Arc::new(Token {
                accessor: id,
                secret: TokenSecret::new(row.sealed),
                description: row.description,
                grants: row.grants.into(),
                is_local: row.local,
                auth_method: row.auth_method,
                expires_ms: row.expires_ms,
                created_ms: row.created_ms,
                indexes: Indexes { create: row.create, modify: row.modify },
            }))
        }
        AclKind::Bootstrap => {
            let BootstrapRow { create, modify } = read(key, row)?;
            AclRecord::Bootstrap(Indexes { create, modify })
        }
    };
    let Indexes { create, modify } = record.indexes();
    stored::indexes(key, create, modify).map(|_| record)
}

impl From<Grants> for GrantsRow {
    fn from(grants: Grants) -> GrantsRow {
        let Grants { policies, roles, services, nodes } = grants;
        let service = |ServiceIdentity { service, datacenters }| ServiceRow { service, datacenters };
        let node = |NodeIdentity { node, datacenter }| NodeRow { node, datacenter };
        let (services, nodes) = (services.into_iter().map(service), nodes.into_iter().map(node));
        GrantsRow { policies, roles, services: services.collect(), nodes: nodes.collect() }
    }
}

impl From<GrantsRow> for Grants {
    fn from(row: GrantsRow) -> Grants {
        let GrantsRow { policies, roles, services, nodes } = row;
        let service = |ServiceRow { service, datacenters }| ServiceIdentity { service, datacenters };
        let node = |NodeRow { node, datacenter }| NodeIdentity { node, datacenter };
        let (services, nodes) = (services.into_iter().map(service), nodes.into_iter().map(node));
        Grants { policies, roles, services: services.collect(), nodes: nodes.collect() }
    }
}
