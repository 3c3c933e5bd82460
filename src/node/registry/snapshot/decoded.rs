//! What a snapshot says the registry shall be, read and understood before anything is touched.

use std::fmt;
use std::io::{Read, Seek};
use std::sync::Arc;

use crate::base::sys::budget::{BudgetShare, OverBudget, Purpose};
use crate::core::acl::row;
use crate::core::catalog::change::CatalogChange;
use crate::core::model::acl::AclRecord;
use crate::core::model::limits::INDEX_RESTORED_MAX;
use crate::core::model::validate::nodes;
use crate::core::model::{Indexes, Node, NodeKey, Origin, Pair, Restoration};
use crate::node::registry::history::{HistoryEntry, subject_bytes};
use crate::node::registry::own_node::OwnNode;
use crate::node::registry::recover::{renamed, renamed_entry};
use crate::node::registry::rows;
use crate::node::registry::snapshot::row_validator::{RowFault, RowRules, RowValidator};
use crate::store::change::Table;
use crate::store::snapshot::decode::{Contents, Decoder};
use crate::store::snapshot::error::SnapshotError;
use crate::store::snapshot::format::SnapshotHeader;

/// A snapshot's records and transitions.
#[derive(Debug)]
struct DecodedSnapshot {
    contents: Contents,
    records: Vec<CatalogChange>,
    pairs: Vec<Arc<Pair>>,
    acl: Vec<AclRecord>,
    history: Vec<HistoryEntry>,
}

/// Whether a snapshot could be restored under these rules, in constant memory: nothing of it is kept. `progress` is
/// told how many rows are read.
///
/// # Errors
/// See [`SnapshotError`].
pub fn verify(
    input: impl Read,
    rules: &RowRules,
    progress: impl FnMut(u64),
) -> Result<Contents, SnapshotError> {
    walk(input, rules, progress, |_, _, _| Ok(()))
}

/// One row of a snapshot.
pub(super) enum Item {
    /// Of the catalog.
    Record(CatalogChange),
    /// Of the key/value store.
    Pair(Arc<Pair>),
    /// Of access control.
    Acl(AclRecord),
    /// Of the history.
    Transition(HistoryEntry),
}

/// Why the rest of a snapshot is not read.
pub(super) enum ReadStop {
    /// A row breaks a rule, in a sentence.
    Ruled(String),
    /// There is more than the registry may hold.
    Full(String),
    /// There is more than may be held until it is in the registry.
    OverBudget(OverBudget),
}

impl From<RowFault> for ReadStop {
    fn from(fault: RowFault) -> ReadStop {
        match fault {
            RowFault::Rule(sentence) => ReadStop::Ruled(sentence),
            RowFault::Full(refusal) => ReadStop::Full(refusal.to_string()),
        }
    }
}

/// Reads a whole snapshot row by row, with no index above [`INDEX_RESTORED_MAX`]: what is higher is lowered to it, and
/// transitions that are higher are left out. `keep` gets the first line, each row as it is understood, and the bytes
/// that it takes until it is in a registry: its record, and the row of it that is written.
pub(super) fn walk(
    input: impl Read,
    rules: &RowRules,
    mut progress: impl FnMut(u64),
    mut keep: impl FnMut(&SnapshotHeader, Item, usize) -> Result<(), ReadStop>,
) -> Result<Contents, SnapshotError> {
    let decoder = Decoder::open(input, rules.decoded())?;
    let mut header = decoder.header().clone();
    nodes::check_name(&header.node).map_err(|it| SnapshotError::Senseless(it.to_string()))?;
    let own = NodeKey::from(header.node.as_str());
    let mut validator = RowValidator::new(rules.clone(), Some(own), header.index);
    let is_high = header.index > INDEX_RESTORED_MAX;
    header.index = header.index.min(INDEX_RESTORED_MAX);
    let (mut last_table, mut last_key, mut count) = (Table::Meta, String::new(), 0);
    let (mut reader, mut stopped) = (rows::RowReader::default(), None);
    let read = decoder.rows(&mut |table, key, value| {
        count += 1;
        progress(count);
        if rules.stop.is_asked() {
            return Err("nobody waits for it any more".to_owned());
        }
        // Named as it stands there; whether it is damage or a rule is told apart below.
        let mut stop = |stop: ReadStop| {
            stopped = Some(stop);
            format!("{} {key:?}", table.name())
        };
        if table == Table::History {
            let entry = rows::transition(key, value)?;
            validator.transition(key, &entry).map_err(|fault| stop(ReadStop::Ruled(fault)))?;
            if entry.transition.index > header.index {
                return Ok(());
            }
            let bytes = entry.bytes() + subject_bytes(&entry.transition.subject) + value.len();
            return keep(&header, Item::Transition(entry), bytes).map_err(stop);
        }
        if table == last_table && *key <= *last_key {
            return Err(format!("row {key:?} is out of order"));
        }
        last_table = table;
        last_key.clear();
        last_key.push_str(key);
        if table == Table::Kv {
            let pair = rows::pair(key, value)?;
            let weight = validator.pair(&pair).map_err(|fault| stop(fault.into()))?;
            let pair = match lowered(pair.indexes) {
                same if same == pair.indexes => pair,
                indexes => Arc::new(Pair { indexes, ..Pair::clone(&pair) }),
            };
            return keep(&header, Item::Pair(pair), weight.saturating_add(value.len())).map_err(stop);
        }
        if table == Table::Acl {
            let sealed = row::decode_sealed(key, value)?;
            let weight = validator.acl(&sealed).map_err(|fault| stop(fault.into()))?;
            let opened = row::opened(sealed, &*rules.seal);
            let record = opened.map_err(|error| stop(ReadStop::Ruled(locked(rules, &header, &error))))?;
            let record = record.at(lowered(record.indexes()));
            return keep(&header, Item::Acl(record), weight.saturating_add(value.len())).map_err(stop);
        }
        if let Some(record) = reader.change(table, key, value)? {
            let record = in_its_place(record)?;
            let weight = validator.record(&record).map_err(|fault| stop(fault.into()))?;
            let record = if is_high { record.reindexed(lowered) } else { record };
            keep(&header, Item::Record(record), weight.saturating_add(value.len())).map_err(stop)?;
        }
        Ok(())
    });
    let read = read.map(|contents| Contents { header, ..contents });
    read.map_err(|error| match (error, stopped) {
        (SnapshotError::Damaged { line, detail }, Some(ReadStop::Ruled(fault))) => {
            SnapshotError::Refused { line, detail: format!("{detail}: {fault}") }
        }
        (SnapshotError::Damaged { line, .. }, Some(ReadStop::Full(detail))) => {
            SnapshotError::Full { line, detail }
        }
        (_, Some(ReadStop::OverBudget(over))) => SnapshotError::OverBudget(over),
        (error, _) => error,
    })
}

