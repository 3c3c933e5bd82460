//! Starting the coroutine runtime, coroutines and threads; the one place where they are started.
//!
//! It knows how many coroutines live and refuses more than the machine can map stacks for. It does not know what
//! they do.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::sys::{clock, deadline_timer, memory, pulse, turnstile};

/// The niceness of threads for long work: about a third of the processor beside a worker that wants all of it.
const LOW_PRIORITY_NICENESS: i32 = 5;

/// Coroutines that may live at once. Each stack takes two memory maps, and Linux allows 65,530 to a process
/// (`vm.max_map_count`), so the runtime dies near 32,700; the rest is left to threads, files and the
/// allocator.
pub const COROUTINES_MAX: usize = 28_000;

/// Stack of every coroutine, in words: 256 KiB, and twice that where frames are not optimised. Only touched
/// pages cost memory; JSON at its legal depth needs 43 KiB optimised and 248 KiB otherwise. One size for all,
/// since only stacks of this size are pooled; even, since an odd size makes the runtime touch every page.
const STACK_WORDS: usize = if cfg!(debug_assertions) { 0x10000 } else { 0x8000 };

/// Stacks kept for reuse, which saves a connection two system calls. Each holds the pages that its last owner touched,
/// two to three, so that more would keep what a crowd that has left once took.
const STACKS_POOLED: usize = 512;

static START: Once = Once::new();
static FIRST_THREAD: Once = Once::new();
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Configures and starts the runtime with `workers` threads, and the reaper beside it. Only the first call
/// counts.
///
/// # Panics
/// When the operating system gives no thread for the reaper, without which nothing could be timed out, or no stack for
/// a coroutine.
pub fn start(workers: usize) {
    START.call_once(|| {
        let config = may::config();
        config.set_workers(workers.max(1)).set_stack_size(STACK_WORDS).set_worker_pin(false);
        // With its first coroutine the runtime makes as many stacks as it may keep, of two pages each: 4 MB of a server
        // that nobody has connected to yet.
        config.set_pool_capacity(1);
        spawn("first", || {}).expect("the first coroutine needs one stack");
        config.set_pool_capacity(STACKS_POOLED);
        deadline_timer::start().expect("the operating system must give one thread for the reaper at start");
        if let Err(error) = turnstile::start(workers.max(1)) {
            log::error!("coroutines that have much work rest by the clock: {error}");
        }
        if let Err(error) = pulse::start(workers.max(1)) {
            log::error!("the runtime's workers are not supervised: {error}");
        }
    });
}

/// Coroutines alive now.
pub fn coroutines_live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Starts `work` as a coroutine named `name`.
///
/// A panic in it ends this coroutine alone and is logged. The work must not block its thread: no file, no
/// name lookup, no lock held over a wait.
///
/// # Errors
/// [`SpawnError`] when [`COROUTINES_MAX`] live already or no stack could be mapped; `work` is dropped.
pub fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
    let live = Live::enter().ok_or(SpawnError::TooMany)?;
    let body = move || {
        let _live = live;
        run_logged(name, work);
    };
    let builder = may::coroutine::Builder::new();
    // SAFETY: the runtime asks of a coroutine that it keep to its stack and hold no thread-local reference
    // over a wait. The stack is sized for the deepest parser (STACK_WORDS), recursion is bounded above, and
    // thread locals are used only inside functions that do not wait. `a_coroutine_runs_and_is_counted` runs
    // this.
    #[allow(unsafe_code)]
    let spawned = catch_unwind(AssertUnwindSafe(|| unsafe { builder.spawn(body) }));
    match spawned {
        Ok(Ok(_detached)) => Ok(()),
        Ok(Err(error)) => Err(SpawnError::Refused(error)),
        Err(panic) => Err(SpawnError::NoStack(panic_text(panic.as_ref()).to_owned())),
    }
}

/// Starts `work` on a thread of its own named `name`: for whatever blocks.
///
/// # Errors
/// The operating system's refusal.
pub fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    FIRST_THREAD.call_once(memory::allow_arenas);
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Lowers the priority of the calling thread below every other: for long work that is less urgent than the rest.
pub fn lower_priority() {
    // Without an id it is the calling thread, on Linux.
    if let Err(error) = rustix::process::setpriority_process(None, LOW_PRIORITY_NICENESS) {
        log::debug!("a thread for long work keeps its priority: {error}");
    }
}

