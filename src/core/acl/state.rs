//! The truth: every policy, role and token, and what each write does to them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::acl::change::AclChange;
use crate::core::acl::ready;
use crate::core::model::Indexes;
use crate::core::model::acl::grants::Grants;
use crate::core::model::acl::policy::{MANAGEMENT_ID, Policy};
use crate::core::model::acl::record::{AclKind, AclRecord};
use crate::core::model::acl::token::{ANONYMOUS_ACCESSOR, ANONYMOUS_SECRET, Token, TokenSecret};
use crate::core::model::acl::write::{AclRefusal, AclWrite};

/// All records of access control, owned by the one writer.
#[derive(Clone, Debug, Default)]
pub struct AclState {
    records: BTreeMap<(AclKind, Text), AclRecord>,
    /// The ids of those that have a name, by that in lower case.
    named: BTreeMap<(AclKind, Text), Text>,
    /// The accessors of tokens by their secrets.
    accessors: HashMap<TokenSecret, Text>,
    /// How many there are of each kind.
    counts: [usize; AclKind::ALL.len()],
    /// Bytes that all of them take.
    bytes: usize,
    /// Bytes that they may take.
    bytes_max: usize,
}

impl AclState {
    /// None yet, and at most so many bytes of them.
    pub fn new(bytes_max: usize) -> AclState {
        AclState { bytes_max, ..AclState::default() }
    }

    /// These and no others, even if they take more than they may.
    pub fn restored(bytes_max: usize, records: impl IntoIterator<Item = AclRecord>) -> AclState {
        let mut state = AclState::new(bytes_max);
        records.into_iter().for_each(|record| state.set(record.kind(), &record.id(), Some(record.clone())));
        state
    }

    /// What is always there, of this what is not: the policy that gives everything, and the token of whoever shows
    /// none.
    pub fn missing(&self, now_ms: u64) -> Vec<AclRecord> {
        let policy = Policy {
            id: MANAGEMENT_ID.into(),
            name: "global-management".into(),
            description: "Builtin Policy that grants unlimited access".into(),
            rules: ready::ADMIN.rules.into(),
            ..Policy::default()
        };
        let token = Token {
            accessor: ANONYMOUS_ACCESSOR.into(),
            secret: TokenSecret::new(ANONYMOUS_SECRET),
            description: "Anonymous Token".into(),
            created_ms: now_ms,
            ..Token::default()
        };
        let builtin = [AclRecord::Policy(Arc::new(policy)), AclRecord::Token(Arc::new(token))];
        builtin.into_iter().filter(|record| self.get(record.kind(), &record.id()).is_none()).collect()
    }

    /// All of them, by kind and id.
    pub fn iter(&self) -> impl Iterator<Item = &AclRecord> {
        self.records.values()
    }

    /// Those of a kind, by id.
    pub fn of_kind(&self, kind: AclKind) -> impl Iterator<Item = &AclRecord> {
        let those = self.records.range((kind, Text::default())..).take_while(move |((of, _), _)| *of == kind);
        those.map(|(_, record)| record)
    }

    /// One of them.
    pub fn get(&self, kind: AclKind, id: &Text) -> Option<&AclRecord> {
        self.records.get(&(kind, id.clone()))
    }

    /// The one called `name`, in whatever case.
    pub fn by_name(&self, kind: AclKind, name: &str) -> Option<&AclRecord> {
        self.get(kind, self.named.get(&(kind, name.to_lowercase().into()))?)
    }

    /// The token with that secret, to the letter.
    pub fn token(&self, secret: &TokenSecret) -> Option<&Arc<Token>> {
        match self.get(AclKind::Token, self.accessors.get(secret)?)? {
            AclRecord::Token(token) => Some(token),
            _ => None,
        }
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: AclKind) -> usize {
        self.counts[kind as usize]
    }

    /// Bytes that all of them take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes over a change that was made elsewhere: for what readers see.
    pub fn absorb(&mut self, change: &AclChange) {
        self.set(change.kind, &change.id, change.after.clone());
    }

