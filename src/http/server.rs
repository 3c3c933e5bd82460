//! The server: bound addresses, the coroutines that accept, and the orderly end.

use std::fmt;
use std::io;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::http::admission::{Admission, Permit};
use crate::http::config::ServerConfig;
use crate::http::connection::Connection;
use crate::http::exchange::Handler;
use crate::http::fault::Fault;
use crate::http::request::HEAD_BYTES_CEILING;
use crate::http::response::{TEXT, reason};
use crate::http::stats::{ServerStats, count};
use crate::sys::listen::{self, BindError, ListenAddress, Listener, Peer};
use crate::sys::offload::Offload;
use crate::sys::reaper;
use crate::sys::runtime::{self, SpawnError};
use crate::sys::stream::Stream;

/// Pause after descriptors or memory ran out: long enough not to spin, short enough that nobody gives up.
const EXHAUSTION_PAUSE: Duration = Duration::from_millis(50);

/// Bodies that may wait for a compressing thread; one more is sent as it is.
const GZIP_QUEUE_MAX: usize = 64;

/// How long connections are given after a drain's time to notice that they are being ended.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// What the connections of a server have in common.
pub(crate) struct Shared {
    pub(crate) config: ServerConfig,
    pub(crate) stats: Arc<ServerStats>,
    pub(crate) offload: Offload,
    phase: AtomicU8,
    connection_number: AtomicU64,
    admission: Arc<Admission>,
}

/// Phases of a server; they only increase.
const SERVING: u8 = 0;
/// Idle connections close, parked requests answer, no response keeps its connection.
const DRAINING: u8 = 1;
/// Every wait on a socket fails.
const ABORTING: u8 = 2;

impl Shared {
    pub(crate) fn is_draining(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= DRAINING
    }

    pub(crate) fn is_aborting(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= ABORTING
    }

    /// Enters a phase, and makes every connection look.
    fn enter(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::AcqRel);
        reaper::nudge_all();
    }
}

/// An HTTP server on one or more addresses.
///
/// It listens from [`Server::bind`] on, so that clients queue rather than fail, and answers from
/// [`Server::serve`] on.
pub struct Server {
    listeners: Vec<Arc<Listener>>,
    shared: Arc<Shared>,
}

impl Server {
    /// Binds every address, or none. The runtime must have been started.
    ///
    /// # Errors
    /// [`ServeError::Bind`] for the first address that cannot be bound, [`ServeError::Thread`] when the
    /// operating system gives no thread for compression.
    pub fn bind(addresses: &[ListenAddress], config: ServerConfig) -> Result<Server, ServeError> {
        let config = ServerConfig { head_bytes_max: config.head_bytes_max.min(HEAD_BYTES_CEILING), ..config };
        let bound: Result<Vec<_>, BindError> =
            addresses.iter().map(|address| Listener::bind(address).map(Arc::new)).collect();
        let listeners = bound.map_err(ServeError::Bind)?;
        let offload =
            Offload::new("gzip", config.gzip_threads, GZIP_QUEUE_MAX).map_err(ServeError::Thread)?;
        let shared = Shared {
            config,
            stats: Arc::default(),
            offload,
            phase: AtomicU8::new(SERVING),
            connection_number: AtomicU64::new(0),
            admission: Arc::new(Admission::new()),
        };
        Ok(Server { listeners, shared: Arc::new(shared) })
    }

    /// The bound addresses, with the ports the kernel chose.
    pub fn local_addresses(&self) -> Vec<ListenAddress> {
        self.listeners.iter().map(|listener| listener.address().clone()).collect()
    }

    /// The server's counters.
    pub fn stats(&self) -> Arc<ServerStats> {
        self.shared.stats.clone()
    }

    /// Starts answering with `handler`, and returns.
    ///
    /// # Errors
    /// [`ServeError::Spawn`] when a coroutine for accepting is refused.
    pub fn serve(&self, handler: impl Handler) -> Result<(), ServeError> {
        let handler: Arc<dyn Handler> = Arc::new(handler);
        for listener in &self.listeners {
            let acceptor = Acceptor {
                listener: listener.clone(),
                shared: self.shared.clone(),
                handler: handler.clone(),
            };
            runtime::spawn("accept", move || acceptor.run()).map_err(ServeError::Spawn)?;
        }
        Ok(())
    }

