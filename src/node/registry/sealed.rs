//! Access control at a start: what its rows become, and what is put right of them.
//!
//! With access control off no secret is opened, so no key is needed: what stands in the rows stays as it is.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::core::acl::change::AclChange;
use crate::core::acl::row::{self, LeftSealed, Seal, SharedSeal};
use crate::core::acl::state::AclState;
use crate::core::kernel::changes::Changes;
use crate::core::model::Indexes;
use crate::core::model::acl::AclRecord;
use crate::node::registry::mended::Mending;
use crate::node::registry::rows;
use crate::store::change::RowChange;

/// For who passes secrets on as they are, or only looks at their rows.
pub fn left_sealed() -> SharedSeal {
    Arc::new(LeftSealed)
}

/// How access control starts.
#[derive(Clone, Copy)]
pub struct AclStart<'s> {
    /// Whether it counts.
    pub is_enabled: bool,
    /// What opens its secrets.
    pub seal: &'s (dyn Seal + Send + Sync),
    /// The time, in milliseconds of Unix time.
    pub now_ms: u64,
}

/// The rows of access control, while a store is read.
pub(super) struct SealedRows<'s> {
    start: AclStart<'s>,
    records: Vec<AclRecord>,
    repairs: Vec<RowChange>,
    fault: Option<String>,
}

impl<'s> SealedRows<'s> {
    /// None yet.
    pub fn new(start: AclStart<'s>) -> SealedRows<'s> {
        SealedRows { start, records: Vec::new(), repairs: Vec::new(), fault: None }
    }

    /// Takes one row. What it is sealed with is looked at in the end.
    ///
    /// # Errors
    /// A sentence when it does not read, and access control counts.
    pub fn take(&mut self, key: &str, value: &[u8], mending: &mut Mending) -> Result<(), String> {
        let AclStart { is_enabled, seal, .. } = self.start;
        let Some(sealed) = mending.acl(key, value, is_enabled)? else { return Ok(()) };
        let is_current = match &sealed {
            AclRecord::Token(token) => seal.is_current(token.secret.reveal()),
            _ => true,
        };
        match row::opened(sealed, seal) {
            Ok(record) => {
                self.repairs.extend((!is_current).then(|| rows::acl_row(&record, seal)));
                self.records.push(record);
            }
            Err(error) => {
                self.fault.get_or_insert_with(|| {
                    format!(
                        "row {key:?} of the table acl cannot be opened: {error}. Put the key that it was sealed with \
                         into {}, or start with access control off: its rows stay as they are then",
                        seal.place()
                    )
                });
            }
        }
        Ok(())
    }

    /// The records, and the rows of those that were sealed with an older key, sealed anew.
    ///
    /// # Errors
    /// A sentence when one of them could not be opened.
    pub fn end(self) -> Result<(Vec<AclRecord>, Vec<RowChange>), String> {
        self.fault.map_or(Ok((self.records, self.repairs)), Err)
    }
}

impl AclStart<'_> {
    /// Puts what is always there into the state at `index` where it is missing and access control counts. Gives its
    /// rows.
    pub(super) fn complete(&self, state: &mut AclState, index: u64) -> Vec<RowChange> {
        let missing = if self.is_enabled { state.missing(self.now_ms) } else { Vec::new() };
        let change = |record: AclRecord| {
            let after = Some(record.at(Indexes { create: index, modify: index }));
            AclChange { kind: record.kind(), id: record.id(), index, before: None, after }
        };
        let changes = Changes { acl: missing.into_iter().map(change).collect(), ..Changes::default() };
        changes.acl.iter().for_each(|change| state.absorb(change));
        rows::of(&changes, self.seal).collect()
    }
}
