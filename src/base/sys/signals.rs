//! The signals an operator sends to the process, brought to one callback on a thread of its own.
//!
//! What a signal means is decided by the callback. Nothing here runs inside a signal handler.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::base::sys::supervision::{self, Habit};

/// A signal that concerns a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: a supervisor asks to end.
    Terminate,
    /// SIGINT: a user at the terminal asks to end.
    Interrupt,
    /// SIGHUP: read the configuration again.
    HangUp,
    /// SIGUSR2: have the program, as it is on disk now, take over.
    Renew,
}

/// The signals that ask a running server for something, kept until it listens.
pub struct HeldSignals(Signals);

/// Keeps SIGHUP and SIGUSR2 from ending a process that only starts. SIGTERM and SIGINT end it as before.
///
/// # Errors
/// The operating system's, when the handlers are refused.
pub fn hold() -> io::Result<HeldSignals> {
    Signals::new([SIGHUP, SIGUSR2]).map(HeldSignals)
}

impl HeldSignals {
    /// Calls `callback` for each signal that has come and is going to come, for the life of the process.
    ///
    /// # Errors
    /// The operating system's, when the handlers or the thread are refused.
    pub fn listen(self, callback: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
        let HeldSignals(mut signals) = self;
        [SIGTERM, SIGINT].into_iter().try_for_each(|number| signals.add_signal(number))?;
        supervision::thread("signals", Habit::Lives, move || {
            for number in signals.forever() {
                callback(match number {
                    SIGTERM => Signal::Terminate,
                    SIGINT => Signal::Interrupt,
                    SIGUSR2 => Signal::Renew,
                    _ => Signal::HangUp,
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_raised_signal_reaches_the_callback() {
        let (sender, receiver) = mpsc::channel();
        let held = hold().unwrap();
        signal_hook::low_level::raise(SIGHUP).unwrap();
        held.listen(move |signal| sender.send(signal).unwrap()).unwrap();
        assert_eq!(receiver.recv().unwrap(), Signal::HangUp, "it came before somebody listened");
        for (number, signal) in [
            (SIGHUP, Signal::HangUp),
            (SIGTERM, Signal::Terminate),
            (SIGINT, Signal::Interrupt),
            (SIGUSR2, Signal::Renew),
        ] {
            signal_hook::low_level::raise(number).unwrap();
            assert_eq!(receiver.recv().unwrap(), signal);
        }
    }
}
