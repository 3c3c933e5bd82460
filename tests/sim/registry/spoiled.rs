//! A store that is spoiled on purpose where a test wants to see that it is noticed.

use muster::store::change::{Batch, Table};
use muster::store::error::StoreError;
use muster::store::rows::{Description, Loaded, RowSink, Store};

use crate::registry::mutants::Mutant;

/// A store with a fault between it and the registry, or without one.
pub struct Spoiled {
    store: Box<dyn Store>,
    /// Rows that it has handed out.
    pub rows: u64,
    /// Those of them that are of access control.
    pub acl_rows: u64,
    mutant: Option<Mutant>,
    commits: usize,
    held_back: Option<Batch>,
}

impl Spoiled {
    pub fn new(store: Box<dyn Store>, mutant: Option<Mutant>) -> Spoiled {
        Spoiled { store, rows: 0, acl_rows: 0, mutant, commits: 0, held_back: None }
    }

    fn spoil(&mut self, mut batch: Batch) -> Result<(), StoreError> {
        let is_struck = self.commits.is_multiple_of(3);
        match self.mutant {
            Some(Mutant::LosesABatch) if is_struck => return Ok(()),
            Some(Mutant::LosesARow) if is_struck => drop(batch.changes.pop()),
            Some(Mutant::KeepsTheDead) => batch.changes.retain(|it| it.value.is_some()),
            Some(Mutant::ForgetsHistory) => batch.changes.retain(|it| it.table != Table::History),
            Some(Mutant::LosesWhatIsBeside) => batch.changes.retain(|it| it.table != Table::Meta),
            Some(Mutant::ForgetsIndexes) => batch.index = 0,
            Some(Mutant::HalvesBatches) if batch.changes.len() > 1 => {
                let changes = batch.changes.split_off(batch.changes.len() / 2);
                self.store.commit(&batch)?;
                batch = Batch { index: batch.index, changes };
            }
            Some(Mutant::SwapsBatches) if is_struck && self.held_back.is_none() => {
                self.held_back = Some(batch);
                return Ok(());
            }
            _ => {}
        }
        self.store.commit(&batch)?;
        self.held_back.take().map_or(Ok(()), |earlier| self.store.commit(&earlier))
    }
}

impl Store for Spoiled {
    fn load(&mut self, row: &mut RowSink) -> Result<Loaded, StoreError> {
        (self.rows, self.acl_rows) = (0, 0);
        self.store.load(&mut |table, key, value| {
            self.rows += 1;
            self.acl_rows += u64::from(table == Table::Acl);
            row(table, key, value)
        })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.commits += 1;
        match self.spoil(batch.clone()) {
            Err(_) if self.mutant == Some(Mutant::SaysYesToFailures) => Ok(()),
            Ok(()) if self.mutant == Some(Mutant::WritesWhatItRefuses) && self.commits.is_multiple_of(4) => {
                Err(StoreError::Full { path: "data".into(), detail: "no room, it says".into() })
            }
            outcome => outcome,
        }
    }

    fn describe(&self) -> Description {
        self.store.describe()
    }
}
