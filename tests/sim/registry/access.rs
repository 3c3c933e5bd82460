//! What is asked of access control: writes over so few records that they meet all the time, and the seal of a process.

use std::sync::Arc;

use muster::base::stdx::text::Text;
use muster::core::acl::row::Seal;
use muster::core::model::acl::{
    ANONYMOUS_ACCESSOR, ANONYMOUS_SECRET, AclKind, AclRecord, AclWrite, Grants, MANAGEMENT_ID, Policy, Role,
    Token, TokenSecret,
};
use muster::core::model::{Indexes, Restoration};

use crate::chance::Chance;
use crate::registry::world::BEGINNING_MS;

const POLICIES: [&str; 3] = ["p1", "p2", MANAGEMENT_ID];
const ROLES: [&str; 2] = ["r1", "r2"];
const TOKENS: [&str; 4] = ["t1", "t2", "t3", ANONYMOUS_ACCESSOR];
const NAMES: [&str; 3] = ["ops", "Ops", "dev"];
const FIRST: [&str; 2] = ["first", "second"];

/// What is written of access control.
pub fn acl_write(chance: &mut Chance) -> AclWrite {
    match chance.below(12) {
        0..=3 => AclWrite::Create(record(chance)),
        4..=7 => AclWrite::Replace(record(chance)),
        8 | 9 => {
            let kinds = [
                (AclKind::Policy, chance.pick(&POLICIES)),
                (AclKind::Role, chance.pick(&ROLES)),
                (AclKind::Token, chance.pick(&TOKENS)),
                (AclKind::Token, chance.pick(&FIRST)),
            ];
            let (kind, id) = chance.pick(&kinds);
            AclWrite::Delete { kind, id: id.into() }
        }
        10 => AclWrite::Expire { accessor: chance.pick(&TOKENS).into() },
        _ => {
            let accessor = chance.pick(&FIRST);
            let secret = TokenSecret::new(format!("secret of {accessor}"));
            let token = Token { accessor: accessor.into(), secret, ..Token::default() };
            AclWrite::Bootstrap { token, reset_index: (!chance.one_in(3)).then(|| chance.below(40) as u64) }
        }
    }
}

/// The registry as another one was: only its access control, which may make no sense.
pub fn restoration(chance: &mut Chance) -> Restoration {
    let mut records: Vec<AclRecord> = Vec::new();
    for _ in 0..chance.below(5) {
        let create = chance.below(60) as u64;
        let record = record(chance).at(Indexes { create, modify: create });
        records.retain(|it| (it.kind(), it.id()) != (record.kind(), record.id()));
        records.push(record);
    }
    Restoration { acl: (!chance.one_in(4)).then_some(records), ..Restoration::default() }
}

fn record(chance: &mut Chance) -> AclRecord {
    let description: Text = chance.pick(&["", "said"]).into();
    match chance.below(3) {
        0 => {
            let (id, name) = (chance.pick(&POLICIES).into(), chance.pick(&NAMES).into());
            let rules = chance.pick(&["", "acl = \"read\""]).into();
            AclRecord::Policy(Arc::new(Policy { id, name, rules, description, ..Policy::default() }))
        }
        1 => {
            let (id, name) = (chance.pick(&ROLES).into(), chance.pick(&NAMES).into());
            let grants = grants(chance, &[]);
            AclRecord::Role(Arc::new(Role { id, name, description, grants, ..Role::default() }))
        }
        _ => {
            let accessor = chance.pick(&TOKENS);
            let secret = match (accessor, chance.below(8)) {
                (_, 0) => chance.pick(&["secret of t1", "secret of t2", "t2"]).to_owned(),
                (ANONYMOUS_ACCESSOR, _) => ANONYMOUS_SECRET.to_owned(),
                _ => format!("secret of {accessor}"),
            };
            let expires_ms = (accessor == "t2").then(|| BEGINNING_MS + chance.pick(&[150, 10_000]));
            AclRecord::Token(Arc::new(Token {
                accessor: accessor.into(),
                secret: TokenSecret::new(secret),
                description,
                grants: grants(chance, &ROLES),
                is_local: chance.one_in(8),
                expires_ms,
                ..Token::default()
            }))
        }
    }
}

fn grants(chance: &mut Chance, roles: &[&str]) -> Grants {
    let mut some = |ids: &[&str]| ids.iter().filter(|_| chance.one_in(3)).map(|id| (*id).into()).collect();
    Grants { policies: some(&POLICIES), roles: some(roles), ..Grants::default() }
}

/// Seals with the key of one name, and opens with that of each.
pub struct NamedKey(pub &'static str);

impl Seal for NamedKey {
    fn seal(&self, accessor: &str, secret: &str) -> String {
        format!("{}:{accessor}:{}", self.0, secret.chars().rev().collect::<String>())
    }

    fn open(&self, accessor: &str, sealed: &str) -> Result<String, String> {
        let mut parts = sealed.splitn(3, ':').skip(1);
        match (parts.next(), parts.next()) {
            (Some(of), Some(secret)) if of == accessor => Ok(secret.chars().rev().collect()),
            _ => Err("it is another token's".to_owned()),
        }
    }

    fn key_id(&self) -> String {
        self.0.to_owned()
    }

    fn is_current(&self, sealed: &str) -> bool {
        sealed.starts_with(&format!("{}:", self.0))
    }
}
