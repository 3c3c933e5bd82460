//! What systemd, or another supervisor that speaks as it does, hands to this process, and what is reported to it:
//! `LISTEN_FDS` and `sd_notify`.
//!
//! Without one every call does nothing. What readiness means is decided above.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::base::sys::{runtime, supervision};

/// The sockets that the supervisor listens on for this process. Call it once, before others open descriptors.
///
/// # Errors
/// One of them is no TCP and no Unix socket that listens.
pub fn sockets() -> io::Result<Vec<OwnedFd>> {
    let mut given = ListenFd::from_env();
    let mut sockets = Vec::new();
    for position in 0..given.len() {
        let socket = match given.take_tcp_listener(position) {
            Ok(tcp) => tcp.map(OwnedFd::from),
            Err(_) => given.take_unix_listener(position)?.map(OwnedFd::from),
        };
        sockets.extend(socket);
    }
    Ok(sockets)
}

/// It serves. `process` is said where this process is not the one that the supervisor has started.
pub fn ready(process: Option<u32>) {
    match process {
        Some(process) => send(&[NotifyState::MainPid(process), NotifyState::Ready]),
        None => send(&[NotifyState::Ready]),
    }
}

/// It reads its configuration again; [`ready`] says when that is over.
pub fn reloading() {
    // The clock cannot fail; without it nothing is said, and the supervisor sees a reload end at once.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        send(&[NotifyState::Reloading, now]);
    }
}

/// It ends.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Reports to the supervisor again and again that the process is alive, if it asks for that, from a thread of its own:
/// as long as a coroutine gets its turn, and no thread that is needed is lost.
///
/// # Errors
/// The operating system's, when it gives no thread.
pub fn keep_alive() -> io::Result<()> {
    let Some(within) = sd_notify::watchdog_enabled() else { return Ok(()) };
    // Half of the time, as its manual asks; a turn may take the other half.
    let pause = within / 2;
    runtime::thread("watchdog", move || {
        loop {
            if supervision::fault().is_none() && has_turns(pause) {
                send(&[NotifyState::Watchdog]);
            }
            std::thread::sleep(pause / 2);
        }
    })
    .map(drop)
}

/// Whether a coroutine is run within this time.
fn has_turns(timeout: Duration) -> bool {
    let (sender, receiver) = sync_channel(1);
    // Refused, or late, it leaves no sign of life, which is the answer.
    let spawned = runtime::spawn("watchdog", move || {
        let _ = sender.try_send(());
    });
    spawned.is_ok() && receiver.recv_timeout(timeout).is_ok()
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("the supervisor could not be told of {states:?}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coroutine_shows_that_the_process_lives() {
        runtime::start(2);
        assert!(has_turns(Duration::from_secs(30)));
    }

    #[test]
    fn without_a_supervisor_nothing_is_given() {
        assert!(sockets().unwrap().is_empty());
    }
}
