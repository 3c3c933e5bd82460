//! The registry without its store: for the time in which another process has it. Reads go on from memory; writes wait,
//! and either get the store back or end with the process.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use crate::base::sys::oneshot;
use crate::node::registry::commit::Committer;
use crate::store::error::StoreError;
use crate::store::rows::Store;

/// A store that was opened anew, and who wants to know whether it can be gone on with.
type Opened = (Box<dyn Store>, SyncSender<Result<(), StoreError>>);

/// Has the writer close its store and wait.
pub(in crate::node::registry) struct RestOrder {
    closed: oneshot::Sender<()>,
    goes_on: Receiver<Opened>,
}

/// A registry whose store is closed. Dropped, its writer ends, and so does every write that waits.
pub struct Resting {
    goes_on: Sender<Opened>,
}

impl RestOrder {
    /// One for the writer, what tells that it is carried out, and the way back.
    pub fn channel() -> (RestOrder, oneshot::Receiver<()>, Resting) {
        let (closed, is_closed) = oneshot::oneshot();
        let (sender, goes_on) = channel();
        (RestOrder { closed, goes_on }, is_closed, Resting { goes_on: sender })
    }

    /// Closes the store, then waits for what comes of it; false when nothing does.
    pub fn carry_out(self, committer: &mut Committer) -> Result<bool, StoreError> {
        committer.close_store();
        self.closed.send(());
        let Ok((store, reply)) = self.goes_on.recv() else { return Ok(false) };
        let reopened = committer.reopen(store);
        let outcome = match &reopened {
            Ok(()) => Ok(true),
            Err(error) => Err(StoreError::failed("the store".as_ref(), error.to_string())),
        };
        // Whoever asked may have given up, which changes nothing here.
        let _ = reply.send(reopened);
        outcome
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