    /// How much they take beyond their bound, in a sentence. They were written under a larger one then.
    pub fn excess(&self) -> Option<String> {
        let AclState { bytes, bytes_max, .. } = self;
        let refusal = AclRefusal::TooLarge { bytes_max: *bytes_max };
        (bytes > bytes_max).then(|| format!("{} records of {bytes} bytes: {refusal}", self.records.len()))
    }

    /// Carries out a write at `index` and `now_ms` of Unix time: what is different now. What says nothing new changes
    /// nothing.
    ///
    /// # Errors
    /// See [`AclRefusal`]; nothing has changed then.
    pub fn apply(&mut self, index: u64, now_ms: u64, write: &AclWrite) -> Result<Vec<AclChange>, AclRefusal> {
        match write {
            AclWrite::Create(record) => {
                self.may_create(record)?;
                self.put((index, index), record).map(Vec::from_iter)
            }
            AclWrite::Replace(record) => {
                self.may_replace(record)?;
                self.put((index, index), record).map(Vec::from_iter)
            }
            AclWrite::Delete { kind, id } => {
                may_delete(*kind, id)?;
                Ok(Vec::from_iter(self.remove(index, *kind, id)))
            }
            AclWrite::Bootstrap { token, reset_index } => self.bootstrap(index, token, *reset_index),
            AclWrite::Expire { accessor } => {
                let has_expired = match self.get(AclKind::Token, accessor) {
                    Some(AclRecord::Token(token)) => token.has_expired(now_ms),
                    _ => false,
                };
                let change = has_expired.then(|| self.remove(index, AclKind::Token, accessor));
                Ok(Vec::from_iter(change.flatten()))
            }
        }
    }

    /// Holds these records at `index`, what is always there, and no others. What is the same stays untouched, and what
    /// is new has changed now: its older index may be one that somebody has seen before.
    ///
    /// # Errors
    /// [`AclRefusal::TooLarge`], and [`AclRefusal::Unfit`] where two of them cannot be told apart; nothing has changed
    /// then.
    pub fn restore(&mut self, index: u64, wanted: &[AclRecord]) -> Result<Vec<AclChange>, AclRefusal> {
        let mut wanted: BTreeMap<_, _> =
            wanted.iter().map(|record| ((record.kind(), record.id()), record.clone())).collect();
        // What is always there stays.
        let lasting = self.records.iter().filter(|((kind, id), _)| may_delete(*kind, id).is_err());
        lasting.for_each(|(key, record)| {
            wanted.entry(key.clone()).or_insert_with(|| record.clone());
        });
        are_told_apart(wanted.values())?;
        let gone: Vec<_> = self.records.keys().filter(|key| !wanted.contains_key(key)).cloned().collect();
        let removed = gone.iter().filter_map(|(kind, id)| self.remove(index, *kind, id));
        let mut changes: Vec<AclChange> = removed.collect();
        for record in wanted.into_values() {
            match self.put((record.indexes().create.min(index), index), &record) {
                Ok(change) => changes.extend(change),
                Err(refusal) => {
                    self.undo(&changes);
                    return Err(refusal);
                }
            }
        }
        Ok(changes)
    }

    /// Takes back changes, the last ones first.
    pub fn undo(&mut self, changes: &[AclChange]) {
        for AclChange { kind, id, before, .. } in changes.iter().rev() {
            self.set(*kind, id, before.clone());
        }
    }

    fn bootstrap(
        &mut self,
        index: u64,
        token: &Token,
        named: Option<u64>,
    ) -> Result<Vec<AclChange>, AclRefusal> {
        let (kind, id) = (AclKind::Bootstrap, Text::default());
        let before = self.get(kind, &id).cloned();
        if let Some(reset_index) = before.as_ref().map(|record| record.indexes().modify) {
            match named {
                None => return Err(AclRefusal::Bootstrapped { reset_index }),
                Some(named) if named != reset_index => {
                    return Err(AclRefusal::WrongReset { named, reset_index });
                }
                Some(_) => {}
            }
        }
        let token = AclRecord::Token(Arc::new(token.clone()));
        self.may_create(&token)?;
        let mut changes = Vec::from_iter(self.put((index, index), &token)?);
        let create = before.as_ref().map_or(index, |before| before.indexes().create);
        let after = Some(AclRecord::Bootstrap(Indexes { create, modify: index }));
        self.set(kind, &id, after.clone());
        changes.push(AclChange { kind, id, index, before, after });
        Ok(changes)
    }

