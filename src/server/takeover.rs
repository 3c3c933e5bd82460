//! Two processes, one service: how a running agent gives everything to its successor without anybody noticing.
//!
//! The agent listens on a Unix socket in its data directory, for its own user alone. A successor (`muster agent
//! --takeover`) that has read its configuration asks there:
//!
//! ```text
//! successor                                agent
//!     │ ── ASK ─────────────────────────────► │ writes wait, reads go on
//!     │                                       │ store and queues are written and closed
//!     │ ◄───────────────────── FREE, listeners│
//!     │ recovers the store, makes all ready   │
//!     │ accepts on the same listeners         │
//!     │ ── SERVING ──────────────────────────►│ accepts no more; parked requests are answered
//!     │ ◄──────────── CONNECTION, with a socket and what is unanswered of it, as often as there are any
//!     │ ◄──────────────────────────────── OVER│ ends
//! ```
//!
//! Until SERVING nothing is lost: a successor that ends before it, or takes too long, leaves the agent to open its
//! store again and go on. [`Incumbent`] is the agent's side; the other one is in `successor.rs`.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::sys::handover::{self, HandoverMessage};
use crate::base::sys::supervision;
use crate::base::sys::{program, runtime};
use crate::base::telemetry::metrics::Metrics;
use crate::config::validated::{Config, StoreKind};
use crate::net::http::Server;
use crate::node::registry::Registry;
use crate::node::registry::rest::Resting;
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::server::agent::{Agent, End};
use crate::server::store;
use crate::store::error::StoreError;
use crate::surface::answers::cache::BodyCache;
use crate::surface::answers::warm;
use crate::surface::context::host::HostProcess;

/// The socket's name in the data directory.
pub(super) const SOCKET: &str = "takeover.sock";

/// The conversation's version; another one is refused, and the service goes on.
pub(super) const PROTOCOL: &str = "muster takeover 1";

pub(super) const ASK: u8 = 1;
pub(super) const REFUSED: u8 = 2;
pub(super) const FREE: u8 = 3;
pub(super) const SERVING: u8 = 4;
pub(super) const FAILED: u8 = 5;
pub(super) const CONNECTION: u8 = 6;
pub(super) const OVER: u8 = 7;

/// What has a start take over.
const TAKEOVER_FLAG: &str = "--takeover";

/// How long somebody who has connected may take to ask.
const ASK_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long writes under way may take. They wait for a disk, and a restoration for its client.
const WRITES_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a successor may take to recover and serve: a start with a million instances takes a few seconds. Writes
/// wait meanwhile, so it is not more.
const SUCCESSOR_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long requests under way may take once the successor serves.
const MOVE_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long a successor that has failed may hold the store before it is given up.
const STORE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Pause before the store is tried again.
const STORE_PAUSE: Duration = Duration::from_millis(50);

/// The agent, as one that can be taken over.
pub(super) struct Incumbent {
    pub(super) agent: Arc<Agent>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) cache: Arc<BodyCache>,
    pub(super) server: Arc<Server>,
}

/// What was put down for a successor, to be taken up again if it fails.
struct PutDown {
    writer: Resting,
    notifier: std::sync::mpsc::Sender<()>,
}

/// Where a configuration's agent listens for its successor; a registry in memory cannot be handed over.
pub(super) fn socket_path(config: &Config) -> Option<PathBuf> {
    (config.store != StoreKind::Memory).then(|| config.data_dir.join(SOCKET))
}

impl Incumbent {
    /// Listens for a successor from now on, if there can be one. A process that cannot do so serves nevertheless.
    pub(super) fn wait_for_successor(self, path: Option<PathBuf>) {
        let agent = self.agent.clone();
        if let Some(path) = path
            && let Err(error) = self.listen(&path)
        {
            log::warn!("nobody can take over, for {} cannot be had: {error}", path.display());
        }
        // It happens once.
        let _ = agent.awaits_successor.set(());
    }

    fn listen(self, path: &Path) -> io::Result<()> {
        let listener = bind(path)?;
        runtime::thread("takeover", move || {
            for stream in listener.incoming().flatten() {
                match self.converse(&stream) {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => log::warn!("a conversation about a takeover broke off: {error}"),
                }
            }
        })
        .map(drop)
    }

    /// One conversation; true when it ended with everything handed over.
    fn converse(&self, stream: &UnixStream) -> io::Result<bool> {
        let other = handover::other(stream)?;
        let (user, process) = (other.user, other.process);
        let own = rustix::process::geteuid().as_raw();
        if user != own && user != 0 {
            log::warn!("user {user} may not take over from user {own}");
            return Ok(false);
        }
        stream.set_read_timeout(Some(ASK_WAIT_MAX))?;
        let asked = handover::receive(stream)?;
        if asked.is_none_or(|it| it.kind != ASK || it.payload != PROTOCOL.as_bytes()) {
            handover::send(
                stream,
                REFUSED,
                b"the running agent speaks another version: restart it instead",
                &[],
            )?;
            return Ok(false);
        }
        // Held against an end that is asked for meanwhile.
        let mut end = self.agent.turn.lock();
        log::info!(process = process; "a successor asks to take over: writes wait");
        let put_down = match self.put_down() {
            Ok(put_down) => put_down,
            Err(sentence) => {
                log::warn!("not handed over: {sentence}");
                handover::send(stream, REFUSED, sentence.as_bytes(), &[])?;
                return Ok(false);
            }
        };
        match self.await_successor(stream) {
            Ok(()) => {
                *end = End::HandedOver;
                self.move_out(stream, put_down);
                self.agent.end(End::HandedOver);
                Ok(true)
            }
            Err(reason) => {
                if reason == TOO_SLOW
                    && let Err(error) = other.kill()
                {
                    log::warn!(process = process; "the successor could not be killed: {error}");
                }
                log::error!(process = process; "the successor has failed, this process goes on: {reason}");
                self.take_up(put_down);
                Ok(false)
            }
        }
    }

