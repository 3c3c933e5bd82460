//! Reading the configuration again, on a thread of its own: a file or a disk that does not answer holds no signal and
//! no client for ever.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::sys::supervision::{self, Habit};
use crate::base::sys::{budget, systemd};
use crate::config::load;
use crate::config::reload::Reload;
use crate::server::agent::Agent;
use crate::server::certificates::{Certificates, LOOK_EVERY};
use crate::server::error::log_lines;
use crate::server::reload_requests::{PendingReloads, ReloadOutcome};
use crate::server::settings::{door_rules, health_settings, panic_thresholds};
use crate::server::{debug_config, definitions};

/// Starts the thread.
///
/// # Errors
/// The operating system's, when it gives none.
pub(super) fn start(agent: Arc<Agent>) -> std::io::Result<()> {
    supervision::thread("reloads", Habit::Lives, move || {
        loop {
            let look_every = agent.certificates.as_ref().map(|_| LOOK_EVERY);
            let Some(PendingReloads { by_signal, clients }) = agent.reloads.take(look_every) else {
                agent.certificates.iter().for_each(Certificates::look);
                continue;
            };
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
    fn read_again(&self) -> ReloadOutcome {
        let config = self.config.lock().clone();
        let mut new = load::reload(&config).map_err(|problems| problems.to_string())?;
        let reload = Reload::between(&config, &new);
        let certificates = match &self.certificates {
            Some(certificates) if !new.tls.certificates.is_empty() => {
                Some((certificates, certificates.prepare(&new)?))
            }
            _ => None,
        };
        // All that the files say, not only what is new: clients may have altered what stayed as it was in the files.
        let defined = definitions::take(&self.registry, &mut new)?;
        let unwritten = |error| format!("what the definition files define was not registered: {error}");
        self.registry.define(defined).map_err(unwritten)?;
        self.registry.checking().set_settings(health_settings(&new));
        if reload.webhooks {
            self.notifier.configure(new.webhooks.clone()).map_err(|error| error.to_string())?;
        }
        if let Some((certificates, prepared)) = certificates {
            certificates.adopt(prepared);
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