/// Why a secret that does not open keeps the whole from being restored.
fn locked(rules: &RowRules, header: &SnapshotHeader, error: &str) -> String {
    let (id, place) = (header.sealed_with.as_deref().unwrap_or_default(), rules.seal.place());
    let key = if id.is_empty() { "its key".to_owned() } else { format!("the key {id:?}") };
    format!(
        "its secret does not open: {error}. It is sealed with {key}: add that to {place}, then restore again"
    )
}

/// Indexes as they are restored.
fn lowered(indexes: Indexes) -> Indexes {
    let Indexes { create, modify } = indexes;
    Indexes { create: create.min(INDEX_RESTORED_MAX), modify: modify.min(INDEX_RESTORED_MAX) }
}

/// A record must say of itself what its key says of it.
pub(super) fn in_its_place(record: CatalogChange) -> Result<CatalogChange, String> {
    let is_in_place = match &record {
        CatalogChange::Node { key, after, .. } => {
            after.as_ref().is_some_and(|node| NodeKey::of(&node.name) == *key)
        }
        CatalogChange::Service { id, after, .. } => after.as_ref().is_some_and(|service| service.id == *id),
        CatalogChange::Check { id, after, .. } => after.as_ref().is_some_and(|check| check.id == *id),
    };
    if is_in_place { Ok(record) } else { Err("the row's key is another than its record's".to_owned()) }
}

impl DecodedSnapshot {
    /// What it comes to for the agent `own`, with the transitions that belong to it.
    ///
    /// What was on the own node of the agent that took the snapshot comes to this agent's own node: an agent's services
    /// are its own, and their checks are run by it. What an agent says of itself (its node, the `consul` service,
    /// `serfHealth`) is left out.
    ///
    /// # Errors
    /// A sentence when the two cannot be told apart.
    fn restoration(self, own: &OwnNode) -> Result<(Restoration, Vec<HistoryEntry>), String> {
        let DecodedSnapshot { contents, mut records, pairs, acl, mut history } = self;
        let (theirs, ours) = (NodeKey::from(contents.header.node.as_str()), own.key());
        if theirs != ours {
            let is_ours = |record: &CatalogChange| *record.node() == ours;
            if records.iter().any(is_ours) {
                return Err(format!(
                    "the snapshot was taken by agent {:?} and holds another node {:?}, which is this agent's name; \
                     start this agent with another --node",
                    contents.header.node,
                    own.name.as_str()
                ));
            }
            for record in records.iter_mut().filter(|record| *record.node() == theirs) {
                *record = renamed(record, &own.name, contents.header.index);
            }
            for entry in history.iter_mut().filter(|entry| entry.transition.subject.node == theirs) {
                *entry = renamed_entry(entry, &own.name);
            }
        }
        // One that says nothing of access control leaves it as it is.
        let acl = (!acl.is_empty()).then_some(acl);
        let mut restoration =
            Restoration { index: contents.header.index, pairs, acl, ..Restoration::default() };
        for record in records {
            let is_own = *record.node() == ours;
            match record {
                CatalogChange::Node { .. } if is_own => {}
                CatalogChange::Node { after: Some(node), .. } => restoration.nodes.push(foreign(node, own)?),
                CatalogChange::Service { node, after: Some(service), .. } => {
                    if !(is_own && service.origin == Origin::Server) {
                        restoration.services.push((node, service));
                    }
                }
                CatalogChange::Check { node, after: Some(check), .. } => {
                    if !(is_own && check.origin == Origin::Server) {
                        restoration.checks.push((node, check));
                    }
                }
                CatalogChange::Node { .. } | CatalogChange::Service { .. } | CatalogChange::Check { .. } => {}
            }
        }
        Ok((restoration, history))
    }
}

