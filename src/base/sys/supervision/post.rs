//! One place to be held by a thread or coroutine: its signs of life, and what a look at it finds.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::sys::supervision::presence::{Presence, ThreadSeen};
use crate::base::sys::supervision::{LOOK_EVERY, ThreadFault, WAIT_MAX};

/// Looks without a sign of life after which a thread has stalled: reported within a second of its last one.
pub const SILENT_LOOKS_MAX: u32 = 4;

/// The same for a worker of the runtime. An answer of tens of megabytes may keep one busy for a second or two, and the
/// others go on meanwhile.
pub const SILENT_LOOKS_OF_WORKER_MAX: u32 = 25;

/// Looks for which a thread may say that it waits. Its longest wait, and as much again for a machine that is late.
const WAITING_LOOKS_MAX: u32 = 2 * (WAIT_MAX.as_millis() / LOOK_EVERY.as_millis()) as u32;

/// Looks for which an end is reported before the process ends itself: two seconds, so that a client that asks each
/// second gets the reason.
const ENDED_LOOKS_MAX: u32 = 10;

/// Looks for which a stall is reported before the process ends itself: half a minute, since a stall may pass.
const STALLED_LOOKS_MAX: u32 = 150;

/// What is expected of a supervised thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// It [beats](super::beat) as it works, and says so when it [waits](super::waiting) or works
    /// [patiently](super::patiently); silent for so many looks it has stalled.
    Beats(u32),
    /// It only has to be there: its waits and its work have no bound.
    Lives,
}

impl Habit {
    /// The habit of a thread of muster's own that has a loop.
    pub const BEATS: Habit = Habit::Beats(SILENT_LOOKS_MAX);
}

/// How a thread was at the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadStatus {
    Well,
    /// Since so many looks.
    Stalled(u32),
    /// Since so many looks.
    Ended(u32),
}

impl ThreadStatus {
    pub(super) fn is_fatal(self) -> bool {
        match self {
            ThreadStatus::Well => false,
            ThreadStatus::Stalled(looks) => looks >= STALLED_LOOKS_MAX,
            ThreadStatus::Ended(looks) => looks >= ENDED_LOOKS_MAX,
        }
    }
}

/// Whether there is work that a thread has not taken up.
pub(super) type HasWork = Box<dyn Fn() -> bool + Send + Sync>;

/// Asks a thread for a sign of life that it gives no other way.
pub(super) type AskForBeat = Box<dyn Fn() + Send + Sync>;

/// The place of one thread or coroutine that is needed.
pub(crate) struct ThreadPost {
    pub(super) name: String,
    habit: Habit,
    /// Whether there is work, where that is known: a thread that waits then has stalled.
    has_work: Option<HasWork>,
    pub(super) ask_for_beat: Option<AskForBeat>,
    /// Counts signs of life.
    beats: AtomicU64,
    /// Whether it has said that it waits for work.
    is_waiting: AtomicBool,
    /// How many pieces of work without a bound are under way, one within another.
    patience: AtomicU32,
    /// The system's number of the thread; 0 while it has none.
    thread: AtomicI32,
    /// How it ended.
    pub(super) end: Mutex<Option<String>>,
    /// Of the look: what the system says of the thread.
    presence: Mutex<Presence>,
    /// Of the look: the signs of life seen at the last one, looks for which it has waited, looks of silence that no
    /// wait excuses, and looks since the end.
    beats_seen: AtomicU64,
    waiting_looks: AtomicU32,
    silent_looks: AtomicU32,
    ended_looks: AtomicU32,
}

impl ThreadPost {
    pub(super) fn new(name: &str, habit: Habit, has_work: Option<HasWork>) -> ThreadPost {
        ThreadPost {
            name: name.to_owned(),
            habit,
            has_work,
            ask_for_beat: None,
            beats: AtomicU64::new(0),
            is_waiting: AtomicBool::new(false),
            patience: AtomicU32::new(0),
            thread: AtomicI32::new(0),
            end: Mutex::new(None),
            presence: Mutex::default(),
            beats_seen: AtomicU64::new(0),
            waiting_looks: AtomicU32::new(0),
            silent_looks: AtomicU32::new(0),
            ended_looks: AtomicU32::new(0),
        }
    }

