//! Who wakes watchers: the writer itself when they are few, a thread of its own when they are a crowd.
//!
//! Ten thousand parked queries take some ten milliseconds to wake. The writer would hold up every write meanwhile, the
//! answers to the very batch that moved the topic included.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use crate::base::sys::supervision::{self, Habit, WAIT_MAX};
use crate::node::registry::topics::WakeBatch;

/// Watchers that the writer wakes by itself: about as long as handing them over takes.
const ON_THE_SPOT_MAX: usize = 32;

/// The way to the thread that wakes crowds. Its queue needs no bound: it holds wakers, and of these there are at most
/// as many as blocking queries may wait.
pub struct Waking {
    crowds: Option<Sender<WakeBatch>>,
}

impl Waking {
    /// Starts the thread; it ends with this.
    ///
    /// # Errors
    /// The system's, when it gives none.
    pub fn start() -> io::Result<Waking> {
        let (crowds, waiting) = channel();
        supervision::thread("waking", Habit::BEATS, move || wake_all(&waiting))?;
        Ok(Waking { crowds: Some(crowds) })
    }

    /// No thread: whoever wakes a crowd does it by itself.
    pub fn on_the_spot() -> Waking {
        Waking { crowds: None }
    }

    /// Wakes them, now or as soon as those before are woken.
    pub fn wake(&self, crowd: WakeBatch) {
        match &self.crowds {
            Some(thread) if crowd.len() > ON_THE_SPOT_MAX => {
                // When the thread has failed: late is better than never.
                thread.send(crowd).unwrap_or_else(|back| back.0.wake());
            }
            _ => crowd.wake(),
        }
    }
}

fn wake_all(waiting: &Receiver<WakeBatch>) {
    loop {
        match supervision::waiting(|| waiting.recv_timeout(WAIT_MAX)) {
            Ok(crowd) => crowd.wake(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