    /// Ends the server: accepts no more, lets requests under way finish for `drain`, then cuts the rest off.
    /// Blocks this thread, so call it from none of the runtime's. Returns how many connections had to be cut
    /// off.
    pub fn shutdown(&self, drain: Duration) -> usize {
        self.listeners.iter().for_each(|listener| listener.stop());
        self.shared.enter(DRAINING);
        let left = self.shared.admission.wait_until_none_open(drain);
        if left > 0 {
            self.shared.enter(ABORTING);
            self.shared.admission.wait_until_none_open(ABORT_GRACE);
        }
        left
    }
}

/// One listener's coroutine.
struct Acceptor {
    listener: Arc<Listener>,
    shared: Arc<Shared>,
    handler: Arc<dyn Handler>,
}

impl Acceptor {
    fn run(self) {
        loop {
            match self.listener.accept() {
                Ok(Some((stream, peer))) => self.admit(stream, peer),
                Ok(None) => return,
                Err(error) => self.survive(&error),
            }
        }
    }

    fn admit(&self, stream: Stream, peer: Peer) {
        count(&self.shared.stats.connections_accepted);
        let admitted = self.shared.admission.admit(peer, &self.shared.config);
        let served = match admitted {
            Ok(permit) => self.start(stream, peer, permit),
            Err(fault) => {
                turn_away(stream, fault);
                count(&self.shared.stats.connections_refused);
                Ok(())
            }
        };
        if let Err(error) = served {
            count(&self.shared.stats.connections_refused);
            log::warn!("connection from {peer} dropped: {error}");
        }
    }

    fn start(&self, stream: Stream, peer: Peer, permit: Permit) -> Result<(), SpawnError> {
        let number = self.shared.connection_number.fetch_add(1, Ordering::Relaxed);
        let (shared, handler) = (self.shared.clone(), self.handler.clone());
        let open = Open::enter(shared.stats.clone(), permit);
        // On the heap: on its way to where it runs, the stack would hold it more than once.
        let connection = Box::new(Connection::new(stream, peer, number, shared, handler));
        runtime::spawn("connection", move || {
            let _open = open;
            connection.run();
        })
    }

    /// Goes on after a failed accept. Most are the failures of one connection; want of descriptors lasts a
    /// while.
    fn survive(&self, error: &io::Error) {
        count(&self.shared.stats.accept_errors);
        if listen::is_exhaustion(error) {
            runtime::sleep(EXHAUSTION_PAUSE);
        }
    }
}

/// Tells a client at the door why it is not let in. A fresh socket has room for this much, so nothing waits.
fn turn_away(mut stream: Stream, fault: Fault) {
    let Fault { status, sentence } = fault;
    let length = sentence.len();
    let text = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: {TEXT}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{sentence}",
        reason(status)
    );
    // A client that is gone already need not be told.
    let _ = stream.write_vectored(&[IoSlice::new(text.as_bytes())]);
}

/// Counts a connection as open while it lives, however it ends.
struct Open {
    stats: Arc<ServerStats>,
    _permit: Permit,
}

impl Open {
    fn enter(stats: Arc<ServerStats>, permit: Permit) -> Open {
        count(&stats.connections_open);
        Open { stats, _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stats.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a server did not start.
#[derive(Debug)]
pub enum ServeError {
    /// An address could not be bound.
    Bind(BindError),
    /// No thread for compression.
    Thread(io::Error),
    /// No coroutine for accepting.
    Spawn(SpawnError),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Bind(error) => error.fmt(f),
            ServeError::Thread(error) => {
                write!(f, "no thread for compression: {error}; raise the limit of tasks")
            }
            ServeError::Spawn(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::Bind(error) => Some(error),
            ServeError::Thread(error) => Some(error),
            ServeError::Spawn(error) => Some(error),
        }
    }
}