    fn may_create(&self, record: &AclRecord) -> Result<(), AclRefusal> {
        if let AclRecord::Token(token) = record {
            let is_used = |text: &Text| {
                self.get(AclKind::Token, text).is_some()
                    || self.accessors.contains_key(&TokenSecret::new(text.clone()))
            };
            if is_used(&token.accessor) {
                return unfit("Invalid Token: AccessorID is already in use");
            }
            if is_used(token.secret.reveal()) {
                return unfit("Invalid Token: SecretID is already in use");
            }
        }
        if self.get(record.kind(), &record.id()).is_some() {
            return unfit(format!("there is a {} {:?} already", record.kind().name(), record.id()));
        }
        self.may_be_called_so(record, ["Policy with Name", "Role with Name"])?;
        self.has_links(record)
    }

    fn may_replace(&self, record: &AclRecord) -> Result<(), AclRefusal> {
        let id = record.id();
        let before = self.get(record.kind(), &id);
        match (before, record) {
            (None, AclRecord::Policy(_)) => return unfit(format!("cannot find policy {id}")),
            (None, AclRecord::Role(_)) => return unfit(format!("cannot find role {id}")),
            (None, _) => return unfit(format!("Cannot find token \"{id}\"")),
            (Some(AclRecord::Policy(before)), AclRecord::Policy(after)) => {
                if id.as_str() == MANAGEMENT_ID && before.rules != after.rules {
                    return unfit(
                        "Changing the Rules for the builtin global-management policy is not permitted",
                    );
                }
            }
            (Some(AclRecord::Token(before)), AclRecord::Token(after)) => {
                if before.secret != after.secret {
                    return unfit("Changing a tokens SecretID is not permitted");
                }
                if before.is_local != after.is_local {
                    return unfit(format!("cannot toggle local mode of {id}"));
                }
                if before.expires_ms != after.expires_ms {
                    return unfit(format!("Cannot change expiration time of {id}"));
                }
                if before.auth_method != after.auth_method {
                    return unfit(format!("Cannot change AuthMethod of {id}"));
                }
            }
            (Some(_), _) => {}
        }
        self.may_be_called_so(record, ["policy with name", "role with name"])?;
        self.has_links(record)
    }

    /// Whether no other record of its kind has its name; `of` says what such a one is called in the refusal.
    fn may_be_called_so(&self, record: &AclRecord, of: [&str; 2]) -> Result<(), AclRefusal> {
        let other = named_key(record).and_then(|key| self.named.get(&key));
        if other.is_none_or(|id| *id == record.id()) {
            return Ok(());
        }
        let (kind, of) = match record {
            AclRecord::Policy(_) => ("Policy", of[0]),
            _ => ("Role", of[1]),
        };
        unfit(format!("Invalid {kind}: A {of} \"{}\" already exists", record.name()))
    }

    /// Whether all that a record links to is there.
    fn has_links(&self, record: &AclRecord) -> Result<(), AclRefusal> {
        let Some(Grants { policies, roles, .. }) = grants(record) else { return Ok(()) };
        for (kind, word, ids) in [(AclKind::Policy, "policy", policies), (AclKind::Role, "role", roles)] {
            if let Some(id) = ids.iter().find(|id| self.get(kind, id).is_none()) {
                return unfit(match record {
                    AclRecord::Role(_) => format!("No such {word} with ID: {id}"),
                    _ => format!("No such ACL {word} with ID \"{id}\""),
                });
            }
        }
        Ok(())
    }