/// Runs `aside` on a thread of its own named `name` while `here` runs on this one, and gives what both came to. For
/// long work that is to keep two cores busy; like all of that, for threads and not for coroutines. A panic in either
/// goes on in the caller, once both have ended.
///
/// # Errors
/// The operating system's refusal; then nothing was run.
pub fn beside<A: Send, B>(
    name: &str,
    aside: impl FnOnce() -> A + Send,
    here: impl FnOnce() -> B,
) -> io::Result<(A, B)> {
    FIRST_THREAD.call_once(memory::allow_arenas);
    std::thread::scope(|scope| {
        let aside = std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, aside)?;
        let here = here();
        Ok((aside.join().unwrap_or_else(|panic| resume_unwind(panic)), here))
    })
}

/// Sleeps at least `duration`, in the steps of [`clock::quantise`].
///
/// A coroutine wakes on the runtime's one timer thread, so this yields before it returns: work done there
/// would delay every other timer.
pub fn sleep(duration: Duration) {
    may::coroutine::sleep(clock::quantise(duration));
    may::coroutine::yield_now();
}

/// Rests for about a millisecond: for loops that look again and again. A coroutine that always has work waits at the
/// [`turnstile`] between its turns.
pub fn pause() {
    may::coroutine::sleep(Duration::from_millis(1));
    may::coroutine::yield_now();
}

/// The text of a caught panic, if it carries one.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a text")
}

/// Whether a caught panic is the runtime's own request to end this coroutine; it must be raised again.
pub fn is_cancellation(panic: &(dyn Any + Send)) -> bool {
    panic.is::<generator::Error>()
}

fn run_logged(name: &'static str, work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        log::error!("coroutine {name} ended by a panic: {}", panic_text(panic.as_ref()));
    }
}

/// Why a coroutine was not started.
#[derive(Debug)]
pub enum SpawnError {
    /// [`COROUTINES_MAX`] are alive.
    TooMany,
    /// The runtime refused.
    Refused(io::Error),
    /// No stack could be mapped; the runtime's own words.
    NoStack(String),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::TooMany => {
                let remedy = "lower the connection limit";
                write!(f, "{COROUTINES_MAX} coroutines are alive, the most this process may hold; {remedy}")
            }
            SpawnError::Refused(error) => write!(f, "the runtime refused a coroutine: {error}"),
            SpawnError::NoStack(text) => {
                write!(f, "no memory map for a coroutine stack ({text}); raise the sysctl vm.max_map_count")
            }
        }
    }
}

impl std::error::Error for SpawnError {}

/// One unit of the live count, given back when the coroutine ends or never started.
struct Live;

impl Live {
    fn enter() -> Option<Live> {
        if LIVE.fetch_add(1, Ordering::Relaxed) >= COROUTINES_MAX {
            LIVE.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Live)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_coroutine_runs_and_is_counted() {
        start(2);
        let (sender, receiver) = mpsc::channel();
        spawn("test", move || sender.send(coroutines_live()).unwrap()).unwrap();
        assert!(receiver.recv().unwrap() >= 1);
    }

    #[test]
    fn a_panic_ends_its_own_coroutine_only() {
        start(2);
        let (sender, receiver) = mpsc::channel();
        let dropped_by_unwinding = sender.clone();
        spawn("test panics", move || {
            let _held = dropped_by_unwinding;
            panic!("expected by the test");
        })
        .unwrap();
        spawn("test", move || sender.send(()).unwrap()).unwrap();
        assert!(receiver.recv().is_ok());
        assert!(receiver.recv().is_err(), "both senders are gone once both coroutines ended");
    }

    #[test]
    fn two_pieces_of_work_run_beside_each_other_and_the_panic_of_one_is_the_callers() {
        let (to, from) = mpsc::sync_channel(0);
        let outcome = beside("test", move || to.send(1).unwrap(), move || from.recv().unwrap());
        assert_eq!(outcome.unwrap(), ((), 1));
        let panics = || panic!("expected by the test");
        for is_aside in [true, false] {
            let aside = move || {
                if is_aside {
                    panics()
                }
            };
            let here = move || {
                if !is_aside {
                    panics()
                }
            };
            assert!(catch_unwind(|| beside("test", aside, here)).is_err());
        }
    }

    #[test]
    fn sleep_returns_off_the_timer_thread() {
        start(2);
        let (sender, receiver) = mpsc::channel();
        spawn("test", move || {
            sleep(Duration::from_millis(1));
            sender.send(()).unwrap();
        })
        .unwrap();
        receiver.recv().unwrap();
    }
}
