//! From stored rows back to a registry in memory.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::kernel::state::{Bounds, State};
use crate::core::model::limits::INDEX_MAX;
use crate::core::model::{CommandRefusal, Indexes, Node, NodeKey, Origin, Pair, Subject, Transition};
use crate::node::registry::commit::next_index;
use crate::node::registry::defined_ids::{self, DefinedIds};
use crate::node::registry::health_checkpoint::HealthCheckpoint;
use crate::node::registry::history::HistoryEntry;
use crate::node::registry::hot_queries::{self, HotQuery};
use crate::node::registry::mended::Mending;
use crate::node::registry::own_node::OwnNode;
use crate::node::registry::rows;
use crate::node::registry::sealed::{AclStart, SealedRows};
use crate::node::registry::silences;
use crate::store::change::{RowChange, Table};
use crate::store::error::StoreError;
use crate::store::rows::Store;

/// Where the index stands while nothing was ever stored. Consul's own is about there once it serves, and its clients'
/// tools wait for more than 1 to take a server for ready.
pub const INDEX_OF_NOTHING: u64 = 10;

/// A state as it was stored, and the changes that lead to it from nothing.
pub struct Recovered {
    /// The state.
    pub state: State,
    /// The index of the last stored change.
    pub index: u64,
    /// Every record of the catalog as a change, nodes before what is on them.
    pub changes: Vec<CatalogChange>,
    /// The transitions that led there, as far as they are kept.
    pub history: Vec<HistoryEntry>,
    /// What the last end left of the checks' lives, if it was an orderly one.
    pub checkpoint: HealthCheckpoint,
    /// What a crash left of the TTLs.
    pub silences: silences::SavedSilences,
    /// What was asked for most before.
    pub hot_queries: Vec<HotQuery>,
    /// What definition files defined before.
    pub defined_ids: DefinedIds,
    /// The rows of what differs from what is stored, to be made durable before anything else.
    pub repairs: Vec<RowChange>,
}

/// Loads everything from `store`, and writes nothing. If the agent's own node was stored under another name, it is
/// renamed, at an index of its own: what is registered on it stays registered. What access control is never without
/// comes to be at the same one.
///
/// # Errors
/// Whatever the store finds; a row that cannot be read counts as damage. [`RecoverError::NameTaken`] when somebody
/// else's node has the agent's name, and [`RecoverError::Sealed`] when a secret does not open.
pub fn recover(
    store: &mut dyn Store,
    own: &OwnNode,
    bounds: Bounds,
    acl: AclStart<'_>,
) -> Result<Recovered, RecoverError> {
    let (mut changes, mut history, mut checkpoint) = (Vec::new(), Vec::new(), HealthCheckpoint::default());
    let (mut hot_queries, mut reader) = (Vec::new(), rows::RowReader::default());
    let mut pairs: Vec<Arc<Pair>> = Vec::new();
    let mut sealed = SealedRows::new(acl);
    let mut silences = silences::SavedSilences::default();
    let mut defined_ids = DefinedIds::default();
    // What rows say of indexes is bounded here by what there can be, since the index of all comes after them.
    let mut mending = Mending::new(INDEX_MAX);
    let loaded = store.load(&mut |table: Table, key: &str, value: &[u8]| {
        match table {
            Table::Meta => {
                checkpoint.absorb(key, value)?;
                silences.absorb(key, value)?;
                hot_queries.extend(hot_queries::read(key, value)?.into_iter().flatten());
                defined_ids::read(key, value)?.into_iter().for_each(|ids| defined_ids = ids);
            }
            Table::Kv => pairs.push(mending.pair(rows::pair(key, value)?)),
            Table::Acl => sealed.take(key, value, &mut mending)?,
            Table::History => history.extend(mending.transition(key, value)),
            _ => changes.extend(reader.change(table, key, value)?.map(|record| mending.record(record))),
        }
        Ok(())
    })?;
    mending.end();
    let (records, mut repairs) = sealed.end().map_err(RecoverError::Sealed)?;
    if let Some(held) = holder_of_own_name(&changes, own) {
        return Err(RecoverError::NameTaken(CommandRefusal::reserved(&own.name, &own.id, held)));
    }
    let mut index = loaded.index.max(INDEX_OF_NOTHING);
    let next = next_index(index, 0).map_err(|_| exhausted(index, store))?;
    if let Some(old_key) = stored_name(&changes, own) {
        log::info!(before = old_key.as_str(), now = own.name.as_str(); "the agent's own node is renamed");
        // Whoever knows the old name asks with the index it was seen at, and must hear of the new one.
        index = next;
        let (on_own, mut others): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|it: &CatalogChange| *it.node() == old_key);
        let renamed: Vec<CatalogChange> =
            on_own.iter().map(|change| renamed(change, &own.name, index)).collect();
        let record_rows = on_own.iter().map(rows::removal).chain(renamed.iter().map(rows::row));
        let taken: HashSet<RecordKey<'_>> = renamed.iter().map(record_key).collect();
        others.retain(|it| !taken.contains(&record_key(it)));

        let (of_own, of_others): (Vec<_>, Vec<_>) =
            history.into_iter().partition(|entry: &HistoryEntry| entry.transition.subject.node == old_key);
        let moved: Vec<HistoryEntry> = of_own.iter().map(|entry| renamed_entry(entry, &own.name)).collect();
        let subjects: HashSet<&Subject> = moved.iter().map(|it| &*it.transition.subject).collect();
        let (displaced, of_others): (Vec<_>, Vec<_>) =
            of_others.into_iter().partition(|it| subjects.contains(&*it.transition.subject));
        let history_rows = of_own.iter().chain(&displaced).map(rows::transition_removal);
        let history_rows = history_rows.chain(moved.iter().map(rows::transition_row));
        repairs.extend(record_rows.chain(history_rows));
        changes = [renamed, others].concat();
        history = [moved, of_others].concat();
    }
    let mut state = State::restored(&own.name, bounds, &changes, pairs, records);
    let completing = acl.complete(&mut state.acl, next);
    if !completing.is_empty() {
        index = next;
        repairs.extend(completing);
    }
    for excess in state.excess() {
        log::warn!(
            "more is stored than would be taken now, and all of it is kept, shown and checked: {excess}"
        );
    }
    Ok(Recovered { state, index, changes, history, checkpoint, silences, hot_queries, defined_ids, repairs })
}

