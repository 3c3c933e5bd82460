//! One account of the bytes that clients, stores and snapshots make this process hold for a while.
//!
//! Code that is about to hold bytes whose number a peer decides (an answer that is not read, a body that is half here,
//! a reply of a store) takes a [`BudgetShare`] first, and is refused at the bound: a refused request harms one client,
//! a process that runs out of memory harms all. It counts and bounds; what to answer is decided by the caller.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What bytes are held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Answers that were made and are not sent yet.
    Answers,
    /// Requests that are not here as a whole, or not carried out.
    Requests,
    /// Rows that come from a snapshot or a store and are not in the registry yet.
    Restoring,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Purpose; 3] = [Purpose::Answers, Purpose::Requests, Purpose::Restoring];

    /// Its word in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Answers => "answers",
            Purpose::Requests => "requests",
            Purpose::Restoring => "restoring",
        }
    }

    /// The part of all bytes that may be held for it, as one over this: half. Less, and a big answer would be refused
    /// on a small machine; more, and who reads slowly could keep others from writing.
    const FRACTION: usize = 2;
}

/// The bound until another is set: enough for tests, and for a start that has not read its settings.
const BYTES_MAX_DEFAULT: usize = 256 << 20;

/// An account of bytes. The process has one, [`process`]; tests make their own.
#[derive(Debug)]
pub struct Budget {
    bytes_max: AtomicUsize,
    held: [AtomicUsize; Purpose::ALL.len()],
    refused: [AtomicU64; Purpose::ALL.len()],
}

static PROCESS: Budget = Budget::new(BYTES_MAX_DEFAULT);

/// The account of this process.
pub fn process() -> &'static Budget {
    &PROCESS
}

impl Budget {
    /// An account of so many bytes.
    pub const fn new(bytes_max: usize) -> Budget {
        Budget {
            bytes_max: AtomicUsize::new(bytes_max),
            held: [const { AtomicUsize::new(0) }; Purpose::ALL.len()],
            refused: [const { AtomicU64::new(0) }; Purpose::ALL.len()],
        }
    }

    /// Moves the bound. What is held already stays.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Bytes that may be held for all purposes together.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max.load(Ordering::Relaxed)
    }

    /// Bytes that may be held for one purpose: half of all.
    pub fn bytes_max_of_one(&self) -> usize {
        self.bytes_max() / Purpose::FRACTION
    }

    /// Bytes held for a purpose.
    pub fn held(&self, purpose: Purpose) -> usize {
        self.held[purpose as usize].load(Ordering::Relaxed)
    }

    /// Bytes that may still be held for a purpose.
    pub fn left(&self, purpose: Purpose) -> usize {
        self.bytes_max_of_one().saturating_sub(self.held(purpose))
    }

    /// How often bytes were refused for a purpose.
    pub fn refused(&self, purpose: Purpose) -> u64 {
        self.refused[purpose as usize].load(Ordering::Relaxed)
    }

    /// Takes so many bytes, until the share is dropped.
    ///
    /// # Errors
    /// [`OverBudget`] when they pass the bound of their purpose or of all.
    pub fn take(&'static self, purpose: Purpose, bytes: usize) -> Result<BudgetShare, OverBudget> {
        let mut share = BudgetShare { budget: self, purpose, bytes: 0 };
        share.resize(bytes).map(|()| share)
    }

    /// Whether so many bytes could be taken now, for a caller that wants to know before it makes them.
    ///
    /// # Errors
    /// As [`Budget::take`]; it counts as a refusal.
    pub fn check(&self, purpose: Purpose, bytes: usize) -> Result<(), OverBudget> {
        if bytes <= self.left(purpose) {
            return Ok(());
        }
        self.refused[purpose as usize].fetch_add(1, Ordering::Relaxed);
        Err(OverBudget { purpose, bytes_max: self.bytes_max_of_one() })
    }

    /// A share of nothing, to be made larger.
    pub fn empty(&'static self, purpose: Purpose) -> BudgetShare {
        BudgetShare { budget: self, purpose, bytes: 0 }
    }

    fn grow(&self, purpose: Purpose, more: usize) -> Result<(), OverBudget> {
        let of_purpose = &self.held[purpose as usize];
        let held = of_purpose.fetch_add(more, Ordering::AcqRel).saturating_add(more);
        // Each is looked at after it was added, so of two that come at once at most both are refused, never neither.
        let all = Purpose::ALL.iter().fold(0, |sum: usize, it| sum.saturating_add(self.held(*it)));
        if held <= self.bytes_max_of_one() && all <= self.bytes_max() {
            return Ok(());
        }
        of_purpose.fetch_sub(more, Ordering::AcqRel);
        self.refused[purpose as usize].fetch_add(1, Ordering::Relaxed);
        Err(OverBudget { purpose, bytes_max: self.bytes_max_of_one() })
    }
}

