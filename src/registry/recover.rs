//! From stored rows back to a registry in memory.

use std::sync::Arc;

use crate::catalog::change::Change;
use crate::catalog::state::{Bounds, State};
use crate::model::Node;
use crate::persist::change::{Batch, Table};
use crate::persist::error::StoreError;
use crate::persist::store::Store;
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
}

/// Loads everything from `store`. If the agent's own node was stored under another name, it is renamed first, in one
/// commit: what is registered on it stays registered.
///
/// # Errors
/// Whatever the store finds; a row that cannot be read counts as damage.
pub fn recover(store: &mut dyn Store, own: &OwnNode, bounds: Bounds) -> Result<Recovered, StoreError> {
    let mut changes = Vec::new();
    let loaded = store.load(&mut |table: Table, key: &str, value: &[u8]| {
        changes.extend(rows::change(table, key, value)?);
        Ok(())
    })?;
    if let Some(old_key) = stored_name(&changes, own) {
        log::info!(before = old_key.as_str(), now = own.name.as_str(); "the agent's own node is renamed");
        let (on_own, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(|it| *it.node() == old_key);
        let renamed: Vec<Change> = on_own.iter().map(|change| renamed(change, &own.name)).collect();
        let rows = on_own.iter().map(rows::removal).chain(renamed.iter().map(rows::row));
        store.commit(&Batch { index: loaded.index, changes: rows.collect() })?;
        changes = [renamed, others].concat();
    }
    let mut state = State::new(&own.name, bounds);
    changes.iter().for_each(|change| state.absorb(change));
    Ok(Recovered { state, index: loaded.index, changes })
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

/// The same record on a node of another name.
fn renamed(change: &Change, name: &Text) -> Change {
    let key = name.folded();
    match change.clone() {
        Change::Node { before, after, .. } => {
            let after = after.map(|node| Arc::new(Node { name: name.clone(), ..Node::clone(&node) }));
            Change::Node { key, before, after }
        }
        Change::Service { id, before, after, .. } => Change::Service { node: key, id, before, after },
        Change::Check { id, before, after, .. } => Change::Check { node: key, id, before, after },
    }
}
