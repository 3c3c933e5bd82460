//! Supervision of what muster cannot do without: every such thread is started here, under its name.
//!
//! One of them, the supervisor, looks at all of them five times a second. A thread that has ended, by a panic or
//! otherwise, or that has given no sign of life for [`SILENT_LOOKS_MAX`] looks, is a [`fault`] that health
//! endpoints report; what does not recover ends the process, so that its supervisor starts it again.
//!
//! A thread that waits for work says so, and is left asleep: the system is asked whether it could run, its owner
//! whether work waits for it, and after [`WAIT_MAX`] it wakes to show itself. So an idle process stays idle.
//! Work that muster cannot bound (a disk, a server elsewhere) is done [`patiently`]: silence is not counted
//! meanwhile. Looks are counted and not seconds, so a process that was stopped, or a machine that slept, finds nothing
//! wrong. The reaper looks after the supervisor.

mod post;
mod presence;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

pub(crate) use crate::base::sys::supervision::post::ThreadPost;
pub use crate::base::sys::supervision::post::{Habit, SILENT_LOOKS_MAX, SILENT_LOOKS_OF_WORKER_MAX};

use crate::base::sys::runtime;
use crate::base::sys::supervision::post::{HasWork, ThreadStatus};

/// The longest wait of a supervised thread. Longer, and one that is never woken shows later; shorter, and an idle
/// process wakes for nothing.
pub const WAIT_MAX: Duration = Duration::from_secs(2);

/// Time between two looks at all threads.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Looks between two questions to the runtime's workers: they may be silent for longer than any other thread.
const LOOKS_BETWEEN_PULSES: u32 = 5;

/// A thread that muster needs and does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadFault {
    /// The thread's name.
    pub name: String,
    /// What became of it, as in "has ended: ...".
    how: String,
}

impl fmt::Display for ThreadFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the thread {} {}", self.name, self.how)
    }
}

/// Called when the process cannot go on, with the reason.
type OnLoss = Box<dyn FnOnce(ThreadFault) + Send>;

/// All posts of the process. Each lock is held for moments, and `end` of a post may be taken under `posts`.
struct PostBoard {
    posts: Mutex<Vec<Arc<ThreadPost>>>,
    supervisor: Mutex<Option<Arc<ThreadPost>>>,
    on_loss: Mutex<Option<OnLoss>>,
    is_watched: AtomicBool,
    /// The process ends in order, and with it its threads.
    is_ending: AtomicBool,
}

static BOARD: PostBoard = PostBoard {
    posts: Mutex::new(Vec::new()),
    supervisor: Mutex::new(None),
    on_loss: Mutex::new(None),
    is_watched: AtomicBool::new(false),
    is_ending: AtomicBool::new(false),
};

thread_local! {
    /// The post of this thread. Used and left within one call, so that no coroutine holds it over a wait.
    static OWN: RefCell<Option<Arc<ThreadPost>>> = const { RefCell::new(None) };
}

impl ThreadPost {
    /// A post that is looked at from now on.
    pub(crate) fn enter(name: &str, habit: Habit) -> Arc<ThreadPost> {
        enter(ThreadPost::new(name, habit, None))
    }

    /// The same for one that beats only when asked: `ask` is called by the supervisor, and does not wait.
    pub(crate) fn enter_asked(
        name: &str,
        habit: Habit,
        ask: impl Fn() + Send + Sync + 'static,
    ) -> Arc<ThreadPost> {
        let mut post = ThreadPost::new(name, habit, None);
        post.ask_for_beat = Some(Box::new(ask));
        enter(post)
    }
}

fn enter(post: ThreadPost) -> Arc<ThreadPost> {
    let post = Arc::new(post);
    let mut posts = BOARD.posts.lock();
    if !BOARD.is_watched.load(Ordering::Acquire) {
        posts.retain(|post| post.end.lock().is_none());
    }
    posts.push(post.clone());
    post
}

/// Starts `work` on a thread of its own named `name`, without which muster cannot go on. A panic ends the thread and is
/// in its fault.
///
/// # Errors
/// The operating system's refusal.
pub fn thread(name: &str, habit: Habit, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    start(&ThreadPost::enter(name, habit), work)
}