    /// A sign of life.
    pub(crate) fn beat(&self) {
        // Only the thread itself counts.
        self.beats.store(self.beats.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Signs of life so far.
    #[cfg(test)]
    pub(crate) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Says that it waits for work from now on, or no longer does.
    pub(crate) fn set_waiting(&self, is_waiting: bool) {
        self.beat();
        self.is_waiting.store(is_waiting, Ordering::Relaxed);
    }

    /// Begins or ends a piece of work without a bound: `by` is 1 or -1.
    pub(super) fn shift_patience(&self, by: i32) {
        let patience = self.patience.load(Ordering::Relaxed);
        self.patience.store(patience.wrapping_add_signed(by), Ordering::Relaxed);
        self.beat();
    }

    /// Whether work without a bound is under way.
    pub(super) fn is_patient(&self) -> bool {
        self.patience.load(Ordering::Relaxed) > 0
    }

    /// Whether the last sign of life came from another thread than that with this number.
    pub(crate) fn is_from_another(&self, thread: i32) -> bool {
        self.thread.load(Ordering::Relaxed) != thread
    }

    /// A sign of life from the thread with this number.
    pub(crate) fn beat_from(&self, thread: i32) {
        self.thread.store(thread, Ordering::Relaxed);
        self.beat();
    }

    /// It has ended.
    pub(crate) fn leave(&self, how: &str) {
        self.end.lock().get_or_insert_with(|| how.to_owned());
    }

    /// One look: how it is.
    pub(super) fn look(&self) -> ThreadStatus {
        let beats = self.beats.load(Ordering::Relaxed);
        let is_silent = self.beats_seen.swap(beats, Ordering::Relaxed) == beats;
        let seen = match self.thread.load(Ordering::Relaxed) {
            thread if is_silent && thread != 0 => self.presence.lock().of(thread),
            _ => ThreadSeen::There,
        };
        if seen == ThreadSeen::Gone {
            self.leave("it was ended from outside");
        }
        self.look_with(is_silent, seen)
    }

    /// The same, with what the system says of the thread.
    fn look_with(&self, is_silent: bool, seen: ThreadSeen) -> ThreadStatus {
        if self.end.lock().is_some() {
            self.ended_looks.fetch_add(1, Ordering::Relaxed);
        }
        if !is_silent || self.is_patient() {
            self.waiting_looks.store(0, Ordering::Relaxed);
            self.silent_looks.store(0, Ordering::Relaxed);
        } else if self.is_waiting.load(Ordering::Relaxed)
            && seen != ThreadSeen::Held
            && !self.has_work.as_ref().is_some_and(|has_work| has_work())
            && self.waiting_looks.fetch_add(1, Ordering::Relaxed) < WAITING_LOOKS_MAX
        {
            self.silent_looks.store(0, Ordering::Relaxed);
        } else {
            self.silent_looks.fetch_add(1, Ordering::Relaxed);
        }
        self.status()
    }

    pub(super) fn status(&self) -> ThreadStatus {
        let (ended, silent) =
            (self.ended_looks.load(Ordering::Relaxed), self.silent_looks.load(Ordering::Relaxed));
        match self.habit {
            _ if ended > 0 => ThreadStatus::Ended(ended),
            Habit::Beats(max) if silent >= max => ThreadStatus::Stalled(silent - max),
            _ => ThreadStatus::Well,
        }
    }

    /// What is wrong with it now, if anything is.
    pub(super) fn fault(&self) -> Option<ThreadFault> {
        let how = match self.status() {
            ThreadStatus::Well => return None,
            ThreadStatus::Stalled(_) => {
                let silent: Duration = LOOK_EVERY * self.silent_looks.load(Ordering::Relaxed);
                format!("has stalled: it has given no sign of life for {silent:.1?}")
            }
            ThreadStatus::Ended(_) => {
                format!("has ended: {}", self.end.lock().as_deref().unwrap_or("nobody knows why"))
            }
        };
        Some(ThreadFault { name: self.name.clone(), how })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn post(has_work: Option<HasWork>) -> ThreadPost {
        ThreadPost::new("test", Habit::Beats(3), has_work)
    }

    #[test]
    fn a_stall_is_reported_at_its_bound_and_passes_with_the_next_beat() {
        let post = post(None);
        let looks = [true, true, true].map(|is_silent| post.look_with(is_silent, ThreadSeen::There));
        assert_eq!(looks, [ThreadStatus::Well, ThreadStatus::Well, ThreadStatus::Stalled(0)]);
        assert!(post.fault().unwrap().to_string().starts_with("the thread test has stalled: "));
        post.look();
        post.beat();
        assert_eq!(post.look(), ThreadStatus::Well);
        post.shift_patience(1);
        assert!((0..10).all(|_| post.look() == ThreadStatus::Well), "silence is not counted meanwhile");
        post.shift_patience(-1);
        post.look();
        let last = (0..2 + STALLED_LOOKS_MAX).fold(ThreadStatus::Well, |_, _| post.look());
        assert_eq!((last, last.is_fatal()), (ThreadStatus::Stalled(STALLED_LOOKS_MAX - 1), false));
        assert!(post.look().is_fatal());
    }

    #[test]
    fn a_wait_is_no_silence_up_to_its_bound() {
        let post = post(None);
        post.set_waiting(true);
        post.look();
        let waits =
            (0..WAITING_LOOKS_MAX).all(|_| post.look_with(true, ThreadSeen::There) == ThreadStatus::Well);
        assert!(waits);
        let looks = [(); 3].map(|()| post.look_with(true, ThreadSeen::There));
        assert_eq!(looks, [ThreadStatus::Well, ThreadStatus::Well, ThreadStatus::Stalled(0)]);
        post.set_waiting(false);
        assert_eq!(post.look(), ThreadStatus::Well);
    }

    #[test]
    fn who_waits_and_is_held_or_has_work_has_stalled() {
        let work = Arc::new(AtomicBool::new(false));
        let asked = work.clone();
        let post = post(Some(Box::new(move || asked.load(Ordering::Relaxed))));
        post.set_waiting(true);
        post.look();
        assert_eq!(post.look_with(true, ThreadSeen::There), ThreadStatus::Well);
        let held = [(); 3].map(|()| post.look_with(true, ThreadSeen::Held));
        assert_eq!(held, [ThreadStatus::Well, ThreadStatus::Well, ThreadStatus::Stalled(0)]);
        assert_eq!(post.look_with(true, ThreadSeen::There), ThreadStatus::Well, "it was let go");
        work.store(true, Ordering::Relaxed);
        let busy = [(); 3].map(|()| post.look_with(true, ThreadSeen::There));
        assert_eq!(busy, [ThreadStatus::Well, ThreadStatus::Well, ThreadStatus::Stalled(0)]);
    }

    #[test]
    fn an_end_is_reported_at_once_and_fatal_at_its_bound() {
        let post = ThreadPost::new("test", Habit::Lives, None);
        assert!((0..1_000).all(|_| post.look_with(true, ThreadSeen::There) == ThreadStatus::Well));
        post.leave("it was ended from outside");
        let looks: Vec<ThreadStatus> =
            (0..ENDED_LOOKS_MAX).map(|_| post.look_with(true, ThreadSeen::Gone)).collect();
        assert_eq!(looks[0], ThreadStatus::Ended(1));
        assert_eq!(looks.iter().filter(|it| it.is_fatal()).count(), 1, "the last one alone");
        assert_eq!(post.fault().unwrap().to_string(), "the thread test has ended: it was ended from outside");
    }
}
