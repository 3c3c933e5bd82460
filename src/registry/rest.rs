//! The registry without its store: for the time in which another process has it. Reads go on from memory; writes wait,
//! and either get the store back or end with the process.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use crate::persist::error::StoreError;
use crate::persist::memory::MemoryStore;
use crate::persist::store::Store;
use crate::registry::error::WriteError;
use crate::registry::snapshot::exclusive::ExclusiveOp;
use crate::registry::write::{WriteQueue, Writer, WriterTask};
use crate::sys::oneshot;

/// A store that was opened anew, and who wants to know whether it can be gone on with.
type Opened = (Box<dyn Store>, SyncSender<Result<(), StoreError>>);

/// The writer's order to close its store and wait.
pub(in crate::registry) struct RestOrder {
    closed: oneshot::Sender<()>,
    goes_on: Receiver<Opened>,
}

/// A registry whose store is closed. Dropped, its writer ends, and so does every write that waits.
pub struct Resting {
    goes_on: Sender<Opened>,
}

impl WriteQueue {
    /// Has the store closed once everything before is written; returns when it is.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn rest(&self) -> Result<Resting, WriteError> {
        let (closed, is_closed) = oneshot::oneshot();
        let (sender, goes_on) = channel();
        self.put(WriterTask::Whole(ExclusiveOp::Rest(RestOrder { closed, goes_on })))?;
        is_closed.recv().map_err(|_| WriteError::Closing)?;
        Ok(Resting { goes_on: sender })
    }
}

impl Resting {
    /// Goes on with the store, opened anew. What waits is written.
    ///
    /// # Errors
    /// What the store finds when it is read, and [`StoreError::Failed`] when somebody has written to it meanwhile: what
    /// readers see is then no longer what it holds, and no write is taken until a restart.
    pub fn resume(self, store: Box<dyn Store>) -> Result<(), StoreError> {
        let (reply, outcome) = sync_channel(1);
        let ended = || StoreError::failed("the store".as_ref(), "the writer has ended");
        self.goes_on.send((store, reply)).map_err(|_| ended())?;
        outcome.recv().unwrap_or_else(|_| Err(ended()))
    }
}

impl Writer {
    /// Closes the store, then waits for what comes of it; false when nothing does.
    pub(in crate::registry) fn rest(&mut self, order: RestOrder) -> Result<bool, StoreError> {
        let RestOrder { closed, goes_on } = order;
        // Nothing is written to this one.
        drop(std::mem::replace(&mut self.store, Box::new(MemoryStore::standing_at(self.index))));
        closed.send(());
        let Ok((store, reply)) = goes_on.recv() else { return Ok(false) };
        self.store = store;
        let checked = self.store.load(&mut |_, _, _| Ok(())).and_then(|loaded| match loaded.index {
            index if index == self.index => Ok(()),
            index => {
                let path = self.store.describe().path.unwrap_or_default();
                let detail = format!("a successor that failed left it at index {index}, not {}", self.index);
                Err(StoreError::failed(&path, detail))
            }
        });
        let outcome = match &checked {
            Ok(()) => Ok(()),
            Err(error) => Err(StoreError::failed("the store".as_ref(), error.to_string())),
        };
        // Whoever asked may have given up, which changes nothing here.
        let _ = reply.send(checked);
        outcome.map(|()| true)
    }
}