/// The refusal of a store whose index leaves room for no change. It came with a made-up snapshot, or through a Redis
/// that somebody else has written to.
fn exhausted(index: u64, store: &dyn Store) -> StoreError {
    let path = store.describe().path.unwrap_or_default();
    let detail = format!(
        "its index {index} leaves room for no further change; `muster store repair {} --into NEW` makes a directory \
         of it that begins below",
        path.display()
    );
    StoreError::Damaged { path, detail }
}

/// Why there is no registry to go on with.
#[derive(Debug)]
pub enum RecoverError {
    /// The store could not be read.
    Store(StoreError),
    /// Somebody else's node has the agent's name: what the catalog says to that.
    NameTaken(CommandRefusal),
    /// A secret of access control does not open: a sentence with the remedy.
    Sealed(String),
}

impl From<StoreError> for RecoverError {
    fn from(error: StoreError) -> RecoverError {
        RecoverError::Store(error)
    }
}

/// The node that has the agent's name and is not the agent's: it has another id, and not what only an agent's own node
/// has, which stays the agent's also when that is given another id.
fn holder_of_own_name<'c>(changes: &'c [CatalogChange], own: &OwnNode) -> Option<&'c Node> {
    let key = own.key();
    let is_of_agent = |change: &CatalogChange| match change {
        CatalogChange::Check { node, after: Some(check), .. } => {
            *node == key && check.origin == Origin::Server
        }
        CatalogChange::Service { node, after: Some(service), .. } => {
            *node == key && service.origin == Origin::Server
        }
        _ => false,
    };
    let held = changes.iter().find_map(|change| match change {
        CatalogChange::Node { key: stored, after: Some(node), .. } if *stored == key => Some(&**node),
        _ => None,
    })?;
    (held.id != own.id && !changes.iter().any(is_of_agent)).then_some(held)
}

/// The key under which the agent's own node was stored, if that is not its name's.
fn stored_name(changes: &[CatalogChange], own: &OwnNode) -> Option<NodeKey> {
    let key = own.key();
    changes.iter().find_map(|change| match change {
        CatalogChange::Node { key: stored, after: Some(node), .. }
            if node.id.folded() == own.id.folded() && *stored != key =>
        {
            Some(stored.clone())
        }
        _ => None,
    })
}

/// The same transition on a node of another name.
pub(super) fn renamed_entry(entry: &HistoryEntry, name: &Text) -> HistoryEntry {
    let transition = Transition::clone(&entry.transition);
    let subject = Subject { node: NodeKey::of(name), ..Subject::clone(&transition.subject) };
    HistoryEntry {
        transition: Arc::new(Transition { subject: Arc::new(subject), ..transition }),
        ..entry.clone()
    }
}

/// What a record is filed under: its kind, its node's key and its id.
type RecordKey<'a> = (Table, &'a NodeKey, Option<&'a Text>);

fn record_key(change: &CatalogChange) -> RecordKey<'_> {
    match change {
        CatalogChange::Node { key, .. } => (Table::Nodes, key, None),
        CatalogChange::Service { node, id, .. } => (Table::Services, node, Some(id)),
        CatalogChange::Check { node, id, .. } => (Table::Checks, node, Some(id)),
    }
}

/// The same record on a node of another name, changed at `index`.
pub(super) fn renamed(change: &CatalogChange, name: &Text, index: u64) -> CatalogChange {
    let key = NodeKey::of(name);
    let moved = match change.clone() {
        CatalogChange::Node { before, after, .. } => {
            let after = after.map(|it| Arc::new(Node { name: name.clone(), ..Node::clone(&it) }));
            CatalogChange::Node { key, before, after }
        }
        CatalogChange::Service { id, before, after, .. } => {
            CatalogChange::Service { node: key, id, before, after }
        }
        CatalogChange::Check { id, before, after, .. } => {
            CatalogChange::Check { node: key, id, before, after }
        }
    };
    moved.reindexed(|before| Indexes { modify: index, ..before })
}