/// Bytes taken from an account, given back when dropped.
#[derive(Debug)]
pub struct BudgetShare {
    budget: &'static Budget,
    purpose: Purpose,
    bytes: usize,
}

impl BudgetShare {
    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes so many more.
    ///
    /// # Errors
    /// As [`BudgetShare::resize`].
    pub fn grow(&mut self, more: usize) -> Result<(), OverBudget> {
        self.resize(self.bytes.saturating_add(more))
    }

    /// Takes more, or gives some back.
    ///
    /// # Errors
    /// [`OverBudget`] when it is more than there is; the share stays as it was.
    pub fn resize(&mut self, bytes: usize) -> Result<(), OverBudget> {
        match bytes.checked_sub(self.bytes) {
            Some(0) => return Ok(()),
            Some(more) => self.budget.grow(self.purpose, more)?,
            None => {
                let less = self.bytes - bytes;
                self.budget.held[self.purpose as usize].fetch_sub(less, Ordering::AcqRel);
            }
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.held[self.purpose as usize].fetch_sub(self.bytes, Ordering::AcqRel);
        }
    }
}

/// The account holds as much as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// What the bytes were wanted for.
    pub purpose: Purpose,
    /// Bytes that may be held for it.
    pub bytes_max: usize,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.purpose {
            Purpose::Answers => "answers that are not read yet",
            Purpose::Requests => "requests that are not finished",
            Purpose::Restoring => "what is being restored",
        };
        write!(
            f,
            "{} bytes for {what} are the most held at a time (half of limits.transit_bytes_max)",
            self.bytes_max
        )
    }
}

impl std::error::Error for OverBudget {}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bytes_max: usize) -> &'static Budget {
        Box::leak(Box::new(Budget::new(bytes_max)))
    }

    #[test]
    fn each_purpose_may_hold_half_and_all_together_the_whole() {
        let budget = budget(100);
        let answers = budget.take(Purpose::Answers, 50).unwrap();
        assert_eq!(budget.take(Purpose::Answers, 1).unwrap_err().bytes_max, 50);
        let mut requests = budget.take(Purpose::Requests, 40).unwrap();
        assert!(requests.resize(51).is_err() && requests.bytes() == 40);
        let restoring = budget.take(Purpose::Restoring, 10).unwrap();
        assert!(budget.take(Purpose::Restoring, 1).is_err(), "all of it is held");
        assert_eq!(Purpose::ALL.map(|it| budget.left(it)), [0, 10, 40]);
        drop(answers);
        assert!(
            budget.check(Purpose::Restoring, 40).is_ok() && budget.check(Purpose::Restoring, 41).is_err()
        );
        assert!(budget.take(Purpose::Restoring, 40).is_ok());
        requests.resize(0).unwrap();
        drop((requests, restoring));
        assert!(Purpose::ALL.iter().all(|it| budget.held(*it) == 0));
        assert_eq!(Purpose::ALL.map(|it| budget.refused(it)), [1, 1, 2]);
    }

    #[test]
    fn a_bound_that_moves_leaves_what_is_held() {
        let budget = budget(100);
        let mut share = budget.take(Purpose::Answers, 50).unwrap();
        budget.set_bytes_max(20);
        assert!(share.resize(51).is_err());
        share.resize(10).unwrap();
        budget.set_bytes_max(200);
        share.resize(100).unwrap();
    }

    #[test]
    fn shares_of_many_threads_add_up_to_nothing_in_the_end() {
        let budget = budget(1_000);
        std::thread::scope(|scope| {
            for bytes in 1..9 {
                scope.spawn(move || {
                    for _ in 0..1_000 {
                        if let Ok(mut share) = budget.take(Purpose::Requests, bytes * 40) {
                            assert!(budget.held(Purpose::Requests) <= 2 * budget.bytes_max());
                            let _ = share.resize(bytes * 80);
                        }
                    }
                });
            }
        });
        assert_eq!(budget.held(Purpose::Requests), 0);
    }
}
