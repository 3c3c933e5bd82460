//! What a store that keeps its rows elsewhere as well asks of the embedded one: single rows, pages of rows, and the
//! checksum of what is on disk. Knows nothing of where else.

use super::{CHECKSUM_MISSING, CHECKSUM_ROW, EmbeddedStore, EngineFault, State};
use crate::store::change::Batch;
use crate::store::checksums::RowChecksum;
use crate::store::embedded::backend::{NamedRow, RowEngine, StorageBackend};
use crate::store::error::StoreError;

impl<G: StorageBackend> EmbeddedStore<G> {
    /// The checksum of what is acknowledged.
    pub fn checksum(&self) -> RowChecksum {
        self.checksums.checksum()
    }

    /// The checksum on disk, before a [`load`](crate::store::rows::Store::load) has proved it.
    ///
    /// # Errors
    /// When the engine cannot read it, or is not open.
    pub fn checksum_on_disk(&self) -> Result<RowChecksum, StoreError> {
        let broken = |detail: String| EngineFault::Content(detail).refusal(&self.rows_path());
        let text = self.row(CHECKSUM_ROW)?.ok_or_else(|| broken(CHECKSUM_MISSING.into()))?;
        serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))
    }

    /// The checksum after committing `batch`.
    pub fn checksum_after(&mut self, batch: &Batch) -> RowChecksum {
        for change in &batch.changes {
            self.checksums.record(&change.name(), change.value.as_deref());
        }
        let checksum = self.checksums.close(batch.index);
        self.checksums.revert();
        checksum
    }

    /// One row by its name.
    ///
    /// # Errors
    /// When the engine cannot read it, or is not open.
    pub fn row(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading(|engine| engine.get(name))
    }

    /// The rows after the name `after`, in the order of their names: as many as there are, or fewer once they hold
    /// `bytes_max` bytes. None are left when there are none in the answer.
    ///
    /// # Errors
    /// When the engine cannot read them, or is not open.
    pub fn page(&self, after: &str, rows_max: usize, bytes_max: usize) -> Result<Vec<NamedRow>, StoreError> {
        let mut page = self.reading(|engine| engine.page(after, rows_max, bytes_max))?;
        page.retain(|(name, _)| name != CHECKSUM_ROW);
        Ok(page)
    }

    /// Takes on the id of the node whose rows are about to be put into this directory, which has none yet.
    ///
    /// # Errors
    /// When the identity cannot be written.
    pub fn adopt_node(&mut self, node_id: uuid::Uuid) -> Result<(), StoreError> {
        self.backend.adopt_node(node_id)
    }

    fn reading<T>(&self, read: impl FnOnce(&G::Engine) -> Result<T, EngineFault>) -> Result<T, StoreError> {
        let path = self.rows_path();
        match &self.state {
            State::Unproved(engine, _) | State::Serving(engine) => {
                read(engine).map_err(|fault| fault.refusal(&path))
            }
            State::Closed => Err(StoreError::Full { path, detail: "the engine waits for room".into() }),
            State::Failed(detail) => Err(StoreError::failed(&path, detail)),
        }
    }
}
