//! How many snapshots are under way and may be, and the threads that do it.

use std::io;
use std::sync::Arc;

use crate::base::sys::offload::Offload;
use crate::surface::context::error::ApiError;
use crate::surface::snapshot::quota::{Over, Quota, QuotaShare, Whose};

/// Snapshots that are sent at a time, and as many for operators. Each holds a picture, 60 bytes a record.
const SENT_MAX: u64 = 4;

/// Snapshots that are received at a time, and as many for operators. Each is a file that grows, so there is room for
/// some that are slow beside one that counts.
const RECEIVED_MAX: u64 = 32;

/// Restorations that are judged and worked out at a time, once all of the snapshot is here, and as many for operators.
/// Each holds what it holds.
const RESTORED_MAX: u64 = 4;

/// Pieces that may wait to be encoded or written down: whoever has a place finds room.
const WAITING_MAX: usize = 2 * (SENT_MAX + RECEIVED_MAX + RESTORED_MAX) as usize;

/// Threads that judge: whoever has a place finds one, so nobody waits for another's snapshot.
const JUDGES: usize = 2 * RESTORED_MAX as usize;

/// What is under way, and the threads that do it.
pub struct Snapshots {
    pub(super) encoder: Offload,
    pub(super) spooler: Offload,
    pub(super) judges: Offload,
    pub(super) sent: Arc<Quota>,
    pub(super) received: Arc<Quota>,
    pub(super) restored: Arc<Quota>,
    /// Bytes of what is received.
    pub(super) spooled: Arc<Quota>,
}

impl Snapshots {
    /// Nothing under way yet, and so many bytes for what is received.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn new(spooled_bytes_max: u64) -> io::Result<Snapshots> {
        let [sent, received, restored, spooled] =
            [SENT_MAX, RECEIVED_MAX, RESTORED_MAX, spooled_bytes_max].map(Quota::new);
        Ok(Snapshots {
            encoder: Offload::new("snapshot", 1, WAITING_MAX)?,
            spooler: Offload::new("spool", 1, WAITING_MAX)?,
            judges: Offload::humble("restore", JUDGES, WAITING_MAX)?,
            sent,
            received,
            restored,
            spooled,
        })
    }
}

/// A place among so many of what is done to snapshots: `done` says what, and `joint` for whom.
pub(super) fn place(
    among: &Arc<Quota>,
    whose: Whose,
    done: &str,
    joint: &str,
) -> Result<QuotaShare, ApiError> {
    among.take(whose, 1).map_err(|over| {
        let taken = match over {
            Over::All(max) => format!("{max} snapshots are {done} already"),
            Over::OfOne(max) => {
                format!("{max} snapshots are {done} {joint} your address already, half of all there may be")
            }
        };
        ApiError::busy(format!(
            "{taken}: try again when one is done, or come over the unix socket or admin_addr, which have places of \
             their own"
        ))
    })
}
