//! Requests to read the configuration again, by signals and clients. Whatever comes in while it is read is served by
//! the next round, all of it by one.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::base::sys::oneshot::{Receiver, RecvError, Sender, oneshot};

/// How long a client waits for a configuration to be read and registered. Ten thousand definitions take a second.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What came of it, or a sentence that says why everything is as it was.
pub(super) type ReloadOutcome = Result<(), String>;

/// Who has asked for a reload.
#[derive(Default)]
pub(super) struct ReloadRequests {
    pending: Mutex<PendingReloads>,
    arrived: Condvar,
}

/// What has come in since the last round began.
#[derive(Default)]
pub(super) struct PendingReloads {
    pub(super) by_signal: bool,
    pub(super) clients: Vec<Sender<ReloadOutcome>>,
}

impl ReloadRequests {
    /// Has the configuration read again, and waits for nothing.
    pub(super) fn signal(&self) {
        self.pending.lock().by_signal = true;
        self.arrived.notify_one();
    }

    /// Has it read again and waits for what comes of it; a coroutine parks meanwhile.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn ask(&self) -> ReloadOutcome {
        self.enter().recv_timeout(WAIT_MAX).unwrap_or_else(|error| {
            Err(match error {
                RecvError::Timeout => format!(
                    "the configuration is not read after {WAIT_MAX:?}, and the one in use stays until it is: look \
                     whether the disk of its files answers"
                ),
                RecvError::Lost => "the configuration in use stays: the log says why".to_owned(),
            })
        })
    }

    fn enter(&self) -> Receiver<ReloadOutcome> {
        let (client, receiver) = oneshot();
        self.pending.lock().clients.push(client);
        self.arrived.notify_one();
        receiver
    }

    /// Waits for a request, and takes all there are; `None` when for so long there was none.
    pub(super) fn take(&self, wait_max: Option<Duration>) -> Option<PendingReloads> {
        let deadline = wait_max.map(|wait_max| Instant::now() + wait_max);
        let mut pending = self.pending.lock();
        while !pending.by_signal && pending.clients.is_empty() {
            match deadline {
                Some(deadline) if self.arrived.wait_until(&mut pending, deadline).timed_out() => return None,
                Some(_) => {}
                None => self.arrived.wait(&mut pending),
            }
        }
        Some(std::mem::take(&mut pending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_wait_are_served_by_one_round() {
        let requests = ReloadRequests::default();
        let receivers = [requests.enter(), requests.enter()];
        requests.signal();
        let PendingReloads { by_signal, clients } = requests.take(None).unwrap();
        assert!(by_signal && clients.len() == 2);
        clients.into_iter().for_each(|client| client.send(Err("no".to_owned())));
        receivers.into_iter().for_each(|it| assert_eq!(it.recv().unwrap(), Err("no".to_owned())));
        let late = requests.enter();
        let PendingReloads { by_signal, clients } = requests.take(None).unwrap();
        assert!(!by_signal);
        drop(clients);
        assert!(late.recv().is_err());
        assert!(requests.take(Some(Duration::ZERO)).is_none());
    }
}
