//! The running process, as the API and signals see it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::base::sys::supervision::ThreadFault;
use crate::base::sys::systemd;
use crate::base::telemetry::logging::Logging;
use crate::config::validated::{Config, StoreKind};
use crate::net::http::Door;
use crate::node::notify::Notifier;
use crate::node::probe::ProbeSettings;
use crate::node::registry::Registry;
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::server::certificates::Certificates;
use crate::server::reload_requests::ReloadRequests;
use crate::server::{debug_config, settings, store};
use crate::surface::context::host::{CertificatesEnd, HostProcess, Spooling, StoreFacts};

/// Why a process ends, or what it cannot go on without.
pub(super) type Ending = Result<End, ThreadFault>;

/// Why a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was asked to.
    Asked,
    /// Another one has taken over, and there is nothing left to be done.
    HandedOver,
}

/// The running process, as the API and signals see it.
pub(super) struct Agent {
    pub(super) config: Mutex<Config>,
    /// The same as clients are shown it: they ask far more often than it changes.
    pub(super) shown_config: Mutex<Arc<Map<String, Value>>>,
    pub(super) registry: Arc<Registry>,
    pub(super) store: Arc<store::View>,
    pub(super) notifier: Arc<Notifier>,
    pub(super) logging: Arc<Logging>,
    pub(super) probing: ProbeSettings,
    pub(super) door: Arc<Door>,
    /// `None` where no TLS is spoken.
    pub(super) certificates: Option<Certificates>,
    ends: Mutex<Sender<Ending>>,
    is_draining: AtomicBool,
    /// Held by whoever is ending the process or handing it over, so that nobody does both.
    pub(super) turn: Mutex<End>,
    pub(super) reloads: ReloadRequests,
    /// There once a successor would be heard, or never will be.
    pub(super) awaits_successor: OnceLock<()>,
}

impl Agent {
    /// Over the parts that it can reach. Whoever is to end the process hears of it by `ends`.
    pub(super) fn new(
        config: &Config,
        registry: Arc<Registry>,
        store: Arc<store::View>,
        notifier: Arc<Notifier>,
        logging: Arc<Logging>,
        (probing, certificates): (ProbeSettings, Option<Certificates>),
        ends: Sender<Ending>,
    ) -> Arc<Agent> {
        Arc::new(Agent {
            shown_config: Mutex::new(Arc::new(debug_config::shown(config, &registry.own_node().id))),
            config: Mutex::new(config.clone()),
            registry,
            store,
            notifier,
            logging,
            probing,
            door: Arc::new(Door::new(settings::door_rules(config))),
            certificates,
            ends: Mutex::new(ends),
            is_draining: AtomicBool::new(false),
            turn: Mutex::new(End::Asked),
            reloads: ReloadRequests::default(),
            awaits_successor: OnceLock::new(),
        })
    }

    /// Has the process end.
    pub(super) fn end(&self, end: End) {
        // If nobody receives any more, the process is ending already.
        let _ = self.ends.lock().send(Ok(end));
    }
}

impl HostProcess for Agent {
    fn reload(&self) -> Result<(), String> {
        self.reloads.ask()
    }

    fn may_leave(&self) -> bool {
        self.config.lock().enable_leave
    }

    fn leave(&self) {
        if !self.is_draining.swap(true, Ordering::AcqRel) {
            systemd::stopping();
            self.end(End::Asked);
        }
    }

    fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    fn store(&self) -> StoreFacts {
        self.store.facts()
    }

    fn certificates_end(&self) -> Option<CertificatesEnd> {
        self.certificates.as_ref().map(Certificates::end)
    }

    fn debug_config(&self) -> Arc<Map<String, Value>> {
        self.shown_config.lock().clone()
    }

    fn spooling(&self) -> Spooling {
        store::spooling(&self.config.lock())
    }

    fn spooled_bytes_max(&self) -> u64 {
        store::spooled_bytes_max(&self.config.lock())
    }

    fn snapshot_time_max(&self) -> Duration {
        self.config.lock().limits.snapshot_timeout
    }

    fn snapshot_bytes_max(&self) -> usize {
        self.config.lock().limits.snapshot_bytes_max
    }

    fn bootstrap_reset_file(&self) -> Option<PathBuf> {
        let config = self.config.lock();
        (config.store != StoreKind::Memory).then(|| config.data_dir.join("acl-bootstrap-reset"))
    }

    fn snapshot_terms(&self) -> RowRules {
        RowRules::of(&self.config.lock())
    }
}
