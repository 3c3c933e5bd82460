//! Reading the configuration again, on a thread of its own: a file or a disk that does not answer holds no signal and
//! no client for ever.
//!
//! Whoever wishes for it meanwhile is served by the next round, all of them by one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::config::load;
use crate::config::reload::Reload;
use crate::server::error::log_lines;
use crate::server::{Agent, debug_config, definitions, door_rules, health_settings, panic_thresholds};
use crate::sys::oneshot::{Receiver, RecvError, Sender, oneshot};
use crate::sys::supervision::{self, Habit};
use crate::sys::{budget, systemd};

/// How long a client waits for a configuration to be read and registered. Ten thousand definitions take a second.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What came of it, or a sentence that says why everything is as it was.
type Outcome = Result<(), String>;

/// Who wishes for a reload.
#[derive(Default)]
pub(super) struct ReloadRequests {
    desk: Mutex<PendingReloads>,
    bell: Condvar,
}

/// What has come in since the last round began.
#[derive(Default)]
struct PendingReloads {
    by_signal: bool,
    clients: Vec<Sender<Outcome>>,
}

impl ReloadRequests {
    /// Has the configuration read again, and waits for nothing.
    pub(super) fn signal(&self) {
        self.desk.lock().by_signal = true;
        self.bell.notify_one();
    }

    /// Has it read again and waits for what comes of it; a coroutine parks meanwhile.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn ask(&self) -> Outcome {
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

    fn enter(&self) -> Receiver<Outcome> {
        let (client, receiver) = oneshot();
        self.desk.lock().clients.push(client);
        self.bell.notify_one();
        receiver
    }

    /// Waits for a wish, and takes all there are.
    fn take(&self) -> PendingReloads {
        let mut desk = self.desk.lock();
        while !desk.by_signal && desk.clients.is_empty() {
            self.bell.wait(&mut desk);
        }
        std::mem::take(&mut desk)
    }
}

/// Starts the thread.
///
/// # Errors
/// The operating system's, when it gives none.
pub(super) fn start(agent: Arc<Agent>) -> std::io::Result<()> {
    supervision::thread("reloads", Habit::Lives, move || {
        loop {
            let PendingReloads { by_signal, clients } = agent.reloads.take();
            if by_signal {
                systemd::reloading();
            }
            let outcome = agent.read_again();
            if let Err(sentence) = &outcome {
                log_lines("not reloaded: ", sentence);
            }
            if by_signal {
                systemd::ready(None);
            }
            clients.into_iter().for_each(|client| client.send(outcome.clone()));
        }
    })
}

impl Agent {
    /// Reads the configuration and has what it says take effect, or nothing of it. Blocks, on disks that may not
    /// answer: no lock is held meanwhile.
    fn read_again(&self) -> Outcome {
        let config = self.config.lock().clone();
        let mut new = load::reload(&config).map_err(|problems| problems.to_string())?;
        let reload = Reload::between(&config, &new);
        // All that the files say, not only what is new: clients may have altered what stayed as it was in the files.
        let defined = definitions::take(&self.registry, &mut new)?;
        let unwritten = |error| format!("what the definition files define was not registered: {error}");
        self.registry.define(defined).map_err(unwritten)?;
        self.registry.checking().set_settings(health_settings(&new));
        if reload.webhooks {
            self.notifier.configure(new.webhooks.clone()).map_err(|error| error.to_string())?;
        }
        self.logging.set_level(new.log_level);
        budget::process().set_bytes_max(new.limits.transit_bytes_max);
        self.registry.set_panic_thresholds(panic_thresholds(&new));
        self.door.set(door_rules(&new));
        self.probing.targets.allow_only(new.probe_allow_cidrs.clone());
        self.probing.scripts.store(new.enable_local_script_checks, Ordering::Relaxed);
        for change in &reload.restart {
            log::warn!("{} is now {:?}: this takes effect with the next start", change.key, change.after);
        }
        let (settings, definitions) = (reload.effective.len(), reload.defined.len() + reload.undefined.len());
        log::info!(settings = settings, definitions = definitions; "reloaded");
        *self.shown_config.lock() = Arc::new(debug_config::shown(&new, &self.registry.own_node().id));
        *self.config.lock() = new;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_wait_are_served_by_one_round() {
        let wishes = ReloadRequests::default();
        let receivers = [wishes.enter(), wishes.enter()];
        wishes.signal();
        let PendingReloads { by_signal, clients } = wishes.take();
        assert!(by_signal && clients.len() == 2);
        clients.into_iter().for_each(|client| client.send(Err("no".to_owned())));
        receivers.into_iter().for_each(|it| assert_eq!(it.recv().unwrap(), Err("no".to_owned())));
        let late = wishes.enter();
        let PendingReloads { by_signal, clients } = wishes.take();
        assert!(!by_signal);
        drop(clients);
        assert!(late.recv().is_err());
    }
}