    /// Puts a record at an index, unless it says nothing new; one that is new came to be at `created`.
    fn put(
        &mut self,
        (created, index): (u64, u64),
        record: &AclRecord,
    ) -> Result<Option<AclChange>, AclRefusal> {
        let (kind, id) = (record.kind(), record.id());
        let before = self.get(kind, &id).cloned();
        if before.as_ref().is_some_and(|before| *before == record.at(before.indexes())) {
            return Ok(None);
        }
        let create = before.as_ref().map_or(created, |before| before.indexes().create);
        let after = record.at(Indexes { create, modify: index });
        let (bytes_before, bytes) = (before.as_ref().map_or(0, AclRecord::weight), after.weight());
        if bytes > bytes_before && self.bytes - bytes_before + bytes > self.bytes_max {
            return Err(AclRefusal::TooLarge { bytes_max: self.bytes_max });
        }
        self.set(kind, &id, Some(after.clone()));
        Ok(Some(AclChange { kind, id, index, before, after: Some(after) }))
    }

    fn remove(&mut self, index: u64, kind: AclKind, id: &Text) -> Option<AclChange> {
        let before = Some(self.get(kind, id)?.clone());
        self.set(kind, id, None);
        Some(AclChange { kind, id: id.clone(), index, before, after: None })
    }

    fn set(&mut self, kind: AclKind, id: &Text, record: Option<AclRecord>) {
        if let Some(before) = self.records.remove(&(kind, id.clone())) {
            self.counts[kind as usize] -= 1;
            self.bytes -= before.weight();
            // A restoration may have given its name or its secret to another already.
            if let Some(key) = named_key(&before).filter(|key| self.named.get(key) == Some(id)) {
                self.named.remove(&key);
            }
            if let AclRecord::Token(token) = &before
                && self.accessors.get(&token.secret) == Some(id)
            {
                self.accessors.remove(&token.secret);
            }
        }
        let Some(record) = record else { return };
        self.counts[kind as usize] += 1;
        self.bytes += record.weight();
        named_key(&record).map(|key| self.named.insert(key, id.clone()));
        if let AclRecord::Token(token) = &record {
            self.accessors.insert(token.secret.clone(), id.clone());
        }
        self.records.insert((kind, id.clone()), record);
    }
}

/// What a record gives, if it gives anything.
fn grants(record: &AclRecord) -> Option<&Grants> {
    match record {
        AclRecord::Role(role) => Some(&role.grants),
        AclRecord::Token(token) => Some(&token.grants),
        AclRecord::Policy(_) | AclRecord::Bootstrap(_) => None,
    }
}

/// Whether no two records have one name or one secret.
fn are_told_apart<'r>(records: impl Iterator<Item = &'r AclRecord>) -> Result<(), AclRefusal> {
    let (mut names, mut secrets) = (HashSet::new(), HashSet::new());
    for record in records {
        if named_key(record).is_some_and(|key| !names.insert(key)) {
            return unfit(format!(
                "two records of kind {} are called {:?}",
                record.kind().name(),
                record.name()
            ));
        }
        match record {
            AclRecord::Token(token) if !secrets.insert(&token.secret) => {
                return unfit(format!("token {} has the secret of another", token.accessor));
            }
            _ => {}
        }
    }
    Ok(())
}

fn named_key(record: &AclRecord) -> Option<(AclKind, Text)> {
    let name = record.name();
    (!name.is_empty()).then(|| (record.kind(), name.to_lowercase().into()))
}

fn may_delete(kind: AclKind, id: &Text) -> Result<(), AclRefusal> {
    match (kind, id.as_str()) {
        (AclKind::Policy, MANAGEMENT_ID) => {
            unfit("Delete operation not permitted on the builtin global-management policy")
        }
        (AclKind::Token, ANONYMOUS_ACCESSOR) => {
            unfit("Delete operation not permitted on the anonymous token")
        }
        _ => Ok(()),
    }
}

fn unfit<T>(sentence: impl Into<String>) -> Result<T, AclRefusal> {
    Err(AclRefusal::Unfit(sentence.into()))
}