/// As [`thread`], for one of which it is known whether there is work that it has not taken up: that it waits all the
/// same is no excuse.
///
/// # Errors
/// As [`thread`].
pub fn thread_fed(
    name: &str,
    habit: Habit,
    has_work: impl Fn() -> bool + Send + Sync + 'static,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let has_work: HasWork = Box::new(has_work);
    start(&enter(ThreadPost::new(name, habit, Some(has_work))), work)
}

fn start(post: &Arc<ThreadPost>, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let own = post.clone();
    let started = runtime::thread(&post.name, move || {
        own.beat_from(own_number());
        OWN.with_borrow_mut(|post| *post = Some(own.clone()));
        let ended = catch_unwind(AssertUnwindSafe(work));
        own.leave(match &ended {
            Ok(()) => "its work is over",
            Err(panic) => runtime::panic_text(panic.as_ref()),
        });
    });
    if started.is_err() {
        BOARD.posts.lock().retain(|it| !Arc::ptr_eq(it, post));
    }
    started.map(drop)
}

/// Starts `work` as a coroutine without which muster cannot go on. It may end by returning `true` only.
///
/// # Errors
/// The runtime's refusal.
pub fn coroutine(
    name: &'static str,
    work: impl FnOnce() -> bool + Send + 'static,
) -> Result<(), runtime::SpawnError> {
    let left = Left(ThreadPost::enter(name, Habit::Lives));
    runtime::spawn(name, move || left.unless(work))
}

/// Marks a post as left, however its coroutine ends.
struct Left(Arc<ThreadPost>);

impl Left {
    /// Gives the post up if `work` ends as agreed.
    fn unless(self, work: impl FnOnce() -> bool) {
        if work() {
            BOARD.posts.lock().retain(|it| !Arc::ptr_eq(it, &self.0));
        }
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.0.leave("it ended by a panic, which the log has");
    }
}

/// A sign of life of the present thread, if it is supervised.
#[inline(never)]
pub fn beat() {
    OWN.with_borrow(|post| post.iter().for_each(|post| post.beat()));
}

/// Waits for work by `wait`, which takes no longer than [`WAIT_MAX`]: the present thread is asleep meanwhile, and need
/// give no sign of life. It is one that it begins to wait, and another that it ends.
pub fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    set_waiting(true);
    let outcome = wait();
    set_waiting(false);
    outcome
}

#[inline(never)]
fn set_waiting(is_waiting: bool) {
    OWN.with_borrow(|post| post.iter().for_each(|post| post.set_waiting(is_waiting)));
}

/// Does work that muster cannot bound: how long the present thread is silent is not counted meanwhile.
pub fn patiently<T>(work: impl FnOnce() -> T) -> T {
    let _excused = Shift::by(1);
    work()
}

/// Within [`patiently`]: waits of one's own, which are counted again.
pub fn attentively<T>(wait: impl FnOnce() -> T) -> T {
    let is_patient = own_post().is_some_and(|post| post.is_patient());
    let _attending = is_patient.then(|| Shift::by(-1));
    wait()
}

#[inline(never)]
fn own_post() -> Option<Arc<ThreadPost>> {
    OWN.with_borrow(Clone::clone)
}

/// A change of the patience with the present thread that is taken back at its end, also by a panic.
struct Shift(i32);

impl Shift {
    fn by(by: i32) -> Shift {
        shift(by);
        Shift(by)
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        shift(-self.0);
    }
}

#[inline(never)]
fn shift(by: i32) {
    OWN.with_borrow(|post| post.iter().for_each(|post| post.shift_patience(by)));
}

/// Begins to look at all posts. `on_loss` is called once, when the process cannot go on.
///
/// # Errors
/// The operating system's, when it gives no thread.
pub fn watch(on_loss: impl FnOnce(ThreadFault) + Send + 'static) -> io::Result<()> {
    *BOARD.on_loss.lock() = Some(Box::new(on_loss));
    let post = ThreadPost::enter("supervisor", Habit::BEATS);
    *BOARD.supervisor.lock() = Some(post.clone());
    BOARD.is_watched.store(true, Ordering::Release);
    start(&post, || {
        for look in (0..LOOKS_BETWEEN_PULSES).cycle() {
            std::thread::sleep(LOOK_EVERY);
            beat();
            let posts = BOARD.posts.lock().clone();
            if look == 0 {
                posts.iter().filter_map(|post| post.ask_for_beat.as_ref()).for_each(|ask| ask());
            }
            let others = posts.iter().filter(|post| !is_supervisor(post));
            others.for_each(|post| look_at(post));
        }
    })
}

