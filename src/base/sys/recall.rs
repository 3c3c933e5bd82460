//! How long something may take, and that it may be asked to end before.
//!
//! A run holds a slot that others wait for. The scheduler can recall it: its present wait ends at once, as if its time
//! were over, and the caller has to know that it was not.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A deadline, with a [`Recall`] for those who may be asked to end before it.
#[derive(Clone, Debug)]
pub struct RecallableDeadline {
    /// When everything must be over.
    pub deadline: Instant,
    /// Ends it before.
    pub recall: Recall,
    /// What is done for the peer if it is slow.
    pub courtesy: Option<Courtesy>,
}

impl RecallableDeadline {
    /// Until `deadline`, without a way to end it before.
    pub fn until(deadline: Instant) -> RecallableDeadline {
        RecallableDeadline { deadline, recall: Recall::default(), courtesy: None }
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether it is to end now, for either reason.
    pub fn is_over(&self) -> bool {
        self.recall.is_asked() || Instant::now() >= self.deadline
    }

    /// The same with an earlier deadline.
    pub fn at_most(&self, span: Duration) -> RecallableDeadline {
        RecallableDeadline { deadline: self.deadline.min(Instant::now() + span), ..self.clone() }
    }
}

/// What is done once for a peer that has not answered for so long: whatever keeps it busy is let go. Its clones are
/// one. Noticed up to a tick of the coarse clock late.
#[derive(Clone)]
pub struct Courtesy(Arc<PeerState>);

struct PeerState {
    after: Duration,
    let_go: Box<dyn Fn() + Send + Sync>,
    begun_at: OnceLock<Instant>,
    done_at: OnceLock<Instant>,
}

impl Courtesy {
    /// Calls `let_go` when a peer has been slow for `after`. It must not wait.
    pub fn new(after: Duration, let_go: impl Fn() + Send + Sync + 'static) -> Courtesy {
        let let_go = Box::new(let_go);
        Courtesy(Arc::new(PeerState { after, let_go, begun_at: OnceLock::new(), done_at: OnceLock::new() }))
    }

    /// When it was done.
    pub fn done_at(&self) -> Option<Instant> {
        self.0.done_at.get().copied()
    }

    /// The peer is asked now. Only the first time counts.
    pub(crate) fn begin(&self) {
        self.0.begun_at.get_or_init(Instant::now);
    }

    /// When it is due; `None` before its beginning, and once it is done.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        let begun_at = self.0.begun_at.get().filter(|_| self.done_at().is_none())?;
        Some(*begun_at + self.0.after)
    }

    /// Does it if it is due.
    pub(crate) fn look(&self) {
        if self.due_at().is_some_and(|at| at <= Instant::now()) {
            // The first of two who look at once does it.
            self.0.done_at.get_or_init(|| {
                (self.0.let_go)();
                Instant::now()
            });
        }
    }
}

impl fmt::Debug for Courtesy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Courtesy").field("done_at", &self.done_at()).finish_non_exhaustive()
    }
}

/// Asks a run that waits to give up. Its clones are one.
#[derive(Clone, Default)]
pub struct Recall(Arc<RecallState>);

#[derive(Default)]
struct RecallState {
    asked: AtomicBool,
    /// Ends the present wait. Locked to replace it and to call it; it never waits.
    wake: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Recall {
    /// Asks. Works from any thread and never blocks.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::Release);
        if let Some(wake) = &*self.0.wake.lock() {
            wake();
        }
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// From now on `wake` is what ends the wait; it must not wait itself. It is called at once if it was asked for
    /// already.
    pub fn on_ask(&self, wake: impl Fn() + Send + 'static) {
        let mut place = self.0.wake.lock();
        if self.is_asked() {
            wake();
        }
        *place = Some(Box::new(wake));
    }
}

impl fmt::Debug for Recall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Recall").field("asked", &self.is_asked()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn who_waits_is_woken_whenever_it_was_asked() {
        for asked_before in [true, false] {
            let (recall, woken) = (Recall::default(), Arc::new(AtomicUsize::new(0)));
            let counted = woken.clone();
            if asked_before {
                recall.ask();
            }
            recall.on_ask(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            if !asked_before {
                assert_eq!(woken.load(Ordering::SeqCst), 0);
                recall.ask();
            }
            assert!(recall.is_asked() && woken.load(Ordering::SeqCst) == 1);
        }
    }

    #[test]
    fn patience_ends_for_either_reason() {
        let until = RecallableDeadline::until(Instant::now() + Duration::from_secs(60));
        assert!(!until.is_over() && until.left() > Duration::from_secs(50));
        assert!(until.at_most(Duration::ZERO).is_over());
        until.at_most(Duration::from_secs(1)).recall.ask();
        assert!(until.is_over(), "the recall is shared");
    }
}