    /// Has writes wait, and closes what one process alone can have open.
    fn put_down(&self) -> Result<PutDown, String> {
        if self.agent.is_draining() {
            return Err("the running agent is ending already".to_owned());
        }
        let notifier = self.agent.notifier.rest().map_err(|error| error.to_string())?;
        let go_on = |sentence: String| {
            // It may have ended with the process, which is as good.
            let _ = notifier.send(());
            self.server.resume();
            sentence
        };
        if !self.server.hold(WRITES_WAIT_MAX) {
            return Err(go_on(format!("a write has been under way for {WRITES_WAIT_MAX:?}")));
        }
        leave_notes(&self.agent.registry, &self.cache, self.agent.config.lock().cache.warm_most_asked);
        self.agent.store.end();
        match self.agent.registry.queue().rest() {
            Ok(writer) => {
                // For a moment both answer.
                self.agent.registry.stand_as_after_start();
                Ok(PutDown { writer, notifier })
            }
            Err(error) => Err(go_on(error.to_string())),
        }
    }

    /// Tells the successor that the store is free, and waits until it serves.
    fn await_successor(&self, stream: &UnixStream) -> Result<(), String> {
        let told = handover::send(stream, FREE, b"", &self.server.share_listeners());
        told.map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(SUCCESSOR_WAIT_MAX)).map_err(|error| error.to_string())?;
        match handover::receive(stream) {
            Ok(Some(HandoverMessage { kind: SERVING, .. })) => Ok(()),
            Ok(Some(HandoverMessage { payload, .. })) => Err(String::from_utf8_lossy(&payload).into_owned()),
            Ok(None) => Err("it ended without a word".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(TOO_SLOW.to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Gives the successor every connection.
    fn move_out(&self, stream: &UnixStream, put_down: PutDown) {
        // The writer ends, and nothing of what is found here from now on is written.
        supervision::end();
        drop(put_down);
        let (mut moved, mut lost) = (0_usize, 0_usize);
        let cut_off = self.server.move_out(MOVE_WAIT_MAX, |departure| {
            match handover::send(stream, CONNECTION, &departure.unanswered, &[departure.socket.as_fd()]) {
                Ok(()) => moved += 1,
                Err(_) => lost += 1,
            }
        });
        if let Err(error) = handover::send(stream, OVER, b"", &[]) {
            log::error!("the successor is gone already: {error}");
        }
        log::info!(connections = moved, cut_off = cut_off, lost = lost; "handed over, ended");
    }

    /// Goes on as before.
    fn take_up(&self, put_down: PutDown) {
        let PutDown { writer, notifier } = put_down;
        let outcome = self.reopen().and_then(|store| writer.resume(store));
        match outcome {
            Ok(()) => log::info!("writes are taken again"),
            Err(error) => log::error!("no writes until a restart: {error}"),
        }
        // It may have ended with the process, which is as good.
        let _ = notifier.send(());
        self.server.resume();
    }

    fn reopen(&self) -> Result<Box<dyn crate::store::rows::Store>, StoreError> {
        let config = self.agent.config.lock().clone();
        let deadline = Instant::now() + STORE_WAIT_MAX;
        loop {
            match store::open(&config, &self.metrics, &RowRules::of(&config)) {
                Ok(opened) => {
                    self.agent.store.become_that_of(&opened.view);
                    return Ok(opened.store);
                }
                // A process that has failed takes a moment to be gone.
                Err(StoreError::Locked { .. }) if Instant::now() < deadline => runtime::sleep(STORE_PAUSE),
                Err(error) => return Err(error),
            }
        }
    }
}

/// What an orderly end and a takeover leave to the next process: the lives of checks, and what was asked for most.
pub(super) fn leave_notes(registry: &Registry, cache: &BodyCache, most_asked_max: usize) {
    if let Err(error) = registry.save_health() {
        log::warn!("checks begin anew with the next start: {error}");
    }
    if let Err(error) = registry.save_hot_queries(&warm::most_asked(cache, most_asked_max)) {
        log::warn!("the next start makes no answers ready but those of cache.warm_services: {error}");
    }
}

/// Of a successor that hangs: it is killed, for it may hold the store.
const TOO_SLOW: &str = "it did not serve in time";

/// Nobody listens for a successor any more. A socket that stays would be in the way of who copies the directory.
pub(super) fn stop_waiting(config: &Config) {
    if let Some(path) = socket_path(config)
        && let Err(error) = fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        log::warn!("{} was not removed: {error}", path.display());
    }
}

/// Starts the program that is on disk now in the place of this process, once it would be heard, from a thread of its
/// own: the disk that it is read from may not answer.
pub(super) fn renew(agent: Arc<Agent>) {
    let started = runtime::thread("renewal", move || {
        agent.awaits_successor.wait();
        // The flag may be given twice, and what the supervisor had for this process is not for another one.
        let arguments: Vec<_> = std::env::args_os().skip(1).filter(|it| it != TAKEOVER_FLAG).collect();
        let removed = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];
        if let Err(error) = program::start_again(&arguments, TAKEOVER_FLAG, &removed) {
            log::error!("the program could not be started anew: {error}");
        }
    });
    if let Err(error) = started {
        log::error!("the program could not be started anew, for there is no thread: {error}");
    }
}

/// Binds beside the place and moves there, so that the socket of a predecessor is replaced in one step.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&beside)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))?;
    fs::rename(&beside, path)?;
    Ok(listener)
}
