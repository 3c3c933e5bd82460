//! From stored rows back to a registry in memory.

use crate::catalog::change::Change;
use crate::catalog::state::State;
use crate::persist::change::Table;
use crate::persist::error::StoreError;
use crate::persist::store::Store;
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

/// Loads everything from `store`.
///
/// # Errors
/// Whatever the store finds; a row that cannot be read counts as damage.
pub fn recover(store: &mut dyn Store, own_node: &Text) -> Result<Recovered, StoreError> {
    let mut changes = Vec::new();
    let loaded = store.load(&mut |table: Table, key: &str, value: &[u8]| {
        changes.extend(rows::change(table, key, value)?);
        Ok(())
    })?;
    let mut state = State::new(own_node);
    changes.iter().for_each(|change| state.absorb(change));
    Ok(Recovered { state, index: loaded.index, changes })
}
