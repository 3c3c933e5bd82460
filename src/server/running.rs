//! What runs once all parts are there: it serves, is handed over or ends. The one place that says in which order.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::base::sys::signals::{HeldSignals, Signal};
use crate::base::sys::{runtime, supervision, systemd};
use crate::base::telemetry::metrics::Metrics;
use crate::config::validated::Config;
use crate::net::http::Server;
use crate::node::probe;
use crate::server::agent::{Agent, End, Ending};
use crate::server::error::ServerError;
use crate::server::successor::Predecessor;
use crate::server::takeover::{self, Incumbent};
use crate::server::{reloading, sockets};
use crate::surface::context::host::HostProcess;
use crate::surface::dispatch::Dispatch;

/// How long requests under way may take once the process is asked to end. Supervisors send SIGKILL after 10 s.
const DRAIN_MAX: Duration = Duration::from_secs(8);

/// All parts that run.
pub(super) struct Running {
    pub(super) agent: Arc<Agent>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) server: Arc<Server>,
    pub(super) dispatch: Arc<Dispatch>,
    /// As it was at the start, whatever is read again later.
    pub(super) config: Config,
    /// Says when the process shall end.
    pub(super) ended: Receiver<Ending>,
}

impl Running {
    /// Serves until the process is asked to end, and ends. The predecessor is taken once this process serves in its
    /// place.
    ///
    /// # Errors
    /// Whatever keeps it from serving, or from going on.
    pub(super) fn serve(
        self,
        signals: HeldSignals,
        predecessor: &mut Option<Predecessor>,
    ) -> Result<(), ServerError> {
        // Before anybody is told that it is ready: whoever knows may ask it to end, and unheard that would kill.
        listen_to(signals, &self.agent).map_err(ServerError::System)?;
        runtime::thread("authorities", probe::look_for_authorities).map_err(ServerError::System)?;
        systemd::keep_alive().map_err(ServerError::System)?;
        let entrance = self.server.serve_shared(self.dispatch.clone()).map_err(ServerError::Serve)?;
        sockets::announce(&self.server, &self.config);
        systemd::ready(predecessor.as_ref().map(|_| std::process::id()));
        let incumbent = Incumbent {
            agent: self.agent.clone(),
            metrics: self.metrics.clone(),
            cache: self.dispatch.cache().clone(),
            server: self.server.clone(),
        };
        let socket = takeover::socket_path(&self.config);
        let wait_for_successor = move || incumbent.wait_for_successor(socket);
        match predecessor.take() {
            // The socket is the predecessor's until it has ended.
            Some(predecessor) => {
                predecessor.take_connections(entrance, wait_for_successor).map_err(ServerError::System)?
            }
            None => wait_for_successor(),
        }
        match self.wait_for_the_end()? {
            End::HandedOver => Ok(()),
            End::Asked => self.end(),
        }
    }

    /// Waits until the process is asked to end, or is taken over from.
    ///
    /// # Errors
    /// [`ServerError::Lost`] when it has to end at once.
    fn wait_for_the_end(&self) -> Result<End, ServerError> {
        // The sender lives as long as the agent, so there is an end or none yet.
        let ended = self.ended.recv().unwrap_or(Ok(End::Asked)).map_err(ServerError::Lost)?;
        // Somebody may be taking over at this moment, and then there is nothing to be ended.
        if ended == End::HandedOver || *self.agent.turn.lock() == End::HandedOver {
            return Ok(End::HandedOver);
        }
        log::info!("ending: no new connections, requests under way have {DRAIN_MAX:?}");
        Ok(End::Asked)
    }

    /// Ends everything, in the order that loses nothing: successors, clients, threads, and last what is on disk.
    fn end(self) -> Result<(), ServerError> {
        takeover::stop_waiting(&self.config);
        let cut_off = self.server.shutdown(DRAIN_MAX);
        // Whoever waits for a thread that is not there any more would wait for ever.
        if let Some(fault) = supervision::fault() {
            return Err(ServerError::Lost(fault));
        }
        supervision::end();
        let Agent { registry, notifier, store, .. } = &*self.agent;
        takeover::leave_notes(registry, self.dispatch.cache(), self.config.cache.warm_most_asked);
        notifier.end();
        store.end();
        log::info!(cut_off = cut_off; "ended");
        Ok(())
    }
}

/// Nothing here may wait, for the next signal has to be heard.
fn listen_to(signals: HeldSignals, agent: &Arc<Agent>) -> io::Result<()> {
    reloading::start(agent.clone())?;
    let agent = agent.clone();
    signals.listen(move |signal| match signal {
        Signal::HangUp => agent.reloads.signal(),
        Signal::Renew => takeover::renew(agent.clone()),
        Signal::Terminate | Signal::Interrupt => agent.leave(),
    })
}