/// The same for the supervisor itself, by a thread that looks at least as often as it does: the reaper, each
/// [`LOOK_EVERY`].
pub(crate) fn look_at_supervisor() {
    let supervisor = BOARD.supervisor.lock().clone();
    if let Some(post) = supervisor {
        look_at(&post);
    }
}

/// The present thread is no longer needed: that it ends is no fault.
pub fn retire() {
    own_post().iter().for_each(|own| BOARD.posts.lock().retain(|post| !Arc::ptr_eq(own, post)));
}

/// The process ends in order from now on: that a thread ends is no fault any more.
pub fn end() {
    BOARD.is_ending.store(true, Ordering::Release);
}

/// What muster needs and does not have now, if there is anything.
pub fn fault() -> Option<ThreadFault> {
    let posts = BOARD.posts.lock();
    posts.iter().find_map(|post| post.fault()).filter(|_| !BOARD.is_ending.load(Ordering::Acquire))
}

fn is_supervisor(post: &Arc<ThreadPost>) -> bool {
    BOARD.supervisor.lock().as_ref().is_some_and(|supervisor| Arc::ptr_eq(supervisor, post))
}

fn look_at(post: &ThreadPost) {
    let before = post.status();
    let now = post.look();
    if BOARD.is_ending.load(Ordering::Acquire) {
        return;
    }
    match (before, now, post.fault()) {
        (ThreadStatus::Well, _, Some(fault)) => log::error!("{fault}"),
        (ThreadStatus::Stalled(_), ThreadStatus::Well, _) => log::warn!("the thread {} goes on", post.name),
        _ => {}
    }
    if now.is_fatal()
        && let (Some(fault), Some(on_loss)) = (post.fault(), BOARD.on_loss.lock().take())
    {
        on_loss(fault);
    }
}

/// The system's number of the present thread.
pub(crate) fn own_number() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_panic_and_a_return_are_ends() {
        let works: [(fn(), &str); 2] =
            [(|| panic!("expected by the test"), "expected by the test"), (|| {}, "its work is over")];
        for (work, how) in works {
            let post = Arc::new(ThreadPost::new("test", Habit::BEATS, None));
            start(&post, work).unwrap();
            let deadline = Instant::now() + PATIENCE;
            while post.end.lock().is_none() && Instant::now() < deadline {
                std::thread::yield_now();
            }
            assert_eq!(post.end.lock().as_deref(), Some(how));
        }
    }

    #[test]
    fn a_coroutine_may_only_end_as_agreed() {
        let works: [(fn() -> bool, bool); 3] =
            [(|| true, false), (|| false, true), (|| panic!("expected by the test"), true)];
        for (work, is_fault) in works {
            // On this thread: what counts is what becomes of the post.
            let post = ThreadPost::enter("test coroutine", Habit::Lives);
            let left = Left(post.clone());
            let _ = catch_unwind(AssertUnwindSafe(|| left.unless(work)));
            assert!(post.end.lock().is_some(), "it has left");
            let is_looked_at = BOARD.posts.lock().iter().any(|it| Arc::ptr_eq(it, &post));
            // A later post may have cleared this one away, as nothing watches here.
            assert!(is_fault || !is_looked_at);
        }
    }

    #[test]
    fn patience_ends_with_its_work_also_by_a_panic() {
        let (tell, told) = channel();
        thread("test patience", Habit::BEATS, move || {
            let post = own_post().unwrap();
            let now = || post.is_patient();
            let seen = patiently(|| (now(), attentively(now), patiently(now)));
            let panicked = catch_unwind(AssertUnwindSafe(|| patiently(|| panic!("expected by the test"))));
            tell.send((seen, attentively(now), panicked.is_err(), now())).unwrap();
        })
        .unwrap();
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ((true, false, true), false, true, false));
    }
}
