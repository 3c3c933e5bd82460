//! From stored rows back to a registry in memory.

use std::collections::HashSet;
use std::sync::Arc;

use crate::catalog::change::Change;
use crate::catalog::state::{Bounds, State};
use crate::model::{Check, Indexes, Node, Service, Subject, Transition};
use crate::persist::change::{Batch, Table};
use crate::persist::error::StoreError;
use crate::persist::store::Store;
use crate::registry::asked::{self, Asked};
use crate::registry::carried::Carried;
use crate::registry::history::Entry;
use crate::registry::own_node::OwnNode;
use crate::registry::rows;
use crate::stdx::text::Text;

/// A state as it was stored, and the changes that lead to it from nothing.
pub struct Recovered {
    /// The state.
    pub state: State,
    /// The index of the last stored change.
    pub index: u64,
    /// Every record as a change, nodes before what is on them.
    pub changes: Vec<Change>,
    /// The transitions that led there, as far as they are kept.
    pub history: Vec<Entry>,
    /// What the last end left of the checks' lives, if it was an orderly one.
    pub carried: Carried,
    /// What was asked for most before.
    pub asked: Vec<Asked>,
}

/// Loads everything from `store`. If the agent's own node was stored under another name, it is renamed first, in one
/// commit with an index of its own: what is registered on it stays registered, and so does what another node of that
/// name has, where the agent has nothing of the same id.
///
/// # Errors
/// Whatever the store finds; a row that cannot be read counts as damage.
pub fn recover(store: &mut dyn Store, own: &OwnNode, bounds: Bounds) -> Result<Recovered, StoreError> {
    let (mut changes, mut history, mut carried) = (Vec::new(), Vec::new(), Carried::default());
    let (mut asked, mut reader) = (Vec::new(), rows::Reader::default());
    let loaded = store.load(&mut |table: Table, key: &str, value: &[u8]| {
        match table {
            Table::Meta => {
                carried.absorb(key, value)?;
                asked.extend(asked::read(key, value)?.into_iter().flatten());
            }
            Table::History => history.push(rows::transition(key, value)?),
            _ => changes.extend(reader.change(table, key, value)?),
        }
        Ok(())
    })?;
    let mut index = loaded.index;
    if let Some(old_key) = stored_name(&changes, own) {
        log::info!(before = old_key.as_str(), now = own.name.as_str(); "the agent's own node is renamed");
        // Whoever knows the old name asks with the index it was seen at, and must hear of the new one.
        index += 1;
        let (on_own, mut others): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|it: &Change| *it.node() == old_key);
        let renamed: Vec<Change> = on_own.iter().map(|change| renamed(change, &own.name, index)).collect();
        let record_rows = on_own.iter().map(rows::removal).chain(renamed.iter().map(rows::row));
        let taken: HashSet<Place<'_>> = renamed.iter().map(place).collect();
        others.retain(|it| !taken.contains(&place(it)));

        let (of_own, of_others): (Vec<_>, Vec<_>) =
            history.into_iter().partition(|entry: &Entry| entry.transition.subject.node == old_key);
        let retold: Vec<Entry> = of_own.iter().map(|entry| retold(entry, &own.name)).collect();
        let subjects: HashSet<&Subject> = retold.iter().map(|it| &*it.transition.subject).collect();
        let (displaced, of_others): (Vec<_>, Vec<_>) =
            of_others.into_iter().partition(|it| subjects.contains(&*it.transition.subject));
        let history_rows = of_own.iter().chain(&displaced).map(rows::transition_removal);
        let history_rows = history_rows.chain(retold.iter().map(rows::transition_row));
        store.commit(&Batch { index, changes: record_rows.chain(history_rows).collect() })?;
        changes = [renamed, others].concat();
        history = [retold, of_others].concat();
    }
    let state = State::restored(&own.name, bounds, &changes);
    Ok(Recovered { state, index, changes, history, carried, asked })
}

/// The key under which the agent's own node was stored, if that is not its name's.
fn stored_name(changes: &[Change], own: &OwnNode) -> Option<Text> {
    let key = own.name.folded();
    changes.iter().find_map(|change| match change {
        Change::Node { key: stored, after: Some(node), .. } if node.id == own.id && *stored != key => {
            Some(stored.clone())
        }
        _ => None,
    })
}

/// The same transition on a node of another name.
pub(super) fn retold(entry: &Entry, name: &Text) -> Entry {
    let transition = Transition::clone(&entry.transition);
    let subject = Subject { node: name.folded(), ..Subject::clone(&transition.subject) };
    Entry { transition: Arc::new(Transition { subject: Arc::new(subject), ..transition }), ..entry.clone() }
}

/// What a record is filed under: its kind, its node's key and its id.
type Place<'a> = (Table, &'a Text, Option<&'a Text>);

fn place(change: &Change) -> Place<'_> {
    match change {
        Change::Node { key, .. } => (Table::Nodes, key, None),
        Change::Service { node, id, .. } => (Table::Services, node, Some(id)),
        Change::Check { node, id, .. } => (Table::Checks, node, Some(id)),
    }
}

/// The same record on a node of another name, changed at `index`.
pub(super) fn renamed(change: &Change, name: &Text, index: u64) -> Change {
    let key = name.folded();
    let at = |before: Indexes| Indexes { modify: index, ..before };
    match change.clone() {
        Change::Node { before, after, .. } => {
            let renamed =
                |it: Arc<Node>| Node { name: name.clone(), indexes: at(it.indexes), ..Node::clone(&it) };
            Change::Node { key, before, after: after.map(|node| Arc::new(renamed(node))) }
        }
        Change::Service { id, before, after, .. } => {
            let moved = |it: Arc<Service>| Service { indexes: at(it.indexes), ..Service::clone(&it) };
            Change::Service { node: key, id, before, after: after.map(|service| Arc::new(moved(service))) }
        }
        Change::Check { id, before, after, .. } => {
            let moved = |it: Arc<Check>| Check { indexes: at(it.indexes), ..Check::clone(&it) };
            Change::Check { node: key, id, before, after: after.map(|check| Arc::new(moved(check))) }
        }
    }
}