/// A snapshot that was read and fits this agent.
pub struct RestorePlan {
    /// What it is of.
    contents: Contents,
    /// What the registry shall hold.
    pub restoration: Restoration,
    /// The transitions that come with it.
    pub history: Vec<HistoryEntry>,
    /// Its bytes. To be kept until the registry has it, or it is thrown away.
    pub share: BudgetShare,
}

impl RestorePlan {
    /// What it is of, for people.
    pub fn summary(&self) -> serde_json::Value {
        let Contents { header, bytes, .. } = &self.contents;
        serde_json::json!({
            "Node": header.node,
            "NodeID": header.node_id,
            "Index": header.index,
            "CreatedAt": header.created_at,
            "Version": header.muster_version,
            "Rows": header.rows,
            "Bytes": bytes,
        })
    }
}

/// Why a snapshot cannot be restored. `Display` is a sentence with the remedy.
#[derive(Debug)]
pub struct RestoreError {
    /// Whose doing it is.
    pub reason: Reason,
    sentence: String,
}

/// Whose doing it is that a snapshot cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The snapshot's: no registry could hold it.
    Senseless,
    /// It is longer, or has a longer row, than may come.
    Size,
    /// The registry may not hold so much.
    Room,
    /// There is no memory to hold it until it is in the registry.
    Memory,
    /// The system's.
    System,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

/// Reads a whole snapshot and works out what it comes to for the agent `own`. It is read twice, so that one that is
/// refused takes no memory by its size; of one that is not every row is taken from the account before it is held.
///
/// # Errors
/// See [`RestoreError`].
pub fn understand(
    mut input: impl Read + Seek,
    own: &OwnNode,
    rules: &RowRules,
) -> Result<RestorePlan, RestoreError> {
    let (account, mut wanted) = (rules.account, 0_usize);
    walk(
        &mut input,
        rules,
        |_| (),
        |_, _, bytes| {
            wanted = wanted.saturating_add(bytes);
            account.check(Purpose::Restoring, wanted).map_err(ReadStop::OverBudget)
        },
    )
    .map_err(unfit)?;
    input.rewind().map_err(|error| unfit(SnapshotError::Io(error)))?;
    let (mut records, mut pairs) = (Vec::new(), Vec::new());
    let (mut acl, mut history) = (Vec::new(), Vec::new());
    let mut share = account.empty(Purpose::Restoring);
    let contents = walk(
        &mut input,
        rules,
        |_| (),
        |_, item, bytes| {
            share.grow(bytes).map_err(ReadStop::OverBudget)?;
            match item {
                Item::Record(record) => records.push(record),
                Item::Pair(pair) => pairs.push(pair),
                Item::Acl(record) => acl.push(record),
                Item::Transition(entry) => history.push(entry),
            }
            Ok(())
        },
    )
    .map_err(unfit)?;
    let snapshot = DecodedSnapshot { contents: contents.clone(), records, pairs, acl, history };
    let (restoration, history) =
        snapshot.restoration(own).map_err(|sentence| RestoreError { reason: Reason::Senseless, sentence })?;
    Ok(RestorePlan { contents, restoration, history, share })
}

fn unfit(error: SnapshotError) -> RestoreError {
    let reason = match &error {
        SnapshotError::Io(_) => Reason::System,
        SnapshotError::TooLarge { .. } | SnapshotError::TooDense { .. } | SnapshotError::TooLong { .. } => {
            Reason::Size
        }
        SnapshotError::Full { .. } => Reason::Room,
        SnapshotError::OverBudget(_) => Reason::Memory,
        _ => Reason::Senseless,
    };
    RestoreError { reason, sentence: error.to_string() }
}

/// A node other than the agent's own, which cannot have its UUID.
fn foreign(node: Arc<Node>, own: &OwnNode) -> Result<Arc<Node>, String> {
    if node.id != own.id {
        return Ok(node);
    }
    let name = node.name.as_str();
    Err(format!(
        "the snapshot's node {name:?} has the UUID of this agent's own node; give it to one of them only"
    ))
}
