//! What a write does to policies, roles and tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use muster::base::stdx::text::Text;
use muster::core::model::acl::{
    ANONYMOUS_ACCESSOR, ANONYMOUS_SECRET, AclKind, AclRecord, AclRefusal, AclWrite, Grants, MANAGEMENT_ID,
    Policy, Token, TokenSecret,
};
use muster::core::model::{CommandRefusal, Indexes};

use crate::registry::oracle::Catalog;

type Judged = Result<(), CommandRefusal>;

/// The time at which access control is said to begin.
pub const STARTS_MS: u64 = 1;

/// What no write removes.
const LASTING: [(AclKind, &str); 2] =
    [(AclKind::Policy, MANAGEMENT_ID), (AclKind::Token, ANONYMOUS_ACCESSOR)];

impl Catalog {
    pub(super) fn write_acl(&mut self, now_ms: u64, write: &AclWrite) -> Judged {
        match write {
            AclWrite::Create(record) => self.create(record),
            AclWrite::Replace(record) => {
                let before = self.acl.get(&place(record)).cloned();
                let may_be = match (before, record) {
                    (Some(AclRecord::Policy(before)), AclRecord::Policy(after)) => {
                        before.id != *MANAGEMENT_ID || before.rules == after.rules
                    }
                    (Some(AclRecord::Token(before)), AclRecord::Token(after)) => {
                        before.secret == after.secret
                            && before.is_local == after.is_local
                            && before.expires_ms == after.expires_ms
                    }
                    (before, _) => before.is_some(),
                };
                if !may_be {
                    return refused();
                }
                self.fits_in(record)?;
                self.put_acl(record, self.index);
                Ok(())
            }
            AclWrite::Delete { kind, id } => {
                if LASTING.contains(&(*kind, id.as_str())) {
                    return refused();
                }
                self.acl.remove(&(*kind, id.clone()));
                Ok(())
            }
            AclWrite::Expire { accessor } => {
                let place = (AclKind::Token, accessor.clone());
                if let Some(AclRecord::Token(token)) = self.acl.get(&place)
                    && token.expires_ms.is_some_and(|it| it <= now_ms)
                {
                    self.acl.remove(&place);
                }
                Ok(())
            }
            AclWrite::Bootstrap { token, reset_index } => {
                let place = (AclKind::Bootstrap, Text::default());
                let last = self.acl.get(&place).map(|it| it.indexes());
                if last.is_some_and(|last| Some(last.modify) != *reset_index) {
                    return refused();
                }
                self.create(&AclRecord::Token(Arc::new(token.clone())))?;
                let create = last.map_or(self.index, |it| it.create);
                self.acl.insert(place, AclRecord::Bootstrap(Indexes { create, modify: self.index }));
                Ok(())
            }
        }
    }

    /// Holds these and what is always there.
    pub(super) fn restore_acl(&mut self, records: &[AclRecord]) -> Judged {
        let is_wanted =
            |(kind, id): &(AclKind, Text)| records.iter().any(|it| place(it) == (*kind, id.clone()));
        let lasts = |(kind, id): &(AclKind, Text)| LASTING.contains(&(*kind, id.as_str()));
        let lasting = self.acl.iter().filter(|it| lasts(it.0) && !is_wanted(it.0)).map(|it| it.1);
        let mut told = BTreeSet::new();
        if !records
            .iter()
            .chain(lasting)
            .flat_map(|it| [name(it), secret(it)])
            .flatten()
            .all(|it| told.insert(it))
        {
            return refused();
        }
        self.acl.retain(|place, _| is_wanted(place) || lasts(place));
        records.iter().for_each(|it| self.put_acl(it, it.indexes().create.min(self.index)));
        Ok(())
    }

    /// What is always there comes with a start.
    pub fn begin_access(&mut self, is_renamed: bool) {
        let policy = Policy {
            id: MANAGEMENT_ID.into(),
            name: "global-management".into(),
            description: "Builtin Policy that grants unlimited access".into(),
            rules: muster::core::acl::ready::ADMIN.rules.into(),
            ..Policy::default()
        };
        let token = Token {
            accessor: ANONYMOUS_ACCESSOR.into(),
            secret: TokenSecret::new(ANONYMOUS_SECRET),
            description: "Anonymous Token".into(),
            created_ms: STARTS_MS,
            ..Token::default()
        };
        let lasting = [AclRecord::Policy(Arc::new(policy)), AclRecord::Token(Arc::new(token))];
        if lasting.iter().all(|it| self.acl.contains_key(&place(it))) {
            return;
        }
        // At the index of a renaming, if there was one.
        self.index += u64::from(!is_renamed);
        lasting.iter().for_each(|it| self.put_acl(it, self.index));
    }

    fn create(&mut self, record: &AclRecord) -> Judged {
        let is_used = |text: &Text| {
            self.acl.values().any(|it| match it {
                AclRecord::Token(it) => it.accessor == *text || it.secret.reveal() == text,
                _ => false,
            })
        };
        if let AclRecord::Token(token) = record
            && (is_used(&token.accessor) || is_used(token.secret.reveal()))
        {
            return refused();
        }
        if self.acl.contains_key(&place(record)) {
            return refused();
        }
        self.fits_in(record)?;
        self.put_acl(record, self.index);
        Ok(())
    }

    /// Whether its name is its own, and what it links to is there.
    fn fits_in(&self, record: &AclRecord) -> Judged {
        let has_its_name =
            |it: &AclRecord| name(it).is_some() && name(it) == name(record) && place(it) != place(record);
        let links = |kind, ids: &[Text]| ids.iter().all(|id| self.acl.contains_key(&(kind, id.clone())));
        let has_links = grants(record)
            .is_none_or(|it| links(AclKind::Policy, &it.policies) && links(AclKind::Role, &it.roles));
        if self.acl.values().any(has_its_name) || !has_links { refused() } else { Ok(()) }
    }

    /// One that is new came to be at `created`.
    fn put_acl(&mut self, record: &AclRecord, created: u64) {
        let before = self.acl.get(&place(record)).map(|it| (it.indexes(), it.clone()));
        if before.as_ref().is_some_and(|(indexes, before)| record.at(*indexes) == *before) {
            return;
        }
        let create = before.map_or(created, |(indexes, _)| indexes.create);
        self.acl.insert(place(record), record.at(Indexes { create, modify: self.index }));
    }
}

fn place(record: &AclRecord) -> (AclKind, Text) {
    (record.kind(), record.id())
}

/// What no other has, in words that are of its kind alone.
fn name(record: &AclRecord) -> Option<String> {
    (!record.name().is_empty()).then(|| format!("{:?} {}", record.kind(), record.name().to_lowercase()))
}

fn secret(record: &AclRecord) -> Option<String> {
    match record {
        AclRecord::Token(token) => Some(format!("secret {}", token.secret.reveal())),
        _ => None,
    }
}

fn grants(record: &AclRecord) -> Option<&Grants> {
    match record {
        AclRecord::Role(role) => Some(&role.grants),
        AclRecord::Token(token) => Some(&token.grants),
        _ => None,
    }
}

/// Which of the refusals it is, the state's own tests look at.
fn refused() -> Judged {
    Err(CommandRefusal::Acl(AclRefusal::Unfit(String::new())))
}
