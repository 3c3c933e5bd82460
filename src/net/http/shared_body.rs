//! Bytes on their way to clients: those of one response, and those that many share.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::base::sys::budget::{Budget, BudgetShare, OverBudget, Purpose};

/// Bytes that many responses share, with their compressed twin once it is made.
pub struct SharedBody {
    plain: Box<[u8]>,
    gzip: OnceLock<Box<[u8]>>,
    /// One thread makes the twin. All others send the plain bytes meanwhile, rather than wait or make it again.
    gzip_claimed: AtomicBool,
    /// Readers in the middle of it, and what they hold of the account for answers together. Locked for a count.
    lent: Mutex<(usize, Option<BudgetShare>)>,
}

/// A reader's part in the bytes of a shared body, until dropped.
pub(crate) struct Loan(Arc<SharedBody>);

impl Drop for Loan {
    fn drop(&mut self) {
        let mut lent = self.0.lent.lock();
        lent.0 -= 1;
        if lent.0 == 0 {
            lent.1 = None;
        }
    }
}

impl SharedBody {
    /// Shares `plain`.
    pub fn new(plain: impl Into<Box<[u8]>>) -> Arc<SharedBody> {
        Arc::new(SharedBody {
            plain: plain.into(),
            gzip: OnceLock::new(),
            gzip_claimed: AtomicBool::new(false),
            lent: Mutex::default(),
        })
    }

    /// Counts a reader who takes long; however many there are, the bytes are counted once.
    ///
    /// # Errors
    /// [`OverBudget`] when the account has no room for them.
    pub(crate) fn lend(self: &Arc<SharedBody>, budget: &'static Budget) -> Result<Loan, OverBudget> {
        let mut lent = self.lent.lock();
        if lent.1.is_none() {
            lent.1 = Some(budget.take(Purpose::Answers, self.memory_bytes())?);
        }
        lent.0 += 1;
        Ok(Loan(self.clone()))
    }

    /// The bytes.
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// The compressed twin, if it was made.
    pub fn gzip(&self) -> Option<&[u8]> {
        self.gzip.get().map(AsRef::as_ref)
    }

    /// Bytes of memory both twins hold, for a cache with a bound.
    pub fn memory_bytes(&self) -> usize {
        self.plain.len() + self.gzip().map_or(0, <[u8]>::len)
    }

    /// Whether the caller is the one to make the twin. True once, unless the claim is given back.
    pub(crate) fn claim_gzip(&self) -> bool {
        !self.gzip_claimed.swap(true, Ordering::AcqRel)
    }

    /// Sets the twin, or gives the claim back when it could not be made.
    pub(crate) fn finish_gzip(&self, gzip: Option<Vec<u8>>) {
        match gzip {
            Some(gzip) => {
                // Only the claimant sets it, so nothing is lost if it is set already.
                let _ = self.gzip.set(gzip.into_boxed_slice());
            }
            None => self.gzip_claimed.store(false, Ordering::Release),
        }
    }
}

impl fmt::Debug for SharedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBody({} bytes, gzip {:?})", self.plain.len(), self.gzip().map(<[u8]>::len))
    }
}

/// Bytes to be sent, and whose they are.
#[derive(Clone, Copy)]
pub(crate) enum Unsent<'a> {
    /// This response's alone.
    Own(&'a [u8]),
    /// Of a body that others send too.
    Shared(&'a [u8], &'a Arc<SharedBody>),
}

impl<'a> Unsent<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Unsent::Own(bytes) | Unsent::Shared(bytes, _) => bytes,
        }
    }
}
